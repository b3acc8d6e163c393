use std::time::Duration;

use cliffwatch_model::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ahead::{self, Brink, PAUSE, SUSTAINED};
use super::reading::{self, number};
use crate::outlook::Forecast;
use crate::span;
use crate::summary::{self, grouped};
use crate::table::TableView;
use crate::trend::{Course, Pace, Scale};
use crate::verdict::{Explanation, Verdict};

/// A table will be full soon.
///
/// A forecast warns of what the level does not show yet, and is honest where it knows nothing: a rise that
/// levels off, one that is over, and one that is as usual are no forecast, and a table that sheds is not calm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeToFull {
    /// Raised where it is full within this time …
    #[serde(with = "span")]
    pub within: Duration,
    /// … and at least this full now, in percent.
    pub floor: f64,
    /// Clear where it is not full within this time.
    #[serde(with = "span")]
    pub clear_within: Duration,
    /// Critical where it is full within this time, for a minute, …
    #[serde(with = "span")]
    pub critical_within: Duration,
    /// … at least this full now, in percent, …
    pub critical_fill: f64,
    /// … and holds this many times the usual peak of the hour.
    pub times_usual: f64,
    /// Info where the peaks of the days lead to this fill within a day, in percent.
    pub day_fill: f64,
    /// No verdict for this long after a change of role, epoch or limit: the table fills anew.
    #[serde(with = "span")]
    pub pause: Duration,
}

impl Default for TimeToFull {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(3_600),
            floor: 40.0,
            clear_within: Duration::from_secs(7_200),
            critical_within: Duration::from_secs(600),
            critical_fill: 60.0,
            times_usual: 1.5,
            day_fill: 70.0,
            pause: PAUSE,
        }
    }
}

/// Where use moved by less than this share of the room that is left, over minutes and over half an hour,
/// the table is not full within hours.
const STILL_SHARE: f64 = 0.05;

/// How far ahead the table is seen full.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reach {
    /// Within minutes, and the rise goes on: a burst ends before its slope does.
    Minutes,
    /// Within the hour; half an hour says the same, and even the slowest rise that the readings allow fills
    /// it. A burst leaves a slope behind that points an hour ahead.
    Hour,
}

/// What points an hour ahead did so this long ago as well.
const SUSTAINED_HOUR: Duration = Duration::from_secs(300);
/// How much later than the time that is warned of the slowest rise may fill the table.
const SURELY_TIMES: f64 = 4.0;
/// How much later the last half hour may see it full.
const ALIKE_TIMES: f64 = 1.5;

impl TimeToFull {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { within, clear_within, .. } = *self;
        if clear_within < within {
            let (within, clear) = (span::span_text(within), span::span_text(clear_within));
            return Err(format!("clear_within ({clear}) must not be shorter than within ({within})"));
        }
        let others = [self.floor, self.critical_fill, self.times_usual, self.day_fill];
        if others.iter().all(|value| value.is_finite() && *value >= 0.0) {
            return Ok(());
        }
        Err("floor, critical_fill, times_usual and day_fill must be numbers from 0 up".to_owned())
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        let used = match ahead::used(view) {
            Ok(used) => used,
            Err(verdict) => return verdict,
        };
        let Some(limit) = ahead::limit(view) else { return Verdict::Unknown };
        match self.soon(view, used, limit) {
            verdict @ (Verdict::Raised(_) | Verdict::Between) => verdict,
            verdict => self.day(view, limit).unwrap_or(verdict),
        }
    }

    fn soon(&self, view: &TableView<'_>, used: f64, limit: f64) -> Verdict {
        if used * 100.0 < limit * self.floor {
            return ahead::calm(view);
        }
        if ahead::is_paused(view, self.pause) {
            return Verdict::Unknown;
        }
        // Full already: the level says so, and nothing is foreseen.
        let least = (limit - used) * STILL_SHARE;
        if least <= 0.0 {
            return Verdict::Between;
        }
        let is_still = |scale| view.course.is_still(scale, least);
        if is_still(Scale::Minutes) == Some(true) && is_still(Scale::HalfHour) != Some(false) {
            return ahead::calm(view);
        }
        let full = view.course.time_to(used, limit);
        let usual = |reach| ahead::is_usual(view, used, if reach == Reach::Hour { 1 } else { 0 });
        let news = |reach: &Reach| !usual(*reach) && self.lasts(view, *reach, limit);
        if full == Forecast::Unknown {
            Verdict::Unknown
        } else if self.reach(view.course, full, limit - used).filter(news).is_some() {
            let near = self.brink().is_near(view, used);
            Verdict::Raised(if near { Severity::Critical } else { Severity::Warning })
        } else if ahead::is_within(full, self.clear_within) {
            Verdict::Between
        } else {
            ahead::calm(view)
        }
    }

    /// What a course says of the time to `full`, with so much room left.
    fn reach(&self, course: &Course<'_>, full: Forecast, room: f64) -> Option<Reach> {
        if ahead::is_within(full, self.critical_within) && ahead::is_running(course) {
            return Some(Reach::Minutes);
        }
        let Forecast::Within { latest: Some(latest), .. } = full else { return None };
        let within_s = self.within.as_secs_f64();
        let longer = course.pace(Scale::HalfHour).and_then(|pace| pace.curve()?.time_to(room));
        let sure = ahead::is_within(full, self.within)
            && latest <= within_s * SURELY_TIMES
            && longer.is_some_and(|seconds| seconds <= within_s * ALIKE_TIMES);
        sure.then_some(Reach::Hour)
    }

    /// Whether the same was foreseen some time ago: one look at an hour ahead tells as much of noise as of a
    /// rise, and what was reported as tomorrow's peak does not become a warning within one reading.
    fn lasts(&self, view: &TableView<'_>, reach: Reach, limit: f64) -> bool {
        let foreseen = |before: Duration| {
            let then = view.course.before(before);
            then.finest().is_some_and(|Pace { newest: used, .. }| {
                self.reach(&then, then.time_to(used, limit), limit - used).is_some()
            })
        };
        match (view.open, reach) {
            // What has begun to warn goes on.
            (Some(Severity::Warning | Severity::Critical), _) | (None, Reach::Minutes) => true,
            (Some(Severity::Info), Reach::Minutes) => foreseen(SUSTAINED),
            (_, Reach::Hour) => foreseen(SUSTAINED_HOUR),
        }
    }

    /// The report on tomorrow: never a reason for what already warned to go on warning.
    fn day(&self, view: &TableView<'_>, limit: f64) -> Option<Verdict> {
        let [_, peak, _] = view.memory.week.tomorrow()?;
        let report = view.open.is_none_or(|open| open == Severity::Info);
        (report && number(peak) * 100.0 >= limit * self.day_fill).then_some(Verdict::Raised(Severity::Info))
    }

    fn brink(&self) -> Brink {
        Brink { within: self.critical_within, fill: self.critical_fill, times_usual: self.times_usual }
    }

    pub(super) fn explain(&self, view: &TableView<'_>) -> Explanation {
        let mut evidence = reading::numbers(view);
        ahead::note(view, &mut evidence);
        let full = ahead::full(view, number(view.reading.used.unwrap_or(0)));
        let mut text = format!("{} at {}", ahead::words(full), summary::fill(view));
        if let Some([least, middle, most]) = view.memory.week.tomorrow() {
            evidence.insert("peak_within_a_day".into(), json!(middle));
            evidence.insert("peak_within_a_day_range".into(), json!([least, most]));
            if !ahead::is_within(full, self.within) {
                text = format!("a peak of {} is forecast within a day, {text}", grouped(middle));
            }
        }
        Explanation {
            value: full.seconds().map(|seconds| seconds / 60.0),
            threshold: Some(self.within.as_secs_f64() / 60.0),
            unit: "min",
            text,
            evidence,
        }
    }
}
