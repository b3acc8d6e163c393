use cliffwatch_model::{Setting, Severity};
use serde_json::json;

use super::reading;
use crate::device::{DeviceChange, DeviceView};
use crate::summary::{grouped, origin};
use crate::table::{CHANGE_SHOWN, Changed, TableChange, TableView};
use crate::verdict::{Explanation, Verdict};

/// Holds for an hour after the change, or until it is taken back. Less room is a warning, more is info.
/// The first limit that is seen is no change, nor is one that another origin tells.
pub(super) fn judge_table(view: &TableView<'_>) -> Verdict {
    match current(view) {
        Some(TableChange { what: Changed::StoppedTracking, .. }) => Verdict::Raised(Severity::Warning),
        Some(TableChange { what: Changed::Limit(before), .. }) => match view.memory.limit {
            Some(now) if now.limit < before.limit => Verdict::Raised(Severity::Warning),
            _ => Verdict::Raised(Severity::Info),
        },
        None => Verdict::Clear,
    }
}

pub(super) fn explain_table(view: &TableView<'_>) -> Explanation {
    let mut evidence = reading::numbers(view);
    let limit = view.memory.limit;
    match (view.memory.change, limit) {
        (Some(TableChange { what: Changed::StoppedTracking, .. }), _) => {
            let text = "it tracks no connections any more".to_owned();
            Explanation { text, evidence, ..Explanation::default() }
        }
        (Some(TableChange { what: Changed::Limit(before), .. }), Some(now)) => {
            let (from, to) = (before.limit.get(), now.limit.get());
            evidence.insert("limit_before".into(), json!(from));
            Explanation {
                value: Some(reading::number(to)),
                threshold: Some(reading::number(from)),
                unit: view.reading.unit.as_str(),
                text: format!("{}, {}", moved("limit", from, to), origin(now.origin)),
                evidence,
            }
        }
        _ => Explanation { text: "the limit is as before".to_owned(), evidence, ..Explanation::default() },
    }
}

fn current(view: &TableView<'_>) -> Option<TableChange> {
    view.memory.change.filter(|change| view.reading.observed_at.since(change.at) < CHANGE_SHOWN)
}

/// The same for the sizes of hash tables that the device tells.
pub(super) fn judge_device(view: &DeviceView<'_>) -> Verdict {
    if !view.poll.outcome.is_success() {
        return Verdict::Unknown;
    }
    let now = view.poll.header.finished_at;
    match view.memory.change.as_ref().filter(|change| now.since(change.at) < CHANGE_SHOWN) {
        Some(change) if present(view, change) < Some(change.before) => Verdict::Raised(Severity::Warning),
        Some(_) => Verdict::Raised(Severity::Info),
        None => Verdict::Clear,
    }
}

pub(super) fn explain_device(view: &DeviceView<'_>) -> Explanation {
    let Some(change) = &view.memory.change else {
        return Explanation { text: "the settings are as before".to_owned(), ..Explanation::default() };
    };
    let now = present(view, change).unwrap_or(change.before);
    let (from, to) = (change.before.unsigned_abs(), now.unsigned_abs());
    let numbers = [("setting", json!(change.setting)), ("before", json!(change.before)), ("now", json!(now))];
    Explanation {
        value: Some(reading::number(to)),
        threshold: Some(reading::number(from)),
        unit: "buckets",
        text: moved(&change.setting, from, to),
        evidence: numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn present(view: &DeviceView<'_>, change: &DeviceChange) -> Option<i64> {
    match view.poll.device_settings.get(&change.setting) {
        Some(Setting::Number(now)) => Some(*now),
        _ => view.memory.buckets.get(&change.setting).copied(),
    }
}

fn moved(what: &str, from: u64, to: u64) -> String {
    let how = if to < from { "lowered" } else { "raised" };
    format!("{what} {how} from {} to {}", grouped(from), grouped(to))
}
