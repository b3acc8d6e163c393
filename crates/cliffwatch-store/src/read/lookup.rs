//! From references in rows to what they stand for, a page at a time.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cliffwatch_model::{DeviceName, Increase, PollerName, TableId, TableKey, TableObservation};

use crate::StoreError;
use crate::convert::{
    RawPollContext, RawSampleContext, SampleKey, StoredIncrease, StoredPollContext, StoredSample,
    StoredSampleContext, StoredTable, dangling, table_observation,
};
use crate::engine::{Arg, Engine};
use crate::records::KeyRef;
use crate::text::{json, word};

use super::columns;

/// Keys of one statement: Postgres parses them from one JSON value.
const KEYS_PER_STATEMENT: usize = 5_000;

pub(super) type Tables = HashMap<i32, (TableId, Arc<TableKey>)>;

/// Tables by reference.
pub(super) async fn tables<E: Engine>(
    connection: &mut E::Connection,
    references: BTreeSet<i32>,
) -> Result<Tables, StoreError> {
    let columns = StoredTable::COLUMNS;
    let sql = format!(
        "SELECT {columns} FROM session_table AS t JOIN device AS d ON d.device_ref = t.device_ref \
         WHERE t.table_ref IN {}",
        E::numbers("$1")
    );
    let rows: Vec<StoredTable> = by_reference::<E, _>(connection, &sql, references).await?;
    rows.iter().map(|row| Ok((row.table_ref, (row.id()?, Arc::new(row.key()?))))).collect()
}

/// Device names by reference.
pub(super) async fn devices<E: Engine>(
    connection: &mut E::Connection,
    references: BTreeSet<i32>,
) -> Result<HashMap<i32, DeviceName>, StoreError> {
    let sql = format!(
        "SELECT name AS key, device_ref AS reference FROM device WHERE device_ref IN {}",
        E::numbers("$1")
    );
    let rows: Vec<KeyRef> = by_reference::<E, _>(connection, &sql, references).await?;
    let parse = |name: &str| DeviceName::new(name).ok();
    rows.iter().map(|row| Ok((row.reference, word("name", &row.key, parse)?))).collect()
}

/// Poller names by reference.
pub(super) async fn pollers<E: Engine>(
    connection: &mut E::Connection,
    references: BTreeSet<i32>,
) -> Result<HashMap<i32, PollerName>, StoreError> {
    let sql = format!(
        "SELECT name AS key, poller_ref AS reference FROM poller WHERE poller_ref IN {}",
        E::numbers("$1")
    );
    let rows: Vec<KeyRef> = by_reference::<E, _>(connection, &sql, references).await?;
    let parse = |name: &str| PollerName::new(name).ok();
    rows.iter().map(|row| Ok((row.reference, word("name", &row.key, parse)?))).collect()
}

/// Contexts of polls by reference.
pub(super) async fn poll_contexts<E: Engine>(
    connection: &mut E::Connection,
    references: BTreeSet<i32>,
) -> Result<HashMap<i32, StoredPollContext>, StoreError> {
    let columns = StoredPollContext::COLUMNS;
    let sql = format!("SELECT {columns} FROM poll_context WHERE context_ref IN {}", E::numbers("$1"));
    let rows: Vec<RawPollContext> = by_reference::<E, _>(connection, &sql, references).await?;
    rows.iter().map(|row| Ok((row.context_ref, StoredPollContext::parse(row)?))).collect()
}

/// Contexts of samples by reference.
pub(super) async fn sample_contexts<E: Engine>(
    connection: &mut E::Connection,
    references: BTreeSet<i32>,
) -> Result<HashMap<i32, StoredSampleContext>, StoreError> {
    let columns = StoredSampleContext::COLUMNS;
    let sql = format!("SELECT {columns} FROM sample_context WHERE context_ref IN {}", E::numbers("$1"));
    let rows: Vec<RawSampleContext> = by_reference::<E, _>(connection, &sql, references).await?;
    rows.iter().map(|row| Ok((row.context_ref, StoredSampleContext::parse(row)?))).collect()
}

async fn by_reference<E: Engine, R: crate::row::Row>(
    connection: &mut E::Connection,
    sql: &str,
    references: BTreeSet<i32>,
) -> Result<Vec<R>, StoreError> {
    if references.is_empty() {
        return Ok(Vec::new());
    }
    E::fetch(connection, sql, vec![Arg::Text(json(&references)?)]).await
}

/// Samples by key.
pub(super) async fn samples<E: Engine>(
    connection: &mut E::Connection,
    keys: &[SampleKey],
) -> Result<Vec<StoredSample>, StoreError> {
    let columns = columns::<StoredSample>("s");
    let sql = format!(
        "SELECT {columns} FROM {} AS k JOIN sample AS s ON s.table_ref = k.table_ref \
         AND s.observed_at = k.observed_at AND s.revision = k.revision",
        E::sample_keys("$1")
    );
    let mut rows = Vec::with_capacity(keys.len());
    for keys in keys.chunks(KEYS_PER_STATEMENT) {
        rows.append(&mut E::fetch(connection, &sql, vec![Arg::Text(json(keys)?)]).await?);
    }
    Ok(rows)
}

/// The increases of these samples, in their order.
pub(super) async fn increases<E: Engine>(
    connection: &mut E::Connection,
    risen: &[SampleKey],
) -> Result<HashMap<SampleKey, Vec<Increase>>, StoreError> {
    let sql = format!(
        "SELECT {} FROM {} AS k JOIN increase AS i ON i.observed_at = k.observed_at \
         AND i.table_ref = k.table_ref AND i.revision = k.revision \
         JOIN counter AS c ON c.counter_ref = i.counter_ref \
         ORDER BY i.observed_at, i.table_ref, i.revision, i.ordinal",
        StoredIncrease::COLUMNS,
        E::sample_keys("$1")
    );
    let mut by_sample: HashMap<SampleKey, Vec<Increase>> = HashMap::with_capacity(risen.len());
    for keys in risen.chunks(KEYS_PER_STATEMENT) {
        let rows: Vec<StoredIncrease> = E::fetch(connection, &sql, vec![Arg::Text(json(keys)?)]).await?;
        for row in rows {
            by_sample.entry(row.key()).or_default().push(row.increase()?);
        }
    }
    Ok(by_sample)
}

/// What rows of `sample` tell, by key.
pub(super) async fn table_observations<E: Engine>(
    connection: &mut E::Connection,
    samples: &[StoredSample],
) -> Result<HashMap<SampleKey, TableObservation>, StoreError> {
    let references = samples.iter().map(|row| row.table_ref).collect();
    let tables = tables::<E>(connection, references).await?;
    let references = samples.iter().map(|row| row.context_ref).collect();
    let contexts = sample_contexts::<E>(connection, references).await?;
    let risen: Vec<SampleKey> = samples.iter().filter(|row| row.increases > 0).map(key).collect();
    let mut increases = increases::<E>(connection, &risen).await?;
    let observation = |row: &StoredSample| {
        let table = tables.get(&row.table_ref).ok_or_else(|| dangling("table_ref"))?;
        let context = contexts.get(&row.context_ref).ok_or_else(|| dangling("context_ref"))?;
        let key = key(row);
        Ok((key, table_observation(row, table, context, increases.remove(&key))?))
    };
    samples.iter().map(observation).collect()
}

pub(super) fn key(row: &StoredSample) -> SampleKey {
    SampleKey(row.table_ref, row.observed_at, row.revision)
}
