//! Slopes that one odd point, or one step, does not move.

use std::time::Duration;

use crate::ring::{POINTS_MAX, Point};

/// Pairs of [`POINTS_MAX`] points.
const PAIRS_MAX: usize = POINTS_MAX * (POINTS_MAX - 1) / 2;
/// Two points closer than this tell noise, not a slope: the last reading of a slot and the first of the next.
const APART_MIN: Duration = Duration::from_secs(10);
/// Points from which the halves of a window can be compared: three each.
const HALVED_MIN: usize = 6;
/// Points that tell whether a rise goes on.
const NEWEST: usize = 4;

/// A Theil–Sen slope: the median of the slopes of all pairs of points (Sen 1968), which stays true with
/// up to 29 % of the points wrong. Units a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slope {
    /// The median.
    pub(crate) middle: f64,
    /// What is asked of a rise only; absent where the median is none.
    pub(crate) rise: Option<Rise>,
}

/// How sure a rise is, and whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rise {
    /// The range that holds the true slope in 19 of 20 cases of independent noise (Sen's interval, from
    /// the variance of Kendall's tau).
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The median over the older and over the newer half of the points.
    pub(crate) halves: Option<(f64, f64)>,
    /// The same over the newest points: a step that is made has none.
    pub(crate) newest: f64,
}

impl Slope {
    /// Fits points in time order; two at least.
    pub(crate) fn of(points: &[Point]) -> Option<Self> {
        let mut pairs = [Key::default(); PAIRS_MAX];
        let pairs = slopes(points, &mut pairs);
        // Of an even number the lower one: a doubt is decided against an alarm.
        let rank = pairs.len().checked_sub(1)? / 2;
        // Selecting parts the pairs into lower and higher ones, where the ends of the range are.
        let (lower, middle, higher) = pairs.select_nth_unstable(rank);
        let middle = middle.slope();
        let newest = median_slope(points.get(points.len().saturating_sub(NEWEST)..)?)?;
        let rise = (middle > 0.0).then(|| {
            let (low, high) = range(middle, lower, higher, confidence_ranks(points.len()));
            let halves = (points.len() >= HALVED_MIN).then(|| halves(points)).flatten();
            Rise { low, high, halves, newest }
        });
        Some(Self { middle, rise })
    }
}

/// The slopes so many ranks beside the median. `lower` and `higher` are those below and above it.
fn range(middle: f64, lower: &mut [Key], higher: &mut [Key], reach: usize) -> (f64, f64) {
    let last = lower.len() + higher.len();
    let half = last.div_ceil(2);
    let (low, high) = (half.saturating_sub(reach), (half + reach).min(last));
    let of =
        |part: &mut [Key], rank: usize| (rank < part.len()).then(|| part.select_nth_unstable(rank).1.slope());
    let above = high.checked_sub(lower.len() + 1).and_then(|rank| of(higher, rank));
    (of(lower, low).unwrap_or(middle), above.unwrap_or(middle))
}

/// A slope as a whole number of the same order (the total order of IEEE 754): selecting among many is
/// mostly comparing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key(i64);

impl Key {
    fn of(slope: f64) -> Self {
        Self(flipped(slope.to_bits().cast_signed()))
    }

    fn slope(self) -> f64 {
        f64::from_bits(flipped(self.0).cast_unsigned())
    }
}

/// All bits but the sign's inverted where it is set; its own inverse.
fn flipped(bits: i64) -> i64 {
    bits ^ ((bits >> 63) & i64::MAX)
}

fn halves(points: &[Point]) -> Option<(f64, f64)> {
    let (older, newer) = points.split_at_checked(points.len() / 2)?;
    Some((median_slope(older)?, median_slope(newer)?))
}

fn median_slope(points: &[Point]) -> Option<f64> {
    let mut pairs = [Key::default(); PAIRS_MAX];
    let pairs = slopes(points, &mut pairs);
    let rank = pairs.len().checked_sub(1)? / 2;
    Some(pairs.select_nth_unstable(rank).1.slope())
}

/// The slopes of all pairs that are far enough apart.
fn slopes<'a>(points: &[Point], pairs: &'a mut [Key; PAIRS_MAX]) -> &'a mut [Key] {
    let apart = APART_MIN.as_secs_f64();
    let mut places = pairs.iter_mut();
    let mut count = 0;
    for (n, later) in points.iter().enumerate() {
        for earlier in points.iter().take(n) {
            let seconds = later.at_s - earlier.at_s;
            if seconds < apart {
                continue;
            }
            if let Some(place) = places.next() {
                *place = Key::of((later.value - earlier.value) / seconds);
                count += 1;
            }
        }
    }
    pairs.get_mut(..count).unwrap_or_default()
}

/// How many ranks beside the median Sen's interval reaches: half of 1.96 × √(n (n−1) (2n+5) / 18).
fn confidence_ranks(points: usize) -> usize {
    const RANKS: [usize; POINTS_MAX + 1] = [0, 0, 1, 2, 3, 4, 5, 7, 8, 9, 11, 13, 14];
    RANKS.get(points).copied().unwrap_or(PAIRS_MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(values: &[f64]) -> Vec<Point> {
        values
            .iter()
            .enumerate()
            .map(|(n, value)| Point { at_s: n as f64 * 30.0 - 330.0, value: *value })
            .collect()
    }

    #[test]
    fn a_ramp_is_found_exactly() {
        let ramp: Vec<f64> = (0..12).map(|n| f64::from(n) * 60.0).collect();
        let slope = Slope::of(&points(&ramp)).unwrap();
        let rise = Rise { low: 2.0, high: 2.0, halves: Some((2.0, 2.0)), newest: 2.0 };
        assert_eq!(slope, Slope { middle: 2.0, rise: Some(rise) });
    }

    #[test]
    fn one_spike_and_one_dip_are_not_a_slope() {
        let mut flat = [100.0; 12];
        (flat[10], flat[3]) = (9_000.0, 0.0);
        let slope = Slope::of(&points(&flat)).unwrap();
        assert_eq!(slope, Slope { middle: 0.0, rise: None });
    }

    #[test]
    fn a_step_that_is_made_has_no_slope() {
        for before in 0..=12 {
            let step: Vec<f64> = (0..12).map(|n| if n < before { 100.0 } else { 160.0 }).collect();
            let slope = Slope::of(&points(&step)).unwrap();
            assert!(
                slope.rise.is_none_or(|rise| rise.newest == 0.0),
                "a step after {before} points: {slope:?}"
            );
        }
    }

    #[test]
    fn too_little_is_no_slope() {
        assert_eq!(Slope::of(&points(&[])), None);
        assert_eq!(Slope::of(&points(&[1.0])), None);
        let together = [Point { at_s: 0.0, value: 1.0 }, Point { at_s: 0.0, value: 9.0 }];
        assert_eq!(Slope::of(&together), None, "two readings of one instant");
    }

    #[test]
    fn the_ranks_are_sens() {
        for n in 2..=POINTS_MAX {
            let variance = (n * (n - 1) * (2 * n + 5)) as f64 / 18.0;
            let reach = 1.96 * variance.sqrt() / 2.0;
            assert!((confidence_ranks(n) as f64 - reach).abs() <= 0.5, "{n}: {reach}");
        }
    }

    proptest! {
        /// A ramp under noise: the slope is off by no more than the noise allows.
        #[test]
        fn a_noisy_ramp_stays_within_bounds(
            start in 0.0..1e6f64, rise in -1e4..1e4f64, noise in prop::collection::vec(-1.0..1.0f64, 12), size in 0.0..1e4f64
        ) {
            let values: Vec<f64> = noise.iter().enumerate().map(|(n, e)| start + rise * n as f64 * 30.0 + e * size).collect();
            let slope = Slope::of(&points(&values)).unwrap();
            // Half of the pairs are 4 slots or more apart, and no pair of those is off by more than both ends' noise.
            let off = 2.0 * size / 120.0 + 1e-6;
            prop_assert!((slope.middle - rise).abs() <= off, "{} for {rise} ± {off}", slope.middle);
            prop_assert!(slope.rise.is_none_or(|rise| rise.low <= slope.middle && slope.middle <= rise.high));
        }

        #[test]
        fn three_wrong_points_of_twelve_change_nothing(wrong in prop::collection::btree_map(0usize..12, -1e12..1e12f64, 0..=3)) {
            let mut values: Vec<f64> = (0..12).map(|n| f64::from(n) * 30.0).collect();
            for (n, value) in wrong {
                values[n] = value;
            }
            prop_assert_eq!(Slope::of(&points(&values)).unwrap().middle, 1.0);
        }
    }
}
