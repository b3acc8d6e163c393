use std::sync::atomic::{AtomicU64, Ordering};

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
