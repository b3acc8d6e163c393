//! What conditions on tables share: the verdict on a plain counter, and the words and numbers of a reading.

use cliffwatch_model::{Bound, CounterClass, Increase, Severity};
use serde_json::{Map, Value, json};

use crate::summary::spoken;
use crate::table::TableView;
use crate::tracks::SINCE_ONSET;
use crate::verdict::Verdict;

/// The verdict on a counter of which any increase counts. Measured as zero is clear, not read is unknown.
pub(super) fn counter_verdict(
    view: &TableView<'_>,
    amount: u64,
    class: CounterClass,
    severity: Severity,
) -> Verdict {
    if amount > 0 {
        Verdict::Raised(severity)
    } else if view.signals.read.has(class) {
        Verdict::Clear
    } else {
        Verdict::Unknown
    }
}

/// Whether a hard limit is used to this percentage.
pub(super) fn is_full(view: &TableView<'_>, percent: f64) -> bool {
    let hard = view.reading.capacity.is_ok_and(|capacity| capacity.bound == Bound::Hard);
    hard && view.fill_percent().is_some_and(|fill| fill >= percent)
}

/// The numbers of the reading itself: part of every table event's evidence.
pub(super) fn numbers(view: &TableView<'_>) -> Map<String, Value> {
    let reading = view.reading;
    let mut numbers = Map::new();
    let mut note = |name: &str, value: Value| numbers.insert(name.to_owned(), value);
    note("used", json!(reading.used));
    match reading.capacity {
        Ok(capacity) => {
            note("limit", json!(capacity.limit));
            note("limit_origin", json!(capacity.origin));
            note("limit_bound", json!(capacity.bound));
        }
        Err(reason) => {
            note("limit_unknown", json!(reason));
        }
    }
    if let Some(percent) = view.fill_percent() {
        note("used_percent", json!(percent));
    }
    if let Some(sheds_at) = reading.sheds_at {
        note("sheds_at", json!(sheds_at));
    }
    if !reading.increases.is_empty() {
        let rise =
            |i: &Increase| (i.counter.to_string(), json!({"by": i.amount, "over_seconds": i.over_seconds}));
        note("increases", Value::Object(reading.increases.iter().map(rise).collect()));
    }
    numbers
}

/// Adds how much a counter rose since the alert's onset.
pub(super) fn since_onset(evidence: &mut Map<String, Value>, total: u64) {
    evidence.insert(SINCE_ONSET.to_owned(), json!(total));
}

/// ` in 10 s`, where it is known over how long.
pub(super) fn over(view: &TableView<'_>) -> String {
    let over = view.signals.over;
    if over.is_zero() { String::new() } else { format!(" in {}", spoken(over)) }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to be shown and compared; exact below 2^53")]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

/// The nearest count to a figure that is not negative; saturates.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
pub(super) fn rounded(figure: f64) -> u64 {
    figure.round() as u64
}
