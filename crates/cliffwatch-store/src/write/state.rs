//! What moves with every batch: the latest reading of each table, and where the poller stands.

use std::collections::{BTreeMap, HashMap, HashSet};

use cliffwatch_model::{DeviceName, TableId};

use crate::engine::{Arg, Engine};
use crate::records::{LatestRecord, ProgressRecord, RuleProgress, RuleRecord};
use crate::text::{clean, json};
use crate::write::ids::Ids;
use crate::{Batch, RuleStateChange, StoreError};

const NEWER_LATEST: &str = "ON CONFLICT (table_ref) DO UPDATE \
    SET observed_at = excluded.observed_at, revision = excluded.revision \
    WHERE (excluded.observed_at, excluded.revision) > (latest.observed_at, latest.revision)";
const NEWER_PROGRESS: &str = "ON CONFLICT (device_ref, poller_ref) DO UPDATE \
    SET seq = excluded.seq, finished_at = excluded.finished_at, outcome = excluded.outcome, \
        succeeded_at = COALESCE(excluded.succeeded_at, progress.succeeded_at), \
        memory = COALESCE(excluded.memory, progress.memory) \
    WHERE excluded.seq > progress.seq";
const NEWER_RULE_PROGRESS: &str = "ON CONFLICT (device_ref, poller_ref) DO UPDATE \
    SET seq = excluded.seq WHERE excluded.seq > rule_progress.seq";
const NEWER_RULE_STATE: &str = "ON CONFLICT (device_ref, poller_ref, table_id) DO UPDATE \
    SET seq = excluded.seq, state = excluded.state WHERE excluded.seq >= rule_state.seq";

pub(super) async fn write<E: Engine>(
    connection: &mut E::Connection,
    batch: &Batch,
    ids: &Ids,
) -> Result<(), StoreError> {
    let standing = standing(batch, ids)?;
    if !standing.gone.is_empty() {
        remove_gone::<E>(connection, &standing.gone).await?;
    }
    E::insert(connection, standing.latest, NEWER_LATEST).await?;
    E::insert(connection, progress(batch, ids)?, NEWER_PROGRESS).await?;
    rule_states::<E>(connection, batch, ids, &standing.gone).await
}

/// What a batch leaves of the tables it saw.
#[derive(Default)]
struct Standing {
    latest: Vec<LatestRecord>,
    /// Tables that went, whether or not they came back later in the batch, with the poll that missed them.
    gone: HashMap<TableId, (i32, u64)>,
}

fn standing(batch: &Batch, ids: &Ids) -> Result<Standing, StoreError> {
    let mut latest: BTreeMap<i32, LatestRecord> = BTreeMap::new();
    let mut gone = HashMap::new();
    for o in &batch.observations {
        for table in &o.tables {
            let row = LatestRecord {
                table_ref: ids.table(table.id)?,
                revision: table.revision.cast_signed(),
                observed_at: table.observed_at.as_micros(),
            };
            let known = latest.entry(row.table_ref).or_insert_with(|| row.clone());
            if (row.observed_at, row.revision) > (known.observed_at, known.revision) {
                *known = row;
            }
        }
        for key in &o.gone {
            let table = ids.table(key.id())?;
            latest.remove(&table);
            gone.insert(key.id(), (table, o.header.seq));
        }
    }
    Ok(Standing { latest: latest.into_values().collect(), gone })
}

async fn remove_gone<E: Engine>(
    connection: &mut E::Connection,
    gone: &HashMap<TableId, (i32, u64)>,
) -> Result<(), StoreError> {
    let references: Vec<i32> = gone.values().map(|(table, _)| *table).collect();
    let ids: Vec<String> = gone.keys().map(TableId::to_string).collect();
    let latest = format!("DELETE FROM latest WHERE table_ref IN {}", E::numbers("$1"));
    E::execute(connection, &latest, vec![Arg::Text(json(&references)?)]).await?;
    let states = format!("DELETE FROM rule_state WHERE table_id IN {}", E::strings("$1"));
    E::execute(connection, &states, vec![Arg::Text(json(&ids)?)]).await?;
    Ok(())
}

fn progress(batch: &Batch, ids: &Ids) -> Result<Vec<ProgressRecord>, StoreError> {
    let memories: HashMap<(&DeviceName, u64), &str> =
        batch.memories.iter().map(|m| ((&m.device, m.through_seq), m.memory.as_str())).collect();
    let mut last: BTreeMap<(i32, i32), ProgressRecord> = BTreeMap::new();
    for o in &batch.observations {
        let device_ref = ids.device(o.header.device.as_str())?;
        let poller_ref = ids.poller(o.header.poller.as_str())?;
        let finished_at = o.header.finished_at.as_micros();
        let before = last.get(&(device_ref, poller_ref)).and_then(|row| row.succeeded_at);
        let row = ProgressRecord {
            device_ref,
            poller_ref,
            seq: o.header.seq.cast_signed(),
            finished_at,
            succeeded_at: if o.outcome.is_success() { Some(finished_at) } else { before },
            outcome: o.outcome.as_str().to_owned(),
            memory: memories.get(&(&o.header.device, o.header.seq)).map(|memory| clean(memory)),
        };
        last.insert((device_ref, poller_ref), row);
    }
    Ok(last.into_values().collect())
}

async fn rule_states<E: Engine>(
    connection: &mut E::Connection,
    batch: &Batch,
    ids: &Ids,
    gone: &HashMap<TableId, (i32, u64)>,
) -> Result<(), StoreError> {
    let poller_ref = ids.poller(batch.poller.as_str())?;
    let mut rows: BTreeMap<(i32, String), RuleRecord> = BTreeMap::new();
    let mut progress: BTreeMap<i32, RuleProgress> = BTreeMap::new();
    let mut deleted: HashSet<(i32, String, i64)> = HashSet::new();
    for change in &batch.rule_states {
        let device_ref = ids.device(change.device.as_str())?;
        let seq = change.through_seq.cast_signed();
        progress.insert(device_ref, RuleProgress { device_ref, poller_ref, seq });
        for (table, state) in still_there(change, gone) {
            let table_id = table.map(|id| id.to_string()).unwrap_or_default();
            let key = (device_ref, table_id.clone());
            match state {
                Some(state) => {
                    let state = clean(state);
                    rows.insert(key, RuleRecord { device_ref, poller_ref, table_id, seq, state });
                }
                None => {
                    rows.remove(&key);
                    deleted.insert((device_ref, table_id, seq));
                }
            }
        }
    }
    // Deletions are rare (a table went quiet for good), so one statement each is cheap enough.
    for (device_ref, table_id, seq) in deleted {
        let sql = "DELETE FROM rule_state \
                   WHERE device_ref = $1 AND poller_ref = $2 AND table_id = $3 AND seq <= $4";
        let key = [Arg::Int(device_ref.into()), Arg::Int(poller_ref.into()), Arg::Text(table_id)];
        E::execute(connection, sql, key.into_iter().chain([Arg::Int(seq)]).collect()).await?;
    }
    E::insert(connection, rows.into_values().collect(), NEWER_RULE_STATE).await?;
    E::insert(connection, progress.into_values().collect(), NEWER_RULE_PROGRESS).await?;
    Ok(())
}

/// The changed rows, without those of tables that went after the state was taken.
fn still_there<'a>(
    change: &'a RuleStateChange,
    gone: &'a HashMap<TableId, (i32, u64)>,
) -> impl Iterator<Item = (Option<TableId>, Option<&'a str>)> {
    change.rows.iter().filter_map(move |(table, state)| {
        let went = table.and_then(|id| gone.get(&id)).is_some_and(|(_, seq)| *seq > change.through_seq);
        (!went).then_some((*table, state.as_deref()))
    })
}
