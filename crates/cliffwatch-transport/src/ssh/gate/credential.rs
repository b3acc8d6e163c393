use std::collections::BTreeSet;
use std::time::Duration;

use ring::digest::Digest;
use tokio::time::Instant;

use super::super::error::SshError;
use super::{LONG_PAUSE, jitter};

/// Rejections on different devices that prove the credential bad, not a device.
const REJECTIONS: usize = 2;
/// Over this time the fleet returns after a changed secret has proved good on one device.
const RELEASE: Duration = Duration::from_secs(30);

/// How a login ended, as far as it says something about the credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Outcome {
    Accepted,
    Rejected,
    /// Nothing was learned.
    Unknown,
}

/// Whether a login with the credential may go out now.
#[derive(Debug)]
pub(in super::super) enum Admission {
    Go,
    /// Others are being tried: ask again when one of them has ended.
    Wait,
    /// The device's turn comes then.
    At(Instant),
    Refused(SshError),
}

/// What is known of one secret.
#[derive(Debug)]
enum State {
    /// Never accepted since it is known: as many devices at once as may reject it, so that a wrong secret
    /// never reaches more of them.
    Unproven,
    /// Changed, or after a pause: ONE device tries it. So many rejections stop it.
    Trial { rejections_left: usize },
    /// Accepted. After a trial, the others follow over [`RELEASE`] from then.
    Proven { since_trial: Option<Instant> },
    /// Rejected on two devices.
    Open { until: Instant },
}

/// The breaker of one credential.
#[derive(Debug)]
pub(in super::super) struct CredentialGate {
    digest: Digest,
    state: State,
    /// Devices that reject it now. Bounded: a credential with this many never goes out again.
    rejecting: BTreeSet<String>,
    in_flight: usize,
    /// Counts the changes of the secret: a login under way with the old one says nothing about the new.
    generation: u64,
}

impl CredentialGate {
    pub(in super::super) fn new(digest: Digest) -> Self {
        Self { digest, state: State::Unproven, rejecting: BTreeSet::new(), in_flight: 0, generation: 0 }
    }

    /// Whether this is the secret as it is now.
    pub(in super::super) fn is_of(&self, digest: &Digest) -> bool {
        self.digest.as_ref() == digest.as_ref()
    }

    /// Takes notice of the secret as it is now.
    pub(in super::super) fn notice(&mut self, digest: Digest, now: Instant) {
        if !self.is_of(&digest) {
            self.digest = digest;
            self.state = State::Trial { rejections_left: REJECTIONS };
            self.rejecting.clear();
            self.in_flight = 0;
            self.generation += 1;
        }
        if matches!(self.state, State::Open { until } if until <= now) {
            self.state = State::Trial { rejections_left: 1 };
        }
    }

    /// Whether `device` may log in now.
    pub(in super::super) fn admission(&self, credential: &str, device: &str, now: Instant) -> Admission {
        let at_once = match self.state {
            State::Unproven => REJECTIONS.saturating_sub(self.rejecting.len()).max(1),
            State::Trial { .. } => 1,
            State::Proven { since_trial: Some(since) } if now < since + RELEASE => {
                let turn = since + jitter(device, self.generation, RELEASE);
                return if turn <= now { Admission::Go } else { Admission::At(turn) };
            }
            State::Proven { .. } => return Admission::Go,
            State::Open { .. } => {
                return self.open(credential, now).map_or(Admission::Wait, Admission::Refused);
            }
        };
        if self.in_flight < at_once { Admission::Go } else { Admission::Wait }
    }

    /// Whether only one device may try now, so that the others need not even connect.
    pub(in super::super) fn is_on_trial(&self) -> bool {
        matches!(self.state, State::Trial { .. })
    }

    /// A login goes out; the number comes back with its outcome.
    pub(in super::super) fn begin(&mut self) -> u64 {
        self.in_flight += 1;
        self.generation
    }

    /// A login has ended.
    pub(in super::super) fn end(&mut self, generation: u64, device: &str, outcome: Outcome, now: Instant) {
        if generation != self.generation {
            return;
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        match (outcome, &mut self.state) {
            (Outcome::Unknown, _) => {}
            // A login that was under way when the breaker opened does not close it.
            (Outcome::Accepted, State::Proven { .. } | State::Open { .. }) => {
                self.rejecting.remove(device);
            }
            (Outcome::Accepted, state) => {
                let since_trial = (!matches!(state, State::Unproven)).then_some(now);
                *state = State::Proven { since_trial };
                self.rejecting.clear();
            }
            (Outcome::Rejected, state) => {
                self.rejecting.insert(device.to_owned());
                let stop = match state {
                    State::Trial { rejections_left } => {
                        *rejections_left = rejections_left.saturating_sub(1);
                        *rejections_left == 0
                    }
                    State::Unproven | State::Proven { .. } => self.rejecting.len() >= REJECTIONS,
                    State::Open { .. } => false,
                };
                if stop {
                    self.state = State::Open { until: now + LONG_PAUSE };
                }
            }
        }
    }

    /// The open breaker in words.
    pub(in super::super) fn open(&self, credential: &str, now: Instant) -> Option<SshError> {
        let State::Open { until } = self.state else { return None };
        let devices: Vec<&str> = self.rejecting.iter().map(String::as_str).take(5).collect();
        Some(SshError::Breaker {
            why: format!(
                "credential {credential} was rejected by {}: no new login with it",
                devices.join(" and ")
            ),
            remaining: until.saturating_duration_since(now),
            hint: Some("a changed secret is noticed and tried on one device first"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::digest;

    fn digest_of(text: &str) -> Digest {
        digest::digest(&digest::SHA256, text.as_bytes())
    }

    fn go(gate: &mut CredentialGate, device: &str, now: Instant) -> Option<u64> {
        matches!(gate.admission("nat-ssh", device, now), Admission::Go).then(|| gate.begin())
    }

    #[test]
    fn two_rejections_on_different_devices_stop_it_and_no_third_goes_out() {
        let now = Instant::now();
        let mut gate = CredentialGate::new(digest_of("wrong"));
        let first = go(&mut gate, "a", now).unwrap();
        let second = go(&mut gate, "b", now).unwrap();
        assert!(go(&mut gate, "c", now).is_none(), "a third at once could be a third rejection");
        gate.end(first, "a", Outcome::Rejected, now);
        assert!(go(&mut gate, "c", now).is_none());
        gate.end(second, "b", Outcome::Rejected, now);
        let Admission::Refused(error) = gate.admission("nat-ssh", "c", now) else { panic!() };
        assert!(error.to_string().contains("nat-ssh was rejected by a and b"), "{error}");
    }

    #[test]
    fn the_same_device_twice_proves_nothing() {
        let now = Instant::now();
        let mut gate = CredentialGate::new(digest_of("x"));
        for _ in 0..3 {
            let number = go(&mut gate, "a", now).unwrap();
            gate.end(number, "a", Outcome::Rejected, now);
        }
        assert!(go(&mut gate, "b", now).is_some());
    }

    #[test]
    fn a_device_that_accepts_again_no_longer_counts() {
        let now = Instant::now();
        let mut gate = CredentialGate::new(digest_of("x"));
        for (device, outcome) in [
            ("good", Outcome::Accepted),
            ("a", Outcome::Rejected),
            ("a", Outcome::Accepted),
            ("b", Outcome::Rejected),
        ] {
            let number = go(&mut gate, device, now).unwrap();
            gate.end(number, device, outcome, now);
        }
        assert!(go(&mut gate, "c", now).is_some());
        gate.end(0, "c", Outcome::Rejected, now);
        assert!(go(&mut gate, "good", now).is_none(), "b and c reject it");
    }

    #[test]
    fn a_changed_secret_is_tried_on_one_device_and_then_released_over_time() {
        let now = Instant::now();
        let mut gate = CredentialGate::new(digest_of("wrong"));
        for device in ["a", "b"] {
            let number = go(&mut gate, device, now).unwrap();
            gate.end(number, device, Outcome::Rejected, now);
        }
        gate.notice(digest_of("right"), now);
        let trial = go(&mut gate, "a", now).unwrap();
        assert!(go(&mut gate, "b", now).is_none(), "one device first");
        gate.end(trial, "a", Outcome::Accepted, now);
        let turns: Vec<Duration> = (0..50)
            .map(|n| match gate.admission("nat-ssh", &format!("d{n}"), now) {
                Admission::At(turn) => turn - now,
                Admission::Go => Duration::ZERO,
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(turns.iter().all(|turn| *turn < RELEASE) && turns.iter().any(|turn| *turn > RELEASE / 2));
        assert!(go(&mut gate, "b", now + RELEASE).is_some());
    }

    #[test]
    fn after_the_pause_one_device_tries_again_and_one_rejection_is_enough() {
        let now = Instant::now();
        let mut gate = CredentialGate::new(digest_of("x"));
        for device in ["a", "b"] {
            let number = go(&mut gate, device, now).unwrap();
            gate.end(number, device, Outcome::Rejected, now);
        }
        let later = now + LONG_PAUSE;
        gate.notice(digest_of("x"), later);
        let number = go(&mut gate, "c", later).unwrap();
        assert!(go(&mut gate, "d", later).is_none());
        gate.end(number, "c", Outcome::Rejected, later);
        assert!(go(&mut gate, "d", later).is_none());
        assert!(gate.open("x", later).is_some());
    }

    #[test]
    fn a_login_with_the_old_secret_says_nothing_about_the_new_one() {
        let now = Instant::now();
        let mut gate = CredentialGate::new(digest_of("old"));
        let old = go(&mut gate, "a", now).unwrap();
        gate.notice(digest_of("new"), now);
        gate.end(old, "a", Outcome::Accepted, now);
        assert!(gate.is_on_trial());
    }
}
