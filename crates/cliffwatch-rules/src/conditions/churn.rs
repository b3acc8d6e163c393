use std::time::Duration;

use cliffwatch_model::Severity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::ahead::{self, PAUSE};
use super::reading;
use crate::churn::Shortfall;
use crate::span;
use crate::summary::{self, grouped, spoken};
use crate::table::TableView;
use crate::trend::Scale;
use crate::verdict::{Explanation, Verdict};

/// More entries are made than end, where the device measures both; or fewer connections are established than
/// attempted, where a provider counts those.
///
/// Two rates of some thousands a second differ by chance at every reading, so each minute of five must
/// agree, and the count itself must rise as the rates say. Attempts fail for other reasons too (a service
/// behind the gateway that is down), so they say something only where the table, or the ports towards one
/// destination, may run out: from the floor on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Raised where the table, or a bound per destination, is at least this full, in percent, …
    pub floor: f64,
    /// … and full within this time.
    #[serde(with = "span")]
    pub within: Duration,
    /// Clear where it is not full within this time.
    #[serde(with = "span")]
    pub clear_within: Duration,
    /// No verdict for this long after a change of role, epoch or limit: the table fills anew.
    #[serde(with = "span")]
    pub pause: Duration,
    /// Raised where less than this share of the attempts of five minutes was established, in percent …
    pub established: f64,
    /// … and clear from this share on.
    pub established_clear: f64,
    /// Fewer attempts than this in five minutes say nothing of a share.
    pub attempts_min: u32,
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            floor: 40.0,
            within: Duration::from_secs(6 * 3_600),
            clear_within: Duration::from_secs(12 * 3_600),
            pause: PAUSE,
            established: 98.0,
            established_clear: 99.0,
            attempts_min: 100,
        }
    }
}

/// The count rises as the rates say where half an hour of it rises at this part of their difference.
const FOLLOWS: f64 = 0.5;

/// Whether the count rises about as fast as the rates say. A slope is not believed for hours before it was
/// measured for hours; two rates and a count that agree are.
fn follows(view: &TableView<'_>, net_per_s: f64) -> bool {
    let pace = view.course.pace(Scale::HalfHour);
    pace.is_some_and(|pace| pace.is_rising() && pace.slope.middle >= net_per_s * FOLLOWS)
}

/// Hours ahead in which what is usual excuses an imbalance.
const USUAL_HOURS: u32 = 6;

impl Churn {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.clear_within < self.within {
            let (within, clear) = (span::span_text(self.within), span::span_text(self.clear_within));
            return Err(format!("clear_within ({clear}) must not be shorter than within ({within})"));
        }
        if self.established_clear < self.established {
            let (below, clear) = (self.established, self.established_clear);
            return Err(format!("established_clear ({clear}) must not be below established ({below})"));
        }
        let numbers = [self.floor, self.established, self.established_clear];
        if numbers.iter().all(|value| value.is_finite() && *value >= 0.0) {
            return Ok(());
        }
        Err("floor, established and established_clear must be numbers from 0 up".to_owned())
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        let used = match ahead::used(view) {
            Ok(used) => used,
            Err(verdict) => return verdict,
        };
        if let Some(short) = view.memory.shortfall(view.reading.observed_at) {
            return self.judge_attempts(view, short);
        }
        let (Some(limit), Some(churn)) = (ahead::limit(view), view.memory.churn(view.reading.observed_at))
        else {
            return Verdict::Unknown;
        };
        if used * 100.0 < limit * self.floor || churn.net_per_s() <= 0.0 {
            return Verdict::Clear;
        }
        if ahead::is_paused(view, self.pause) {
            return Verdict::Unknown;
        }
        let full_s = (limit - used).max(0.0) / churn.net_per_s();
        let rises = || {
            ahead::is_within(view.course.time_to(used, limit), self.within)
                || follows(view, churn.net_per_s())
        };
        if full_s > self.clear_within.as_secs_f64() {
            Verdict::Clear
        } else if full_s <= self.within.as_secs_f64()
            && churn.sustained
            && rises()
            && !ahead::is_usual(view, used, USUAL_HOURS)
        {
            Verdict::Raised(Severity::Warning)
        } else {
            Verdict::Between
        }
    }

    fn judge_attempts(&self, view: &TableView<'_>, short: Shortfall) -> Verdict {
        let Some(fill) = view.fill_percent() else { return Verdict::Unknown };
        if fill < self.floor {
            return Verdict::Clear;
        }
        if ahead::is_paused(view, self.pause) || short.attempts < f64::from(self.attempts_min) {
            return Verdict::Unknown;
        }
        if short.percent() >= self.established_clear {
            Verdict::Clear
        } else if short.percent() < self.established && short.sustained {
            Verdict::Raised(Severity::Warning)
        } else {
            Verdict::Between
        }
    }

    fn explain_attempts(
        &self,
        view: &TableView<'_>,
        short: Shortfall,
        mut evidence: Map<String, Value>,
    ) -> Explanation {
        let (attempts, established) = (reading::rounded(short.attempts), reading::rounded(short.established));
        evidence.insert("attempts_5m".into(), json!(attempts));
        evidence.insert("established_5m".into(), json!(established));
        let known = short.attempts > 0.0;
        let share = if known { format!(" ({:.1} %)", short.percent()) } else { String::new() };
        Explanation {
            value: known.then(|| short.percent()),
            threshold: Some(self.established),
            unit: "%",
            text: format!(
                "{} of {} attempts of 5 min were established{share} at {}",
                grouped(established),
                grouped(attempts),
                summary::fill(view)
            ),
            evidence,
        }
    }

    pub(super) fn explain(&self, view: &TableView<'_>) -> Explanation {
        let mut evidence = reading::numbers(view);
        if let Some(short) = view.memory.shortfall(view.reading.observed_at) {
            return self.explain_attempts(view, short, evidence);
        }
        ahead::note(view, &mut evidence);
        let Some(churn) = view.memory.churn(view.reading.observed_at) else {
            let text = format!("set-ups and ends are not known at {}", summary::fill(view));
            return Explanation { text, evidence, ..Explanation::default() };
        };
        evidence.insert("setup_rate_5m".into(), json!(churn.setup_per_s));
        evidence.insert("teardown_rate_5m".into(), json!(churn.teardown_per_s));
        let full = ahead::limit(view).zip(view.reading.used).map_or_else(String::new, |(limit, used)| {
            let seconds = (limit - reading::number(used)).max(0.0) / churn.net_per_s();
            Duration::try_from_secs_f64(seconds)
                .map_or_else(|_| String::new(), |at| format!(", full in {}", spoken(at)))
        });
        Explanation {
            value: Some(churn.net_per_s()),
            threshold: Some(0.0),
            unit: "/s",
            text: format!(
                "{:.0} set up and {:.0} ended a second over 5 min at {}{full}",
                churn.setup_per_s,
                churn.teardown_per_s,
                summary::fill(view)
            ),
            evidence,
        }
    }
}
