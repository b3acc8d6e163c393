use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How the service itself is doing: plain numbers that `/metrics` and the device `cliffwatch` show.
#[derive(Debug, Default)]
pub struct Stats {
    /// Observations that were dropped because the store was away for longer than the backlog holds.
    pub observations_dropped_total: AtomicU64,
    /// Observations that wait for the store.
    pub backlog_observations: AtomicU64,
    /// The same in bytes, roughly.
    pub backlog_bytes: AtomicU64,
    /// Commits that succeeded.
    pub commits_total: AtomicU64,
    /// Commits that failed.
    pub commit_failures_total: AtomicU64,
    /// When the store began to be away, in microseconds since the epoch; 0 while it is there.
    pub store_away_since_micros: AtomicU64,
    /// Ticks that passed while their poller was still busy.
    pub missed_ticks_total: AtomicU64,
    /// The same since the device `cliffwatch` was last polled.
    pub missed_ticks_unreported: AtomicU64,
    /// The largest lateness of a tick since the device `cliffwatch` was last polled, in microseconds.
    pub slip_micros_max: AtomicU64,
    /// How much later than its tick each poll began, since our start.
    pub slip: Histogram,
    /// Events that were released to those who tell people.
    pub events_released_total: AtomicU64,
    /// Writes to the events journal that failed.
    pub journal_failures_total: AtomicU64,
}

impl Stats {
    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, amount: u64) {
        counter.fetch_add(amount, Ordering::Relaxed);
    }

    /// Reads a number.
    pub fn read(number: &AtomicU64) -> u64 {
        number.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets in milliseconds. They are close together around 100 ms, which no poll should
/// be late.
const BOUNDS_MS: [u32; 16] = [1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// How many times were how long.
#[derive(Debug, Default)]
pub struct Histogram {
    /// The last one is beyond every bound.
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_micros: AtomicU64,
}

impl Histogram {
    /// Counts a time.
    pub(crate) fn note(&self, time: Duration) {
        let bucket = BOUNDS_MS.iter().position(|bound| time.as_micros() <= u128::from(*bound) * 1_000);
        if let Some(count) = self.counts.get(bucket.unwrap_or(BOUNDS_MS.len())) {
            Stats::add(count, 1);
        }
        Stats::add(&self.sum_micros, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Each bound, and how many times were not longer; after the last bound comes infinity.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS_MS.iter().map(|bound| f64::from(*bound) / 1e3).chain([f64::INFINITY]);
        bounds.zip(&self.counts).scan(0_u64, |sum, (bound, count)| {
            *sum = sum.saturating_add(Stats::read(count));
            Some((bound, *sum))
        })
    }

    /// All times together, in microseconds.
    pub fn sum_micros(&self) -> u64 {
        Stats::read(&self.sum_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_at_its_bound_and_above() {
        let histogram = Histogram::default();
        for micros in [0, 1_000, 1_001, 100_000, 60_000_000] {
            histogram.note(Duration::from_micros(micros));
        }
        let at = |wanted: f64| histogram.cumulative().find(|(bound, _)| *bound >= wanted).unwrap().1;
        assert_eq!([at(0.001), at(0.002), at(0.075), at(0.1), at(10.0), at(11.0)], [2, 3, 3, 4, 4, 5]);
        assert_eq!(histogram.sum_micros(), 60_102_001);
    }
}
