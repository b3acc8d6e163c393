use cliffwatch_model::Severity;
use serde_json::{Map, Value};

/// What a condition concludes from a reading and the memory of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The condition holds, this badly.
    Raised(Severity),
    /// Below the raising line and above the clearing one: what is, stays.
    Between,
    /// Measured as over, or as not applying any more.
    Clear,
    /// Nothing was measured: nothing changes.
    Unknown,
}

/// What an event says of the reading that caused it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Explanation {
    /// The number that decided, in `unit`.
    pub(crate) value: Option<f64>,
    /// What it is compared with.
    pub(crate) threshold: Option<f64>,
    /// The unit of both; empty where there is no number.
    pub(crate) unit: &'static str,
    /// The middle of the summary: a fragment that reads well after "device table: ".
    pub(crate) text: String,
    /// The numbers.
    pub(crate) evidence: Map<String, Value>,
}

impl Explanation {
    /// Words without a number.
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}
