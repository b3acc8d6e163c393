use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    Capacity, CapacityReason, CounterClass, CounterKind, CounterName, Epoch, EvidenceItem, Fault, GroupName,
    Load, Outcome, PollHeader, Reachability, Role, Setting, SourceError, TableId, TableKey, TableState,
    Timestamp, Unit,
};

/// A poll after [`Ingest`](crate::Ingest): all that rules may read, and all that the store keeps of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When, why and for whom.
    pub header: PollHeader,
    /// How it went.
    pub outcome: Outcome,
    /// Why nothing was read.
    pub error: Option<SourceError>,
    /// The device's epoch.
    pub epoch: Option<Epoch>,
    /// The tables that were read.
    pub tables: Vec<TableObservation>,
    /// Tables that no longer exist.
    pub gone: Vec<Arc<TableKey>>,
    /// The groups that were read completely.
    pub complete: Vec<GroupName>,
    /// The device's load.
    pub load: Load,
    /// What is configured on the device, carried between the reads that tell it and shared by all that hold it.
    pub device_settings: Arc<BTreeMap<String, Setting>>,
    /// How the device answered.
    pub reachability: Reachability,
    /// Answers to what rules asked.
    pub evidence: Vec<EvidenceItem>,
    /// What could not be read.
    pub faults: Vec<Fault>,
}

/// One table in an observation.
#[derive(Clone, Debug, PartialEq)]
pub struct TableObservation {
    /// The table's id.
    pub id: TableId,
    /// Which table.
    pub table: Arc<TableKey>,
    /// What `used` counts.
    pub unit: Unit,
    /// The request that read it.
    pub group: GroupName,
    /// Whether it is in use at all.
    pub state: TableState,
    /// How it relates to its siblings.
    pub role: Role,
    /// Its own epoch.
    pub epoch: Option<Epoch>,
    /// The only time of windows and slopes.
    pub observed_at: Timestamp,
    /// 0 for the first reading of this instant, then one more for each correction.
    pub revision: u32,
    /// What sets it apart from a plain next reading.
    pub marks: Marks,
    /// How much is used.
    pub used: Option<u64>,
    /// The limit in force (configured before reported, carried between slow reads), or why there is none.
    pub capacity: Result<Capacity, CapacityReason>,
    /// Where the device itself starts to shed.
    pub sheds_at: Option<u64>,
    /// New entries per second.
    pub setup_rate: Option<f64>,
    /// Ended entries per second.
    pub teardown_rate: Option<f64>,
    /// Every counter that was read.
    pub counters: BTreeMap<CounterName, CounterTotal>,
    /// What happened since the table's last reading; only what is not zero.
    pub increases: Vec<Increase>,
}

impl TableObservation {
    /// The share of the limit that is used, where both are known.
    pub fn utilization(&self) -> Option<f64> {
        match (self.used, self.capacity) {
            (Some(used), Ok(capacity)) => Some(capacity.utilization(used)),
            _ => None,
        }
    }
}

/// What sets a reading apart from a plain next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The table was not known before.
    pub appeared: bool,
    /// An older instant than the table's newest: it fills windows and resolves nothing.
    pub late: bool,
    /// The table or its device began a new life since the last reading.
    pub new_epoch: bool,
    /// A counter went back within its epoch: its increase is not known.
    pub decreased: bool,
}

impl Marks {
    /// The marks as a number for the store.
    pub fn bits(self) -> u8 {
        u8::from(self.appeared)
            | u8::from(self.late) << 1
            | u8::from(self.new_epoch) << 2
            | u8::from(self.decreased) << 3
    }

    /// The marks from the store's number.
    pub fn from_bits(bits: u8) -> Self {
        let has = |bit: u8| bits & (1 << bit) != 0;
        Self { appeared: has(0), late: has(1), new_epoch: has(2), decreased: has(3) }
    }
}

/// A counter's compact reading: what is kept of it in a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterTotal {
    /// What an increase means.
    pub class: CounterClass,
    /// What the number is.
    pub kind: CounterKind,
    /// The total, the period's sum or the number of events.
    pub value: u64,
}

/// A counter that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Increase {
    /// The vendor's name.
    pub counter: CounterName,
    /// What it means.
    pub class: CounterClass,
    /// What kind of counter moved.
    pub kind: CounterKind,
    /// By how much; never zero.
    pub amount: u64,
    /// How much of the amount its paired counter tells as well (see [`paired_counter`](crate::paired_counter)).
    pub paired: u64,
    /// Seconds that the amount spreads over: since the last reading, or the period. 0 where unknown.
    pub over_seconds: u32,
}
