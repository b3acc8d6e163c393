use cliffwatch_model::{ErrorKind, Outcome, Severity};
use serde_json::{Map, json};

use crate::device::DeviceView;
use crate::verdict::{Explanation, Verdict};

/// One rejection is enough: it is not tried again for long, and others may share the credential. (That
/// several devices with one credential are one finding is for `paging` to say.)
pub(super) fn judge(view: &DeviceView<'_>) -> Verdict {
    match view.poll.outcome {
        Outcome::Ok | Outcome::Partial => Verdict::Clear,
        Outcome::Failed(ErrorKind::Auth) => Verdict::Raised(Severity::Warning),
        Outcome::Failed(ErrorKind::Breaker) if view.memory.rejected => Verdict::Raised(Severity::Warning),
        Outcome::Failed(_) => Verdict::Unknown,
    }
}

pub(super) fn explain(view: &DeviceView<'_>) -> Explanation {
    let mut evidence = Map::new();
    evidence.insert("outcome".into(), json!(view.poll.outcome.as_str()));
    let text = if view.poll.outcome.is_success() {
        "it lets us in again"
    } else {
        "the device rejected our credential"
    };
    Explanation { text: text.to_owned(), evidence, ..Explanation::default() }
}
