use cliffwatch_model::{CounterClass, Severity};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Line;
use super::reading::{self, since_onset};
use crate::summary::{counted, grouped};
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};
use crate::window::WINDOW_SPAN;

/// Flows compete for the same translation, more than is usual here.
///
/// Some devices count a few clashes every day, so the number alone says little: it must also be a share
/// of the set-ups (where their rate is known) and a multiple of the table's own 7-day median. Before the
/// first whole hour is known, nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Colliding {
    /// Raised at this many collisions in 5 minutes.
    pub raise: f64,
    /// Clear below this many.
    pub clear: f64,
    /// And at this many for each 1,000 set-ups.
    pub per_thousand: f64,
    /// And at this many times the median of the last 7 days.
    pub times_median: f64,
}

impl Default for Colliding {
    fn default() -> Self {
        Self { raise: 50.0, clear: 25.0, per_thousand: 1.0, times_median: 5.0 }
    }
}

impl Colliding {
    pub(super) fn check(&self) -> Result<(), String> {
        self.line().check()?;
        if !(self.per_thousand.is_finite() && self.times_median.is_finite()) {
            return Err("per_thousand and times_median must be numbers".to_owned());
        }
        Ok(())
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        if !view.signals.read.has(CounterClass::Collision) && view.signals.collisions == 0 {
            return Verdict::Unknown;
        }
        let verdict = self.line().judge(reading::number(collisions(view)), Severity::Warning);
        match verdict {
            Verdict::Raised(_) if self.is_unusual(view) => verdict,
            Verdict::Raised(_) | Verdict::Between if self.is_usual(view) => Verdict::Clear,
            Verdict::Raised(_) => Verdict::Between,
            verdict => verdict,
        }
    }

    /// Back at the everyday level, which may lie above the clearing line: as far below what is unusual as that
    /// line is below the raising one.
    fn is_usual(&self, view: &TableView<'_>) -> bool {
        let line = |median: u64| reading::number(median) * self.times_median * self.clear / self.raise;
        let collisions = reading::number(collisions(view));
        view.memory.usual_collisions.median().is_some_and(|median| collisions < line(median))
    }

    fn is_unusual(&self, view: &TableView<'_>) -> bool {
        let collisions = reading::number(collisions(view));
        let share = set_ups(view).is_none_or(|set_ups| collisions * 1_000.0 >= set_ups * self.per_thousand);
        let median = view.memory.usual_collisions.median();
        share && median.is_some_and(|median| collisions >= reading::number(median) * self.times_median)
    }

    fn line(&self) -> Line {
        Line { raise: self.raise, clear: self.clear }
    }

    pub(super) fn explain(&self, view: &TableView<'_>, total: u64) -> Explanation {
        let collisions = collisions(view);
        let median = view.memory.usual_collisions.median();
        let mut evidence = reading::numbers(view);
        since_onset(&mut evidence, total);
        evidence.insert("collisions_in_5m".into(), json!(collisions));
        evidence.insert("usual_in_5m".into(), json!(median));
        evidence.insert("set_ups_in_5m".into(), json!(set_ups(view)));
        let usual = median.map_or_else(|| "unknown".to_owned(), grouped);
        let text = format!("{} in 5 min, usual are {usual}", counted(collisions, "collision", "collisions"));
        Explanation {
            value: Some(reading::number(collisions)),
            threshold: Some(self.raise),
            unit: "collisions/5min",
            text,
            evidence,
        }
    }
}

fn collisions(view: &TableView<'_>) -> u64 {
    view.memory.collisions.sum(view.reading.observed_at, WINDOW_SPAN)
}

/// Set-ups in the same 5 minutes, from the present rate.
fn set_ups(view: &TableView<'_>) -> Option<f64> {
    view.reading.setup_rate.map(|rate| rate * WINDOW_SPAN.as_secs_f64())
}
