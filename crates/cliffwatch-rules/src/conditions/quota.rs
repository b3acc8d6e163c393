use cliffwatch_model::{CounterClass, Severity};
use serde_json::json;

use super::reading::{self, counter_verdict, since_onset};
use crate::summary::{self, counted};
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};

/// Any increase is a warning. A quota that does its job protects the table, and somebody waits behind it.
pub(super) fn judge(view: &TableView<'_>) -> Verdict {
    counter_verdict(view, view.signals.held_back, CounterClass::PolicyLimit, Severity::Warning)
}

pub(super) fn explain(view: &TableView<'_>, total: u64) -> Explanation {
    let held_back = view.signals.held_back;
    let mut evidence = reading::numbers(view);
    since_onset(&mut evidence, total);
    if !view.signals.over.is_zero() {
        let rate = reading::number(held_back) / view.signals.over.as_secs_f64();
        evidence.insert("per_second".into(), json!(rate));
    }
    let text = if held_back == 0 {
        "no connection held back by a configured quota".to_owned()
    } else {
        let rises = summary::rises(view.reading, CounterClass::PolicyLimit);
        let connections = counted(held_back, "connection", "connections");
        format!("{connections} held back by a configured quota{} ({rises})", reading::over(view))
    };
    Explanation {
        value: Some(reading::number(held_back)),
        threshold: Some(1.0),
        unit: "connections",
        text,
        evidence,
    }
}
