use std::time::Duration;

use cliffwatch_model::{Severity, Trigger};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::device::DeviceView;
use crate::span;
use crate::summary::spoken;
use crate::verdict::{Explanation, Verdict};

/// The device cannot be read. Only ticks count, and only those that were made: while we do not poll,
/// nothing is missed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stale {
    /// Raised at this many missed polls in a row …
    pub missed: u32,
    /// … that span at least this long.
    #[serde(with = "span")]
    pub after: Duration,
}

impl Default for Stale {
    fn default() -> Self {
        Self { missed: 5, after: Duration::from_secs(300) }
    }
}

impl Stale {
    pub(super) fn judge(&self, view: &DeviceView<'_>) -> Verdict {
        let poll = view.poll;
        if poll.header.trigger != Trigger::Tick {
            Verdict::Unknown
        } else if poll.outcome.is_success() {
            Verdict::Clear
        } else if view.memory.missed >= self.missed
            && view.memory.failing_for(poll.header.finished_at) >= self.after
        {
            Verdict::Raised(Severity::Warning)
        } else {
            Verdict::Between
        }
    }

    pub(super) fn explain(&self, view: &DeviceView<'_>) -> Explanation {
        let missed = view.memory.missed;
        let age = view.memory.failing_for(view.poll.header.finished_at);
        let outcome = view.poll.outcome.as_str();
        let mut evidence = Map::new();
        evidence.insert("missed_polls".into(), json!(missed));
        evidence.insert("unread_seconds".into(), json!(age.as_secs()));
        evidence.insert("outcome".into(), json!(outcome));
        let text = if missed == 0 {
            "it can be read again".to_owned()
        } else {
            format!("not read for {}: {missed} polls in a row failed, the last with {outcome}", spoken(age))
        };
        Explanation {
            value: Some(f64::from(missed)),
            threshold: Some(f64::from(self.missed)),
            unit: "polls",
            text,
            evidence,
        }
    }
}
