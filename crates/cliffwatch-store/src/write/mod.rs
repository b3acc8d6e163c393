//! A batch as rows, in the order that lets each refer to those before it.

mod alerts;
mod devices;
mod ids;
mod observed;
mod state;

use cliffwatch_model::Timestamp;

pub(crate) use ids::Ids;

use crate::engine::Engine;
use crate::{Batch, Committed, StoreError};

/// Writes a batch inside the transaction that is open.
///
/// Everything is written so that writing it again changes nothing: rows of history are left alone where they
/// exist, rows of state move forward only.
pub(crate) async fn batch<E: Engine>(
    connection: &mut E::Connection,
    ids: &mut Ids,
    batch: &Batch,
) -> Result<Committed, StoreError> {
    let now = latest_instant(batch).as_micros();
    devices::describe::<E>(connection, &batch.devices, now).await?;
    let interned = ids.intern::<E>(connection, batch, now).await?;
    let (polls, samples, increases) = observed::rows(batch, ids, &interned)?;
    let committed = Committed {
        polls: E::insert(connection, polls, "ON CONFLICT DO NOTHING").await?,
        samples: E::insert(connection, samples, "ON CONFLICT DO NOTHING").await?,
        increases: E::insert(connection, increases, "ON CONFLICT DO NOTHING").await?,
        events: alerts::write::<E>(connection, &batch.events).await?,
    };
    state::write::<E>(connection, batch, ids).await?;
    devices::retire::<E>(connection, &batch.devices).await?;
    Ok(committed)
}

/// The newest instant that the batch tells of: the store has no clock of its own.
fn latest_instant(batch: &Batch) -> Timestamp {
    let observed = batch.observations.iter().map(|o| o.header.finished_at);
    let told = batch.events.iter().map(|event| event.at);
    observed.chain(told).max().unwrap_or_default()
}
