//! How a count came to where it is: suddenly, gradually, or not at all.

use std::time::Duration;

use cliffwatch_model::Timestamp;

use super::case::rounded;
use crate::ring::Point;
use crate::table::TableMemory;
use crate::trend::Scale;

/// A rise to less than this many times where it came from is the noise of a day …
const HEIGHT_TIMES: f64 = 1.5;
/// … unless it is at least this share of the limit.
const HEIGHT_OF_LIMIT: f64 = 0.2;
/// Sudden: this many percent of the count a minute, on average (the built-in growth rule's line).
const SUDDEN_PERCENT: f64 = 5.0;
/// A longer window shows an earlier beginning where it is this part lower: a tenth.
const CUT_TIMES: f64 = 0.9;
/// Where less than this part of the rise is left, it is over and done.
const LEFT: f64 = 0.5;
/// A climb shorter than this is the hour's own business …
const CLIMB_HOURS_MIN: u32 = 3;
/// … unless it brought the table near its limit, or both rates tell: then it counts from this length on.
const CLIMB_SHORT_S: f64 = 4_500.0;
/// A climb over hours that comes to less than this is none.
const CLIMB_TIMES: f64 = 1.15;
/// The hour before may be this much higher, and the climb goes on: one in fifty.
const CLIMB_SLACK: f64 = 1.02;
/// It stands where the last quarter brought less than this part of it: a tenth.
const STANDS: u64 = 10;
/// A climb begins where it is this part above its lowest: a twentieth.
const FOOT: u64 = 20;
pub(super) const DAYS_A_WEEK: usize = 7;
/// Hours that a climb is followed back.
const CLIMB_HOURS_MAX: u32 = 7 * 24 - 1;

/// A sudden rise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rise {
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// How long it took.
    pub(crate) seconds: f64,
    /// How long ago it ended; zero where it goes on.
    pub(crate) ago_s: f64,
}

impl Rise {
    /// The same rise, seen from its beginning: as long as its known part would take at its speed, which a
    /// longer window with its coarser points bounds.
    fn begun_at(self, longer: Self) -> Self {
        let times = (self.to - longer.from) / (self.to - self.from).max(1.0);
        Self { from: longer.from, seconds: (self.seconds * times).min(longer.seconds), ..self }
    }

    /// In percent of where it came from, a minute.
    pub(crate) fn percent_per_minute(self) -> f64 {
        (self.to - self.from) * 100.0 / self.from.max(1.0) / (self.seconds / 60.0)
    }
}

/// A sudden rise that brought the table to where it is, within the last hours.
pub(crate) fn sudden(memory: &TableMemory, limit: Option<f64>) -> Option<Rise> {
    let now = memory.newest?;
    let seen = |scale: Scale| {
        let ring = memory.trend.ring(scale);
        let points = ring.points(now, scale.width() * 15, scale.width());
        let rise = highest(points.as_slice(), limit)?;
        let begins_lower = points.as_slice().first().is_some_and(|first| first.value <= rise.from);
        (rise.percent_per_minute() >= SUDDEN_PERCENT).then_some((rise, begins_lower))
    };
    let mut found: Option<Rise> = None;
    for (rise, is_cut) in Scale::ALL.into_iter().filter_map(seen) {
        // A window that begins within the rise does not show where it came from: a longer one does.
        match found {
            None => found = Some(rise),
            Some(part) if rise.from < part.from * CUT_TIMES => found = Some(part.begun_at(rise)),
            Some(_) => {}
        }
        if !is_cut {
            break;
        }
    }
    found
}

fn highest(points: &[Point], limit: Option<f64>) -> Option<Rise> {
    let newest = points.last()?.value;
    let low = points.iter().min_by(|a, b| a.value.total_cmp(&b.value))?;
    let after = || points.iter().filter(move |point| point.at_s > low.at_s);
    let high = after().max_by(|a, b| a.value.total_cmp(&b.value))?;
    let height = high.value - low.value;
    let worth = high.value >= low.value.max(1.0) * HEIGHT_TIMES
        || limit.is_some_and(|limit| height >= limit * HEIGHT_OF_LIMIT);
    if !worth || newest < low.value + height * LEFT {
        return None;
    }
    // A tenth at both ends is noise: the rise is what lies between.
    let begins = points.iter().rfind(|point| {
        point.at_s >= low.at_s && point.at_s < high.at_s && point.value <= low.value + height * 0.1
    })?;
    let ends =
        points.iter().find(|point| point.at_s > begins.at_s && point.value >= low.value + height * 0.9)?;
    let still = ends.at_s >= points.last()?.at_s;
    Some(Rise {
        from: low.value,
        to: high.value,
        seconds: (ends.at_s - begins.at_s).max(1.0),
        ago_s: if still { 0.0 } else { -ends.at_s },
    })
}

/// A gradual rise that did not go back.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Climb {
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// How long it has gone on: each hour, or quarter of one, was at least as high as the one before.
    pub(crate) lasted: Duration,
    /// How many whole days in a row had a higher low than the one before.
    pub(crate) days: u32,
    /// Whether it goes on; otherwise the table has stood where it is for a quarter of the time at least.
    pub(crate) goes_on: bool,
}

/// The climb that the table is on, from the peaks of its hours and the lows of its days.
pub(crate) fn gradual(memory: &TableMemory) -> Option<Climb> {
    let (now, used) = (memory.newest?, memory.used?);
    let (hours, from) = climbing_hours(memory, now, used);
    let by_hours = hours >= CLIMB_HOURS_MIN && times(used, from) >= CLIMB_TIMES;
    let by_days = climbing_days(&memory.week.lows());
    let quarter = quarter_ago(memory, now, hours);
    let risen = quarter.is_none_or(|then| used.saturating_sub(then) >= used.saturating_sub(from) / STANDS);
    let lasted = Duration::from_secs(u64::from(hours) * 3_600);
    match by_days {
        Some((days, from, to)) => Some(Climb { from, to, lasted, days, goes_on: true }),
        None if by_hours => Some(Climb { from, to: used, lasted, days: 0, goes_on: risen }),
        None => None,
    }
}

/// Over how many days in a row the low rose, and from where to where. What is above the same day a week ago
/// by no more than traffic grows is the wave of the week.
fn climbing_days(lows: &[u64]) -> Option<(u32, u64, u64)> {
    let rising =
        lows.iter().rev().zip(lows.iter().rev().skip(1)).take_while(|(after, before)| after > before);
    let days = rising.count();
    let (to, from) = (*lows.last()?, *lows.iter().rev().nth(days)?);
    let week_ago = lows.iter().rev().nth(DAYS_A_WEEK).copied();
    let risen = [Some(from), week_ago].into_iter().flatten().all(|low| times(to, low) >= CLIMB_TIMES);
    (days >= 2 && risen).then_some((u32::try_from(days).unwrap_or(u32::MAX), from, to))
}

/// Use a quarter of so many hours ago. The peak of the hour before this one may be a minute old: quarters of an
/// hour tell more, as far back as there are any.
fn quarter_ago(memory: &TableMemory, now: Timestamp, hours: u32) -> Option<u64> {
    let scale = Scale::Hours;
    let points = memory.trend.ring(scale).points(now, scale.window(), scale.width());
    let then = -f64::from(hours) * 900.0;
    let known = points.as_slice().iter().rfind(|point| point.at_s <= then).map(|point| rounded(point.value));
    known.or_else(|| memory.week.peak_before(now, (hours / 4).max(1)))
}

/// A climb of less than three hours that goes on, from averages of a quarter of an hour.
pub(crate) fn short(memory: &TableMemory) -> Option<Climb> {
    let (now, used) = (memory.newest?, memory.used?);
    let points = memory.trend.ring(Scale::Hours).points(now, Scale::Hours.window(), Scale::Hours.width());
    let mut rise = points.as_slice().iter().rev();
    let newest = *rise.next()?;
    let mut first = newest;
    for point in rise {
        if point.value >= first.value {
            break;
        }
        first = *point;
    }
    let high = first.value * CLIMB_TIMES;
    let is_long = newest.at_s - first.at_s >= CLIMB_SHORT_S;
    (is_long && newest.value >= high).then(|| Climb {
        from: rounded(first.value),
        to: used,
        lasted: Duration::from_secs_f64((newest.at_s - first.at_s).max(0.0)),
        days: 0,
        goes_on: true,
    })
}

/// Over how many hours the peaks did not fall, and where that began.
fn climbing_hours(memory: &TableMemory, now: Timestamp, used: u64) -> (u32, u64) {
    // One reading lies below the peak of its hour, however level the table is.
    let top = used.max(memory.week.high());
    let (mut hours, mut from, mut next) = (0, used, top);
    for back in 1..=CLIMB_HOURS_MAX {
        let Some(peak) = memory.week.peak_before(now, back) else { break };
        if times(peak, next) > CLIMB_SLACK || times(peak, top) > CLIMB_SLACK {
            break;
        }
        (hours, next, from) = (back, peak, from.min(peak));
    }
    // What lay still before it is not part of the climb.
    let foot = from.saturating_add(used.saturating_sub(from) / FOOT);
    let began = (1..=hours).find(|back| memory.week.peak_before(now, *back).is_some_and(|peak| peak <= foot));
    (began.unwrap_or(hours), from)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio to be compared")]
fn times(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}
