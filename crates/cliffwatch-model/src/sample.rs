use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{
    Capacity, CapacityReason, Counter, CounterName, Epoch, GroupName, Role, TableKey, TableState, Timestamp,
    Unit,
};

/// One table at one instant, as a source read it.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
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
    /// Its own epoch, where it has a life of its own (a namespace).
    pub epoch: Option<Epoch>,
    /// Our clock at the reply; the provider's period end for cloud data.
    pub observed_at: Timestamp,
    /// How much is used. Some tables only refuse.
    pub used: Option<u64>,
    /// The limit, or why there is none.
    pub capacity: Result<Capacity, CapacityReason>,
    /// Where the device itself starts to shed, in the table's unit.
    pub sheds_at: Option<u64>,
    /// New entries per second, where the device tells.
    pub setup_rate: Option<f64>,
    /// Ended entries per second, where the device tells.
    pub teardown_rate: Option<f64>,
    /// Every counter that was read, zero or not: read and zero differs from not read.
    pub counters: BTreeMap<CounterName, Counter>,
}
