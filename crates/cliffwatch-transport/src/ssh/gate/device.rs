use std::collections::VecDeque;
use std::time::Duration;

use ring::digest::Digest;
use tokio::time::Instant;

use super::super::error::SshError;
use super::{LONG_PAUSE, jitter};

const MINUTE: Duration = Duration::from_secs(60);
/// The pause after a first failure to connect; it doubles.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);
/// A device that returns is found within this time. A try costs it one packet.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
/// A far end that hung up in the middle of a login may have counted a failure.
const HUNG_UP_PAUSE: Duration = Duration::from_secs(60);

/// Why a device is left alone for long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Pause {
    /// It refused the credential.
    Rejected,
    /// It hung up during the login.
    HungUp,
    /// Its host key is not trusted.
    HostKey,
}

/// What keeps us from one device, or from one jump host.
#[derive(Debug, Default)]
pub(in super::super) struct DeviceGate {
    pause: Option<Open>,
    /// Failures to connect in a row, and when to try again.
    failures: u32,
    back_off: Option<(Instant, SshError)>,
    /// Logins of the last minute, oldest first; never longer than the cap.
    logins: VecDeque<Instant>,
    logins_total: u64,
}

#[derive(Debug)]
struct Open {
    pause: Pause,
    until: Instant,
    why: SshError,
    /// What was refused: another one is tried at once.
    subject: Digest,
}

/// What a login would be made with: if one of them changes, the breaker that it opened closes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Subjects {
    /// Address, user name and secret.
    pub(in super::super) login: Digest,
    /// Address and trusted keys.
    pub(in super::super) host_key: Digest,
}

impl DeviceGate {
    /// Whether a connection may be tried now.
    pub(in super::super) fn check(
        &mut self,
        now: Instant,
        subjects: &Subjects,
        cap: u32,
    ) -> Result<(), SshError> {
        if let Some(open) = &self.pause {
            let subject = match open.pause {
                Pause::HostKey => subjects.host_key,
                Pause::Rejected | Pause::HungUp => subjects.login,
            };
            if open.subject.as_ref() == subject.as_ref() && now < open.until {
                return Err(open.error(now));
            }
            self.pause = None;
            self.back_off = None;
        }
        if let Some((retry, last)) = &self.back_off
            && now < *retry
        {
            return Err(SshError::BackingOff { last: Box::new(last.clone()), remaining: *retry - now });
        }
        while self.logins.front().is_some_and(|login| now.duration_since(*login) >= MINUTE) {
            self.logins.pop_front();
        }
        match self.logins.front() {
            Some(oldest) if self.logins.len() >= cap as usize => {
                Err(SshError::LoginCap { cap, remaining: MINUTE.saturating_sub(now.duration_since(*oldest)) })
            }
            _ => Ok(()),
        }
    }

    /// A login is about to be sent.
    pub(in super::super) fn count_login(&mut self, now: Instant) {
        self.logins.push_back(now);
        self.logins_total += 1;
    }

    pub(in super::super) fn succeeded(&mut self) {
        self.pause = None;
        self.failures = 0;
        self.back_off = None;
    }

    /// Could not connect: the next try waits, twice as long each time.
    pub(in super::super) fn failed(&mut self, now: Instant, device: &str, why: SshError) {
        let doubled = FIRST_BACK_OFF * 2_u32.pow(self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        let wait = doubled.min(LONGEST_BACK_OFF);
        // Up to a quarter less, so that a fleet behind one broken link does not return in step.
        let wait = wait - jitter(device, self.failures.into(), wait / 4);
        self.back_off = Some((now + wait, why));
    }

    pub(in super::super) fn pause(&mut self, now: Instant, pause: Pause, why: SshError, subjects: &Subjects) {
        let (length, subject) = match pause {
            Pause::Rejected => (LONG_PAUSE, subjects.login),
            Pause::HungUp => (HUNG_UP_PAUSE, subjects.login),
            Pause::HostKey => (LONG_PAUSE, subjects.host_key),
        };
        self.pause = Some(Open { pause, until: now + length, why, subject });
    }

    pub(in super::super) fn logins_total(&self) -> u64 {
        self.logins_total
    }

    /// The open breaker in words.
    pub(in super::super) fn open(&self, now: Instant) -> Option<SshError> {
        self.pause.as_ref().filter(|open| now < open.until).map(|open| open.error(now))
    }

    /// Whether forgetting it would change nothing.
    pub(in super::super) fn is_idle(&self, now: Instant) -> bool {
        self.open(now).is_none()
            && self.back_off.as_ref().is_none_or(|(retry, _)| *retry <= now)
            && self.logins.back().is_none_or(|login| now.duration_since(*login) >= MINUTE)
    }
}

impl Open {
    fn error(&self, now: Instant) -> SshError {
        let hint = match self.pause {
            Pause::Rejected => {
                Some("a changed credential, user name or address is tried at once after a reload")
            }
            Pause::HungUp => Some("the device hung up during the login: look into its own log"),
            Pause::HostKey => Some("a changed host_key is tried at once after a reload"),
        };
        SshError::Breaker { why: self.why.to_string(), remaining: self.until.duration_since(now), hint }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cliffwatch_model::ErrorKind;
    use ring::digest;

    fn subjects(login: &str, host_key: &str) -> Subjects {
        let hash = |text: &str| digest::digest(&digest::SHA256, text.as_bytes());
        Subjects { login: hash(login), host_key: hash(host_key) }
    }

    fn refused() -> SshError {
        SshError::Resolve { host: "nat-gw".into(), reason: "test".into() }
    }

    #[test]
    fn a_pause_ends_with_time_or_with_what_it_was_about() {
        let now = Instant::now();
        let (old, new) = (subjects("old", "pin"), subjects("new", "pin"));
        let mut gate = DeviceGate::default();
        gate.pause(now, Pause::Rejected, refused(), &old);
        let error = gate.check(now + LONG_PAUSE / 2, &old, 6).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Breaker);
        assert!(error.to_string().contains("7 min 30 s"), "{error}");
        assert!(gate.check(now, &subjects("old", "other pin"), 6).is_err(), "a new pin is no new secret");
        assert!(gate.check(now, &new, 6).is_ok());
        gate.pause(now, Pause::HostKey, refused(), &new);
        assert!(gate.check(now, &subjects("newer", "pin"), 6).is_err(), "a new secret is no new pin");
        assert!(gate.check(now + LONG_PAUSE, &new, 6).is_ok());
    }

    #[test]
    fn back_off_grows_to_its_cap_and_ends_with_success() {
        let (mut now, subjects) = (Instant::now(), subjects("a", "b"));
        let mut gate = DeviceGate::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            gate.failed(now, "nat-gw-1", refused());
            let Err(SshError::BackingOff { remaining, .. }) = gate.check(now, &subjects, 6) else { panic!() };
            waits.push(remaining);
            now += remaining;
            assert!(gate.check(now, &subjects, 6).is_ok());
        }
        assert!(waits[0] <= FIRST_BACK_OFF && waits[0] >= FIRST_BACK_OFF * 3 / 4);
        assert!(waits[11] <= LONGEST_BACK_OFF && waits[11] >= LONGEST_BACK_OFF * 3 / 4, "{waits:?}");
        gate.succeeded();
        assert!(gate.check(now, &subjects, 6).is_ok() && gate.is_idle(now));
    }

    #[test]
    fn the_login_cap_slides() {
        let (now, subjects) = (Instant::now(), subjects("a", "b"));
        let mut gate = DeviceGate::default();
        for second in 0..3 {
            let at = now + Duration::from_secs(10 * second);
            assert!(gate.check(at, &subjects, 3).is_ok());
            gate.count_login(at);
        }
        let Err(SshError::LoginCap { cap: 3, remaining }) = gate.check(now + MINUTE / 2, &subjects, 3) else {
            panic!()
        };
        assert_eq!(remaining, MINUTE / 2);
        assert!(gate.check(now + MINUTE, &subjects, 3).is_ok());
        assert_eq!(gate.logins_total(), 3);
    }
}
