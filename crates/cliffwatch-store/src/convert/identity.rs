use std::collections::BTreeMap;
use std::sync::Arc;

use cliffwatch_model::{
    CounterClass, CounterKind, CounterName, Device, DeviceName, Outcome, Platform, Scope, TableId, TableKey,
    TableKind, Timestamp,
};

use super::nanos;
use crate::records::{DescribedDevice, NamedDevice, TableRecord};
use crate::row::row;
use crate::text::{clean, corrupt, from_json, from_json_or_default, json, word};
use crate::{DeviceRecord, StoreError};

row! {
    /// The identity of a table with the name of its device.
    StoredTable {
        table_ref: i32,
        device: String,
        table_id: String,
        scope_kind: String,
        scope_name: String,
        kind: String,
        name: String,
        protocol: Option<String>,
        part_pairs: Option<String>,
    }
}

row! {
    StoredDevice {
        name: String,
        platform: String,
        address: Option<String>,
        labels: String,
        retired_at: Option<i64>,
        finished_at: Option<i64>,
        outcome: Option<String>,
        succeeded_at: Option<i64>,
    }
}

impl StoredTable {
    pub(crate) const COLUMNS: &'static str = "t.table_ref, d.name AS device, t.table_id, \
        t.scope_kind, t.scope_name, t.kind, t.name, t.protocol, t.part_pairs";

    pub(crate) fn id(&self) -> Result<TableId, StoreError> {
        word("table_id", &self.table_id, TableId::parse)
    }

    pub(crate) fn key(&self) -> Result<TableKey, StoreError> {
        let part: BTreeMap<Arc<str>, Arc<str>> =
            from_json_or_default("part_pairs", self.part_pairs.as_deref())?;
        Ok(TableKey {
            device: device_name(&self.device)?,
            scope: Scope::new(&self.scope_kind, &self.scope_name),
            kind: word("kind", &self.kind, TableKind::parse)?,
            name: self.name.as_str().into(),
            protocol: self.protocol.as_deref().map(Into::into),
            part,
        })
    }
}

/// The row of a table's identity.
pub(crate) fn table_record(
    id: TableId,
    key: &TableKey,
    device_ref: i32,
    now: i64,
) -> Result<TableRecord, StoreError> {
    let pairs = (!key.part.is_empty()).then(|| json(&key.part)).transpose()?;
    Ok(TableRecord {
        device_ref,
        table_id: id.to_string(),
        scope_kind: clean(&key.scope.kind),
        scope_name: clean(&key.scope.name),
        kind: key.kind.as_str().to_owned(),
        name: clean(&key.name),
        protocol: key.protocol.as_deref().map(clean),
        part: key.part_text().as_deref().map(clean),
        part_pairs: pairs,
        used_at: now,
    })
}

/// A device of which only its polls tell.
pub(crate) fn named_device(name: &DeviceName, platform: &str, now: i64) -> NamedDevice {
    NamedDevice {
        name: name.as_str().to_owned(),
        platform: platform.to_owned(),
        labels: "{}".to_owned(),
        depends_on: "[]".to_owned(),
        used_at: now,
    }
}

/// A device of the inventory.
pub(crate) fn described_device(device: &Device, now: i64) -> Result<DescribedDevice, StoreError> {
    Ok(DescribedDevice {
        name: device.name.as_str().to_owned(),
        platform: device.platform.as_str().to_owned(),
        address: device.address.as_deref().map(clean),
        labels: json(&device.labels)?,
        interval_ns: Some(nanos(device.interval)),
        timeout_ns: Some(nanos(device.timeout)),
        ha_peer: device.ha_peer.as_ref().map(|peer| peer.as_str().to_owned()),
        depends_on: json(&device.depends_on)?,
        used_at: now,
    })
}

/// What the store knows of a device.
pub(crate) fn device_record(row: &StoredDevice) -> Result<DeviceRecord, StoreError> {
    let outcome = |text: &str| word("outcome", text, Outcome::parse);
    Ok(DeviceRecord {
        name: device_name(&row.name)?,
        platform: Platform::new(&row.platform).map_err(|error| corrupt("platform", &error.to_string()))?,
        address: row.address.clone(),
        labels: from_json("labels", &row.labels)?,
        retired_at: row.retired_at.map(Timestamp::from_micros),
        last_poll_at: row.finished_at.map(Timestamp::from_micros),
        last_outcome: row.outcome.as_deref().map(outcome).transpose()?,
        last_success_at: row.succeeded_at.map(Timestamp::from_micros),
    })
}

/// The key of a counter: its class and kind are words, so only the name may hold blanks.
pub(crate) fn counter_label(name: &CounterName, class: CounterClass, kind: CounterKind) -> String {
    format!("{class} {kind} {name}")
}

pub(super) fn device_name(text: &str) -> Result<DeviceName, StoreError> {
    DeviceName::new(text).map_err(|error| corrupt("device", &error.to_string()))
}
