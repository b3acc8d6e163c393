//! Waiting for something to become true: the only way in which these tests depend on time.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Between two looks. Short beside everything that is waited for, long beside what a look costs.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks until `look` gives something, and gives that.
///
/// # Panics
///
/// When nothing came `within` the time; `what` says in the message what was waited for.
#[expect(
    clippy::disallowed_methods,
    reason = "a test waits on real processes, in blocking code and real time"
)]
pub fn eventually<T>(within: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(started.elapsed() < within, "waited {within:?} in vain for {what}");
        sleep(LOOK_EVERY);
    }
}
