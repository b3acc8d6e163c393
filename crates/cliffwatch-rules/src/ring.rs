use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

/// Points that a slope is fitted to, at most: 66 pairs, a microsecond's work.
pub(crate) const POINTS_MAX: usize = 12;
/// A minute more than the points, so that the slope of a minute ago can be asked for.
const BUCKETS_MAX: usize = 15;
/// Beyond every real table, and small enough that sums and averages stay exact.
const VALUE_MAX: u64 = 1 << 48;

/// The recent past of one number: averages over slots of equal width, so that ten-second and one-minute
/// readings, bursts and jitter give points that can be compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Row>", into = "Vec<Row>")]
pub(crate) struct Ring {
    /// In time order, one a slot.
    buckets: Vec<Bucket>,
}

/// The readings of one slot. Sums are whole numbers: what is saved is what is continued from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub(crate) struct Bucket {
    /// Slots since 1970.
    slot: i64,
    readings: u32,
    sum: u64,
    /// The readings' distances from the slot's beginning, in milliseconds.
    offsets_ms: u64,
}

/// What a reading did to a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It went into the newest slot, which others had begun.
    Joined,
    /// It is the only one of the newest slot.
    Begun,
    /// It changed the past.
    Past,
}

/// An average at its average time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Point {
    /// Seconds before or after the instant that was asked about.
    pub(crate) at_s: f64,
    pub(crate) value: f64,
}

/// A few points in time order.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Points {
    all: [Point; BUCKETS_MAX],
    first: usize,
    end: usize,
}

impl Points {
    pub(crate) fn as_slice(&self) -> &[Point] {
        self.all.get(self.first..self.end).unwrap_or_default()
    }

    fn push(&mut self, point: Point) {
        if let Some(place) = self.all.get_mut(self.end) {
            *place = point;
            self.end += 1;
            self.first = self.first.max(self.end.saturating_sub(POINTS_MAX));
        }
    }

    /// From the first to the last, in seconds.
    pub(crate) fn span_s(&self) -> f64 {
        let points = self.as_slice();
        points.first().zip(points.last()).map_or(0.0, |(first, last)| last.at_s - first.at_s)
    }

    /// The highest less the lowest.
    pub(crate) fn range(&self) -> f64 {
        let ends = (f64::INFINITY, f64::NEG_INFINITY);
        let (low, high) =
            self.as_slice().iter().fold(ends, |(low, high), p| (low.min(p.value), high.max(p.value)));
        (high - low).max(0.0)
    }
}

impl Ring {
    /// Takes a reading. A correction replaces the reading of its slot where that is the only one.
    pub(crate) fn add(&mut self, value: u64, at: Timestamp, width: Duration, correction: bool) -> Added {
        let width = micros(width);
        let (slot, offset) = (at.as_micros().div_euclid(width), at.as_micros().rem_euclid(width));
        let value = value.min(VALUE_MAX);
        let added =
            Bucket { slot, readings: 1, sum: value, offsets_ms: u64::try_from(offset / 1_000).unwrap_or(0) };
        match self.buckets.last_mut() {
            Some(newest) if newest.slot == slot => newest.take(added, correction),
            Some(newest) if newest.slot > slot => self.add_late(added, correction),
            _ => {
                if self.buckets.len() >= BUCKETS_MAX {
                    self.buckets.remove(0);
                }
                self.buckets.push(added);
                Added::Begun
            }
        }
    }

    /// Takes a reading of a slot before the newest.
    fn add_late(&mut self, added: Bucket, correction: bool) -> Added {
        let place = self.buckets.partition_point(|bucket| bucket.slot < added.slot);
        if let Some(known) = self.buckets.get_mut(place).filter(|bucket| bucket.slot == added.slot) {
            known.take(added, correction);
        } else if self.buckets.len() < BUCKETS_MAX {
            self.buckets.insert(place, added);
        } else if let Some(place) = place.checked_sub(1) {
            // The oldest makes room; what is older than it comes too late.
            self.buckets.remove(0);
            self.buckets.insert(place, added);
        }
        Added::Past
    }

    /// The newest slot that was read.
    pub(crate) fn newest(&self) -> Option<Bucket> {
        self.buckets.last().copied()
    }

    /// The points of the `window` that ends at `now`, the newest [`POINTS_MAX`] of them.
    pub(crate) fn points(&self, now: Timestamp, window: Duration, width: Duration) -> Points {
        self.points_with(None, now, window, width)
    }

    /// The same where `newest` stands for the newest slot.
    pub(crate) fn points_with(
        &self,
        newest: Option<Bucket>,
        now: Timestamp,
        window: Duration,
        width: Duration,
    ) -> Points {
        let (oldest, width) = (-window.as_secs_f64(), micros(width));
        let mut points = Points::default();
        let before = self.buckets.len() - usize::from(newest.is_some()).min(self.buckets.len());
        for bucket in self.buckets.iter().take(before).chain(&newest) {
            let point = bucket.point(now, width);
            if point.at_s > oldest && point.at_s <= 0.0 {
                points.push(point);
            }
        }
        points
    }

    /// The usual distance between slots that were read: the data's own interval, where it is longer than a slot.
    pub(crate) fn cadence(&self, width: Duration) -> Duration {
        let mut gaps = [1i64; BUCKETS_MAX];
        let pairs = self.buckets.iter().zip(self.buckets.iter().skip(1));
        let mut count = 0;
        for ((earlier, later), gap) in pairs.zip(&mut gaps) {
            *gap = later.slot.saturating_sub(earlier.slot);
            count += 1;
        }
        let gaps = gaps.get_mut(..count).unwrap_or_default();
        gaps.sort_unstable();
        let median = gaps.get(gaps.len() / 2).copied().unwrap_or(1);
        width.saturating_mul(u32::try_from(median).unwrap_or(u32::MAX))
    }

    /// The averages of the slots in which both were read, oldest first. Both must have slots of one width.
    pub(crate) fn beside(&self, other: &Self) -> Vec<(f64, f64)> {
        let of = |bucket: &Bucket| other.buckets.iter().find(|known| known.slot == bucket.slot);
        self.buckets.iter().filter_map(|bucket| Some((bucket.mean(), of(bucket)?.mean()))).collect()
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    /// Forgets all but the newest.
    pub(crate) fn keep(&mut self, newest: usize) {
        self.buckets.drain(..self.buckets.len().saturating_sub(newest));
    }

    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
    }
}

impl Bucket {
    /// When its readings were on average.
    pub(crate) fn at(&self, width: Duration) -> Timestamp {
        let offset_ms = i64::try_from(self.offsets_ms / u64::from(self.readings)).unwrap_or(0);
        let start = self.slot.saturating_mul(micros(width));
        Timestamp::from_micros(start.saturating_add(offset_ms.saturating_mul(1_000)))
    }

    /// Whether an instant lies in its slot.
    pub(crate) fn shares_slot(&self, at: Timestamp, width: Duration) -> bool {
        let since = at.as_micros().saturating_sub(self.slot.saturating_mul(micros(width)));
        (0..micros(width)).contains(&since)
    }

    fn take(&mut self, added: Self, correction: bool) -> Added {
        if correction && self.readings == 1 {
            *self = added;
            return Added::Begun;
        }
        self.merge(added);
        Added::Joined
    }

    fn merge(&mut self, other: Self) {
        self.readings = self.readings.saturating_add(other.readings);
        self.sum = self.sum.saturating_add(other.sum);
        self.offsets_ms = self.offsets_ms.saturating_add(other.offsets_ms);
    }

    #[expect(clippy::cast_precision_loss, reason = "a sum of capped values; an average needs no more")]
    fn mean(&self) -> f64 {
        self.sum as f64 / f64::from(self.readings)
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds around now; a slope needs no more")]
    fn point(&self, now: Timestamp, width: i64) -> Point {
        let readings = f64::from(self.readings);
        let start = self.slot.saturating_mul(width).saturating_sub(now.as_micros());
        Point { at_s: start as f64 / 1e6 + self.offsets_ms as f64 / readings / 1e3, value: self.mean() }
    }
}

fn micros(width: Duration) -> i64 {
    i64::try_from(width.as_micros()).unwrap_or(i64::MAX).max(1)
}

/// A bucket as it is saved: its slot as the distance from the one before, which is short.
type Row = (i64, u32, u64, u64);

impl From<Row> for Bucket {
    fn from((slot, readings, sum, offsets_ms): Row) -> Self {
        Self { slot, readings: readings.max(1), sum, offsets_ms }
    }
}

impl From<Bucket> for Row {
    fn from(Bucket { slot, readings, sum, offsets_ms }: Bucket) -> Self {
        (slot, readings, sum, offsets_ms)
    }
}

impl From<Vec<Row>> for Ring {
    fn from(rows: Vec<Row>) -> Self {
        let mut before = 0i64;
        let bucket = |(distance, readings, sum, offsets_ms): Row| {
            before = before.saturating_add(distance);
            Bucket::from((before, readings, sum, offsets_ms))
        };
        Self { buckets: rows.into_iter().take(BUCKETS_MAX).map(bucket).collect() }
    }
}

impl From<Ring> for Vec<Row> {
    fn from(ring: Ring) -> Self {
        let mut before = 0i64;
        let row = |bucket: Bucket| {
            let distance = bucket.slot.saturating_sub(before);
            before = bucket.slot;
            (distance, bucket.readings, bucket.sum, bucket.offsets_ms)
        };
        ring.buckets.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: Duration = Duration::from_secs(30);
    const WINDOW: Duration = Duration::from_secs(375);

    fn t(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_772_359_200 + seconds)
    }

    fn values(ring: &Ring, now: i64) -> Vec<(f64, f64)> {
        ring.points(t(now), WINDOW, WIDTH).as_slice().iter().map(|p| (p.at_s, p.value)).collect()
    }

    #[test]
    fn readings_of_a_slot_are_averaged_in_value_and_time() {
        let mut ring = Ring::default();
        for (at, value) in [(0, 10), (10, 20), (20, 60), (30, 70)] {
            ring.add(value, t(at), WIDTH, false);
        }
        assert_eq!(values(&ring, 30), [(-20.0, 30.0), (0.0, 70.0)]);
    }

    #[test]
    fn a_late_reading_is_put_where_it_belongs_and_a_correction_replaces() {
        let mut ring = Ring::default();
        for (at, value, correction) in [(0, 10, false), (60, 30, false), (30, 20, false), (60, 35, true)] {
            ring.add(value, t(at), WIDTH, correction);
        }
        assert_eq!(values(&ring, 60), [(-60.0, 10.0), (-30.0, 20.0), (0.0, 35.0)]);
    }

    #[test]
    fn twelve_points_and_the_window_are_kept() {
        let mut ring = Ring::default();
        for n in 0..1_000 {
            ring.add(n, t(n.cast_signed() * 10), WIDTH, false);
        }
        let points = ring.points(t(9_990), WINDOW, WIDTH);
        assert_eq!(points.as_slice().len(), POINTS_MAX);
        assert!(points.span_s() >= 300.0);
        assert_eq!(ring.buckets.len(), BUCKETS_MAX);
    }

    #[test]
    fn the_cadence_is_the_datas_own_and_a_gap_does_not_change_it() {
        let mut ring = Ring::default();
        for at in [0, 60, 120, 180, 3_000, 3_060, 3_120] {
            ring.add(1, t(at), WIDTH, false);
        }
        assert_eq!(ring.cadence(WIDTH), Duration::from_secs(60));
        assert_eq!(Ring::default().cadence(WIDTH), WIDTH);
    }

    #[test]
    fn what_is_saved_is_what_is_continued_from() {
        let mut ring = Ring::default();
        for at in [-100_000i64, -70, 0, 31, 60, 4_000_000] {
            ring.add(7 + at.unsigned_abs(), t(at), WIDTH, false);
        }
        let text = serde_json::to_string(&ring).unwrap();
        assert_eq!(serde_json::from_str::<Ring>(&text).unwrap(), ring, "{text}");
    }

    proptest::proptest! {
        #[test]
        fn bounded_ordered_and_finite_whatever_is_added(
            added in proptest::collection::vec((proptest::num::u64::ANY, proptest::num::i64::ANY, proptest::bool::ANY), 0..100)
        ) {
            let mut ring = Ring::default();
            for (value, at, correction) in added {
                let at = Timestamp::from_micros(at);
                ring.add(value, at, WIDTH, correction);
                proptest::prop_assert!(ring.buckets.len() <= BUCKETS_MAX);
                proptest::prop_assert!(ring.buckets.is_sorted_by(|a, b| a.slot < b.slot));
                let points = ring.points(at, Duration::MAX, WIDTH);
                proptest::prop_assert!(points.as_slice().iter().all(|p| p.at_s.is_finite() && p.value.is_finite()));
                let _ = ring.cadence(WIDTH);
            }
        }
    }
}
