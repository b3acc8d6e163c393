use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::table::words;
use crate::wire::known_of;
use crate::{
    DeviceName, Epoch, ErrorKind, Fault, GroupName, Platform, PollerName, Sample, SourceError, TableId,
    Timestamp,
};

words! {
    /// What made a poll happen. Only ticks count for n-of-m conditions and staleness.
    Trigger {
        /// The schedule.
        Tick = "tick",
        /// A pushed reading that could not wait for the tick.
        Urgent = "urgent",
        /// History that was asked for after a gap of ours.
        Backfill = "backfill",
        /// The answer to a question that a rule asked.
        Answer = "answer",
    }
}

/// How a poll went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Everything was read.
    Ok,
    /// Something was read, and at least one fault says what was not.
    Partial,
    /// Nothing was read.
    Failed(ErrorKind),
}

impl Outcome {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed(kind) => kind.as_str(),
        }
    }

    /// The outcome with this name, as stored or received.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "ok" => Some(Self::Ok),
            "partial" => Some(Self::Partial),
            other => ErrorKind::parse(other).map(Self::Failed),
        }
    }

    /// Whether anything was read.
    pub fn is_success(self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

/// When, why and for whom a poll was made: all but its result.
#[derive(Clone, Debug, PartialEq)]
pub struct PollHeader {
    /// The device.
    pub device: DeviceName,
    /// Its platform.
    pub platform: Platform,
    /// Who polled.
    pub poller: PollerName,
    /// Counts the polls of this device by this poller, without gaps over restarts.
    pub seq: u64,
    /// What made it happen.
    pub trigger: Trigger,
    /// Our clock when it began.
    pub started_at: Timestamp,
    /// Our clock when it ended: what staleness is judged by.
    pub finished_at: Timestamp,
    /// The device's interval at the time.
    pub interval: Duration,
    /// Whether it began more than one interval after its tick.
    pub late: bool,
    /// The normal lateness of the source's data (clouds).
    pub lag: Duration,
}

/// One attempt to read a device.
#[derive(Clone, Debug, PartialEq)]
pub struct Poll {
    /// When, why and for whom.
    pub header: PollHeader,
    /// What was read, or why nothing was.
    pub result: Result<Reading, SourceError>,
}

impl Poll {
    /// How it went.
    pub fn outcome(&self) -> Outcome {
        match &self.result {
            Ok(reading) if reading.faults.is_empty() => Outcome::Ok,
            Ok(_) => Outcome::Partial,
            Err(error) => Outcome::Failed(error.kind),
        }
    }
}

/// What a poll read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// The device's own epoch.
    pub epoch: Option<Epoch>,
    /// The tables.
    pub samples: Vec<Sample>,
    /// The groups that were read completely: a table absent from one of these is gone.
    pub complete: Vec<GroupName>,
    /// The device's own load.
    pub load: Load,
    /// Timeouts, sizes and ratios that are configured on the device, with the unit in the name.
    pub device_settings: BTreeMap<String, Setting>,
    /// How the device answered.
    pub reachability: Reachability,
    /// Answers to what rules asked.
    pub evidence: Vec<EvidenceItem>,
    /// What could not be read.
    pub faults: Vec<Fault>,
}

/// A device's load. What was not read is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Whether the device says it is short of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_state: Option<MemoryState>,
    /// How far the device's clock is ahead of ours, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_skew_seconds: Option<f64>,
    /// TCP connections by state.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "known_of")]
    pub tcp_states: BTreeMap<String, u64>,
    /// Figures by name with the unit in the name: `cpu_percent`, `softirq_percent`, `memory_percent`.
    #[serde(flatten, deserialize_with = "known_of")]
    pub figures: BTreeMap<String, f64>,
}

words! {
    /// What a device says of its own memory (FortiGate's conserve mode has these levels).
    MemoryState {
        /// Enough.
        Normal = "normal",
        /// It has begun to refuse some work.
        Red = "red",
        /// It refuses new sessions.
        Extreme = "extreme",
    }
}

/// A configured value of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A whole number.
    Number(i64),
    /// A word.
    Text(String),
}

/// How the held session and a new connection answered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reachability {
    /// Round trip on the held session, in milliseconds. Beside an attempt at a new connection: at that moment.
    #[serde(default)]
    pub held_ms: Option<f64>,
    /// What a NEW connection beside it did, where one was tried.
    #[serde(default)]
    pub new: Option<NewConnection>,
    /// What a host behind the device saw, where one looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryReading>,
}

/// What a new connection did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NewConnection {
    /// How long TCP took to make it, in milliseconds; absent where it did not.
    pub connect_ms: Option<f64>,
    /// Why it is of no use. Beside a `connect_ms`: the connection was made, and the service on it did not
    /// answer as it should.
    pub error: Option<ErrorKind>,
    /// From its first packet until it was found good, refused or given up, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_ms: Option<f64>,
}

/// One held and one new connection through the device, made from a host behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CanaryReading {
    /// The host: a device's name, or `local`.
    pub from: String,
    /// Where the connections lead: address and port.
    pub target: String,
    /// Whether the connection that was held before still works; absent where there was none, or where it
    /// said nothing when it was asked.
    #[serde(default)]
    pub held: Option<HeldState>,
    /// How fast it answered, in milliseconds; it is asked only when no new one could be made.
    #[serde(default)]
    pub held_ms: Option<f64>,
    /// How many new connections were tried, one after the other, until one was made.
    pub attempts: u32,
    /// The last of them.
    pub new: NewConnection,
}

words! {
    /// What became of a connection that was held.
    HeldState {
        /// It is open.
        Open = "open",
        /// The far end closed it earlier: an idle time that ended, and no finding.
        Closed = "closed",
    }
}

/// One finding that was asked for: top sources, idle ages, …
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// What it shows: `top_sources`.
    pub what: String,
    /// The table that it is about; absent where it is about the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_id: Option<TableId>,
    /// The finding.
    pub value: serde_json::Value,
}

impl EvidenceItem {
    /// What stands in the place of evidence that could not be gathered, so that it is found where that is looked for.
    pub fn not_gathered(table: TableId, error: &SourceError) -> Self {
        let SourceError { kind, message, hint } = error;
        let value = serde_json::json!({ "kind": kind, "message": message, "hint": hint });
        Self { what: "not_gathered".to_owned(), table_id: Some(table), value }
    }
}
