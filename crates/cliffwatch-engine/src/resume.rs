//! What the store knows of the time before our start.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cliffwatch_model::{
    AlertEvent, Device, DeviceName, IngestMemory, Observation, PollHeader, PollerName, TableId,
    TableObservation, Timestamp,
};
use cliffwatch_store::{DeviceRecord, HistoryQuery, Order, PageRequest, Resume, Store, StoreError};

/// Polls of one device that are observed again, at most: state is saved each minute, so even at one
/// second there are about sixty.
const REOBSERVED_MAX: usize = 1_000;

/// What was found out longer ago tells of another time; the diagnosis looks no further back.
const ANSWERS_OF: Duration = Duration::from_secs(3_600);
/// One device is asked each five minutes at most.
const ANSWERS_MAX: usize = 12;

/// Everything to go on from.
pub(crate) struct Resumed {
    pub(crate) devices: BTreeMap<DeviceName, Before>,
    pub(crate) open_alerts: Vec<AlertEvent>,
    /// Devices that left the inventory, with the number of their last poll.
    pub(crate) retired: BTreeMap<DeviceName, u64>,
}

/// What is to be gone on from on one device.
pub(crate) struct Before {
    pub(crate) device: Device,
    pub(crate) last_seq: u64,
    pub(crate) last: Option<PollHeader>,
    pub(crate) memory: IngestMemory,
    pub(crate) rules: Vec<(Option<TableId>, String)>,
    /// Polls that are newer than the rules' state.
    pub(crate) after_state: Vec<Observation>,
    /// What was lately found out about tables with open alerts, oldest first.
    pub(crate) answers: Vec<Observation>,
    pub(crate) latest: Vec<TableObservation>,
}

impl Before {
    /// When the device was last polled.
    pub(crate) fn polled_at(&self) -> Option<Timestamp> {
        self.last.as_ref().map(|header| header.finished_at)
    }
}

/// Reads it all.
pub(crate) async fn read(store: &dyn Store, poller: &PollerName) -> Result<Resumed, StoreError> {
    let Resume { devices, open_alerts } = store.resume(poller).await?;
    let records = records(store).await?;
    let on_tables = open_alerts.iter().filter(|alert| alert.table_id.is_some());
    let alerted: BTreeSet<DeviceName> = on_tables.map(|alert| alert.device.clone()).collect();
    let mut before = BTreeMap::new();
    for (name, device) in devices {
        let last = last_poll(store, poller, &name).await?;
        let after_state = if device.last_seq > device.rules.through_seq {
            let query = HistoryQuery {
                device: Some(name.clone()),
                poller: Some(poller.clone()),
                after_seq: Some(device.rules.through_seq),
                ..HistoryQuery::default()
            };
            let page = PageRequest { cursor: None, limit: Some(REOBSERVED_MAX) };
            store.observations(&query, &page).await?.items
        } else {
            Vec::new()
        };
        let answers = match &last {
            Some(last) if alerted.contains(&name) => answers(store, last).await?,
            _ => Vec::new(),
        };
        let Some(record) = records.get(&name) else { continue };
        before.insert(
            name.clone(),
            Before {
                device: to_device(record),
                last_seq: device.last_seq,
                last,
                memory: parse_memory(&name, device.memory.as_deref()),
                rules: device.rules.rows.into_iter().map(|row| (row.table, row.state)).collect(),
                after_state,
                answers,
                latest: device.latest,
            },
        );
    }
    let mut retired = BTreeMap::new();
    for name in records.values().filter(|record| record.retired_at.is_some()).map(|record| &record.name) {
        if let Some(last) = last_poll(store, poller, name).await? {
            retired.insert(name.clone(), last.seq);
        }
    }
    Ok(Resumed { devices: before, open_alerts, retired })
}

async fn last_poll(
    store: &dyn Store,
    poller: &PollerName,
    name: &DeviceName,
) -> Result<Option<PollHeader>, StoreError> {
    let query = HistoryQuery {
        device: Some(name.clone()),
        poller: Some(poller.clone()),
        order: Order::NewestFirst,
        ..HistoryQuery::default()
    };
    let page = store.observations(&query, &PageRequest { cursor: None, limit: Some(1) }).await?;
    Ok(page.items.into_iter().next().map(|observation| observation.header))
}

/// What the device answered when rules asked it, until its last poll.
async fn answers(store: &dyn Store, last: &PollHeader) -> Result<Vec<Observation>, StoreError> {
    let query = HistoryQuery {
        device: Some(last.device.clone()),
        poller: Some(last.poller.clone()),
        from: Some(last.finished_at.minus(ANSWERS_OF)),
        with_evidence: true,
        order: Order::NewestFirst,
        ..HistoryQuery::default()
    };
    let page = store.observations(&query, &PageRequest { cursor: None, limit: Some(ANSWERS_MAX) }).await?;
    Ok(page.items.into_iter().rev().collect())
}

async fn records(store: &dyn Store) -> Result<BTreeMap<DeviceName, DeviceRecord>, StoreError> {
    let mut records = BTreeMap::new();
    let mut page = PageRequest::default();
    loop {
        let found = store.devices(&page).await?;
        records.extend(found.items.into_iter().map(|record| (record.name.clone(), record)));
        match found.next {
            Some(cursor) => page.cursor = Some(cursor),
            None => return Ok(records),
        }
    }
}

/// Memory that cannot be read is not trusted: totals become history again, which loses at most the
/// increases of the gap and invents none.
fn parse_memory(name: &DeviceName, text: Option<&str>) -> IngestMemory {
    let Some(text) = text else { return IngestMemory::default() };
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::warn!(device = %name, %error, "The saved memory of this device cannot be read; it starts afresh.");
        IngestMemory::default()
    })
}

/// A device as far as the store knows it: enough to close its alerts when it has left the inventory.
fn to_device(record: &DeviceRecord) -> Device {
    Device {
        name: record.name.clone(),
        platform: record.platform.clone(),
        address: record.address.as_deref().map(Into::into),
        labels: record.labels.clone(),
        interval: Duration::from_secs(60),
        timeout: Duration::from_secs(10),
        ha_peer: None,
        depends_on: Vec::new(),
        capacity: cliffwatch_model::CapacityOverrides::default(),
    }
}
