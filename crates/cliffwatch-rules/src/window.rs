use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

/// How far back a window reaches: the design counts clashes and collisions over 5 minutes.
pub(crate) const WINDOW_SPAN: Duration = Duration::from_secs(300);
/// Increases this close together share a bucket: pushed readings may come every second.
const RESOLUTION_MICROS: i64 = 15_000_000;
/// 300 s of 15 s buckets, and one that is cut at each end.
const BUCKETS_MAX: usize = 22;

/// What a counter lost or refused in the last 5 minutes. Empty, and without memory, while nothing happens.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Row>", into = "Vec<Row>")]
pub(crate) struct Window {
    /// In time order; amounts are never zero.
    buckets: Vec<Bucket>,
}

/// Increases that were seen close together.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    /// When the first of them may have begun.
    from: Timestamp,
    /// When the last of them was seen.
    to: Timestamp,
    amount: u64,
}

impl Window {
    /// Counts an increase that was seen at `at` and spreads over the time before it. `newest` is the
    /// newest reading: a late increase is counted where it belongs.
    pub(crate) fn add(&mut self, amount: u64, at: Timestamp, over: Duration, newest: Timestamp) {
        let oldest = newest.minus(WINDOW_SPAN);
        self.buckets.retain(|bucket| bucket.to > oldest);
        if amount == 0 || at <= oldest {
            return;
        }
        let added = Bucket { from: at.minus(over), to: at, amount };
        let place = self.buckets.partition_point(|bucket| bucket.slot() < added.slot());
        match self.buckets.get_mut(place) {
            Some(bucket) if bucket.slot() == added.slot() => bucket.merge(added),
            _ => self.buckets.insert(place, added),
        }
        if self.buckets.len() > BUCKETS_MAX {
            self.buckets.remove(0);
        }
    }

    /// The sum of what was seen in the last `span` before `now`.
    pub(crate) fn sum(&self, now: Timestamp, span: Duration) -> u64 {
        self.within(now, span).fold(0, |sum, bucket| sum.saturating_add(bucket.amount))
    }

    /// From the beginning of the first to the sight of the last increase in the last `span`.
    pub(crate) fn extent(&self, now: Timestamp, span: Duration) -> Duration {
        let first = self.within(now, span).map(|bucket| bucket.from).min();
        let last = self.within(now, span).map(|bucket| bucket.to).max();
        first.zip(last).map_or(Duration::ZERO, |(first, last)| last.since(first))
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<Bucket>()
    }

    fn within(&self, now: Timestamp, span: Duration) -> impl Iterator<Item = &Bucket> {
        let after = now.minus(span);
        self.buckets.iter().filter(move |bucket| bucket.to > after && bucket.to <= now)
    }
}

impl Bucket {
    fn slot(&self) -> i64 {
        self.to.as_micros().div_euclid(RESOLUTION_MICROS)
    }

    fn merge(&mut self, other: Self) {
        self.from = self.from.min(other.from);
        self.to = self.to.max(other.to);
        self.amount = self.amount.saturating_add(other.amount);
    }
}

/// A bucket as it is saved: its end as the distance from the one before, and its length, which are short.
type Row = (i64, i64, u64);

impl From<Vec<Row>> for Window {
    fn from(rows: Vec<Row>) -> Self {
        let mut end = 0i64;
        let bucket = |(distance, length, amount): Row| {
            end = end.wrapping_add(distance);
            let from = Timestamp::from_micros(end.wrapping_sub(length));
            Bucket { from, to: Timestamp::from_micros(end), amount }
        };
        Self { buckets: rows.into_iter().take(BUCKETS_MAX).map(bucket).collect() }
    }
}

impl From<Window> for Vec<Row> {
    fn from(window: Window) -> Self {
        let mut end = 0i64;
        let row = |Bucket { from, to, amount }: Bucket| {
            let distance = to.as_micros().wrapping_sub(end);
            end = to.as_micros();
            (distance, end.wrapping_sub(from.as_micros()), amount)
        };
        window.buckets.into_iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);
    const MINUTE: Duration = Duration::from_secs(60);

    fn t(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn sums_reach_back_five_minutes() {
        let mut window = Window::default();
        for n in 1..=60 {
            window.add(2, t(n * 10), TEN, t(n * 10));
        }
        assert_eq!(window.sum(t(600), WINDOW_SPAN), 60);
        assert_eq!(window.sum(t(600), MINUTE), 12);
        assert_eq!(window.extent(t(600), MINUTE), Duration::from_secs(60));
        assert!(window.buckets.len() <= BUCKETS_MAX);
        assert_eq!(window.sum(t(900), WINDOW_SPAN), 0);
    }

    #[test]
    fn a_late_increase_is_counted_where_it_belongs() {
        let mut window = Window::default();
        window.add(1, t(100), TEN, t(100));
        window.add(5, t(40), TEN, t(100));
        window.add(7, t(-300), TEN, t(100));
        assert_eq!(window.sum(t(100), MINUTE), 1);
        assert_eq!(window.sum(t(100), WINDOW_SPAN), 6);
    }

    #[test]
    fn what_is_saved_is_what_is_continued_from() {
        let mut window = Window::default();
        for (amount, at) in [(3, -200), (9, 0), (1, 40)] {
            window.add(amount, t(at), TEN, t(at));
        }
        let text = serde_json::to_string(&window).unwrap();
        assert_eq!(serde_json::from_str::<Window>(&text).unwrap(), window, "{text}");
    }

    #[test]
    fn one_burst_has_no_extent_beyond_its_reading() {
        let mut window = Window::default();
        window.add(900, t(0), TEN, t(0));
        assert_eq!(window.extent(t(50), MINUTE), TEN);
        assert_eq!(window.extent(t(100), MINUTE), Duration::ZERO);
    }

    proptest::proptest! {
        #[test]
        fn bounded_whatever_is_added(added in proptest::collection::vec((proptest::num::u64::ANY, proptest::num::i64::ANY, 0u64..100), 0..200)) {
            let mut window = Window::default();
            let mut newest = Timestamp::from_micros(i64::MIN);
            for (amount, at, over) in added {
                let at = Timestamp::from_micros(at);
                newest = newest.max(at);
                window.add(amount, at, Duration::from_secs(over), newest);
                proptest::prop_assert!(window.buckets.len() <= BUCKETS_MAX);
                proptest::prop_assert!(window.buckets.is_sorted_by_key(Bucket::slot));
            }
        }
    }
}
