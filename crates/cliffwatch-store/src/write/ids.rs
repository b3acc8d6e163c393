use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::time::Duration;

use cliffwatch_model::{Observation, TableId, TableKey};

use crate::convert::{
    ContextDigest, counter_label, named_device, poll_context, poll_digest, sample_context, sample_digest,
    table_record,
};
use crate::engine::Engine;
use crate::records::{CounterRecord, KeyRef, PollerRecord};
use crate::row::Record;
use crate::text::{clean, word};
use crate::{Batch, StoreError};

/// Names and contexts that are remembered: about 30 for each of 10,000 devices. Beyond it everything is
/// forgotten and looked up again.
const KNOWN_MAX: usize = 300_000;
/// A row that is in use is marked so again after this, so that retention can tell what nothing uses any
/// more. Half of the day that retention adds to be safe.
const MARK_EVERY: Duration = Duration::from_secs(43_200);
/// The platform of a device of which the store knows no poll and no description.
const UNKNOWN_PLATFORM: &str = "unknown";

/// The numbers that stand for names and contexts in the rows of history.
///
/// Only what a committed transaction wrote may be known: the caller drops this where a commit fails.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pollers: Known<String>,
    devices: Known<String>,
    tables: Known<TableId>,
    counters: Known<String>,
    poll_contexts: Known<ContextDigest>,
    sample_contexts: Known<ContextDigest>,
}

/// The contexts of one observation: the poll's, and that of each of its tables.
pub(crate) struct Contexts {
    pub(crate) poll: ContextDigest,
    pub(crate) tables: Vec<ContextDigest>,
}

impl Ids {
    pub(crate) fn poller(&self, name: &str) -> Result<i32, StoreError> {
        self.pollers.get(name)
    }

    pub(crate) fn device(&self, name: &str) -> Result<i32, StoreError> {
        self.devices.get(name)
    }

    pub(crate) fn table(&self, id: TableId) -> Result<i32, StoreError> {
        self.tables.get(&id)
    }

    pub(crate) fn counter(&self, label: &str) -> Result<i32, StoreError> {
        self.counters.get(label)
    }

    pub(crate) fn poll_context(&self, digest: ContextDigest) -> Result<i32, StoreError> {
        self.poll_contexts.get(&digest)
    }

    pub(crate) fn sample_context(&self, digest: ContextDigest) -> Result<i32, StoreError> {
        self.sample_contexts.get(&digest)
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
        self.intern_names::<E>(connection, batch, now).await?;
        self.intern_tables::<E>(connection, batch, now).await?;
        self.intern_contexts::<E>(connection, batch, now).await
    }

    async fn intern_names<E: Engine>(
        &mut self,
        connection: &mut E::Connection,
        batch: &Batch,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut pollers = HashMap::new();
        let mut devices = HashMap::new();
        let poller_names = batch.observations.iter().map(|o| o.header.poller.as_str());
        for poller in poller_names.chain([batch.poller.as_str()]) {
            if !self.pollers.is_marked(poller, now) {
                pollers.insert(poller, PollerRecord { name: poller.to_owned(), used_at: now });
            }
        }
        let polled = batch.observations.iter().map(|o| (&o.header.device, o.header.platform.as_str()));
        let judged = batch.rule_states.iter().map(|change| (&change.device, UNKNOWN_PLATFORM));
        for (device, platform) in polled.chain(judged) {
            if !self.devices.is_marked(device.as_str(), now) {
                let row = || named_device(device, platform, now);
                devices.entry(device.as_str()).or_insert_with(row);
            }
        }
        self.pollers.insert::<E, _, _>(connection, pollers, BY_POLLER, now).await?;
        self.devices.insert::<E, _, _>(connection, devices, BY_DEVICE, now).await
    }

    async fn intern_tables<E: Engine>(
        &mut self,
        connection: &mut E::Connection,
        batch: &Batch,
        now: i64,
    ) -> Result<(), StoreError> {
        let mut tables = HashMap::new();
        let mut counters = HashMap::new();
        for o in &batch.observations {
            for (id, key) in tables_of(o) {
                if !self.tables.is_marked(&id, now) && !tables.contains_key(&id) {
                    let device = self.devices.get(key.device.as_str())?;
                    tables.insert(id, table_record(id, key, device, now)?);
                }
            }
            for increase in o.tables.iter().flat_map(|table| &table.increases) {
                let label = counter_label(&increase.counter, increase.class, increase.kind);
                if !self.counters.is_marked(&label, now) {
                    let row = CounterRecord {
                        label: label.clone(),
                        name: clean(increase.counter.as_str()),
                        class: increase.class.as_str().to_owned(),
                        kind: increase.kind.as_str().to_owned(),
                        used_at: now,
                    };
                    counters.insert(label, row);
                }
            }
        }
        self.tables.insert::<E, _, _>(connection, tables, BY_TABLE, now).await?;
        self.counters.insert::<E, _, _>(connection, counters, BY_LABEL, now).await
    }

    async fn intern_contexts<E: Engine>(
        &mut self,
        connection: &mut E::Connection,
        batch: &Batch,
        now: i64,
    ) -> Result<Vec<Contexts>, StoreError> {
        let mut polls = HashMap::new();
        let mut samples = HashMap::new();
        let mut contexts = Vec::with_capacity(batch.observations.len());
        for o in &batch.observations {
            let poll = poll_digest(o);
            if !self.poll_contexts.is_marked(&poll, now) {
                polls.insert(poll, poll_context(o, poll, now)?);
            }
            let mut tables = Vec::with_capacity(o.tables.len());
            for table in &o.tables {
                let sample = sample_digest(table);
                if !self.sample_contexts.is_marked(&sample, now) {
                    samples.insert(sample, sample_context(table, sample, now)?);
                }
                tables.push(sample);
            }
            contexts.push(Contexts { poll, tables });
        }
        self.poll_contexts.insert::<E, _, _>(connection, polls, BY_DIGEST, now).await?;
        self.sample_contexts.insert::<E, _, _>(connection, samples, BY_DIGEST, now).await?;
        Ok(contexts)
    }

    fn forget_beyond_max(&mut self) {
        let names = self.pollers.0.len() + self.devices.0.len() + self.tables.0.len() + self.counters.0.len();
        if names + self.poll_contexts.0.len() + self.sample_contexts.0.len() > KNOWN_MAX {
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
const BY_DIGEST: &str = "ON CONFLICT (digest) DO UPDATE SET used_at = excluded.used_at \
    RETURNING digest AS key, context_ref AS reference";

/// Rows of one kind that are known to be in the database, by key.
#[derive(Debug)]
struct Known<K>(HashMap<K, Entry>);

#[derive(Clone, Copy, Debug)]
struct Entry {
    reference: i32,
    marked_at: i64,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Key> Known<K> {
    fn get<Q>(&self, key: &Q) -> Result<i32, StoreError>
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + Display + ?Sized,
    {
        let missing = || StoreError::permanent(format!("`{key}` was not interned before it was used"));
        self.0.get(key).map(|entry| entry.reference).ok_or_else(missing)
    }

    /// Whether the row is known and was marked as in use lately.
    fn is_marked<Q>(&self, key: &Q, now: i64) -> bool
    where
        K: std::borrow::Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let lately = |entry: &Entry| {
            let age_us = u128::try_from(now.saturating_sub(entry.marked_at)).unwrap_or(0);
            age_us < MARK_EVERY.as_micros()
        };
        self.0.get(key).is_some_and(lately)
    }

    async fn insert<E: Engine, Q: Ord, R: Record>(
        &mut self,
        connection: &mut E::Connection,
        rows: HashMap<Q, R>,
        conflict: &'static str,
        now: i64,
    ) -> Result<(), StoreError> {
        // In the order of keys: two writers that meet here wait for each other instead of locking up.
        let mut rows: Vec<(Q, R)> = rows.into_iter().collect();
        rows.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let rows = rows.into_iter().map(|(_, row)| row).collect();
        for KeyRef { key, reference } in E::insert_returning(connection, rows, conflict).await? {
            self.0.insert(word("key", &key, K::read)?, Entry { reference, marked_at: now });
        }
        Ok(())
    }
}

/// A key of a row, read back from the database.
trait Key: Eq + Hash + Sized {
    fn read(text: &str) -> Option<Self>;
}

impl Key for String {
    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Key for TableId {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

impl Key for ContextDigest {
    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}
