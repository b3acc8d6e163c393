//! The poll as JSON, one object a line: what `poll` and `decode` print, what `replay --samples` reads.
//!
//! The form is the contract's. Reading it is lenient where the contract names a natural default, and
//! strict about everything else: a wrong value is an error that names it, never a number.

mod known;
mod read;
mod table;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use known::{known, known_of};
pub use read::WireError;
pub use table::{CounterLine, TableLine};

use crate::{EvidenceItem, Fault, Load, Reachability, Setting, SourceError, Timestamp};

/// One poll as a JSON object. Fields that are absent take their natural default when read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PollLine {
    /// The device.
    pub device: String,
    /// Its platform; where absent, what its tables tell.
    #[serde(default)]
    pub platform: Option<String>,
    /// Who polled.
    #[serde(default)]
    pub poller: Option<String>,
    /// Counts the polls of this device.
    #[serde(default)]
    pub seq: Option<u64>,
    /// tick, urgent, backfill, answer.
    #[serde(default)]
    pub trigger: Option<String>,
    /// Our clock when it began.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// Our clock when it ended.
    pub finished_at: Timestamp,
    /// The device's interval; from the spacing of the lines where absent.
    #[serde(default)]
    pub interval_seconds: Option<f64>,
    /// Whether it began late.
    #[serde(default, deserialize_with = "known")]
    pub late: bool,
    /// The normal lateness of the source.
    #[serde(default, deserialize_with = "known")]
    pub lag_seconds: f64,
    /// ok, partial, or the kind of failure.
    pub outcome: String,
    /// Why nothing was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorLine>,
    /// The device's epoch.
    #[serde(default)]
    pub epoch: Option<String>,
    /// Groups read completely.
    #[serde(default, deserialize_with = "known")]
    pub complete: Vec<String>,
    /// The tables.
    #[serde(default, deserialize_with = "known")]
    pub tables: Vec<TableLine>,
    /// The device's load.
    #[serde(default, deserialize_with = "known")]
    pub load: Load,
    /// What is configured on the device.
    #[serde(default, deserialize_with = "known_of")]
    pub device_settings: BTreeMap<String, Setting>,
    /// How the device answered.
    #[serde(default, deserialize_with = "known")]
    pub reachability: Reachability,
    /// Answers to what rules asked.
    #[serde(default, deserialize_with = "known")]
    pub evidence: Vec<EvidenceItem>,
    /// What could not be read.
    #[serde(default, deserialize_with = "known")]
    pub faults: Vec<Fault>,
}

/// Why a poll read nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorLine {
    /// The kind of failure; the same word as `outcome`.
    pub kind: String,
    /// What failed.
    pub message: String,
    /// What to do.
    #[serde(default)]
    pub hint: Option<String>,
}

impl From<&SourceError> for ErrorLine {
    fn from(error: &SourceError) -> Self {
        Self { kind: error.kind.as_str().into(), message: error.message.clone(), hint: error.hint.clone() }
    }
}

#[cfg(test)]
mod tests;
