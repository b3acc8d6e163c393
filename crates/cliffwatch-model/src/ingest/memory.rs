use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Capacity, CounterName, Epoch, GroupName, Sample, Setting, TableId, TableKey, Timestamp};

/// Instants of a table with period data that are remembered to recognise re-reads and corrections: two
/// hours of 1-minute data, more than any provider corrects.
const PERIOD_INSTANTS_MAX: usize = 120;
/// Instants of a polled table that are remembered: the newest, and one before it.
const POLLED_INSTANTS_MAX: usize = 2;

/// What [`Ingest`](crate::Ingest) remembers of a device between polls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestMemory {
    pub(super) epoch: Option<Epoch>,
    #[serde(default)]
    pub(super) settings: Arc<BTreeMap<String, Setting>>,
    /// Groups that were read completely at least once: what appears in one later was born later.
    #[serde(default)]
    pub(super) complete: BTreeSet<GroupName>,
    /// Whether tables were left out of the last reading, so that an unknown table need not be new.
    #[serde(default)]
    pub(super) cut: bool,
    #[serde(default)]
    pub(super) tables: BTreeMap<TableId, Box<TableMemory>>,
}

/// What is remembered of one table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TableMemory {
    pub(super) key: Arc<TableKey>,
    pub(super) group: GroupName,
    pub(super) device_epoch: Option<Epoch>,
    pub(super) epoch: Option<Epoch>,
    /// The newest `observed_at`.
    pub(super) newest: Option<Timestamp>,
    /// When a reading last held it, whatever its `observed_at`.
    pub(super) seen_at: Timestamp,
    pub(super) capacity: Option<Capacity>,
    pub(super) sheds_at: Option<u64>,
    /// The parts of each cumulative counter at its last reading, and when that was.
    pub(super) counters: BTreeMap<CounterName, (Timestamp, Vec<u64>)>,
    pub(super) recent: BTreeMap<Timestamp, Instant>,
}

/// One remembered reading.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Instant {
    pub(super) revision: u32,
    pub(super) digest: u64,
    /// Sums already counted for the period that ends here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) periods: BTreeMap<CounterName, u64>,
}

impl IngestMemory {
    /// Carries what was told. Nothing is copied while nothing changes, which is nearly always.
    pub(super) fn take_settings(&mut self, told: BTreeMap<String, Setting>) {
        if told.iter().any(|(name, value)| self.settings.get(name) != Some(value)) {
            Arc::make_mut(&mut self.settings).extend(told);
        }
    }

    /// Roughly what it holds in memory, in bytes.
    pub fn bytes(&self) -> usize {
        let table = |table: &TableMemory| {
            let parts: usize = table.counters.values().map(|(_, parts)| 100 + 8 * parts.len()).sum();
            let periods: usize = table.recent.values().map(|instant| 100 + 60 * instant.periods.len()).sum();
            400 + parts + periods
        };
        200 + 80 * self.settings.len() + self.tables.values().map(|kept| table(kept)).sum::<usize>()
    }
}

impl TableMemory {
    pub(super) fn new(key: Arc<TableKey>, group: GroupName) -> Self {
        Self {
            key,
            group,
            device_epoch: None,
            epoch: None,
            newest: None,
            seen_at: Timestamp::default(),
            capacity: None,
            sheds_at: None,
            counters: BTreeMap::new(),
            recent: BTreeMap::new(),
        }
    }

    /// Notes the epochs now in force and tells whether one of them changed. An epoch that is not told
    /// is not a change; a late reading tells of the past and changes nothing.
    pub(super) fn turn_epoch(&mut self, device: Option<&Epoch>, own: Option<&Epoch>, late: bool) -> bool {
        if late {
            return false;
        }
        let turn = |kept: &mut Option<Epoch>, now: Option<&Epoch>| {
            let changed = matches!((&*kept, now), (Some(old), Some(new)) if old != new);
            if let Some(now) = now {
                *kept = Some(now.clone());
            }
            changed
        };
        let device_changed = turn(&mut self.device_epoch, device);
        turn(&mut self.epoch, own) || device_changed
    }

    /// Whether an instant is older than all that is remembered, so that nothing can be told about it.
    pub(super) fn forgets_at(&self, at: Timestamp) -> bool {
        self.recent.len() >= self.instants_max()
            && self.recent.keys().next().is_some_and(|oldest| at < *oldest)
    }

    pub(super) fn forget_old_instants(&mut self) {
        while self.recent.len() > self.instants_max() {
            self.recent.pop_first();
        }
    }

    fn instants_max(&self) -> usize {
        let periodic = self.recent.values().any(|instant| !instant.periods.is_empty());
        if periodic { PERIOD_INSTANTS_MAX } else { POLLED_INSTANTS_MAX }
    }
}

/// FNV-1a over what a sample says: the same after a restart, unlike the standard library's hashers.
pub(super) fn digest(sample: &Sample) -> u64 {
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    hash.number(sample.used.map_or(u64::MAX, |used| used));
    hash.number(sample.capacity.map_or(0, |capacity| capacity.limit.get()));
    hash.number(sample.setup_rate.map_or(u64::MAX, f64::to_bits));
    hash.number(sample.teardown_rate.map_or(u64::MAX, f64::to_bits));
    hash.bytes(sample.state.as_str().as_bytes());
    hash.bytes(sample.role.as_str().as_bytes());
    for (name, counter) in &sample.counters {
        hash.bytes(name.as_str().as_bytes());
        hash.number(counter.value());
    }
    hash.0
}

struct Fnv(u64);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn number(&mut self, number: u64) {
        self.bytes(&number.to_le_bytes());
    }
}
