use std::collections::HashMap;
use std::time::Duration;

use cliffwatch_model::{Observation, TableId, TableKey};

use crate::convert::{counter_label, named_device, poll_context, sample_context, table_record};
use crate::engine::Engine;
use crate::records::{CounterRecord, KeyRef, PollerRecord};
use crate::row::Record;
use crate::text::clean;
use crate::{Batch, StoreError};

/// Names and contexts that are remembered: about 30 tables and contexts for each of 10,000 devices. Beyond
/// it everything is forgotten and looked up again.
const KNOWN_MAX: usize = 300_000;
/// A row that is in use is marked so again after this, so that retention can tell what nothing uses any
/// more. Half of the day that retention adds to be safe.
const MARK_EVERY: Duration = Duration::from_secs(43_200);

/// The numbers that stand for names and contexts in the rows of history.
///
/// Only what a committed transaction wrote may be known: the caller drops this where a commit fails.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pollers: Known,
    devices: Known,
    tables: Known,
    counters: Known,
    poll_contexts: Known,
    sample_contexts: Known,
}

/// The contexts of one observation: the poll's, and that of each of its tables.
pub(crate) struct Contexts {
    pub(crate) poll: String,
    pub(crate) tables: Vec<String>,
}

#[derive(Debug, Default)]
struct Known(HashMap<String, Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    reference: i32,
    marked_at: i64,
}

/// Rows that must be there, by key.
struct Wanted<R>(HashMap<String, R>);

impl Ids {
    pub(crate) fn poller(&self, name: &str) -> Result<i32, StoreError> {
        self.pollers.get(name)
    }

    pub(crate) fn device(&self, name: &str) -> Result<i32, StoreError> {
        self.devices.get(name)
    }

    pub(crate) fn table(&self, id: TableId) -> Result<i32, StoreError> {
        self.tables.get(&id.to_string())
    }

    pub(crate) fn counter(&self, label: &str) -> Result<i32, StoreError> {
        self.counters.get(label)
    }

    pub(crate) fn poll_context(&self, digest: &str) -> Result<i32, StoreError> {
        self.poll_contexts.get(digest)
    }

    pub(crate) fn sample_context(&self, digest: &str) -> Result<i32, StoreError> {
        self.sample_contexts.get(digest)
    }

    /// Makes sure that everything the batch names is in the database and known here. Tells the contexts of
    /// each observation.
    pub(crate) async fn intern<E: Engine>(
        &mut self,
        connection: &mut E::Connection,
        batch: &Batch,
        now: i64,
    ) -> Result<Vec<Contexts>, StoreError> {
        self.forget_beyond_max();
        let mut pollers = Wanted(HashMap::new());
        let mut devices = Wanted(HashMap::new());
        let poller = |name: &str| Ok(PollerRecord { name: name.to_owned(), used_at: now });
        pollers.add(&self.pollers, batch.poller.as_str(), now, poller)?;
        for o in &batch.observations {
            pollers.add(&self.pollers, o.header.poller.as_str(), now, poller)?;
            devices.add(&self.devices, o.header.device.as_str(), now, |_| {
                Ok(named_device(&o.header.device, &o.header.platform, now))
            })?;
        }
        for device in
            batch.memories.iter().map(|m| &m.device).chain(batch.rule_states.iter().map(|r| &r.device))
        {
            let platform =
                cliffwatch_model::Platform::new("unknown").map_err(|e| StoreError::Invalid(e.to_string()))?;
            devices.add(&self.devices, device.as_str(), now, |_| Ok(named_device(device, &platform, now)))?;
        }
        self.pollers.insert::<E, _>(connection, pollers, BY_POLLER, now).await?;
        self.devices.insert::<E, _>(connection, devices, BY_DEVICE, now).await?;
        self.intern_tables::<E>(connection, batch, now).await?;
        self.intern_contexts::<E>(connection, batch, now).await
    }

    async fn intern_tables<E: Engine>(
        &mut self,
        connection: &mut E::Connection,
        batch: &Batch,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut tables = Wanted(HashMap::new());
        let mut counters = Wanted(HashMap::new());
        for o in &batch.observations {
            for (id, key) in tables_of(o) {
                tables.add(&self.tables, &id.to_string(), now, |_| {
                    table_record(id, key, self.devices.get(key.device.as_str())?, now)
                })?;
            }
            for increase in o.tables.iter().flat_map(|table| &table.increases) {
                let label = counter_label(&increase.counter, increase.class, increase.kind);
                counters.add(&self.counters, &label, now, |label| {
                    Ok(CounterRecord {
                        label: label.to_owned(),
                        name: clean(increase.counter.as_str()),
                        class: increase.class.as_str().to_owned(),
                        kind: increase.kind.as_str().to_owned(),
                        used_at: now,
                    })
                })?;
            }
        }
        self.tables.insert::<E, _>(connection, tables, BY_TABLE, now).await?;
        self.counters.insert::<E, _>(connection, counters, BY_LABEL, now).await
    }

    async fn intern_contexts<E: Engine>(
        &mut self,
        connection: &mut E::Connection,
        batch: &Batch,
        now: i64,
    ) -> Result<Vec<Contexts>, StoreError> {
        let mut polls = Wanted(HashMap::new());
        let mut samples = Wanted(HashMap::new());
        let mut contexts = Vec::with_capacity(batch.observations.len());
        for o in &batch.observations {
            let poll = poll_context(o, now)?;
            let digest = poll.digest.clone();
            polls.add(&self.poll_contexts, &digest, now, |_| Ok(poll))?;
            let mut tables = Vec::with_capacity(o.tables.len());
            for table in &o.tables {
                let sample = sample_context(table, now)?;
                let digest = sample.digest.clone();
                samples.add(&self.sample_contexts, &digest, now, |_| Ok(sample))?;
                tables.push(digest);
            }
            contexts.push(Contexts { poll: digest, tables });
        }
        self.poll_contexts.insert::<E, _>(connection, polls, BY_POLL_DIGEST, now).await?;
        self.sample_contexts.insert::<E, _>(connection, samples, BY_SAMPLE_DIGEST, now).await?;
        Ok(contexts)
    }

    fn forget_beyond_max(&mut self) {
        let all = [
            &self.pollers,
            &self.devices,
            &self.tables,
            &self.counters,
            &self.poll_contexts,
            &self.sample_contexts,
        ];
        if all.iter().map(|known| known.0.len()).sum::<usize>() > KNOWN_MAX {
            *self = Self::default();
        }
    }
}

/// Every table that an observation names.
fn tables_of(o: &Observation) -> impl Iterator<Item = (TableId, &TableKey)> {
    let read = o.tables.iter().map(|table| (table.id, &*table.table));
    read.chain(o.gone.iter().map(|key| (key.id(), &**key)))
}

const BY_POLLER: &str = "ON CONFLICT (name) DO UPDATE SET used_at = excluded.used_at \
    RETURNING name AS key, poller_ref AS reference";
const BY_DEVICE: &str = "ON CONFLICT (name) DO UPDATE SET used_at = excluded.used_at \
    RETURNING name AS key, device_ref AS reference";
const BY_TABLE: &str = "ON CONFLICT (table_id) DO UPDATE SET used_at = excluded.used_at \
    RETURNING table_id AS key, table_ref AS reference";
const BY_LABEL: &str = "ON CONFLICT (label) DO UPDATE SET used_at = excluded.used_at \
    RETURNING label AS key, counter_ref AS reference";
const BY_POLL_DIGEST: &str = "ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at \
    RETURNING digest AS key, context_ref AS reference";
const BY_SAMPLE_DIGEST: &str = BY_POLL_DIGEST;

impl Known {
    fn get(&self, key: &str) -> Result<i32, StoreError> {
        let missing = || StoreError::permanent(format!("`{key}` was not interned before it was used"));
        self.0.get(key).map(|entry| entry.reference).ok_or_else(missing)
    }

    /// Whether the row is known and was marked as in use lately.
    fn is_marked(&self, key: &str, now: i64) -> bool {
        let lately = |entry: &Entry| {
            let age = now.saturating_sub(entry.marked_at);
            u128::try_from(age).is_ok_and(|age| age < MARK_EVERY.as_micros()) || age < 0
        };
        self.0.get(key).is_some_and(lately)
    }

    async fn insert<E: Engine, R: Record>(
        &mut self,
        connection: &mut E::Connection,
        wanted: Wanted<R>,
        conflict: &'static str,
        now: i64,
    ) -> Result<(), StoreError> {
        if wanted.0.is_empty() {
            return Ok(());
        }
        // In the order of keys: two writers that meet here wait for each other instead of locking up.
        let mut rows: Vec<(String, R)> = wanted.0.into_iter().collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        for KeyRef { key, reference } in E::insert_returning(connection, rows, conflict).await? {
            self.0.insert(key, Entry { reference, marked_at: now });
        }
        Ok(())
    }
}

impl<R> Wanted<R> {
    fn add(
        &mut self,
        known: &Known,
        key: &str,
        now: i64,
        row: impl FnOnce(&str) -> Result<R, StoreError>,
    ) -> Result<(), StoreError> {
        if !known.is_marked(key, now) && !self.0.contains_key(key) {
            self.0.insert(key.to_owned(), row(key)?);
        }
        Ok(())
    }
}
