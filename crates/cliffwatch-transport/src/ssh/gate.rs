//! Who may log in now: the breakers. Pure state machines, time is an argument.

mod credential;
mod device;

pub(super) use credential::{Admission, CredentialGate, Outcome};
pub(super) use device::{DeviceGate, Pause, Subjects};

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

/// After a rejection or a wrong host key: long enough that no account is locked out by it (the usual
/// policies count five failures in 15 to 30 minutes), short enough to heal within a shift.
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(15 * 60);

/// A share of `spread` that is always the same for one name, so that a fleet does not move in step.
fn jitter(name: &str, round: u64, spread: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    (name, round).hash(&mut hasher);
    // 10 bits are plenty for a spread of seconds.
    let part = u32::try_from(hasher.finish() % 1024).unwrap_or(0);
    spread * part / 1024
}
