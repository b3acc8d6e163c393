use std::collections::BTreeMap;

use cliffwatch_model::{AlertEvent, DeviceName, PollerName, TableId};

use super::{LATEST_ONLY, LATEST_SAMPLES, columns, lookup};
use crate::convert::{StoredSample, event};
use crate::engine::{Arg, Engine};
use crate::records::EventRecord;
use crate::row::row;
use crate::text::word;
use crate::{DeviceResume, Resume, RuleState, RuleStateRow, StoreError};

row! {
    Standing { device: String, seq: i64, memory: Option<String>, through_seq: Option<i64>, }
}

row! {
    State { device: String, table_id: String, state: String, }
}

/// Everything that a poller needs to go on where it stopped.
pub(crate) async fn resume<E: Engine>(
    connection: &mut E::Connection,
    poller: &PollerName,
) -> Result<Resume, StoreError> {
    let mut devices = standings::<E>(connection, poller).await?;
    for row in states::<E>(connection, poller).await? {
        let table = match row.table_id.as_str() {
            "" => None,
            id => Some(word("table_id", id, TableId::parse)?),
        };
        if let Some(device) = devices.get_mut(&device_name(&row.device)?) {
            device.rules.rows.push(RuleStateRow { table, state: row.state });
        }
    }
    add_latest::<E>(connection, &mut devices).await?;
    Ok(Resume { devices, open_alerts: open_alerts::<E>(connection).await? })
}

async fn standings<E: Engine>(
    connection: &mut E::Connection,
    poller: &PollerName,
) -> Result<BTreeMap<DeviceName, DeviceResume>, StoreError> {
    let sql = "SELECT d.name AS device, g.seq, g.memory, r.seq AS through_seq \
        FROM progress AS g JOIN device AS d ON d.device_ref = g.device_ref \
        JOIN poller AS w ON w.poller_ref = g.poller_ref \
        LEFT JOIN rule_progress AS r ON r.device_ref = g.device_ref AND r.poller_ref = g.poller_ref \
        WHERE w.name = $1";
    let rows: Vec<Standing> = E::fetch(connection, sql, name(poller)).await?;
    let resume = |row: Standing| {
        let through_seq = row.through_seq.unwrap_or(0).cast_unsigned();
        let resume = DeviceResume {
            last_seq: row.seq.cast_unsigned(),
            memory: row.memory,
            rules: RuleState { through_seq, rows: Vec::new() },
            latest: Vec::new(),
        };
        Ok((device_name(&row.device)?, resume))
    };
    rows.into_iter().map(resume).collect()
}

async fn states<E: Engine>(
    connection: &mut E::Connection,
    poller: &PollerName,
) -> Result<Vec<State>, StoreError> {
    let sql = "SELECT d.name AS device, r.table_id, r.state FROM rule_state AS r \
        JOIN device AS d ON d.device_ref = r.device_ref JOIN poller AS w ON w.poller_ref = r.poller_ref \
        WHERE w.name = $1 ORDER BY d.name, r.table_id";
    E::fetch(connection, sql, name(poller)).await
}

async fn add_latest<E: Engine>(
    connection: &mut E::Connection,
    devices: &mut BTreeMap<DeviceName, DeviceResume>,
) -> Result<(), StoreError> {
    let columns = columns::<StoredSample>("s");
    let sql = format!("SELECT {columns} FROM {LATEST_SAMPLES} WHERE {LATEST_ONLY}");
    let samples: Vec<StoredSample> = E::fetch(connection, &sql, Vec::new()).await?;
    for latest in lookup::table_observations::<E>(connection, &samples).await?.into_values() {
        if let Some(device) = devices.get_mut(&latest.table.device) {
            device.latest.push(latest);
        }
    }
    for device in devices.values_mut() {
        device.latest.sort_by_key(|latest| latest.id);
    }
    Ok(())
}

async fn open_alerts<E: Engine>(connection: &mut E::Connection) -> Result<Vec<AlertEvent>, StoreError> {
    let sql = format!(
        "SELECT {} FROM alert AS a JOIN alert_event AS e ON e.alert_id = a.alert_id AND e.seq = a.seq \
         WHERE a.is_open ORDER BY a.onset, a.alert_id",
        columns::<EventRecord>("e")
    );
    let rows: Vec<EventRecord> = E::fetch(connection, &sql, Vec::new()).await?;
    rows.into_iter().map(event).collect()
}

fn name(poller: &PollerName) -> Vec<Arg> {
    vec![Arg::Text(poller.as_str().to_owned())]
}

fn device_name(text: &str) -> Result<DeviceName, StoreError> {
    word("name", text, |name| DeviceName::new(name).ok())
}
