use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cliffwatch_model::{AlertEvent, DeviceName, IngestMemory, Observation, PollerName};
use cliffwatch_store::{Batch, DeviceChange, MemoryChange, RuleStateChange};
use tokio::sync::Notify;

use crate::stats::Stats;

/// What the backlog may hold while the store is away: about an hour of 1,000 devices at ten seconds.
pub(crate) const BACKLOG_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What is left after the oldest were dropped: dropping many at once keeps a push cheap.
const BACKLOG_BYTES_KEPT: usize = BACKLOG_BYTES_MAX / 8 * 7;
/// Observations in one batch: the design's bound.
const BATCH_OBSERVATIONS_MAX: usize = 10_000;
/// Bytes in one batch: the design's bound.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Everything that one poll leaves to be stored.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// Dropped, oldest first, when the store is away for too long.
    pub(crate) observation: Option<Arc<Observation>>,
    /// Never dropped.
    pub(crate) events: Vec<AlertEvent>,
    /// Ingest's memory after the observation.
    pub(crate) memory: Option<IngestMemory>,
    /// The rules' state, where it is due.
    pub(crate) rules: Option<RuleStateChange>,
    /// What the inventory says.
    pub(crate) device: Option<DeviceChange>,
}

/// What waits for the store, oldest first, bounded.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    queue: Mutex<Queue>,
    /// Woken when something was pushed.
    pub(crate) pushed: Notify,
    /// Woken when events were pushed: they do not linger.
    pub(crate) urgent: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Backlog {
    /// Adds what one poll leaves. The oldest observations make room when it is full; events never go.
    pub(crate) fn push(&self, entry: Entry, stats: &Stats) {
        let urgent = !entry.events.is_empty();
        let mut queue = self.lock();
        queue.bytes += entry.bytes();
        queue.entries.push_back(entry);
        let dropped = queue.shed();
        queue.publish(stats);
        drop(queue);
        Stats::add(&stats.observations_dropped_total, dropped);
        self.pushed.notify_one();
        if urgent {
            self.urgent.notify_one();
        }
    }

    /// Takes the oldest entries, at most one batch of them.
    pub(crate) fn take_batch(&self, stats: &Stats) -> Vec<Entry> {
        let mut queue = self.lock();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(entry) = queue.entries.front() {
            bytes += entry.bytes();
            if batch.len() >= BATCH_OBSERVATIONS_MAX || (bytes > BATCH_BYTES_MAX && !batch.is_empty()) {
                break;
            }
            batch.extend(queue.entries.pop_front());
        }
        queue.bytes = queue.bytes.saturating_sub(batch.iter().map(Entry::bytes).sum());
        queue.publish(stats);
        batch
    }

    /// Puts a batch back that could not be stored, before all that came since.
    pub(crate) fn put_back(&self, batch: Vec<Entry>, stats: &Stats) {
        let mut queue = self.lock();
        queue.bytes += batch.iter().map(Entry::bytes).sum::<usize>();
        for entry in batch.into_iter().rev() {
            queue.entries.push_front(entry);
        }
        let dropped = queue.shed();
        queue.publish(stats);
        Stats::add(&stats.observations_dropped_total, dropped);
    }

    /// Whether events wait: then a commit does not linger.
    pub(crate) fn has_events(&self) -> bool {
        self.lock().entries.iter().any(|entry| !entry.events.is_empty())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Drops the oldest observations of a queue that is over its limit, and tells how many.
    fn shed(&mut self) -> u64 {
        if self.bytes <= BACKLOG_BYTES_MAX {
            return 0;
        }
        let mut dropped = 0;
        let mut excess = self.bytes - BACKLOG_BYTES_KEPT;
        for entry in &mut self.entries {
            if excess == 0 {
                break;
            }
            let before = entry.bytes();
            if entry.observation.take().is_some() {
                dropped += 1;
                entry.memory = None;
                let freed = before - entry.bytes();
                self.bytes -= freed;
                excess = excess.saturating_sub(freed);
            }
        }
        self.entries.retain(|entry| !entry.is_hollow());
        dropped
    }

    fn publish(&self, stats: &Stats) {
        use std::sync::atomic::Ordering::Relaxed;
        stats.backlog_observations.store(self.entries.len() as u64, Relaxed);
        stats.backlog_bytes.store(self.bytes as u64, Relaxed);
    }
}

impl Entry {
    /// Roughly what the entry holds in memory.
    fn bytes(&self) -> usize {
        let observation = self.observation.as_ref().map_or(0, |o| {
            let increases: usize = o.tables.iter().map(|t| t.increases.len() + t.counters.len()).sum();
            // Measured sizes of the types with their heap parts, rounded up.
            700 + o.tables.len() * 500 + increases * 100 + o.faults.len() * 300
        });
        let rows = self.rules.iter().flat_map(|change| &change.rows);
        let rules: usize = rows.map(|(_, state)| 50 + state.as_ref().map_or(0, String::len)).sum();
        let memory = self.memory.as_ref().map_or(0, IngestMemory::bytes);
        observation + memory + rules + self.events.len() * 1_500 + usize::from(self.device.is_some()) * 500
    }

    /// Whether nothing is left of it that a later entry does not repeat.
    fn is_hollow(&self) -> bool {
        self.observation.is_none() && self.events.is_empty() && self.rules.is_none() && self.device.is_none()
    }
}

/// One transaction from what several polls left: of a device's memory and state only the newest.
pub(crate) fn to_batch(poller: &PollerName, entries: &[Entry]) -> Batch {
    let mut batch = Batch::new(poller.clone());
    let mut memories: BTreeMap<DeviceName, (u64, &IngestMemory)> = BTreeMap::new();
    let mut states: BTreeMap<DeviceName, RuleStateChange> = BTreeMap::new();
    for entry in entries {
        if let (Some(observation), Some(memory)) = (&entry.observation, &entry.memory) {
            memories.insert(observation.header.device.clone(), (observation.header.seq, memory));
        }
        if let Some(change) = &entry.rules {
            match states.get_mut(&change.device) {
                None => {
                    states.insert(change.device.clone(), change.clone());
                }
                Some(merged) => merge(merged, change),
            }
        }
        batch.observations.extend(entry.observation.clone());
        batch.events.extend(entry.events.iter().cloned());
        batch.devices.extend(entry.device.clone());
    }
    batch.rule_states = states.into_values().collect();
    batch.memories = memories
        .into_iter()
        .filter_map(|(device, (through_seq, memory))| {
            // The memory is plain data: it always has a JSON form.
            let memory = serde_json::to_string(memory).ok()?;
            Some(MemoryChange { device, through_seq, memory })
        })
        .collect();
    batch
}

/// Later rows replace earlier ones of the same table.
fn merge(merged: &mut RuleStateChange, later: &RuleStateChange) {
    merged.through_seq = merged.through_seq.max(later.through_seq);
    merged.rows.retain(|(table, _)| later.rows.iter().all(|(other, _)| other != table));
    merged.rows.extend(later.rows.iter().cloned());
}
