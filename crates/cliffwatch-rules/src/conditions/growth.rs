use std::time::Duration;

use cliffwatch_model::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ahead::{self, Brink, FULL_PERCENT, PAUSE};
use super::{Line, reading};
use crate::span;
use crate::summary;
use crate::table::TableView;
use crate::trend::{Pace, Scale};
use crate::verdict::{Explanation, Verdict};

/// Use grows fast: an attack, a failover, a malfunction.
///
/// Growth is the robust slope of at least 5 minutes, in percent of the count a minute, or a leap that
/// stands: a neighbour's traffic arrives within seconds, and no slope of minutes shows it. A table that is
/// nearly empty may grow as it likes, and so may one that does what it does at this time of each week.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Raised at this many percent a minute.
    pub raise: f64,
    /// Clear below this.
    pub clear: f64,
    /// Or where it rose to this many times what it was some minutes ago, and stands there.
    pub leap: f64,
    /// Only where the table is at least this full, in percent, or …
    pub floor: f64,
    /// … will be full within this time, or …
    #[serde(with = "span")]
    pub within: Duration,
    /// … holds at least this many, where the limit is not known.
    pub floor_count: u64,
    /// Critical where it is at least this full, in percent, and full within that time, for a minute, …
    pub critical_fill: f64,
    /// … and holds this many times the usual peak of the hour.
    pub times_usual: f64,
    /// No verdict for this long after a change of role, epoch or limit: the table fills anew.
    #[serde(with = "span")]
    pub pause: Duration,
}

impl Default for Growth {
    fn default() -> Self {
        Self {
            raise: 5.0,
            clear: 2.5,
            // Doubled, less the noise of both levels.
            leap: 1.9,
            floor: 40.0,
            within: Duration::from_secs(600),
            floor_count: 5_000,
            critical_fill: 60.0,
            times_usual: 1.5,
            pause: PAUSE,
        }
    }
}

/// Where use moved by less than this share within the minutes, growth is below every line worth setting.
const STILL_SHARE: f64 = 0.05;
/// The same, of the limit, where only the forecast could lift the table over the floor.
const STILL_LIMIT_SHARE: f64 = 0.05;

impl Growth {
    pub(super) fn check(&self) -> Result<(), String> {
        self.line().check()?;
        if !(self.leap.is_finite() && self.leap > 1.0) {
            return Err(format!("leap ({}) must be a number above 1", self.leap));
        }
        let others = [self.floor, self.critical_fill, self.times_usual];
        if others.iter().all(|value| value.is_finite() && *value >= 0.0) {
            return Ok(());
        }
        Err("floor, critical_fill and times_usual must be numbers from 0 up".to_owned())
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        let used = match ahead::used(view) {
            Ok(used) => used,
            Err(verdict) => return verdict,
        };
        if ahead::is_paused(view, self.pause) {
            return if self.is_low(view, used) { ahead::calm(view) } else { Verdict::Unknown };
        }
        if view.course.is_still(Scale::Minutes, self.least_move(view, used)) == Some(true) {
            return ahead::calm(view);
        }
        let Some(pace) = view.course.pace(Scale::Minutes) else { return Verdict::Unknown };
        let line = self.line().judge(pace.percent_per_minute(), Severity::Warning);
        let grows = matches!(line, Verdict::Raised(_)) && pace.is_rising();
        let leapt = self.has_leapt(view, pace);
        if (line == Verdict::Clear && !leapt) || !self.is_above_floor(view, used) {
            ahead::calm(view)
        } else if !(grows || leapt) || ahead::is_usual(view, used, 0) {
            Verdict::Between
        } else {
            let near = grows && self.brink().is_near(view, used);
            Verdict::Raised(if near { Severity::Critical } else { Severity::Warning })
        }
    }

    /// Whether it rose by a step that stands. A table that is nearly full has a rule of its own.
    fn has_leapt(&self, view: &TableView<'_>, pace: Pace) -> bool {
        pace.leap >= self.leap && !reading::is_full(view, FULL_PERCENT)
    }

    fn least_move(&self, view: &TableView<'_>, used: f64) -> f64 {
        match ahead::limit(view) {
            Some(limit) if self.is_low(view, used) => limit * STILL_LIMIT_SHARE,
            _ => used * STILL_SHARE,
        }
    }

    /// Whether the table is as empty as may be.
    fn is_low(&self, view: &TableView<'_>, used: f64) -> bool {
        match ahead::limit(view) {
            Some(limit) => used * 100.0 < limit * self.floor,
            None => used < reading::number(self.floor_count),
        }
    }

    fn is_above_floor(&self, view: &TableView<'_>, used: f64) -> bool {
        let soon = |limit| ahead::is_within(view.course.time_to(used, limit), self.within);
        !self.is_low(view, used) || ahead::limit(view).is_some_and(soon)
    }

    fn line(&self) -> Line {
        Line { raise: self.raise, clear: self.clear }
    }

    fn brink(&self) -> Brink {
        Brink { within: self.within, fill: self.critical_fill, times_usual: self.times_usual }
    }

    pub(super) fn explain(&self, view: &TableView<'_>) -> Explanation {
        let mut evidence = reading::numbers(view);
        ahead::note(view, &mut evidence);
        let pace = view.course.pace(Scale::Minutes);
        let mut growth = pace.map(|pace| pace.percent_per_minute());
        let text = match pace {
            Some(pace) => {
                let over = summary::spoken(Duration::from_secs_f64(pace.span_s.max(0.0)));
                let fill = summary::fill(view);
                let full = ahead::full(view, reading::number(view.reading.used.unwrap_or(0)));
                let ahead =
                    ahead::limit(view).map_or_else(String::new, |_| format!(", {}", ahead::words(full)));
                if self.has_leapt(view, pace) && !pace.is_rising() {
                    growth = Some((pace.leap - 1.0) * 100.0 * 60.0 / pace.span_s);
                    evidence.insert("leap_times".into(), json!(pace.leap));
                    format!("{:.1} times what it was within {over}: {fill}{ahead}", pace.leap)
                } else {
                    let growth = pace.percent_per_minute();
                    format!("growing {growth:.1} % a minute over {over} to {fill}{ahead}")
                }
            }
            None => format!("growth not known at {}", summary::fill(view)),
        };
        Explanation { value: growth, threshold: Some(self.raise), unit: "%/min", text, evidence }
    }
}
