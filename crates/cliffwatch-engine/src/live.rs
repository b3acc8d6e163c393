//! What is known now, in memory: status answers do not wait for the database.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use cliffwatch_model::{
    AlertEvent, CounterClass, CounterKind, CounterName, Device, DeviceName, ErrorKind, Fault, Load,
    Observation, Outcome, PollHeader, Reachability, Setting, SourceError, TableId, TableObservation,
    Timestamp, Trigger,
};
use cliffwatch_rules::Outlook;

/// Polls that a table's last reading outlives before its series vanishes from `/metrics`; the contract's number.
pub const MISSED_POLLS_MAX: u32 = 3;

/// Everything that is known now.
#[derive(Debug, Default)]
pub struct Live {
    devices: RwLock<BTreeMap<DeviceName, Arc<DeviceStatus>>>,
    alerts: RwLock<BTreeMap<String, Arc<AlertEvent>>>,
}

/// What is known of one device now.
#[derive(Clone, Debug)]
pub struct DeviceStatus {
    /// The inventory's facts.
    pub device: Arc<Device>,
    /// The newest poll.
    pub last: Option<LastPoll>,
    /// When a poll last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// The device's load at the last poll that told it.
    pub load: Load,
    /// What is configured on the device.
    pub device_settings: Arc<BTreeMap<String, Setting>>,
    /// Standing warnings of its source.
    pub warnings: Vec<String>,
    /// Polls since our start.
    pub polls_total: u64,
    /// Failed polls since our start, by reason.
    pub failures_total: BTreeMap<ErrorKind, u64>,
    /// Ticks that passed while the poller was still busy, since our start.
    pub missed_ticks_total: u64,
    /// Panics of the source, since our start.
    pub panics_total: u64,
    /// Tick polls that failed in a row.
    pub missed_polls: u32,
    /// How much later than its tick the newest poll began.
    pub slip: Duration,
    /// Its tables; boxed, as a tree has room for eleven in each leaf.
    pub tables: BTreeMap<TableId, Box<TableStatus>>,
}

/// The newest poll of a device.
#[derive(Clone, Debug)]
pub struct LastPoll {
    /// When, why and for whom.
    pub header: PollHeader,
    /// How it went.
    pub outcome: Outcome,
    /// Why nothing was read.
    pub error: Option<SourceError>,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// How the device answered.
    pub reachability: Reachability,
}

/// What is known of one table now.
#[derive(Clone, Debug)]
pub struct TableStatus {
    /// The newest reading.
    pub newest: TableObservation,
    /// The polls of its device that went by without a reading of it.
    pub missed_polls: u32,
    /// The device's own totals, or our sums since our start for counters that only tell increases.
    pub totals: BTreeMap<CounterName, (CounterClass, u64)>,
    /// Where it is going, as of the newest reading that the rules saw.
    pub outlook: Option<Outlook>,
}

impl Live {
    /// Every device, in name order.
    pub fn devices(&self) -> Vec<Arc<DeviceStatus>> {
        read(&self.devices).values().cloned().collect()
    }

    /// One device.
    pub fn device(&self, name: &DeviceName) -> Option<Arc<DeviceStatus>> {
        read(&self.devices).get(name).cloned()
    }

    /// The latest event of every open alert, by fingerprint.
    pub fn open_alerts(&self) -> Vec<Arc<AlertEvent>> {
        read(&self.alerts).values().cloned().collect()
    }

    /// Takes a device from the inventory, new or changed.
    pub(crate) fn know(&self, device: Arc<Device>) {
        let mut devices = write(&self.devices);
        match devices.get_mut(&device.name) {
            Some(known) => Arc::make_mut(known).device = device,
            None => {
                devices.insert(device.name.clone(), Arc::new(DeviceStatus::new(device)));
            }
        }
    }

    pub(crate) fn forget(&self, name: &DeviceName) {
        write(&self.devices).remove(name);
    }

    /// Changes one device's status.
    pub(crate) fn update(&self, name: &DeviceName, change: impl FnOnce(&mut DeviceStatus)) {
        if let Some(status) = write(&self.devices).get_mut(name) {
            change(Arc::make_mut(status));
        }
    }

    /// Takes an observation and what the rules made of it.
    pub(crate) fn take(&self, observation: &Observation, events: &[AlertEvent]) {
        self.update(&observation.header.device, |status| status.take(observation));
        let mut alerts = write(&self.alerts);
        for event in events {
            take_event(&mut alerts, event);
        }
    }

    /// Takes what the rules foresee for the tables of an observation.
    pub(crate) fn foresee(&self, observation: &Observation, outlook: impl Fn(TableId) -> Option<Outlook>) {
        self.update(&observation.header.device, |status| {
            for reading in &observation.tables {
                if let Some(table) = status.tables.get_mut(&reading.id) {
                    table.outlook = outlook(reading.id);
                }
            }
        });
    }

    /// Takes an alert that was open before our start.
    pub(crate) fn take_alert(&self, event: &AlertEvent) {
        take_event(&mut write(&self.alerts), event);
    }
}

fn take_event(alerts: &mut BTreeMap<String, Arc<AlertEvent>>, event: &AlertEvent) {
    if event.state.is_open() {
        alerts.insert(event.fingerprint.clone(), Arc::new(event.clone()));
    } else if alerts.get(&event.fingerprint).is_some_and(|known| known.alert_id == event.alert_id) {
        alerts.remove(&event.fingerprint);
    }
}

impl DeviceStatus {
    fn new(device: Arc<Device>) -> Self {
        Self {
            device,
            last: None,
            last_success_at: None,
            load: Load::default(),
            device_settings: Arc::default(),
            warnings: Vec::new(),
            polls_total: 0,
            failures_total: BTreeMap::new(),
            missed_ticks_total: 0,
            panics_total: 0,
            missed_polls: 0,
            slip: Duration::ZERO,
            tables: BTreeMap::new(),
        }
    }

    fn take(&mut self, observation: &Observation) {
        let header = &observation.header;
        self.polls_total += 1;
        match observation.outcome {
            Outcome::Failed(kind) => {
                *self.failures_total.entry(kind).or_default() += 1;
                if header.trigger == Trigger::Tick {
                    self.missed_polls = self.missed_polls.saturating_add(1);
                }
            }
            Outcome::Ok | Outcome::Partial => {
                self.missed_polls = 0;
                self.last_success_at = self.last_success_at.max(Some(header.finished_at));
            }
        }
        if header.trigger == Trigger::Tick {
            for table in self.tables.values_mut() {
                table.missed_polls = table.missed_polls.saturating_add(1);
            }
        }
        for reading in &observation.tables {
            self.take_table(reading);
        }
        for gone in &observation.gone {
            self.tables.remove(&gone.id());
        }
        if observation.load != Load::default() {
            self.load = observation.load.clone();
        }
        self.device_settings = Arc::clone(&observation.device_settings);
        self.last = Some(LastPoll {
            header: header.clone(),
            outcome: observation.outcome,
            error: observation.error.clone(),
            faults: observation.faults.clone(),
            reachability: observation.reachability.clone(),
        });
    }

    /// Takes a table's latest reading: from a poll, or from the store at the start.
    pub(crate) fn take_table(&mut self, reading: &TableObservation) {
        let mut totals = BTreeMap::new();
        let known = self.tables.get(&reading.id);
        if known.is_some_and(|known| known.newest.observed_at > reading.observed_at) {
            return;
        }
        for (name, counter) in &reading.counters {
            let before = known.and_then(|known| known.totals.get(name)).map_or(0, |(_, total)| *total);
            let moved = reading.increases.iter().find(|i| i.counter == *name).map_or(0, |i| i.amount);
            let total = match counter.kind {
                CounterKind::Cumulative => counter.value,
                CounterKind::Period | CounterKind::Event => before.saturating_add(moved),
            };
            totals.insert(name.clone(), (counter.class, total));
        }
        let outlook = known.and_then(|known| known.outlook);
        self.tables.insert(
            reading.id,
            Box::new(TableStatus { newest: reading.clone(), missed_polls: 0, totals, outlook }),
        );
    }
}

/// A panic elsewhere must not take the status page with it: the data is replaced whole, never half-written.
fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
