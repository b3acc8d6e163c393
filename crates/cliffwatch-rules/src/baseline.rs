use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::coarse::Coarse;

const HOUR_MICROS: i64 = 3_600_000_000;
/// Seven days, so that an hour is compared with all hours of a week.
const HOURS_MAX: usize = 7 * 24;
/// Windows of 5 minutes in an hour.
const WINDOWS_PER_HOUR: u64 = 12;

/// What is usual for a counter: its increase in 5 minutes, one figure for each of the last 168 hours in
/// which it was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Baseline {
    /// The hour that is being counted, in hours since 1970, and its sum so far.
    current: Option<(i64, u64)>,
    /// Oldest first.
    #[serde(with = "crate::coarse::hex")]
    hours: Vec<Coarse>,
    /// Of the hours; kept, because a device with clashes asks at every reading.
    median: Option<u64>,
}

impl Baseline {
    /// Counts an increase, zero too: an hour without any is usual as well.
    pub(crate) fn add(&mut self, amount: u64, at: Timestamp) {
        let hour = at.as_micros().div_euclid(HOUR_MICROS);
        match &mut self.current {
            Some((current, sum)) if *current >= hour => *sum = sum.saturating_add(amount),
            Some((_, sum)) => {
                if self.hours.len() >= HOURS_MAX {
                    self.hours.remove(0);
                }
                self.hours.push(Coarse::of(*sum / WINDOWS_PER_HOUR));
                self.current = Some((hour, amount));
                self.median = median(&self.hours);
            }
            None => self.current = Some((hour, amount)),
        }
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.hours.capacity() * size_of::<Coarse>()
    }

    /// The median increase in 5 minutes, or nothing before the first hour is over.
    pub(crate) fn median(&self) -> Option<u64> {
        self.median
    }
}

fn median(hours: &[Coarse]) -> Option<u64> {
    let mut sorted: Vec<u64> = hours.iter().filter_map(|hour| hour.known()).collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_whole_hours() {
        let mut baseline = Baseline::default();
        let mut hour = |hour: i64, amount| {
            for n in 0i64..12 {
                baseline.add(amount, Timestamp::from_secs(hour * 3600 + n * 300));
            }
            baseline.median()
        };
        assert_eq!(hour(0, 5), None);
        assert_eq!(hour(1, 7), Some(5));
        assert_eq!(hour(2, 900), Some(7));
        assert_eq!(hour(9, 1), Some(7), "hours that were not read are not counted");
    }

    #[test]
    fn a_week_is_kept() {
        let mut baseline = Baseline::default();
        for hour in 0..1000 {
            baseline.add(12 << 40, Timestamp::from_secs(hour * 3600));
        }
        assert_eq!(baseline.hours.len(), HOURS_MAX);
        assert_eq!(baseline.median(), Some(1 << 40));
    }
}
