use cliffwatch_model::{MemoryState, Severity};
use serde_json::{Map, json};

use crate::device::DeviceView;
use crate::verdict::{Explanation, Verdict};

/// Red refuses some work, extreme refuses new sessions.
pub(super) fn judge(view: &DeviceView<'_>) -> Verdict {
    match view.poll.load.memory_state {
        None => Verdict::Unknown,
        Some(MemoryState::Normal) => Verdict::Clear,
        Some(MemoryState::Red) => Verdict::Raised(Severity::Warning),
        Some(MemoryState::Extreme) => Verdict::Raised(Severity::Critical),
    }
}

pub(super) fn explain(view: &DeviceView<'_>) -> Explanation {
    let state = view.poll.load.memory_state;
    let percent = view.poll.load.figures.get("memory_percent").copied();
    let mut evidence = Map::new();
    evidence.insert("memory_state".into(), json!(state));
    evidence.insert("memory_percent".into(), json!(percent));
    let text = match state {
        Some(MemoryState::Red) => "the device is short of memory and refuses some work",
        Some(MemoryState::Extreme) => "the device is out of memory and refuses new sessions",
        Some(MemoryState::Normal) => "the device has enough memory",
        None => "the device does not tell its memory state",
    };
    Explanation { value: percent, threshold: None, unit: "%", text: text.to_owned(), evidence }
}
