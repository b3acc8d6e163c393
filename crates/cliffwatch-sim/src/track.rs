use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::series::{self, Point, SeriesError};

/// One figure over time: a series, a step between its points, and the last point for ever after.
#[derive(Clone, Debug)]
pub struct Track {
    points: Arc<[Point]>,
    step: Duration,
}

impl Track {
    /// Reads the series notation; each point lasts for `step`.
    ///
    /// # Errors
    /// When the text is not a series, or an empty one.
    pub fn parse(text: &str, step: Duration) -> Result<Self, SeriesError> {
        let points = series::parse(text)?;
        if points.is_empty() {
            return Err(SeriesError { token: text.to_owned(), problem: "the series has no point" });
        }
        Ok(Self { points: points.into(), step })
    }

    /// The same value for ever.
    pub fn constant(value: u64) -> Self {
        Self { points: Arc::new([Point::Value { value, reset: false }]), step: Duration::MAX }
    }

    /// The value at a time since the start; nothing in a gap.
    pub fn at(&self, time: Duration) -> Option<u64> {
        match self.points.get(self.index(time)).or(self.points.last())? {
            Point::Gap => None,
            Point::Value { value, .. } => Some(*value),
        }
    }

    /// The newest epoch: how many have begun since the start, and when this one did.
    pub(crate) fn epoch(&self, time: Duration) -> (usize, Duration) {
        let passed = self.points.iter().enumerate().take(self.index(time).saturating_add(1));
        let begun = passed.filter(|(_, point)| matches!(point, Point::Value { reset: true, .. }));
        begun.fold((0, Duration::ZERO), |(count, _), (index, _)| (count + 1, self.begins(index)))
    }

    fn begins(&self, index: usize) -> Duration {
        self.step.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX))
    }

    fn index(&self, time: Duration) -> usize {
        let steps = time.as_nanos() / self.step.as_nanos().max(1);
        usize::try_from(steps).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_secs(10);

    #[test]
    fn points_last_for_a_step_and_the_last_one_for_ever() {
        let track = Track::parse("10+5x2 _ reset 3", STEP).unwrap();
        let at = |seconds| track.at(Duration::from_secs(seconds));
        assert_eq!([at(0), at(9), at(10), at(29)], [Some(10), Some(10), Some(15), Some(20)]);
        assert_eq!([at(30), at(40), at(1_000_000)], [None, Some(3), Some(3)]);
        assert_eq!(track.at(Duration::MAX), Some(3));
        let epoch = |seconds| track.epoch(Duration::from_secs(seconds));
        assert_eq!(
            [epoch(39), epoch(40), epoch(1_000_000)],
            [(0, Duration::ZERO), (1, STEP * 4), (1, STEP * 4)]
        );
    }

    #[test]
    fn nothing_is_no_series() {
        assert!(Track::parse(" ", STEP).is_err());
        assert!(Track::parse("5 abc", STEP).is_err());
        assert_eq!(Track::constant(7).at(Duration::from_secs(1)), Some(7));
    }
}
