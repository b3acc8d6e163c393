use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

const MINUTE_MICROS: i64 = 60_000_000;
/// Minutes that are remembered, one bit each: twelve whole buckets, more than a run and its gaps need.
const MINUTES: i64 = 64;
/// Minutes of a bucket; the first begins at a full hour UTC.
const BUCKET: i64 = 5;

/// In which minutes of the last hour a provider's sums told of lost connections, as they stand after all
/// corrections. The minute is that in which the period ended; a bit for each, the newest in the lowest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "(i64, u64, u64)", into = "(i64, u64, u64)")]
pub(crate) struct Periods {
    /// The newest minute, counted from 1970.
    newest: i64,
    /// Minutes of which a sum is known.
    known: u64,
    /// Those of them in which it was not zero.
    lost: u64,
}

/// What is known of five minutes.
enum Bucket {
    Lost,
    Calm,
    Unknown,
}

impl Periods {
    /// Takes the sum of the period that ended at `at`, or a correction of it.
    pub(crate) fn add(&mut self, at: Timestamp, lost: bool, correction: bool) {
        let minute = minute_of(at);
        if self.known == 0 {
            self.newest = minute;
        }
        let ahead = minute.saturating_sub(self.newest);
        if ahead > 0 {
            let by = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.known = self.known.checked_shl(by).unwrap_or(0);
            self.lost = self.lost.checked_shl(by).unwrap_or(0);
            self.newest = minute;
        }
        let bit = self.bit(minute);
        self.known |= bit;
        if lost {
            self.lost |= bit;
        } else if correction {
            self.lost &= !bit;
        }
    }

    /// How many buckets in which connections were lost follow each other, in the run that the bucket of `at`
    /// belongs to. Unknown buckets, up to `unknown_max` of them, neither count nor end it; a calm one ends it.
    pub(crate) fn run(self, at: Timestamp, unknown_max: u32) -> u32 {
        let here = minute_of(at).div_euclid(BUCKET);
        let newest = self.newest.div_euclid(BUCKET);
        let oldest = (self.newest - MINUTES + 1).div_euclid(BUCKET);
        if here > newest {
            return 0;
        }
        (oldest..=here).map(|start| self.run_from(start, here, unknown_max)).max().unwrap_or(0)
    }

    /// The run that begins with this bucket, where it comes as far as to `here`.
    fn run_from(self, start: i64, here: i64, unknown_max: u32) -> u32 {
        let (mut lost, mut unknown, mut run) = (0, 0, 0);
        for bucket in start..=self.newest.div_euclid(BUCKET) {
            match self.bucket(bucket) {
                Bucket::Lost => lost += 1,
                Bucket::Unknown if lost > 0 && unknown < unknown_max => unknown += 1,
                Bucket::Unknown | Bucket::Calm => break,
            }
            if bucket >= here {
                run = lost;
            }
        }
        run
    }

    fn bucket(self, bucket: i64) -> Bucket {
        let first = bucket.saturating_mul(BUCKET);
        let bits = (first..first.saturating_add(BUCKET)).fold(0, |bits, minute| bits | self.bit(minute));
        match (self.known & bits, self.lost & bits) {
            (0, _) => Bucket::Unknown,
            (_, 0) => Bucket::Calm,
            _ => Bucket::Lost,
        }
    }

    /// The bit of a minute; none where it is not remembered.
    fn bit(self, minute: i64) -> u64 {
        let back = u32::try_from(self.newest.saturating_sub(minute)).ok();
        back.and_then(|back| 1_u64.checked_shl(back)).unwrap_or(0)
    }
}

/// The minute in which a period ended, and not the one that began then.
fn minute_of(at: Timestamp) -> i64 {
    at.as_micros().saturating_sub(1).div_euclid(MINUTE_MICROS)
}

impl From<(i64, u64, u64)> for Periods {
    fn from((newest, known, lost): (i64, u64, u64)) -> Self {
        Self { newest, known, lost }
    }
}

impl From<Periods> for (i64, u64, u64) {
    fn from(Periods { newest, known, lost }: Periods) -> Self {
        (newest, known, lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of a minute after 10:00.
    fn end(minute: i64) -> Timestamp {
        Timestamp::from_secs(1_772_359_200 + (minute + 1) * 60)
    }

    /// Minutes in order: `x` lost, `.` calm, `?` unknown. The run through the last one.
    fn run(minutes: &str) -> u32 {
        let mut periods = Periods::default();
        let known = minutes.chars().filter(|c| *c != ' ').enumerate().filter(|(_, c)| *c != '?');
        let mut last = end(0);
        for (minute, c) in known {
            last = end(i64::try_from(minute).unwrap());
            periods.add(last, c == 'x', false);
        }
        periods.run(last, 3)
    }

    #[test]
    fn buckets_are_five_minutes_of_utc() {
        assert_eq!(run("..x.. x.... ....x"), 3);
        assert_eq!(run("..... xxxxx xxx"), 2, "many in a bucket are one");
        assert_eq!(run("x.... ..... x"), 1, "a calm bucket ends the run");
        let mut periods = Periods::default();
        periods.add(Timestamp::from_secs(1_772_359_200), true, false);
        periods.add(end(0), true, false);
        assert_eq!(periods.run(end(0), 3), 2, "what ends at 10:00 is of the minutes before");
    }

    #[test]
    fn a_run_spans_three_unknown_buckets() {
        assert_eq!(run("x???? ????? ????? ????? x.... x"), 3);
        assert_eq!(run("x???? ????? x.... ????? ????? x"), 3);
        assert_eq!(run("x???? ????? ????? ????? ????? x.... x"), 2);
        assert_eq!(run("x???? ????? ????? x???? ????? ????? x"), 2, "four in all");
        assert_eq!(run("?.??? x"), 1);
    }

    #[test]
    fn late_points_fill_a_run_and_corrections_break_it() {
        let mut periods = Periods::default();
        for minute in [0, 10, 11] {
            periods.add(end(minute), minute != 11, false);
        }
        periods.add(end(5), true, false);
        assert_eq!(periods.run(end(5), 3), 3);
        periods.add(end(5), false, true);
        assert_eq!(periods.run(end(10), 3), 1);
        let mut seconds = Periods::default();
        seconds.add(Timestamp::from_secs(1_772_359_210), true, false);
        seconds.add(Timestamp::from_secs(1_772_359_220), false, false);
        assert_eq!(seconds.run(end(0), 3), 1, "the next sum of a minute is no correction");
    }

    #[test]
    fn what_is_older_than_an_hour_is_forgotten() {
        let mut periods = Periods::default();
        periods.add(end(100), true, false);
        periods.add(end(20), true, false);
        assert_eq!((periods.run(end(20), 3), periods.run(end(100), 3)), (0, 1));
        periods.add(end(100_000), false, false);
        assert_eq!(periods.run(end(100), 3), 0);
    }

    proptest::proptest! {
        #[test]
        fn any_time_is_good(points in proptest::collection::vec((proptest::num::i64::ANY, proptest::bool::ANY, proptest::bool::ANY), 0..50)) {
            let mut periods = Periods::default();
            for (at, lost, correction) in points {
                let at = Timestamp::from_micros(at);
                periods.add(at, lost, correction);
                proptest::prop_assert!(periods.run(at, 3) <= 14);
            }
        }
    }
}
