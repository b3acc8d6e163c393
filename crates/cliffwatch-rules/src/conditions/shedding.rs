use cliffwatch_model::{CounterClass, Severity};

use super::reading::{self, counter_verdict, since_onset};
use crate::summary::{self, counted};
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};

/// A table that is that full, in percent, has only paused: the next burst is met by throwing out again.
const PAUSED_PERCENT: f64 = 90.0;

/// Any increase is a warning: a table can shed for ever at 94 % and never refuse.
pub(super) fn judge(view: &TableView<'_>) -> Verdict {
    let verdict = counter_verdict(view, view.signals.evicted, CounterClass::Evicted, Severity::Warning);
    match verdict {
        Verdict::Clear if reading::is_full(view, PAUSED_PERCENT) => Verdict::Between,
        verdict => verdict,
    }
}

pub(super) fn explain(view: &TableView<'_>, total: u64) -> Explanation {
    let evicted = view.signals.evicted;
    let mut evidence = reading::numbers(view);
    since_onset(&mut evidence, total);
    let what = if evicted == 0 {
        "no entry thrown out".to_owned()
    } else {
        let rises = summary::rises(view.reading, CounterClass::Evicted);
        let entries = counted(evicted, "entry", "entries");
        format!("{entries} thrown out to make room{} ({rises})", reading::over(view))
    };
    Explanation {
        value: Some(reading::number(evicted)),
        threshold: Some(1.0),
        unit: "entries",
        text: format!("{what} at {}", summary::fill(view)),
        evidence,
    }
}
