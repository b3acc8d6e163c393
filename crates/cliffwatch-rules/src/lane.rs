//! The recent past of a table's use at one scale, and what follows from it.

use std::cell::OnceCell;
use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ring::{Added, Bucket, POINTS_MAX, Points, Ring};
use crate::trend::{Pace, Scale};

/// Points that a slope needs, however rare the readings are.
const POINTS_MIN: usize = 4;
/// Below this share of the readings that a window should hold, nothing is known; in tenths.
const COVERAGE_TENTHS: u128 = 6;

/// Averages over the slots of one scale.
///
/// The newest slot is seen as its first reading until the next one begins. So what follows from the points
/// is computed once a slot and not at every reading, and is the same after a restart in the middle of one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Lane {
    ring: Ring,
    /// The first reading of the newest slot.
    first: Option<Bucket>,
    #[serde(skip)]
    range: OnceCell<Option<f64>>,
    #[serde(skip)]
    pace: OnceCell<Option<Pace>>,
}

/// What is computed is no part of what is known.
impl PartialEq for Lane {
    fn eq(&self, other: &Self) -> bool {
        (&self.ring, self.first) == (&other.ring, other.first)
    }
}

impl Lane {
    pub(crate) fn add(&mut self, scale: Scale, used: u64, at: Timestamp, correction: bool) {
        match self.ring.add(used, at, scale.width(), correction) {
            Added::Joined => return,
            Added::Begun => self.first = self.ring.newest(),
            Added::Past => {}
        }
        self.range.take();
        self.pace.take();
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// The highest of the points less the lowest, or nothing where they are too few.
    pub(crate) fn range(&self, scale: Scale, now: Timestamp) -> Option<f64> {
        let range = |now| Some(self.points(scale, now)?.range());
        match self.newest_at(scale, now) {
            Some(at) => *self.range.get_or_init(|| range(at)),
            None => range(now),
        }
    }

    /// How fast use moves, or nothing where the points are too few.
    pub(crate) fn pace(&self, scale: Scale, now: Timestamp) -> Option<Pace> {
        match self.newest_at(scale, now) {
            Some(at) => *self.pace.get_or_init(|| self.pace_at(scale, at)),
            None => self.pace_at(scale, now),
        }
    }

    /// The same as seen from any instant.
    pub(crate) fn pace_at(&self, scale: Scale, then: Timestamp) -> Option<Pace> {
        Pace::of(&self.points(scale, then)?)
    }

    /// The newest point, where it is of the present slot.
    fn newest_at(&self, scale: Scale, now: Timestamp) -> Option<Timestamp> {
        let (first, width) = (self.first?, scale.width());
        first.shares_slot(now, width).then(|| first.at(width))
    }

    /// The points of the window, or nothing where they are too few to speak for it. Readings that are rarer
    /// than the slots get a window of four.
    fn points(&self, scale: Scale, now: Timestamp) -> Option<Points> {
        let width = scale.width();
        let mut window = scale.window();
        let within = |window: Duration| self.ring.points_with(self.first, now, window, width);
        let mut points = within(window);
        if points.as_slice().len() <= POINTS_MAX / 2 + 1 {
            let cadence = self.ring.cadence(width);
            window = window.max(cadence * 9 / 2);
            points = within(window);
            let (read, due) = (points.as_slice().len(), window.as_micros() / cadence.as_micros().max(1));
            if read < POINTS_MIN || read as u128 * 10 < due.min(12) * COVERAGE_TENTHS {
                return None;
            }
        }
        (points.span_s() >= scale.span_min().as_secs_f64()).then_some(points)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn t(seconds: i64) -> Timestamp {
        Timestamp::from_secs(1_772_359_200 + seconds)
    }

    /// Readings every ten seconds, rising by one a second.
    fn rising(seconds: i64) -> Lane {
        let mut lane = Lane::default();
        for at in (0..=seconds).step_by(10) {
            lane.add(Scale::Minutes, at.unsigned_abs(), t(at), false);
        }
        lane
    }

    #[test]
    fn a_slot_is_its_first_reading_until_the_next_one_begins() {
        let mut lane = rising(600);
        let pace = lane.pace(Scale::Minutes, t(600)).unwrap();
        assert!((pace.slope.middle - 1.0).abs() < 1e-9);
        assert_eq!(pace.newest, 600.0);
        lane.add(Scale::Minutes, 9_000, t(610), false);
        assert_eq!(lane.pace(Scale::Minutes, t(610)), Some(pace), "not before the next slot");
        lane.add(Scale::Minutes, 9_000, t(630), false);
        assert_eq!(lane.pace(Scale::Minutes, t(630)).unwrap().newest, 9_000.0);
    }

    #[test]
    fn what_changes_the_past_is_seen_at_once() {
        let mut lane = rising(600);
        let before = lane.range(Scale::Minutes, t(600)).unwrap();
        lane.add(Scale::Minutes, 90_000, t(500), false);
        assert!(lane.range(Scale::Minutes, t(600)).unwrap() > before);
        lane.add(Scale::Minutes, 40, t(600), true);
        assert_eq!(lane.pace(Scale::Minutes, t(600)).unwrap().newest, 40.0);
    }

    #[test]
    fn what_is_old_says_nothing_of_now() {
        let lane = rising(600);
        assert!(lane.pace(Scale::Minutes, t(620)).is_some());
        assert_eq!(lane.pace(Scale::Minutes, t(6_000)), None);
        assert_eq!(lane.range(Scale::Minutes, t(6_000)), None);
    }

    proptest! {
        /// Whatever was read, and whenever it is asked: what is computed is what would be computed afresh.
        #[test]
        fn a_restart_in_the_middle_of_a_slot_changes_nothing(
            readings in prop::collection::vec((1i64..70, 0u64..1_000, prop::bool::weighted(0.1), 0i64..90), 1..80)
        ) {
            let (mut lane, mut now) = (Lane::default(), 0);
            for (after, used, correction, back) in readings {
                now += after;
                let at = if correction { now - back } else { now };
                lane.add(Scale::Minutes, used, t(at), correction);
                let text = serde_json::to_string(&lane).unwrap();
                let afresh: Lane = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&afresh, &lane);
                prop_assert_eq!(afresh.pace(Scale::Minutes, t(now)), lane.pace(Scale::Minutes, t(now)));
                prop_assert_eq!(afresh.range(Scale::Minutes, t(now)), lane.range(Scale::Minutes, t(now)));
            }
        }
    }
}
