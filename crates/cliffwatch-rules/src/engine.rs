use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use cliffwatch_model::{
    AlertEvent, AlertState, Ask, DeviceName, ErrorKind, Observation, OpenRule, Outcome, Platform, Severity,
    TableId, Timestamp,
};

use crate::device::Device;
use crate::event;
use crate::lifecycle::Progress;
use crate::table::Table;
use crate::{Diagnosed, Maintenance, Outlook, RuleSet, StateError, diagnosis, observe, state};

/// Evaluates the rules. One for the whole process; it reads one device at a time.
#[derive(Debug)]
pub struct Engine {
    rules: Arc<RuleSet>,
    maintenance: Arc<[Maintenance]>,
    devices: HashMap<DeviceName, Device>,
    /// Rows of devices and tables that are gone, to be deleted at the next save.
    deleted: HashMap<DeviceName, BTreeSet<Option<TableId>>>,
}

/// What the inventory says of a device and rules match on; an observation does not carry it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The device.
    pub name: DeviceName,
    /// What it is.
    pub platform: Platform,
    /// The operator's labels.
    pub labels: BTreeMap<String, String>,
}

impl From<&cliffwatch_model::Device> for DeviceFacts {
    fn from(device: &cliffwatch_model::Device) -> Self {
        Self { name: device.name.clone(), platform: device.platform.clone(), labels: device.labels.clone() }
    }
}

/// What an observation led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    /// Transitions of alerts, in order.
    pub events: Vec<AlertEvent>,
    /// What should be asked of the device.
    pub asks: Vec<Ask>,
}

/// An alert that is open now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAlert<'a> {
    /// The alert's id.
    pub alert_id: String,
    /// The receivers' dedup key.
    pub fingerprint: String,
    /// The rule's id.
    pub rule: &'a str,
    /// The device.
    pub device: &'a DeviceName,
    /// The table; absent for an alert on the device.
    pub table_id: Option<TableId>,
    /// The table as people read it.
    pub table: Option<&'a str>,
    /// Where it stands.
    pub state: AlertState,
    /// How much it matters.
    pub severity: Severity,
    /// The reading that opened it.
    pub onset: Timestamp,
    /// Its last transition.
    pub at: Timestamp,
    /// How many transitions it had.
    pub seq: u32,
}

impl Engine {
    /// Starts without any memory.
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self { rules, maintenance: Arc::default(), devices: HashMap::new(), deleted: HashMap::new() }
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// Takes other rules. A rule that stays, by id, goes on where it was; the alerts of one that goes are
    /// closed as `gone` when their table or device is next observed.
    pub fn configure(&mut self, rules: Arc<RuleSet>) {
        self.rules = rules;
        for device in self.devices.values_mut() {
            device.generation += 1;
        }
    }

    /// Takes when devices are worked on. What happens then is told only where it lasts beyond.
    pub fn maintain(&mut self, maintenance: Arc<[Maintenance]>) {
        self.maintenance = maintenance;
    }

    /// Takes what the inventory says of a device: before it is first observed, and after each reload.
    pub fn know(&mut self, facts: DeviceFacts) {
        let device = self.devices.entry(facts.name.clone()).or_insert_with(Device::new);
        if device.facts.as_ref() != Some(&facts) {
            device.facts = Some(facts);
            device.generation += 1;
        }
    }

    /// Evaluates all rules on one observation. It reads this observation, the device's facts and what is
    /// remembered of this device: nothing else. The same observation again does nothing.
    pub fn observe(&mut self, observation: &Observation) -> Verdicts {
        let name = &observation.header.device;
        if observation.outcome == Outcome::Failed(ErrorKind::Retired) {
            return self.retire(observation);
        }
        let device = self.devices.entry(name.clone()).or_insert_with(Device::new);
        if device.memory.knows(&observation.header) {
            return Verdicts::default();
        }
        let mut verdicts = Verdicts::default();
        let setup = observe::Setup { rules: &self.rules, maintenance: &self.maintenance };
        let gone = observe::observe(device, setup, observation, &mut verdicts);
        if !gone.is_empty() {
            self.deleted.entry(name.clone()).or_default().extend(gone.into_iter().map(Some));
        }
        verdicts
    }

    /// Closes what is open on a device that left the inventory, and forgets it.
    fn retire(&mut self, observation: &Observation) -> Verdicts {
        let name = &observation.header.device;
        let mut verdicts = Verdicts::default();
        if let Some(mut device) = self.devices.remove(name) {
            observe::retire(&mut device, &observation.header, &mut verdicts);
            let tables = device.tables.keys().copied().map(Some);
            self.deleted.entry(name.clone()).or_default().extend(tables.chain([None]));
        }
        verdicts
    }

    /// The rows of a device that changed since the last call: the device's own (no table id) and one for
    /// each table. Absent text: delete the row. Text is JSON of at most about 8 KiB.
    pub fn save(&mut self, device: &DeviceName) -> Vec<(Option<TableId>, Option<String>)> {
        let deleted = self.deleted.remove(device).unwrap_or_default();
        let mut rows: BTreeMap<Option<TableId>, Option<String>> =
            deleted.into_iter().map(|id| (id, None)).collect();
        if let Some(device) = self.devices.get_mut(device) {
            if std::mem::take(&mut device.unsaved) {
                rows.insert(None, state::device_text(device));
            }
            for (id, table) in &mut device.tables {
                if std::mem::take(&mut table.unsaved) {
                    rows.insert(Some(*id), state::table_text(table));
                }
            }
        }
        rows.into_iter().collect()
    }

    /// Continues a device from its saved rows, in the place of what is remembered of it.
    ///
    /// # Errors
    /// When a row cannot be read or was written by a newer version; nothing is changed then.
    pub fn load(
        &mut self,
        device: &DeviceName,
        rows: impl IntoIterator<Item = (Option<TableId>, String)>,
    ) -> Result<(), StateError> {
        let mut loaded = state::read(device, rows)?;
        if let Some(known) = self.devices.remove(device) {
            loaded.facts = known.facts;
            loaded.generation = known.generation;
        }
        self.devices.insert(device.clone(), loaded);
        Ok(())
    }

    /// Continues the alert of an event that the journal or the store holds: its latest event if it is
    /// open, or the events in order. Ids and sequences go on from it, and what an observation up to its
    /// time would change is not changed again. To be called after [`Engine::load`].
    ///
    /// Where another alert of the rule was opened on the table meanwhile, that one is closed, untold, at
    /// the next observation.
    pub fn adopt(&mut self, event: &AlertEvent) {
        let device = self.devices.entry(event.device.clone()).or_insert_with(Device::new);
        match event.table_id {
            None => {
                device.tracks.adopt(event);
                device.unsaved = true;
            }
            Some(id) if event.state.is_open() || device.tables.contains_key(&id) => {
                let path = event.table.as_deref().unwrap_or_default();
                let table = device.tables.entry(id).or_insert_with(|| Box::new(Table::new(path)));
                table.tracks.adopt(event);
                table.unsaved = true;
            }
            Some(_) => {}
        }
    }

    #[cfg(test)]
    pub(crate) fn table(&self, device: &DeviceName, table: TableId) -> &Table {
        &self.devices[device].tables[&table]
    }

    /// Shows what a device answered before a restart, for diagnoses: no rule reads it. To be called after
    /// [`Engine::load`] and before newer observations.
    pub fn remind(&mut self, answer: &Observation) {
        if let Some(device) = self.devices.get_mut(&answer.header.device) {
            device.sight.take(answer);
        }
    }

    /// How a table moves and where that leads, as of its newest reading.
    pub fn outlook(&self, device: &DeviceName, table: TableId) -> Option<Outlook> {
        Outlook::of(&self.devices.get(device)?.tables.get(&table)?.memory)
    }

    /// What is wrong with a table, why, and what to do; nothing for a table that is not known.
    pub fn diagnose(&self, name: &DeviceName, id: TableId) -> Option<Diagnosed> {
        let device = self.devices.get(name)?;
        let table = device.tables.get(&id)?;
        let about = |alert: &OpenAlert<'_>| alert.table_id.is_none_or(|table| table == id);
        let told = |alert: &OpenAlert<'_>| alert.state != AlertState::Pending;
        let open = self.open_alerts_of(name).filter(|alert| about(alert) && told(alert));
        let mut alerts: Vec<OpenRule> = open
            .map(|alert| OpenRule {
                rule: alert.rule.to_owned(),
                severity: alert.severity,
                state: alert.state,
                onset: alert.onset,
            })
            .collect();
        alerts.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.rule.cmp(&b.rule)));
        diagnosis::diagnose(name, device, id, table, alerts)
    }

    /// The tables of a device, by how people read their names.
    pub fn tables_of(&self, name: &DeviceName) -> Vec<(TableId, Arc<str>)> {
        let tables = self.devices.get(name).into_iter().flat_map(|device| &device.tables);
        tables.map(|(id, table)| (*id, Arc::clone(&table.path))).collect()
    }

    /// The alerts that are open, in no particular order.
    pub fn open_alerts(&self) -> impl Iterator<Item = OpenAlert<'_>> {
        self.devices.iter().flat_map(|(name, device)| open_on(name, device))
    }

    /// The alerts that are open on one device.
    pub fn open_alerts_of(&self, device: &DeviceName) -> impl Iterator<Item = OpenAlert<'_>> {
        self.devices.get_key_value(device).into_iter().flat_map(|(name, device)| open_on(name, device))
    }
}

fn open_on<'a>(name: &'a DeviceName, device: &'a Device) -> impl Iterator<Item = OpenAlert<'a>> {
    let own = device.tracks.progress().map(|(rule, progress)| (rule, progress, None));
    let tables = device.tables.iter().flat_map(|(id, table)| {
        table.tracks.progress().map(move |(rule, progress)| (rule, progress, Some((*id, &*table.path))))
    });
    own.chain(tables).filter_map(move |(rule, progress, table)| open(name, rule, progress, table))
}

fn open<'a>(
    device: &'a DeviceName,
    rule: &'a str,
    progress: &Progress,
    table: Option<(TableId, &'a str)>,
) -> Option<OpenAlert<'a>> {
    let alert = progress.alert?;
    let fingerprint = event::fingerprint(rule, device, table.map(|(id, _)| id));
    Some(OpenAlert {
        alert_id: event::alert_id(&fingerprint, alert.onset),
        fingerprint,
        rule,
        device,
        table_id: table.map(|(id, _)| id),
        table: table.map(|(_, path)| path),
        state: alert.phase.state(),
        severity: alert.severity,
        onset: alert.onset,
        at: alert.at,
        seq: alert.seq,
    })
}
