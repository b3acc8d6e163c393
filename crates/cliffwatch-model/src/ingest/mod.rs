//! From polls to observations, once and for all: increases, epochs, carried limits, tables that went.
//!
//! One [`Ingest`] per device, pure. Its memory is saved with every commit, so a restart continues where
//! the last stored poll ended.

mod counters;
mod memory;
mod presence;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use memory::IngestMemory;
use memory::{Instant, TableMemory};

use crate::{
    CapacityOverrides, CapacityReason, CounterKind, CounterTotal, Fault, FaultKind, Marks, Observation, Poll,
    PollHeader, Reading, Sample, TableId, TableObservation,
};

/// Live tables of one device that are kept, fullest first; the design's bound on what one runaway
/// device (thousands of containers) may cost. The rest are a fault with a count.
pub const LIVE_TABLES_MAX: usize = 2_000;

/// Folds the polls of one device into observations.
#[derive(Clone, Debug)]
pub struct Ingest {
    overrides: CapacityOverrides,
    memory: IngestMemory,
}

impl Ingest {
    /// Starts, or continues from saved memory.
    pub fn new(overrides: CapacityOverrides, memory: IngestMemory) -> Self {
        Self { overrides, memory }
    }

    /// What must be saved for [`Ingest::new`] to continue.
    pub fn memory(&self) -> &IngestMemory {
        &self.memory
    }

    /// Takes the inventory's limits after a reload; they apply from the next poll on.
    pub fn configure(&mut self, overrides: CapacityOverrides) {
        self.overrides = overrides;
    }

    /// Turns the next poll into the observation that rules, store and users see.
    pub fn ingest(&mut self, poll: Poll) -> Observation {
        let outcome = poll.outcome();
        let mut observation = Observation {
            outcome,
            error: None,
            epoch: self.memory.epoch.clone(),
            tables: Vec::new(),
            gone: Vec::new(),
            complete: Vec::new(),
            load: crate::Load::default(),
            device_settings: Arc::clone(&self.memory.settings),
            reachability: crate::Reachability::default(),
            evidence: Vec::new(),
            faults: Vec::new(),
            header: poll.header,
        };
        match poll.result {
            Ok(reading) => self.take(reading, &mut observation),
            Err(error) => observation.error = Some(error),
        }
        observation
    }

    fn take(&mut self, mut reading: Reading, out: &mut Observation) {
        if reading.epoch.is_some() {
            self.memory.epoch = reading.epoch.take();
        }
        self.memory.take_settings(reading.device_settings);
        let cut = presence::keep_fullest(&mut reading.samples);
        if cut > 0 {
            let message = format!("{cut} tables beyond the {LIVE_TABLES_MAX} fullest were left out");
            reading.faults.push(Fault::new("tables", FaultKind::Limit, message));
        }
        // A provider may tell the newest first; only what an earlier poll went beyond is late.
        reading.samples.sort_by_key(|sample| sample.observed_at);
        let seen: BTreeSet<TableId> = reading.samples.iter().map(|s| s.table.id()).collect();
        for sample in reading.samples {
            out.tables.extend(self.sample(sample, &out.header));
        }
        out.gone = self.memory.depart(&seen, &reading.complete, out.header.finished_at);
        self.memory.complete.extend(reading.complete.iter().cloned());
        self.memory.cut = cut > 0;
        out.epoch = self.memory.epoch.clone();
        out.device_settings = Arc::clone(&self.memory.settings);
        out.complete = reading.complete;
        out.load = reading.load;
        out.reachability = reading.reachability;
        out.evidence = reading.evidence;
        out.outcome = if reading.faults.is_empty() { out.outcome } else { crate::Outcome::Partial };
        out.faults = reading.faults;
    }

    /// One sample, or nothing where the same reading was taken before or is too old to tell.
    fn sample(&mut self, sample: Sample, header: &PollHeader) -> Option<TableObservation> {
        let id = sample.table.id();
        let born = self.memory.complete.contains(&sample.group) && !self.memory.cut;
        let known = self.memory.tables.contains_key(&id);
        let memory =
            self.memory.tables.entry(id).or_insert_with(|| {
                Box::new(TableMemory::new(Arc::clone(&sample.table), sample.group.clone()))
            });
        memory.seen_at = memory.seen_at.max(header.finished_at);
        let revision = memory.revision_of(&sample)?;
        let mut marks = Marks {
            appeared: !known,
            late: memory.newest.is_some_and(|newest| sample.observed_at < newest),
            ..Marks::default()
        };
        marks.new_epoch =
            known && memory.turn_epoch(self.memory.epoch.as_ref(), sample.epoch.as_ref(), marks.late);
        if !known {
            memory.turn_epoch(self.memory.epoch.as_ref(), sample.epoch.as_ref(), false);
        }
        let baseline =
            counters::Baseline { from_zero: marks.new_epoch || (!known && born), late: marks.late };
        let moved = counters::increases(memory, &sample, baseline);
        marks.decreased = moved.decreased;
        let capacity = memory.carry(&sample, marks.late);
        let configured =
            self.overrides.capacity_of(&sample.table, capacity.0.map_or(crate::Bound::Hard, |c| c.bound));
        memory.remember(&sample, revision);
        Some(TableObservation {
            id,
            unit: sample.unit,
            group: sample.group,
            state: sample.state,
            role: sample.role,
            epoch: sample.epoch,
            observed_at: sample.observed_at,
            revision,
            marks,
            used: sample.used,
            capacity: configured.map_or(capacity.0, Ok),
            sheds_at: capacity.1,
            setup_rate: sample.setup_rate.filter(|rate| rate.is_finite()),
            teardown_rate: sample.teardown_rate.filter(|rate| rate.is_finite()),
            counters: totals(&sample.counters),
            increases: moved.increases,
            table: sample.table,
        })
    }
}

fn totals(
    counters: &std::collections::BTreeMap<crate::CounterName, crate::Counter>,
) -> std::collections::BTreeMap<crate::CounterName, CounterTotal> {
    let total = |c: &crate::Counter| CounterTotal { class: c.class, kind: c.kind(), value: c.value() };
    counters.iter().map(|(name, counter)| (name.clone(), total(counter))).collect()
}

impl TableMemory {
    /// The revision this sample gets; nothing for an identical re-read, or one older than is remembered.
    fn revision_of(&self, sample: &Sample) -> Option<u32> {
        match self.recent.get(&sample.observed_at) {
            Some(instant) if instant.digest == memory::digest(sample) => None,
            Some(instant) => Some(instant.revision.saturating_add(1)),
            None if self.forgets_at(sample.observed_at) => None,
            None => Some(0),
        }
    }

    /// The limit in force: a value that is read seldom is carried until it is read again.
    fn carry(
        &mut self,
        sample: &Sample,
        late: bool,
    ) -> (Result<crate::Capacity, CapacityReason>, Option<u64>) {
        match sample.capacity {
            Err(CapacityReason::NotRead) => match self.capacity {
                Some(carried) => (Ok(carried), sample.sheds_at.or(self.sheds_at)),
                None => (Err(CapacityReason::NotRead), sample.sheds_at),
            },
            told => {
                if !late {
                    self.capacity = told.ok();
                    self.sheds_at = sample.sheds_at;
                }
                (told, sample.sheds_at)
            }
        }
    }

    fn remember(&mut self, sample: &Sample, revision: u32) {
        // What was counted stays counted when it is corrected down: the next correction may go up again.
        let mut periods =
            self.recent.get(&sample.observed_at).map(|before| before.periods.clone()).unwrap_or_default();
        for (name, counter) in &sample.counters {
            if counter.kind() == CounterKind::Period {
                let counted = periods.entry(name.clone()).or_default();
                *counted = counter.value().max(*counted);
            }
        }
        self.newest = self.newest.max(Some(sample.observed_at));
        self.recent.insert(sample.observed_at, Instant { revision, digest: memory::digest(sample), periods });
        self.forget_old_instants();
    }
}

#[cfg(test)]
mod tests;
