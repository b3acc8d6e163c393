//! What the newest polls showed, for the diagnosis alone. Nothing of it is saved: it is there again with the
//! next poll, and what is missing until then is said to be missing.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    CanaryReading, Capacity, CapacityReason, EvidenceItem, MemoryState, Observation, Reachability, Role,
    Setting, TableId, TableKey, TableObservation, TableState, Timestamp, Unit,
};

use super::recent::Recent;

/// Tables of one device of which evidence is kept.
const GATHERED_MAX: usize = 4;
/// What was gathered longer ago tells of another time.
const GATHERED_FRESH: Duration = Duration::from_secs(3_600);
/// What was tried longer ago says nothing of now.
const TRIED_FRESH: Duration = Duration::from_secs(600);

/// What the newest polls showed of a table.
#[derive(Clone, Debug, Default)]
pub(crate) struct TableSight {
    pub(crate) newest: Option<Newest>,
    pub(crate) recent: Recent,
    /// The last change of role, and what it was before.
    pub(crate) turned: Option<(Timestamp, Role)>,
}

/// The newest reading of a table, without what is elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Newest {
    pub(crate) table: Arc<TableKey>,
    pub(crate) at: Timestamp,
    pub(crate) unit: Unit,
    pub(crate) state: TableState,
    pub(crate) role: Role,
    pub(crate) used: Option<u64>,
    pub(crate) capacity: Result<Capacity, CapacityReason>,
    pub(crate) sheds_at: Option<u64>,
    pub(crate) setup_rate: Option<f64>,
    pub(crate) teardown_rate: Option<f64>,
}

impl TableSight {
    pub(crate) fn take(&mut self, reading: &TableObservation, late: bool) {
        self.recent.take(reading);
        if late && self.newest.is_some() {
            return;
        }
        if let Some(before) = self.newest.as_ref().map(|known| known.role).filter(|b| *b != reading.role) {
            self.turned = Some((reading.observed_at, before));
        }
        self.newest = Some(Newest {
            table: Arc::clone(&reading.table),
            at: reading.observed_at,
            unit: reading.unit,
            state: reading.state,
            role: reading.role,
            used: reading.used,
            capacity: reading.capacity,
            sheds_at: reading.sheds_at,
            setup_rate: reading.setup_rate.filter(|rate| rate.is_finite()),
            teardown_rate: reading.teardown_rate.filter(|rate| rate.is_finite()),
        });
    }
}

/// What the newest polls showed of a device.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceSight {
    /// The newest poll, whatever became of it.
    pub(crate) polled_at: Option<Timestamp>,
    /// Round trip on the held session, and when.
    held: Option<(Timestamp, f64)>,
    /// The last attempt at a new connection, beside the held one.
    new: Option<(Timestamp, Reachability)>,
    canary: Option<(Timestamp, CanaryReading)>,
    /// What it says of its own memory, and how much of that is in use, in percent.
    pub(crate) memory: Option<(MemoryState, Option<f64>)>,
    pub(crate) settings: Arc<BTreeMap<String, Setting>>,
    /// Newest last, one for each table.
    gathered: VecDeque<(Timestamp, TableId, Vec<EvidenceItem>)>,
}

impl DeviceSight {
    pub(crate) fn take(&mut self, o: &Observation) {
        let now = o.header.finished_at;
        self.polled_at = self.polled_at.max(Some(now));
        if !o.outcome.is_success() {
            return;
        }
        let reachability = &o.reachability;
        if let Some(ms) = reachability.held_ms.filter(|ms| ms.is_finite()) {
            self.held = Some((now, ms));
        }
        if reachability.new.is_some() {
            self.new = Some((now, Reachability { canary: None, ..reachability.clone() }));
        }
        if let Some(canary) = &reachability.canary {
            self.canary = Some((now, canary.clone()));
        }
        if let Some(state) = o.load.memory_state {
            self.memory = Some((state, o.load.figures.get("memory_percent").copied()));
        }
        if !Arc::ptr_eq(&self.settings, &o.device_settings) {
            self.settings = Arc::clone(&o.device_settings);
        }
        self.gather(&o.evidence, now);
    }

    fn gather(&mut self, evidence: &[EvidenceItem], now: Timestamp) {
        let Some(table) = evidence.iter().find_map(|item| item.table_id) else { return };
        self.gathered.retain(|(_, known, _)| *known != table);
        if self.gathered.len() >= GATHERED_MAX {
            self.gathered.pop_front();
        }
        let about = evidence.iter().filter(|item| item.table_id == Some(table));
        self.gathered.push_back((now, table, about.cloned().collect()));
    }

    /// What was last gathered of a table, where that still says something.
    pub(crate) fn evidence(&self, table: TableId) -> Option<(Timestamp, &[EvidenceItem])> {
        let (at, _, items) = self.gathered.iter().find(|(_, known, _)| *known == table)?;
        let fresh = self.polled_at.is_none_or(|now| now.since(*at) <= GATHERED_FRESH);
        fresh.then_some((*at, items))
    }

    pub(crate) fn held_ms(&self) -> Option<f64> {
        self.fresh(self.held.as_ref()).copied()
    }

    /// The newest attempt at a new connection.
    pub(crate) fn attempt(&self) -> Option<&Reachability> {
        self.fresh(self.new.as_ref())
    }

    /// What the canary last saw.
    pub(crate) fn canary(&self) -> Option<&CanaryReading> {
        self.fresh(self.canary.as_ref())
    }

    fn fresh<'a, T>(&self, seen: Option<&'a (Timestamp, T)>) -> Option<&'a T> {
        let (at, what) = seen?;
        self.polled_at.is_none_or(|now| now.since(*at) <= TRIED_FRESH).then_some(what)
    }
}
