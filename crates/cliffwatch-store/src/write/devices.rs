use std::collections::BTreeMap;

use cliffwatch_model::DeviceName;

use crate::convert::described_device;
use crate::engine::{Arg, Engine};
use crate::{DeviceChange, StoreError};

const DESCRIBE: &str = "ON CONFLICT (name) DO UPDATE SET platform = excluded.platform, \
    address = excluded.address, labels = excluded.labels, interval_ns = excluded.interval_ns, \
    timeout_ns = excluded.timeout_ns, ha_peer = excluded.ha_peer, depends_on = excluded.depends_on, \
    retired_at = NULL";

/// Takes what the inventory says of devices: the last word on each.
pub(super) async fn describe<E: Engine>(
    connection: &mut E::Connection,
    changes: &[DeviceChange],
    now: i64,
) -> Result<(), StoreError> {
    let mut described = BTreeMap::new();
    for change in last_words(changes).values() {
        if let DeviceChange::Active(device) = change {
            described.insert(&device.name, described_device(device, now)?);
        }
    }
    E::insert(connection, described.into_values().collect(), DESCRIBE).await?;
    Ok(())
}

/// Retires devices: their tables have no latest reading any more and nothing goes on from them, but their
/// history and their sequence numbers stay.
pub(super) async fn retire<E: Engine>(
    connection: &mut E::Connection,
    changes: &[DeviceChange],
) -> Result<(), StoreError> {
    for (name, change) in last_words(changes) {
        let DeviceChange::Retired { at, .. } = change else { continue };
        let name = || Arg::Text(name.as_str().to_owned());
        E::execute(
            connection,
            "UPDATE device SET retired_at = $1 WHERE name = $2",
            vec![Arg::Int(at.as_micros()), name()],
        )
        .await?;
        for sql in [
            "DELETE FROM latest WHERE table_ref IN (SELECT t.table_ref FROM session_table AS t \
             JOIN device AS d ON d.device_ref = t.device_ref WHERE d.name = $1)",
            "UPDATE progress SET memory = NULL WHERE device_ref = (SELECT device_ref FROM device WHERE name = $1)",
            "DELETE FROM rule_state WHERE device_ref = (SELECT device_ref FROM device WHERE name = $1)",
            "DELETE FROM rule_progress WHERE device_ref = (SELECT device_ref FROM device WHERE name = $1)",
        ] {
            E::execute(connection, sql, vec![name()]).await?;
        }
    }
    Ok(())
}

fn last_words(changes: &[DeviceChange]) -> BTreeMap<&DeviceName, &DeviceChange> {
    changes
        .iter()
        .map(|change| match change {
            DeviceChange::Active(device) => (&device.name, change),
            DeviceChange::Retired { device, .. } => (device, change),
        })
        .collect()
}
