use std::sync::Arc;

use cliffwatch_model::{AlertEvent, Device, DeviceName, Observation, PollerName, TableId, Timestamp};

/// What one transaction writes: everything that the engine learnt since the last one.
///
/// A batch may be committed again after a failure: whatever an earlier attempt already stored stays as it
/// is, and nothing moves backwards.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Who polled: every observation's header names the same.
    pub poller: PollerName,
    /// In the order in which they were observed: the sequence numbers of a device ascend.
    pub observations: Vec<Arc<Observation>>,
    /// Transitions of alerts, in the order in which they happened.
    pub events: Vec<AlertEvent>,
    /// What the inventory says now.
    pub devices: Vec<DeviceChange>,
    /// Ingest's memory of each device after its newest observation in this batch; any other is not stored.
    pub memories: Vec<MemoryChange>,
    /// The rules' state, where it is due to be saved.
    pub rule_states: Vec<RuleStateChange>,
}

impl Batch {
    /// A batch of this poller with nothing in it.
    pub fn new(poller: PollerName) -> Self {
        Self {
            poller,
            observations: Vec::new(),
            events: Vec::new(),
            devices: Vec::new(),
            memories: Vec::new(),
            rule_states: Vec::new(),
        }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty()
            && self.events.is_empty()
            && self.devices.is_empty()
            && self.memories.is_empty()
            && self.rule_states.is_empty()
    }
}

/// A device as the inventory knows it, or no longer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// It is polled, with these facts.
    Active(Arc<Device>),
    /// It left the inventory: its tables have no latest state any more, its history stays.
    Retired {
        /// Which device.
        device: DeviceName,
        /// When.
        at: Timestamp,
    },
}

/// Ingest's memory of one device, serialised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryChange {
    /// Which device.
    pub device: DeviceName,
    /// The last poll that is folded into it: the device's newest in the batch.
    pub through_seq: u64,
    /// The serialised [`IngestMemory`](cliffwatch_model::IngestMemory).
    pub memory: String,
}

/// Rows of the rules' state of one device that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStateChange {
    /// Which device.
    pub device: DeviceName,
    /// The last poll that is folded into the device's state.
    pub through_seq: u64,
    /// Per table (none: the device itself) the new serialised state, or none to delete it.
    pub rows: Vec<(Option<TableId>, Option<String>)>,
}

/// What a commit added. A batch that was stored before adds nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Polls that were not stored before.
    pub polls: u64,
    /// Sample revisions that were not stored before.
    pub samples: u64,
    /// Increases that were not stored before.
    pub increases: u64,
    /// Alert events that were not stored before.
    pub events: u64,
}
