use std::collections::BTreeMap;

use cliffwatch_model::{self as model, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::WorstAlert;
use super::word::{
    Bound, CapacityOrigin, CapacityReason, CounterClass, CounterKind, Role, TableKind, TableState, Unit,
};
use crate::snapshot::TableRow;

/// A table as it is now. What is not known is null, never 0.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Table {
    /// 16 hex digits: the same in SQL and in poll JSON.
    table_id: String,
    /// The device.
    device: String,
    /// The device's platform.
    platform: String,
    /// The device's labels.
    labels: BTreeMap<String, String>,
    /// Where in the device.
    scope: Scope,
    /// What runs out.
    kind: TableKind,
    /// The vendor's name for it, or the pool's.
    name: String,
    /// The protocol, where it holds one only.
    protocol: Option<String>,
    /// Which part of it: address, port tier, dataplane, zone.
    part: Option<BTreeMap<String, String>>,
    /// What `used` counts.
    unit: Unit,
    /// The request that reads it.
    group: String,
    /// Whether it is in use at all.
    state: TableState,
    /// How it relates to its siblings.
    role: Role,
    /// Tells one life of the table from the next.
    epoch: Option<String>,
    /// When it was read.
    #[schema(value_type = String, format = DateTime)]
    observed_at: Timestamp,
    /// How much is used.
    used: Option<u64>,
    /// The limit.
    capacity: Option<Capacity>,
    /// Why there is no limit.
    capacity_reason: Option<CapacityReason>,
    /// Used over the limit: 0 to 1, above 1 only for a `per_destination` bound.
    utilization: Option<f64>,
    /// Where the device itself begins to shed.
    sheds_at: Option<u64>,
    /// New entries per second.
    setup_rate: Option<f64>,
    /// Ended entries per second.
    teardown_rate: Option<f64>,
    /// How fast it grew over the last minutes, in percent of the count; null where too little was read.
    growth_percent_per_minute: Option<f64>,
    /// When it will be full if it goes on like this; null where it does not rise, levels off, is held by
    /// shedding, or where that cannot be said.
    time_to_full_seconds: Option<f64>,
    /// The soonest and the latest that this may be; the latest is null where it may never be.
    time_to_full_range_seconds: Option<[Option<f64>; 2]>,
    /// Every counter that was read, by the vendor's name.
    counters: BTreeMap<String, Counter>,
    /// Polls of the device that went by without a reading of this table.
    missed_polls: u32,
    /// The worst alert that is open on it.
    worst_alert: Option<WorstAlert>,
}

/// Where in a device a table lives.
#[derive(Debug, Serialize, ToSchema)]
struct Scope {
    /// device, netns, vsys, context, …
    kind: String,
    /// The name within the kind.
    name: String,
}

/// A limit with its origin.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Capacity {
    /// The limit, in the table's unit.
    limit: u64,
    /// Who says so.
    origin: CapacityOrigin,
    /// What happens at the limit.
    bound: Bound,
}

/// A counter's newest reading.
#[derive(Debug, Serialize, ToSchema)]
struct Counter {
    /// What an increase means.
    class: CounterClass,
    /// What kind of counter it is.
    kind: CounterKind,
    /// The device's own total; for counters that only tell increases, their sum since Cliffwatch started.
    total: u64,
}

impl From<model::Capacity> for Capacity {
    fn from(capacity: model::Capacity) -> Self {
        Self {
            limit: capacity.limit.get(),
            origin: CapacityOrigin(capacity.origin),
            bound: Bound(capacity.bound),
        }
    }
}

impl From<&TableRow<'_>> for Table {
    fn from(row: &TableRow<'_>) -> Self {
        let (device, reading) = (&row.device.device, &row.table.newest);
        let table = &reading.table;
        let outlook = row.table.outlook;
        let part = table.part.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Self {
            table_id: reading.id.to_string(),
            device: device.name.to_string(),
            platform: device.platform.to_string(),
            labels: device.labels.clone(),
            scope: Scope { kind: table.scope.kind.to_string(), name: table.scope.name.to_string() },
            kind: TableKind(table.kind),
            name: table.name.to_string(),
            protocol: table.protocol.as_deref().map(str::to_owned),
            part: (!table.part.is_empty()).then(|| part.collect()),
            unit: Unit(reading.unit),
            group: reading.group.to_string(),
            state: TableState(reading.state),
            role: Role(reading.role),
            epoch: reading.epoch.as_ref().map(ToString::to_string),
            observed_at: reading.observed_at,
            used: reading.used,
            capacity: reading.capacity.ok().map(Capacity::from),
            capacity_reason: reading.capacity.err().map(CapacityReason),
            utilization: reading.utilization(),
            sheds_at: reading.sheds_at,
            setup_rate: reading.setup_rate,
            teardown_rate: reading.teardown_rate,
            growth_percent_per_minute: outlook.and_then(|outlook| outlook.growth_percent_per_minute),
            time_to_full_seconds: outlook.and_then(|outlook| outlook.full.seconds()),
            time_to_full_range_seconds: outlook.and_then(|outlook| outlook.full.range()),
            counters: counters(row),
            missed_polls: row.table.missed_polls,
            worst_alert: row.worst.map(WorstAlert::from),
        }
    }
}

fn counters(row: &TableRow<'_>) -> BTreeMap<String, Counter> {
    let read = row.table.newest.counters.iter();
    let total = |name| row.table.totals.get(name).map(|(_, total)| *total);
    read.map(|(name, counter)| {
        let total = total(name).unwrap_or(counter.value);
        let (class, kind) = (CounterClass(counter.class), CounterKind(counter.kind));
        (name.to_string(), Counter { class, kind, total })
    })
    .collect()
}
