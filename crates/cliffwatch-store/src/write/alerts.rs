use std::collections::BTreeMap;

use cliffwatch_model::AlertEvent;

use crate::StoreError;
use crate::convert::{alert_record, event_record};
use crate::engine::Engine;

const NEWER_ALERT: &str = "ON CONFLICT (alert_id) DO UPDATE \
    SET seq = excluded.seq, at = excluded.at, is_open = excluded.is_open WHERE excluded.seq > alert.seq";

/// Adds events and tells how many were new.
pub(super) async fn write<E: Engine>(
    connection: &mut E::Connection,
    events: &[AlertEvent],
) -> Result<u64, StoreError> {
    let rows = events.iter().map(event_record).collect::<Result<Vec<_>, _>>()?;
    let mut newest: BTreeMap<&str, &AlertEvent> = BTreeMap::new();
    for event in events {
        let known = newest.entry(&event.alert_id).or_insert(event);
        if event.seq > known.seq {
            *known = event;
        }
    }
    let alerts = newest.into_values().map(alert_record).collect();
    let added = E::insert(connection, rows, "ON CONFLICT DO NOTHING").await?;
    E::insert(connection, alerts, NEWER_ALERT).await?;
    Ok(added)
}
