use cliffwatch_model::Severity;
use serde_json::{Map, json};

use super::Line;
use crate::device::DeviceView;
use crate::verdict::{Explanation, Verdict};

/// A clock that is off makes the device's own logs and history lie about when.
pub(super) fn judge(line: Line, view: &DeviceView<'_>) -> Verdict {
    match view.poll.load.clock_skew_seconds {
        Some(skew) => line.judge(skew.abs(), Severity::Warning),
        None => Verdict::Unknown,
    }
}

pub(super) fn explain(line: Line, view: &DeviceView<'_>) -> Explanation {
    let skew = view.poll.load.clock_skew_seconds;
    let mut evidence = Map::new();
    evidence.insert("clock_skew_seconds".into(), json!(skew));
    let text = match skew {
        Some(skew) if skew < 0.0 => format!("its clock is {:.0} s behind ours", -skew),
        Some(skew) => format!("its clock is {skew:.0} s ahead of ours"),
        None => "the difference of the clocks is not known".to_owned(),
    };
    Explanation { value: skew.map(f64::abs), threshold: Some(line.raise), unit: "s", text, evidence }
}
