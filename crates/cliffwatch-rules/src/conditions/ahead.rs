//! What the conditions that look ahead share: whom they are for, and what is usual.

use std::time::Duration;

use cliffwatch_model::{Bound, Capacity, TableState};
use serde_json::{Map, Value, json};

use super::reading::{is_full, number};
use super::utilization::stands_alone;
use crate::outlook::Forecast;
use crate::summary::spoken;
use crate::table::TableView;
use crate::trend::Course;
use crate::verdict::Verdict;

/// How long a table fills anew after a change of role, epoch or limit: longer than the idle timeouts of
/// gateways (240 s on Azure, 350 s on AWS) and of all short-lived flows. Established connections may live
/// for days; to look away as long would be blind exactly after a failover.
pub(super) const PAUSE: Duration = Duration::from_secs(600);
/// Growth up to this many times the usual peak of the hour is the usual growth.
const USUAL_TIMES: f64 = 1.2;
/// What is usual and comes this near to the limit, in percent, excuses nothing.
const USUAL_PERCENT_MAX: f64 = 90.0;
/// A table this full, in percent, has only paused.
pub(super) const FULL_PERCENT: f64 = 90.0;
/// "Sustained": it held this long ago as well.
pub(super) const SUSTAINED: Duration = Duration::from_secs(60);
/// Without a baseline only a table this full …
const FIRST_FILL: f64 = 80.0;
/// … or one that is full this soon is critical.
const FIRST_WITHIN: Duration = Duration::from_secs(180);

/// Use now, or the verdict where there is nothing to look ahead from.
pub(super) fn used(view: &TableView<'_>) -> Result<f64, Verdict> {
    if view.reading.state == TableState::NotTracking {
        return Err(Verdict::Unknown);
    }
    if !stands_alone(view) {
        return Err(Verdict::Clear);
    }
    view.reading.used.map(number).ok_or(Verdict::Unknown)
}

/// Whether the table fills anew, so that its growth means nothing.
pub(super) fn is_paused(view: &TableView<'_>, pause: Duration) -> bool {
    let now = view.reading.observed_at;
    view.memory.turned_at.is_some_and(|turned| now.since(turned) < pause)
}

/// Quiet is a reason to clear, unless the device sheds or refuses, or is nearly full: a table that is swept
/// to 95 % has not recovered.
pub(super) fn calm(view: &TableView<'_>) -> Verdict {
    let sheds = view.reading.sheds_at.zip(view.reading.used).is_some_and(|(at, used)| used >= at);
    if sheds || is_full(view, FULL_PERCENT) || view.memory.is_strained() {
        Verdict::Between
    } else {
        Verdict::Clear
    }
}

/// The limit that is a cliff. A bound per destination is none: spread flows pass it unharmed.
pub(super) fn limit(view: &TableView<'_>) -> Option<f64> {
    let Capacity { limit, bound, .. } = view.reading.capacity.ok()?;
    (bound == Bound::Hard).then(|| number(limit.get()))
}

/// When the table is full.
pub(super) fn full(view: &TableView<'_>, used: f64) -> Forecast {
    limit(view).map_or(Forecast::Unknown, |limit| view.course.time_to(used, limit))
}

/// Whether the time is known and not longer than this.
pub(super) fn is_within(forecast: Forecast, span: Duration) -> bool {
    forecast.seconds().is_some_and(|seconds| seconds <= span.as_secs_f64())
}

/// Whether this is no news: at this time of the week use is about as high, or it was so lately, and that
/// has not hurt. A deploy that drops connections and gets them back, a nightly backup and a Monday morning
/// all grow fast; and what goes up and down within hours points at the limit whenever it goes up. Who looks
/// minutes ahead remembers half an hour, who looks an hour ahead three.
pub(super) fn is_usual(view: &TableView<'_>, used: f64, hours_ahead: u32) -> bool {
    let harmless =
        |high: f64| limit(view).is_none_or(|limit| high * USUAL_TIMES * 100.0 < limit * USUAL_PERCENT_MAX);
    let (week, now) = (&view.memory.week, view.reading.observed_at);
    let on_course = week.usual(now, 0).map(number).is_some_and(|usual| used <= usual * USUAL_TIMES);
    let ahead = week.usual(now, hours_ahead).map(number);
    let before = view.course.high_before();
    let lately = if hours_ahead == 0 { before } else { highest(before, week.lately(now).map(number)) };
    let returns = lately.is_some_and(|high| used <= high && harmless(high));
    returns || (on_course && ahead.is_some_and(harmless))
}

fn highest(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

/// When growth is critical: so full, full so soon, for a minute, and this far above what is usual.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brink {
    pub(super) within: Duration,
    pub(super) fill: f64,
    pub(super) times_usual: f64,
}

impl Brink {
    pub(super) fn is_near(self, view: &TableView<'_>, used: f64) -> bool {
        let Some(limit) = limit(view) else { return false };
        let full = view.course.time_to(used, limit);
        if used * 100.0 < limit * self.fill || !is_within(full, self.within) {
            return false;
        }
        let usual = view.memory.week.usual(view.reading.observed_at, 0).map(number);
        let unusual = match usual {
            Some(usual) => used >= usual * self.times_usual,
            None => used * 100.0 >= limit * FIRST_FILL || is_within(full, FIRST_WITHIN),
        };
        unusual && is_running(view.course) && self.held(view, limit)
    }

    /// Whether it was as full, and as near to full, a minute ago.
    fn held(self, view: &TableView<'_>, limit: f64) -> bool {
        let then = view.course.before(SUSTAINED);
        let Some(used) = then.finest().map(|pace| pace.newest) else { return false };
        used * 100.0 >= limit * self.fill && is_within(then.time_to(used, limit), self.within)
    }
}

/// Whether the very last step still is at least half as fast as the rise: a burst ends before its slope does.
pub(super) fn is_running(course: &Course<'_>) -> bool {
    let pace = course.finest();
    pace.and_then(|pace| Some(pace.last_per_s * 2.0 >= pace.curve()?.per_s)).unwrap_or(false)
}

/// The numbers of a forecast, added to an alert's evidence.
pub(super) fn note(view: &TableView<'_>, evidence: &mut Map<String, Value>) {
    if let Some(pace) = view.course.finest() {
        evidence.insert("growth_percent_per_minute".into(), json!(pace.percent_per_minute()));
        evidence.insert("growth_per_second".into(), json!(pace.slope.middle));
        evidence.insert("growth_points".into(), json!(pace.points));
        evidence.insert("growth_over_seconds".into(), json!(pace.span_s));
    }
    if let Some((limit, used)) = limit(view).zip(view.reading.used) {
        for (name, share) in [("seconds_to_70_percent", 0.7), ("seconds_to_90_percent", 0.9)] {
            evidence.insert(name.into(), json!(view.course.time_to(number(used), limit * share).seconds()));
        }
        let full = full(view, number(used));
        if let Some((seconds, range)) = full.seconds().zip(full.range()) {
            evidence.insert("time_to_full_seconds".into(), json!(seconds));
            evidence.insert("time_to_full_range_seconds".into(), json!(range));
        }
    }
    if let Some(usual) = view.memory.week.usual(view.reading.observed_at, 0) {
        evidence.insert("usual_peak".into(), json!(usual));
    }
}

/// `full in about 8 min (6 min to 12 min)`, or why that cannot be said.
pub(super) fn words(forecast: Forecast) -> String {
    let speak = |seconds: f64| spoken(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    match forecast {
        Forecast::Within { seconds, .. } if seconds <= 0.0 => "full".to_owned(),
        Forecast::Within { seconds, soonest, latest } => {
            let latest = latest.map_or_else(|| "perhaps never".to_owned(), speak);
            format!("full in about {} ({} to {latest})", speak(seconds), speak(soonest))
        }
        Forecast::Levelling => "levelling off below the limit".to_owned(),
        Forecast::NotAhead => "full at no time that can be foreseen".to_owned(),
        Forecast::Held => "held where it is by shedding".to_owned(),
        Forecast::Unknown => "full at a time that is not known".to_owned(),
    }
}
