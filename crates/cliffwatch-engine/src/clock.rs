//! Our own clock.
#![expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use cliffwatch_model::Timestamp;
use cliffwatch_source::Clock;

/// How much faster or slower our clock runs while it follows the system's: 500 parts in a million, what
/// NTP itself allows. Slopes and holds stay right to a twentieth of a percent.
const SLEW_PER_MILLION: i64 = 500;

/// How far the clock of an earlier run may have been ahead and is still taken over: a day covers a wrong
/// time zone in the hardware clock; more is a clock that was never set.
const HISTORY_AHEAD_MAX_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// The system's time at the start plus monotonic time since: it never goes back and never jumps.
///
/// It follows small differences slowly. A step of the system's clock is not followed; it is told
/// ([`SystemClock::step_seconds`]), because only an operator knows which of the two is right.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
    started_micros: i64,
    correction_micros: AtomicI64,
    followed_micros: AtomicI64,
}

impl SystemClock {
    /// Reads the system's clock for the first time.
    pub fn new() -> Self {
        Self {
            started: Instant::now(),
            started_micros: wall_micros(),
            correction_micros: AtomicI64::new(0),
            followed_micros: AtomicI64::new(0),
        }
    }

    /// Goes on from an instant that history has reached already: after a restart with the system's clock set
    /// back, readings would otherwise be older than the newest for as long as the step was. The step is
    /// then told like one within a process. History further ahead than a day is not believed.
    pub fn not_before(&self, history: Timestamp) {
        let ahead = history.as_micros().saturating_sub(self.micros());
        if ahead > HISTORY_AHEAD_MAX_MICROS {
            tracing::error!(%history, "The store's newest poll lies far in the future; its clock is not taken over.");
        } else if ahead > 0 {
            self.correction_micros.fetch_add(ahead, Ordering::Relaxed);
        }
    }

    /// How far the system's clock is ahead of ours, in seconds, after following it a little.
    pub fn step_seconds(&self) -> f64 {
        self.follow(wall_micros())
    }

    /// Moves towards the given time as far as the slew allows, and tells what is left, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "a difference of clocks in microseconds fits 2^52")]
    fn follow(&self, wall: i64) -> f64 {
        let elapsed = self.elapsed_micros();
        let since = elapsed - self.followed_micros.swap(elapsed, Ordering::Relaxed);
        let reach = (since.max(0) / 1_000_000).saturating_mul(SLEW_PER_MILLION);
        let ahead = wall.saturating_sub(self.micros());
        let step = ahead.clamp(-reach, reach);
        self.correction_micros.fetch_add(step, Ordering::Relaxed);
        (ahead - step) as f64 / 1e6
    }

    fn elapsed_micros(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX)
    }

    fn micros(&self) -> i64 {
        self.started_micros
            .saturating_add(self.elapsed_micros())
            .saturating_add(self.correction_micros.load(Ordering::Relaxed))
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros())
    }
}

/// Before 1970 or far beyond 2200 the system's clock is unset: any value is as good as another.
fn wall_micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_and_not_followed() {
        let clock = SystemClock::new();
        let before = clock.now();
        let told = clock.follow(wall_micros() + 3_600_000_000);
        assert!((told - 3_600.0).abs() < 60.0, "{told}");
        assert!(clock.now().since(before).as_secs() < 60, "an hour's step must not be followed");
    }

    #[test]
    fn it_goes_on_from_history_within_a_day() {
        let clock = SystemClock::new();
        let hour_ahead = clock.now().plus(std::time::Duration::from_secs(3_600));
        clock.not_before(hour_ahead);
        assert!(clock.now() >= hour_ahead);
        assert!(clock.step_seconds() < -3_500.0, "and the step is told");
        clock.not_before(clock.now().plus(std::time::Duration::from_secs(90_000)));
        assert!(clock.now().since(hour_ahead).as_secs() < 60, "a clock that was never set is not believed");
    }

    #[test]
    fn it_never_goes_back() {
        let clock = SystemClock::new();
        let mut last = clock.now();
        for _ in 0..1000 {
            clock.follow(wall_micros() - 3_600_000_000);
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }
}
