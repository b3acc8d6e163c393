use std::time::Duration;

use cliffwatch_model::Severity;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ahead::{self, PAUSE};
use super::reading;
use crate::span;
use crate::summary::{self, spoken};
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};

/// More entries are made than end, where the device measures both.
///
/// Two rates of some thousands a second differ by chance at every reading, so each minute of five must
/// agree, and the count itself must rise as the rates say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Churn {
    /// Raised where the table is at least this full, in percent, …
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
}

impl Default for Churn {
    fn default() -> Self {
        Self {
            floor: 40.0,
            within: Duration::from_secs(6 * 3_600),
            clear_within: Duration::from_secs(12 * 3_600),
            pause: PAUSE,
        }
    }
}

/// Hours ahead in which what is usual excuses an imbalance.
const USUAL_HOURS: u32 = 6;

impl Churn {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.clear_within < self.within {
            let (within, clear) = (span::span_text(self.within), span::span_text(self.clear_within));
            return Err(format!("clear_within ({clear}) must not be shorter than within ({within})"));
        }
        if self.floor.is_finite() && self.floor >= 0.0 {
            return Ok(());
        }
        Err("floor must be a number from 0 up".to_owned())
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        let used = match ahead::used(view) {
            Ok(used) => used,
            Err(verdict) => return verdict,
        };
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
        let rises = || ahead::is_within(view.course.time_to(used, limit), self.within);
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

    pub(super) fn explain(&self, view: &TableView<'_>) -> Explanation {
        let mut evidence = reading::numbers(view);
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
