use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Intervals that are looked at, at least: of three readings one may always be missing …
const READINGS_MIN: u32 = 5;
/// … and at most: a bit for each.
const READINGS_MAX: u32 = u64::BITS;

/// Which of the readings that a table should have had did not come: a bit for each interval, the newest in the
/// lowest. Before the first reading none was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Coverage(u64);

/// Fewer than half of the readings that were due came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thin {
    pub(crate) came: u32,
    pub(crate) due: u32,
}

impl Coverage {
    /// Takes a reading that comes so long after the one before it.
    pub(crate) fn add(&mut self, after: Duration, interval: Duration) {
        let interval = interval.as_micros().max(1);
        // To the nearest: a poll that takes a moment longer is not a missing one.
        let steps = (after.as_micros() + interval / 2) / interval;
        let steps = u32::try_from(steps.max(1)).unwrap_or(u32::MAX);
        let gap = 1_u64.checked_shl(steps).map_or(u64::MAX, |bit| bit - 1);
        // The lowest of them is the reading itself.
        self.0 = (self.0.checked_shl(steps).unwrap_or(0) | gap) & !1;
    }

    /// Whether too little is known of the time before the newest reading to call something over.
    pub(crate) fn thin(self, window: Duration, interval: Duration) -> Option<Thin> {
        let readings = window.as_micros() / interval.as_micros().max(1);
        let due = u32::try_from(readings).unwrap_or(u32::MAX).clamp(READINGS_MIN, READINGS_MAX);
        let came = due - (self.0 & (u64::MAX >> (u64::BITS - due))).count_ones();
        (came * 2 < due).then_some(Thin { came, due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    /// Readings so many milliseconds after the start.
    fn thin(times: impl IntoIterator<Item = u64>, interval: Duration) -> Option<Thin> {
        let mut coverage = Coverage::default();
        let mut before = None;
        for at in times {
            if let Some(before) = before.replace(at) {
                coverage.add(Duration::from_millis(at - before), interval);
            }
        }
        coverage.thin(Duration::from_secs(300), interval)
    }

    #[test]
    fn half_of_the_readings_are_enough() {
        assert_eq!(thin([0], TEN), None, "none was due before the first");
        assert_eq!(thin((0..100).map(|n| n * 10_000), TEN), None);
        assert_eq!(thin((0..100).map(|n| n * 20_000), TEN), None);
        assert_eq!(thin((0..100).map(|n| n * 30_000), TEN), Some(Thin { came: 10, due: 30 }));
        assert_eq!(thin((0..100).map(|n| n * 10_000 + n % 3 * 900), TEN), None, "some are a moment late");
    }

    #[test]
    fn after_a_gap_half_of_the_window_must_be_read() {
        let back = |readings| {
            thin((0..50).map(|n| n * 10_000).chain((0..readings).map(|n| 2_000_000 + n * 10_000)), TEN)
        };
        assert_eq!((back(14), back(15)), (Some(Thin { came: 14, due: 30 }), None));
    }

    #[test]
    fn slow_polls_have_a_longer_window() {
        let interval = Duration::from_secs(300);
        assert_eq!(thin([0, 300_000, 1_200_000, 1_500_000], interval), None);
        assert_eq!(thin([0, 300_000, 1_500_000], interval), Some(Thin { came: 2, due: 5 }));
    }

    proptest::proptest! {
        #[test]
        fn any_time_is_good(after in proptest::collection::vec(proptest::num::u64::ANY, 0..20), interval in 0u64..1_000, window in proptest::num::u64::ANY) {
            let mut coverage = Coverage::default();
            for after in after {
                coverage.add(Duration::from_micros(after), Duration::from_secs(interval));
                let thin = coverage.thin(Duration::from_secs(window), Duration::from_secs(interval));
                proptest::prop_assert!(thin.is_none_or(|thin| thin.came > 0 && thin.came < thin.due));
            }
        }
    }
}
