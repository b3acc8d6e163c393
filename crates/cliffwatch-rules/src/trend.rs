//! The recent past of a table's use at three scales, and how fast it moves at each.

use std::cell::OnceCell;
use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ring::{Points, Ring};
use crate::slope::Slope;

/// Points that a slope needs, however rare the readings are.
const POINTS_MIN: usize = 4;
/// Below this share of the readings that a window should hold, nothing is known; in tenths.
const COVERAGE_TENTHS: u128 = 6;
/// A slope is believed for four times as long as it was measured.
const BELIEVED_TIMES: f64 = 4.0;
/// The newer half rises this much faster than the whole: growth that is younger than the window.
const FASTER: f64 = 1.5;
/// The newer half rises at less than this share of the older half's slope: growth that fades.
const FADING: f64 = 0.7;

/// A rise is over where its newest points rise at less than this part of the whole's slope.
const STANDS_TIMES: f64 = 2.0;

/// How far a window reaches. Each is 12 points wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// 5 to 6 minutes: surges.
    Minutes,
    /// Half an hour.
    HalfHour,
    /// Three hours: leaks.
    Hours,
}

impl Scale {
    pub(crate) const ALL: [Self; 3] = [Self::Minutes, Self::HalfHour, Self::Hours];

    pub(crate) fn width(self) -> Duration {
        match self {
            Self::Minutes => Duration::from_secs(30),
            Self::HalfHour => Duration::from_secs(150),
            Self::Hours => Duration::from_secs(900),
        }
    }

    /// Twelve slots and a half, so that 300 seconds lie between the first and the last point of readings
    /// that come every 10 or 60 seconds and jitter.
    fn window(self) -> Duration {
        self.width() * 25 / 2
    }

    /// What must lie between the first and the last point.
    fn span_min(self) -> Duration {
        self.width() * 10
    }
}

/// Averages of a table's use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trend {
    minutes: Ring,
    half_hour: Ring,
    hours: Ring,
}

impl Trend {
    pub(crate) fn add(&mut self, used: u64, at: Timestamp, correction: bool) {
        for scale in Scale::ALL {
            self.ring_mut(scale).add(used, at, scale.width(), correction);
        }
    }

    /// What comes now has nothing to do with what was.
    pub(crate) fn clear(&mut self) {
        Scale::ALL.into_iter().for_each(|scale| self.ring_mut(scale).clear());
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        Scale::ALL.into_iter().map(|scale| self.ring(scale).heap_bytes()).sum()
    }

    pub(crate) fn ring(&self, scale: Scale) -> &Ring {
        match scale {
            Scale::Minutes => &self.minutes,
            Scale::HalfHour => &self.half_hour,
            Scale::Hours => &self.hours,
        }
    }

    fn ring_mut(&mut self, scale: Scale) -> &mut Ring {
        match scale {
            Scale::Minutes => &mut self.minutes,
            Scale::HalfHour => &mut self.half_hour,
            Scale::Hours => &mut self.hours,
        }
    }

    /// The points of a scale's window, or nothing where they are too few to speak for it. Readings that
    /// are rarer than the scale's slots get a window of four.
    pub(crate) fn points(&self, scale: Scale, now: Timestamp) -> Option<Points> {
        let (ring, width) = (self.ring(scale), scale.width());
        let mut window = scale.window();
        let mut points = ring.points(now, window, width);
        if points.as_slice().len() <= crate::ring::POINTS_MAX / 2 + 1 {
            let cadence = ring.cadence(width);
            window = window.max(cadence * 9 / 2);
            points = ring.points(now, window, width);
            let (read, due) = (points.as_slice().len(), window.as_micros() / cadence.as_micros().max(1));
            if read < POINTS_MIN || read as u128 * 10 < due.min(12) * COVERAGE_TENTHS {
                return None;
            }
        }
        (points.span_s() >= scale.span_min().as_secs_f64()).then_some(points)
    }

    /// The highest average of the half hour before the newest minutes: where the table came from.
    pub(crate) fn high_before(&self, now: Timestamp) -> Option<f64> {
        let then = now.minus(Scale::Minutes.window());
        let width = Scale::HalfHour.width();
        let points = self.half_hour.points(then, Scale::HalfHour.window(), width);
        points.as_slice().iter().map(|point| point.value).reduce(f64::max)
    }
}

/// How a table moves, seen from one instant. Slopes are computed when they are asked for, and once.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    trend: &'a Trend,
    now: Timestamp,
    paces: [OnceCell<Option<Pace>>; 3],
}

/// How fast it moves at one scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pace {
    pub(crate) slope: Slope,
    /// The median of the points.
    pub(crate) middle: f64,
    /// The newest point.
    pub(crate) newest: f64,
    /// Seconds from the first to the last point.
    pub(crate) span_s: f64,
    /// How many points there are.
    pub(crate) points: usize,
    /// The rise between the last two of them.
    pub(crate) last_per_s: f64,
}

impl<'a> Course<'a> {
    pub(crate) fn new(trend: &'a Trend, now: Timestamp) -> Self {
        Self { trend, now, paces: Default::default() }
    }

    /// The same table some time ago.
    pub(crate) fn before(&self, by: Duration) -> Self {
        Self::new(self.trend, self.now.minus(by))
    }

    /// Whether use moved by less than `by` over the window: nothing to compute then. Nothing where too
    /// little was read.
    pub(crate) fn is_still(&self, scale: Scale, by: f64) -> Option<bool> {
        Some(self.trend.points(scale, self.now)?.range() < by)
    }

    pub(crate) fn pace(&self, scale: Scale) -> Option<Pace> {
        let [minutes, half_hour, hours] = &self.paces;
        let cell = match scale {
            Scale::Minutes => minutes,
            Scale::HalfHour => half_hour,
            Scale::Hours => hours,
        };
        *cell.get_or_init(|| Pace::of(&self.trend.points(scale, self.now)?))
    }

    /// The finest scale at which enough was read.
    pub(crate) fn finest(&self) -> Option<Pace> {
        Scale::ALL.into_iter().find_map(|scale| self.pace(scale))
    }

    /// Where the table came from: the highest average of the half hour before the newest minutes.
    pub(crate) fn high_before(&self) -> Option<f64> {
        self.trend.high_before(self.now)
    }
}

impl Pace {
    fn of(points: &Points) -> Option<Self> {
        let all = points.as_slice();
        let mut values = [0.0; crate::ring::POINTS_MAX];
        let values = values.get_mut(..all.len())?;
        values.iter_mut().zip(all).for_each(|(value, point)| *value = point.value);
        let rank = values.len() / 2;
        let (before, last) = (all.get(all.len().checked_sub(2)?)?, all.last()?);
        Some(Self {
            slope: Slope::of(all)?,
            middle: *values.select_nth_unstable_by(rank, f64::total_cmp).1,
            newest: last.value,
            span_s: points.span_s(),
            points: all.len(),
            last_per_s: (last.value - before.value) / (last.at_s - before.at_s),
        })
    }

    /// In percent of the window's median count a minute.
    pub(crate) fn percent_per_minute(&self) -> f64 {
        self.slope.middle * 60.0 * 100.0 / self.middle.max(1.0)
    }

    /// Whether the rise goes on: a step is over when it is made.
    pub(crate) fn is_rising(&self) -> bool {
        let Slope { middle, halves, newest, .. } = self.slope;
        middle > 0.0 && halves.is_none_or(|(_, newer)| newer > 0.0) && newest * STANDS_TIMES >= middle
    }

    /// Where this leads, or nothing where it does not rise.
    pub(crate) fn curve(&self) -> Option<Curve> {
        let slope = self.slope.middle;
        let (older, newer) = self.slope.halves.unwrap_or((slope, slope));
        if !self.is_rising() {
            return None;
        }
        let believed_s = self.span_s * BELIEVED_TIMES;
        if newer > slope * FASTER {
            return Some(Curve { per_s: newer, fade_s: None, believed_s: believed_s / 2.0 });
        }
        if newer < older * FADING {
            // The halves' middles lie half a window apart, and the newer one a quarter before now.
            let share = newer / older;
            let fade_s = self.span_s / 2.0 / -share.ln();
            return Some(Curve { per_s: newer * share.sqrt(), fade_s: Some(fade_s), believed_s });
        }
        Some(Curve { per_s: slope, fade_s: None, believed_s })
    }

    /// The fastest and the slowest rise that the points allow.
    pub(crate) fn extremes(&self) -> (f64, f64) {
        let Slope { low, high, halves, .. } = self.slope;
        let (older, newer) = halves.unwrap_or((low, high));
        (high.max(newer), low.min(older).min(newer))
    }
}

/// A rise that is continued: straight, or ever slower. A table whose entries time out fills towards a level
/// of its own, and a straight line would lie about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Curve {
    /// Now.
    pub(crate) per_s: f64,
    /// The time in which the speed falls to 1/e, where it falls.
    pub(crate) fade_s: Option<f64>,
    /// How far ahead the curve is believed.
    pub(crate) believed_s: f64,
}

impl Curve {
    /// Seconds until it rose by `rise`, or nothing where it never does.
    pub(crate) fn time_to(&self, rise: f64) -> Option<f64> {
        let seconds = match self.fade_s {
            None => rise / self.per_s,
            Some(fade_s) => -fade_s * (1.0 - rise / (self.per_s * fade_s)).ln(),
        };
        seconds.is_finite().then_some(seconds)
    }
}
