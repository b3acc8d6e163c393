use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ring::digest::Digest;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::credential::KeyRing;
use super::error::SshError;
use super::gate::{Admission, CredentialGate, DeviceGate, Outcome, Pause, Subjects};
use super::jump::{JumpHost, JumpKey};
use super::known_hosts::KnownHostsFiles;
use super::resolve::Resolver;
use super::session::SshSession;
use super::target::SshTarget;

/// Devices whose memory is kept after they left the inventory; beyond it the idle ones are forgotten.
const MAX_DEVICES: usize = 20_000;
/// Logins under way at once with one credential that has proved good. When it is revoked on a central
/// server during a mass reconnect, no more than these are rejected.
const MAX_LOGINS_AT_ONCE: usize = 16;

/// What all SSH sessions of the process share: breakers, jump hosts, opened keys and the last good DNS
/// answers. It lives as long as the process, so that a reload forgets none of them.
#[derive(Default)]
pub struct SshHub {
    gates: Mutex<Gates>,
    /// A handful, so that a search is fine.
    jumps: Mutex<Vec<(JumpKey, Weak<JumpHost>)>>,
    pub(super) keys: KeyRing,
    pub(super) known_hosts: KnownHostsFiles,
    pub(super) resolver: Resolver,
    login_ended: Notify,
}

#[derive(Default)]
struct Gates {
    devices: HashMap<String, DeviceGate>,
    credentials: HashMap<String, (CredentialGate, Arc<Semaphore>)>,
}

/// A breaker that is open now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// Whose it is.
    pub of: BreakerOf,
    /// Until the next try.
    pub remaining: Duration,
    /// Why, and until when, in words.
    pub message: String,
}

/// What a breaker keeps from being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreakerOf {
    /// A credential, by its name in the inventory: no new login anywhere.
    Credential(String),
    /// One device, or `jump host NAME`.
    Device(String),
}

impl SshHub {
    /// A hub without memory of anything. One per process.
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// A session for the target. Nothing is sent before its first request.
    ///
    /// Sessions are independent of each other, also two of the same device: on a reload open the new one,
    /// let it answer once, then close the old one; where the new one cannot answer, keep the old. (After a
    /// credential or key was revoked close the old one at once.)
    pub fn session(self: &Arc<Self>, target: SshTarget) -> SshSession {
        let jump = target.jump.as_ref().map(|jump| {
            let key = JumpKey { jump: jump.clone(), source: target.source_address };
            let mut jumps = lock(&self.jumps);
            jumps.retain(|(_, host)| host.strong_count() > 0);
            let held = jumps.iter().find(|(other, _)| *other == key).and_then(|(_, host)| host.upgrade());
            held.unwrap_or_else(|| {
                let host = Arc::new(JumpHost::new(&key));
                jumps.push((key, Arc::downgrade(&host)));
                host
            })
        });
        SshSession::new(Arc::clone(self), target, jump)
    }

    /// Every breaker that is open now, credentials first.
    pub fn open_breakers(&self) -> Vec<OpenBreaker> {
        let now = Instant::now();
        let gates = lock(&self.gates);
        let credentials = gates.credentials.iter().filter_map(|(name, (gate, _))| {
            Some((BreakerOf::Credential(name.clone()), gate.open(name, now)?))
        });
        let devices = gates
            .devices
            .iter()
            .filter_map(|(name, gate)| Some((BreakerOf::Device(name.clone()), gate.open(now)?)));
        credentials.chain(devices).filter_map(|(of, error)| breaker(of, &error)).collect()
    }

    /// The breaker that keeps one device from logging in, and its logins so far.
    pub(super) fn standing(&self, device: &str, credential: &str) -> (Option<OpenBreaker>, u64) {
        let now = Instant::now();
        let gates = lock(&self.gates);
        let (gate, secret) = (gates.devices.get(device), gates.credentials.get(credential));
        let own = gate.and_then(|gate| breaker(BreakerOf::Device(device.to_owned()), &gate.open(now)?));
        let shared = || {
            let error = secret.and_then(|(gate, _)| gate.open(credential, now))?;
            breaker(BreakerOf::Credential(credential.to_owned()), &error)
        };
        (own.or_else(shared), gate.map_or(0, DeviceGate::logins_total))
    }

    /// Whether a connection may be tried now.
    pub(super) fn admit(&self, who: &Applicant<'_>, subjects: &Subjects, cap: u32) -> Result<(), SshError> {
        let now = Instant::now();
        let mut gates = lock(&self.gates);
        gates.device(who.device, now).check(now, subjects, cap)?;
        let (credential, _) = gates.credential(who, now);
        match credential.admission(who.credential, who.device, now) {
            Admission::Refused(error) => Err(error),
            Admission::Wait if credential.is_on_trial() => Err(waiting(
                format!("the secret of credential {} is being tried on another device", who.credential),
                Duration::ZERO,
            )),
            Admission::At(turn) => Err(waiting(
                format!(
                    "the changed secret of credential {} works, the devices follow one by one",
                    who.credential
                ),
                turn.saturating_duration_since(now),
            )),
            Admission::Go | Admission::Wait => Ok(()),
        }
    }

    /// Waits for the turn to log in. The permit must be given the outcome.
    pub(super) async fn permit(
        self: &Arc<Self>,
        who: &Applicant<'_>,
        deadline: Instant,
    ) -> Result<LoginPermit, SshError> {
        let late =
            || SshError::Busy { reason: format!("other logins with credential {} go first", who.credential) };
        // `admit` came before and made the entry; the line is never closed.
        let line = lock(&self.gates).credentials.get(who.credential).map(|(_, line)| Arc::clone(line));
        let turn = timeout_at(deadline, line.ok_or_else(late)?.acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or_else(late)?;
        loop {
            // Registered before the look, so that no end of a login is missed in between.
            let ended = self.login_ended.notified();
            let next = {
                let now = Instant::now();
                let mut gates = lock(&self.gates);
                if gates.credentials.get(who.credential).is_none_or(|(gate, _)| !gate.is_of(&who.secret)) {
                    return Err(SshError::Busy {
                        reason: format!("the secret of {} changed meanwhile", who.credential),
                    });
                }
                let (gate, _) = gates.credential(who, now);
                match gate.admission(who.credential, who.device, now) {
                    Admission::Go => {
                        let generation = gate.begin();
                        gates.device(who.device, now).count_login(now);
                        return Ok(LoginPermit::new(Arc::clone(self), who, generation, turn));
                    }
                    Admission::Refused(error) => return Err(error),
                    Admission::Wait => None,
                    Admission::At(turn) => Some(turn),
                }
            };
            let waited = match next {
                Some(turn) => timeout_at(deadline, sleep_until(turn)).await,
                None => timeout_at(deadline, ended).await,
            };
            waited.map_err(|_| late())?;
        }
    }

    /// No connection, or no answer to the login.
    pub(super) fn failed(&self, device: &str, error: &SshError, subjects: &Subjects) {
        if !error.was_tried() {
            return;
        }
        let now = Instant::now();
        let mut gates = lock(&self.gates);
        let gate = gates.device(device, now);
        if matches!(error, SshError::HostKey { .. }) {
            tracing::error!(device, reason = %error, "Device breaker opened: its host key is not trusted.");
            gate.pause(now, Pause::HostKey, error.clone(), subjects);
        } else {
            gate.failed(now, device, error.clone());
        }
    }

    /// The device refused the login, or hung up during it.
    pub(super) fn pause(&self, device: &str, pause: Pause, error: &SshError, subjects: &Subjects) {
        let now = Instant::now();
        tracing::error!(device, reason = %error, "Device breaker opened: the login failed.");
        lock(&self.gates).device(device, now).pause(now, pause, error.clone(), subjects);
    }

    pub(super) fn succeeded(&self, device: &str) {
        lock(&self.gates).device(device, Instant::now()).succeeded();
    }
}

impl std::fmt::Debug for SshHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshHub").field("open_breakers", &self.open_breakers()).finish_non_exhaustive()
    }
}

impl Gates {
    fn device(&mut self, name: &str, now: Instant) -> &mut DeviceGate {
        if self.devices.len() >= MAX_DEVICES && !self.devices.contains_key(name) {
            self.devices.retain(|_, gate| !gate.is_idle(now));
        }
        self.devices.entry(name.to_owned()).or_default()
    }

    fn credential(&mut self, who: &Applicant<'_>, now: Instant) -> (&mut CredentialGate, &Arc<Semaphore>) {
        let (gate, line) = self.credentials.entry(who.credential.to_owned()).or_insert_with(|| {
            (CredentialGate::new(who.secret), Arc::new(Semaphore::new(MAX_LOGINS_AT_ONCE)))
        });
        gate.notice(who.secret, now);
        (gate, line)
    }
}

/// Who wants to log in where.
#[derive(Clone, Copy)]
pub(super) struct Applicant<'a> {
    pub(super) device: &'a str,
    pub(super) credential: &'a str,
    pub(super) secret: Digest,
}

/// One login under way.
pub(super) struct LoginPermit {
    hub: Arc<SshHub>,
    device: String,
    credential: String,
    generation: u64,
    outcome: Outcome,
    _turn: OwnedSemaphorePermit,
}

impl LoginPermit {
    fn new(hub: Arc<SshHub>, who: &Applicant<'_>, generation: u64, turn: OwnedSemaphorePermit) -> Self {
        let (device, credential) = (who.device.to_owned(), who.credential.to_owned());
        Self { hub, device, credential, generation, outcome: Outcome::Unknown, _turn: turn }
    }

    pub(super) fn end(mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for LoginPermit {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some((gate, _)) = lock(&self.hub.gates).credentials.get_mut(&self.credential) {
            let was_open = gate.open(&self.credential, now).is_some();
            gate.end(self.generation, &self.device, self.outcome, now);
            if let (false, Some(error)) = (was_open, gate.open(&self.credential, now)) {
                tracing::error!(credential = self.credential, reason = %error, "Credential breaker opened.");
            }
        }
        self.hub.login_ended.notify_waiters();
    }
}

fn breaker(of: BreakerOf, error: &SshError) -> Option<OpenBreaker> {
    let SshError::Breaker { remaining, .. } = error else { return None };
    Some(OpenBreaker { of, remaining: *remaining, message: error.to_string() })
}

fn waiting(why: String, remaining: Duration) -> SshError {
    SshError::Breaker { why, remaining, hint: None }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
