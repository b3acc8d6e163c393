//! What is known now, taken once for one answer, so that its parts agree with each other.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cliffwatch_engine::live::{DeviceStatus, Live, TableStatus};
use cliffwatch_model::{AlertEvent, AlertState, DeviceName, Severity, TableId};

use crate::list::{Field, Item, count, time};

/// Devices with their tables, and the open alerts.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) devices: Vec<Arc<DeviceStatus>>,
    pub(crate) alerts: Vec<Arc<AlertEvent>>,
}

/// A device and the worst alert on it or its tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceRow<'a> {
    pub(crate) status: &'a DeviceStatus,
    pub(crate) worst: Option<&'a AlertEvent>,
}

/// A table and the worst alert on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableRow<'a> {
    pub(crate) device: &'a DeviceStatus,
    pub(crate) table: &'a TableStatus,
    pub(crate) worst: Option<&'a AlertEvent>,
}

impl Snapshot {
    pub(crate) fn of(live: &Live) -> Self {
        Self { devices: live.devices(), alerts: live.open_alerts() }
    }

    pub(crate) fn device_rows(&self) -> Vec<DeviceRow<'_>> {
        let mut worst: HashMap<&DeviceName, &AlertEvent> = HashMap::new();
        for alert in self.alerts.iter().filter(|alert| is_told(alert)) {
            let known = worst.entry(&alert.device).or_insert(alert);
            *known = worse(known, alert);
        }
        let row = |status| DeviceRow { status, worst: None };
        let devices = self.devices.iter().map(|status| row(&**status));
        devices.map(|row| DeviceRow { worst: worst.get(&row.status.device.name).copied(), ..row }).collect()
    }

    pub(crate) fn table_rows(&self) -> Vec<TableRow<'_>> {
        let mut worst: HashMap<TableId, &AlertEvent> = HashMap::new();
        for alert in self.alerts.iter().filter(|alert| is_told(alert)) {
            let Some(table) = alert.table_id else { continue };
            let known = worst.entry(table).or_insert(alert);
            *known = worse(known, alert);
        }
        let tables = self.devices.iter().flat_map(|device| device.tables.iter().map(move |it| (device, it)));
        tables
            .map(|(device, (id, table))| TableRow { device, table, worst: worst.get(id).copied() })
            .collect()
    }
}

/// A pending alert is not yet one that anybody should look at.
fn is_told(alert: &AlertEvent) -> bool {
    alert.state != AlertState::Pending
}

fn worse<'a>(known: &'a AlertEvent, other: &'a AlertEvent) -> &'a AlertEvent {
    let rank = |alert: &AlertEvent| (alert.severity, alert.state == AlertState::Firing);
    if rank(other) > rank(known) { other } else { known }
}

impl Item for DeviceRow<'_> {
    const FIELDS: &'static [Field] = &[
        Field::filter("device", "only this device, or these with commas between them"),
        Field::filter("platform", "only devices of this platform"),
        Field::filter(
            "last_outcome",
            "only devices whose newest poll ended like this: ok, partial, timeout, …",
        ),
        Field::filter("ha_peer", "only the mate of this device"),
        Field::filter("severity", "only devices whose worst alert is this bad: info, warning, critical"),
        Field::sort("last_success_at"),
        Field::sort("table_count"),
        Field::sort("missed_polls"),
    ];

    fn word(&self, name: &str) -> Option<&str> {
        let device = &self.status.device;
        match name {
            "device" => Some(device.name.as_str()),
            "platform" => Some(device.platform.as_str()),
            "last_outcome" => self.status.last.as_ref().map(|last| last.outcome.as_str()),
            "ha_peer" => device.ha_peer.as_ref().map(DeviceName::as_str),
            "severity" => self.worst.map(|alert| alert.severity.as_str()),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        match name {
            "severity" => self.worst.map(|alert| rank(alert.severity)),
            "last_success_at" => self.status.last_success_at.map(time),
            "table_count" => u64::try_from(self.status.tables.len()).ok().map(count),
            "missed_polls" => Some(self.status.missed_polls.into()),
            _ => None,
        }
    }

    fn key(&self) -> String {
        self.status.device.name.as_str().to_owned()
    }

    fn labels(&self) -> &BTreeMap<String, String> {
        &self.status.device.labels
    }
}

impl Item for TableRow<'_> {
    const FIELDS: &'static [Field] = &[
        Field::filter("device", "only tables of this device, or these with commas between them"),
        Field::filter("platform", "only tables of devices of this platform"),
        Field::filter("scope_kind", "only tables in scopes of this kind: netns, vsys, context, …"),
        Field::filter("scope_name", "only tables in scopes of this name"),
        Field::filter("kind", "only tables of this kind: conntrack, sessions, nat-pool, …"),
        Field::filter("name", "only tables of this name"),
        Field::filter("protocol", "only tables of this protocol"),
        Field::filter("unit", "only tables that count these: entries, sessions, ports, …"),
        Field::filter("state", "only tables in this state: tracking, not_tracking, unknown"),
        Field::filter("role", "only tables in this role: whole, member, standby"),
        Field::filter("severity", "only tables whose worst alert is this bad: info, warning, critical"),
        Field::sort("used"),
        Field::sort("capacity"),
        Field::sort("utilization"),
        Field::sort("setup_rate"),
        Field::sort("observed_at"),
    ];

    fn word(&self, name: &str) -> Option<&str> {
        let (device, reading) = (&self.device.device, &self.table.newest);
        match name {
            "device" => Some(device.name.as_str()),
            "platform" => Some(device.platform.as_str()),
            "scope_kind" => Some(&reading.table.scope.kind),
            "scope_name" => Some(&reading.table.scope.name),
            "kind" => Some(reading.table.kind.as_str()),
            "name" => Some(&reading.table.name),
            "protocol" => reading.table.protocol.as_deref(),
            "unit" => Some(reading.unit.as_str()),
            "state" => Some(reading.state.as_str()),
            "role" => Some(reading.role.as_str()),
            "severity" => self.worst.map(|alert| alert.severity.as_str()),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        let reading = &self.table.newest;
        match name {
            "severity" => self.worst.map(|alert| rank(alert.severity)),
            "used" => reading.used.map(count),
            "capacity" => reading.capacity.ok().map(|capacity| count(capacity.limit.get())),
            "utilization" => reading.utilization(),
            "setup_rate" => reading.setup_rate,
            "observed_at" => Some(time(reading.observed_at)),
            _ => None,
        }
    }

    /// By device, and within it as people read tables.
    fn key(&self) -> String {
        let reading = &self.table.newest;
        format!("{} {} {}", reading.table.device, reading.table.path(), reading.id)
    }

    fn labels(&self) -> &BTreeMap<String, String> {
        &self.device.device.labels
    }
}

/// Severities sort by how bad they are, not by their letters.
pub(crate) fn rank(severity: Severity) -> f64 {
    match severity {
        Severity::Info => 0.0,
        Severity::Warning => 1.0,
        Severity::Critical => 2.0,
    }
}
