//! The recent past of a table's use at three scales, and how fast it moves at each.

use std::cell::OnceCell;
use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lane::Lane;
use crate::ring::{POINTS_MAX, Point, Points, Ring};
use crate::slope::{Rise, Slope};

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
    pub(crate) fn window(self) -> Duration {
        self.width() * 25 / 2
    }

    /// What must lie between the first and the last point.
    pub(crate) fn span_min(self) -> Duration {
        self.width() * 10
    }
}

/// Averages of a table's use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trend {
    minutes: Lane,
    half_hour: Lane,
    hours: Lane,
}

impl Trend {
    pub(crate) fn add(&mut self, used: u64, at: Timestamp, correction: bool) {
        self.minutes.add(Scale::Minutes, used, at, correction);
        self.half_hour.add(Scale::HalfHour, used, at, correction);
        self.hours.add(Scale::Hours, used, at, correction);
    }

    /// What comes now has nothing to do with what was.
    pub(crate) fn clear(&mut self) {
        [&mut self.minutes, &mut self.half_hour, &mut self.hours].into_iter().for_each(Lane::clear);
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        Scale::ALL.into_iter().map(|scale| self.ring(scale).heap_bytes()).sum()
    }

    pub(crate) fn ring(&self, scale: Scale) -> &Ring {
        self.lane(scale).ring()
    }

    fn lane(&self, scale: Scale) -> &Lane {
        match scale {
            Scale::Minutes => &self.minutes,
            Scale::HalfHour => &self.half_hour,
            Scale::Hours => &self.hours,
        }
    }

    /// The highest average of the half hour before the newest minutes: where the table came from.
    fn high_before(&self, now: Timestamp) -> Option<f64> {
        let (then, scale) = (now.minus(Scale::Minutes.window()), Scale::HalfHour);
        let points = self.ring(scale).points(then, scale.window(), scale.width());
        points.as_slice().iter().map(|point| point.value).reduce(f64::max)
    }
}

/// How a table moves, seen from one instant.
#[derive(Debug)]
pub(crate) struct Course<'a> {
    trend: &'a Trend,
    now: Timestamp,
    /// The paces of an instant before the newest reading, once they were asked for. Those of the newest
    /// reading are kept in the lanes.
    past: Option<[OnceCell<Option<Pace>>; Scale::ALL.len()]>,
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
    /// How many times the median of the older half the newest points are, every one of them: a step that
    /// is made and stands has no slope.
    pub(crate) leap: f64,
}

impl<'a> Course<'a> {
    pub(crate) fn new(trend: &'a Trend, now: Timestamp) -> Self {
        Self { trend, now, past: None }
    }

    /// The same table some time ago.
    pub(crate) fn before(&self, by: Duration) -> Self {
        Self { trend: self.trend, now: self.now.minus(by), past: Some(Default::default()) }
    }

    /// Whether use moved by less than `by` over the window: nothing to compute then. Nothing where too
    /// little was read.
    pub(crate) fn is_still(&self, scale: Scale, by: f64) -> Option<bool> {
        Some(self.trend.lane(scale).range(scale, self.now)? < by)
    }

    pub(crate) fn pace(&self, scale: Scale) -> Option<Pace> {
        let lane = self.trend.lane(scale);
        match self.past.as_ref().and_then(|known| known.get(scale as usize)) {
            Some(known) => *known.get_or_init(|| lane.pace_at(scale, self.now)),
            None => lane.pace(scale, self.now),
        }
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
    pub(crate) fn of(points: &Points) -> Option<Self> {
        let all = points.as_slice();
        let mut values = [0.0; POINTS_MAX];
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
            leap: leap(all)?,
        })
    }

    /// In percent of the window's median count a minute.
    pub(crate) fn percent_per_minute(&self) -> f64 {
        self.slope.middle * 60.0 * 100.0 / self.middle.max(1.0)
    }

    /// Whether the rise goes on: a step is over when it is made.
    pub(crate) fn is_rising(&self) -> bool {
        self.rise().is_some()
    }

    /// The rise, where it goes on.
    fn rise(&self) -> Option<Rise> {
        let Rise { halves, newest, .. } = self.slope.rise?;
        let goes_on =
            halves.is_none_or(|(_, newer)| newer > 0.0) && newest * STANDS_TIMES >= self.slope.middle;
        self.slope.rise.filter(|_| goes_on)
    }

    /// Where this leads, or nothing where it does not rise.
    pub(crate) fn curve(&self) -> Option<Curve> {
        let slope = self.slope.middle;
        let (older, newer) = self.rise()?.halves.unwrap_or((slope, slope));
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

    /// The fastest and the slowest rise that the points allow, or nothing where it does not rise.
    pub(crate) fn extremes(&self) -> Option<(f64, f64)> {
        let Rise { low, high, halves, .. } = self.rise()?;
        let (older, newer) = halves.unwrap_or((low, high));
        Some((high.max(newer), low.min(older).min(newer)))
    }
}

fn leap(points: &[Point]) -> Option<f64> {
    let older = points.get(..points.len() / 2)?;
    let newest = points.get(points.len() - (points.len() / 4).max(2).min(points.len())..)?;
    let mut values = [0.0; POINTS_MAX];
    let values = values.get_mut(..older.len())?;
    values.iter_mut().zip(older).for_each(|(value, point)| *value = point.value);
    let rank = values.len().checked_sub(1)? / 2;
    let before = *values.select_nth_unstable_by(rank, f64::total_cmp).1;
    let now = newest.iter().map(|point| point.value).reduce(f64::min)?;
    Some(now / before.max(1.0))
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
