//! The straight line: the only consumer of polls, and the only place where truth is made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    AlertEvent, Ask, Device, DeviceName, ErrorKind, Ingest, IngestMemory, Observation, Outcome, Poll,
    TableId, Timestamp,
};
use cliffwatch_rules::{
    DeviceFacts, Diagnosed, Engine, Incidents, Maintenance, Notice, RuleSet, Surroundings, Topology, paging,
};
use cliffwatch_source::Clock;
use cliffwatch_store::{DeviceChange, RuleStateChange};
use tokio::sync::{mpsc, oneshot};

use crate::backlog::{Backlog, Entry};
use crate::live::Live;
use crate::outbox::Outbox;
use crate::resume::Resumed;
use crate::stats::Stats;

/// A device's rule state is saved at transitions, and at least this often; the design's number.
const STATE_SAVED_EVERY: Duration = Duration::from_secs(60);

/// What comes down the one channel.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are polls: boxing them would cost more than it saves"
)]
pub(crate) enum Input {
    /// A device was polled.
    Poll(Poll),
    /// The inventory or the rules are these now.
    Configure { rules: Arc<RuleSet>, maintenance: Arc<[Maintenance]>, devices: Vec<Arc<Device>> },
    /// What the store knew of the time before our start.
    Resume(Box<Resumed>),
    /// Somebody wants to know what is wrong with a table.
    Diagnose { device: DeviceName, table: TableId, answer: oneshot::Sender<Option<Diagnosed>> },
    /// Save every device's state: the service stops.
    SaveAll,
    /// Nothing comes after this.
    Stop,
}

/// Folds polls into observations, observations into events.
pub(crate) struct Pipeline {
    rules: Engine,
    incidents: Incidents,
    topology: Topology,
    devices: HashMap<DeviceName, Known>,
    /// The numbers of devices that left: one that comes back goes on from there.
    retired: HashMap<DeviceName, u64>,
    /// Whether the store's memory was taken up.
    resumed: bool,
    /// Released before our start, perhaps not stored; adopted before the first observation.
    journaled: Vec<AlertEvent>,
    clock: Arc<dyn Clock>,
    backlog: Arc<Backlog>,
    outbox: Arc<Outbox>,
    live: Arc<Live>,
    stats: Arc<Stats>,
    asks: mpsc::Sender<Ask>,
}

/// What the pipeline keeps of one device.
struct Known {
    device: Arc<Device>,
    ingest: Ingest,
    last_seq: u64,
    state_saved_at: Timestamp,
}

/// What the pipeline works with.
pub(crate) struct Parts {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) live: Arc<Live>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) asks: mpsc::Sender<Ask>,
    pub(crate) journaled: Vec<AlertEvent>,
    pub(crate) maintenance: Arc<[Maintenance]>,
}

impl Pipeline {
    pub(crate) fn new(rules: Arc<RuleSet>, devices: Vec<Arc<Device>>, parts: Parts) -> Self {
        let Parts { clock, backlog, outbox, live, stats, asks, journaled, maintenance } = parts;
        let mut rules = Engine::new(rules);
        rules.maintain(maintenance);
        let mut pipeline = Self {
            rules,
            incidents: Incidents::default(),
            topology: Topology::default(),
            devices: HashMap::new(),
            retired: HashMap::new(),
            resumed: false,
            journaled,
            clock,
            backlog,
            outbox,
            live,
            stats,
            asks,
        };
        for device in devices {
            pipeline.know(device);
        }
        pipeline.survey();
        pipeline
    }

    /// The first poll is about to be folded. Where the store's memory did not come in time, numbers go on
    /// from our clock: beyond any count of polls, so that they never meet the store's.
    pub(crate) fn start(&mut self) {
        if !self.resumed {
            let base = u64::try_from(self.clock.now().as_micros() / 1_000).unwrap_or(0);
            for known in self.devices.values_mut() {
                known.last_seq = known.last_seq.max(base);
            }
        }
        self.adopt_journal();
    }

    /// Takes the next input.
    pub(crate) fn take(&mut self, input: Input) {
        match input {
            Input::Poll(poll) => self.fold(poll),
            Input::Configure { rules, maintenance, devices } => self.configure(rules, maintenance, devices),
            Input::Resume(resumed) => self.resume(*resumed),
            Input::Diagnose { device, table, answer } => {
                let _nobody_waits = answer.send(self.rules.diagnose(&device, table)).is_err();
            }
            Input::SaveAll => self.save_all(),
            Input::Stop => {}
        }
    }

    /// The line itself: ingest, observe, form incidents, push, release.
    fn fold(&mut self, poll: Poll) {
        let Some((observation, memory)) = self.ingest(poll) else { return };
        let mut verdicts = self.rules.observe(&observation);
        self.form_incidents(observation.header.finished_at, &mut verdicts.events);
        self.live.take(&observation, &verdicts.events);
        self.live.foresee(&observation, |id| self.rules.outlook(&observation.header.device, id));
        self.outbox.hold(&verdicts.events);
        self.push(observation, verdicts.events, memory);
        for ask in verdicts.asks {
            let _the_rules_ask_again = self.asks.try_send(ask).is_err();
        }
    }

    /// Gives events the ids of their incidents.
    fn form_incidents(&mut self, now: Timestamp, events: &mut [AlertEvent]) {
        let around = Surroundings { topology: &self.topology, silences: &[] };
        let mut notices = self.incidents.settle(now, around);
        notices.extend(paging(events, &mut self.incidents, around));
        for notice in notices {
            if let Notice::Page { at, incident_id, subject, .. } = notice {
                tracing::warn!(%at, incident_id, subject, "An incident became critical.");
            }
        }
    }

    /// Takes which devices belong together, as the inventory and the rules have it now.
    fn survey(&mut self) {
        self.topology = Topology::new(self.devices.values().map(|known| &*known.device), self.rules.rules());
    }

    /// Numbers the poll and takes its deltas. Polls of a device that has left are nobody's.
    fn ingest(&mut self, mut poll: Poll) -> Option<(Arc<Observation>, IngestMemory)> {
        let known = self.devices.get_mut(&poll.header.device)?;
        known.last_seq += 1;
        poll.header.seq = known.last_seq;
        let observation = known.ingest.ingest(poll);
        Some((Arc::new(observation), known.ingest.memory().clone()))
    }

    fn push(&mut self, observation: Arc<Observation>, events: Vec<AlertEvent>, memory: IngestMemory) {
        let name = observation.header.device.clone();
        let retired = observation.outcome == Outcome::Failed(ErrorKind::Retired);
        let at = observation.header.finished_at;
        let due = retired
            || !events.is_empty()
            || self.devices.get(&name).is_some_and(|known| known.state_is_due(at));
        let rules = if due { self.saved_state(&name, at) } else { None };
        let device = retired.then(|| DeviceChange::Retired { device: name.clone(), at });
        let entry = Entry { observation: Some(observation), events, memory: Some(memory), rules, device };
        self.backlog.push(entry, &self.stats);
        if retired {
            if let Some(known) = self.devices.remove(&name) {
                self.retired.insert(name.clone(), known.last_seq);
            }
            self.live.forget(&name);
        }
    }

    fn saved_state(&mut self, name: &DeviceName, at: Timestamp) -> Option<RuleStateChange> {
        let known = self.devices.get_mut(name)?;
        known.state_saved_at = at;
        let rows = self.rules.save(name);
        let change = RuleStateChange { device: name.clone(), through_seq: known.last_seq, rows };
        Some(change)
    }

    fn configure(&mut self, rules: Arc<RuleSet>, maintenance: Arc<[Maintenance]>, devices: Vec<Arc<Device>>) {
        self.rules.configure(rules);
        self.rules.maintain(maintenance);
        for device in devices {
            self.know(device);
        }
        self.survey();
        self.save_all();
    }

    fn know(&mut self, device: Arc<Device>) {
        self.live.know(Arc::clone(&device));
        self.rules.know(DeviceFacts::from(&*device));
        let unchanged = self.devices.get(&device.name).is_some_and(|known| known.device == device);
        if !unchanged && !device.name.is_ourselves() {
            let entry = Entry { device: Some(DeviceChange::Active(Arc::clone(&device))), ..Entry::default() };
            self.backlog.push(entry, &self.stats);
        }
        match self.devices.get_mut(&device.name) {
            Some(known) => {
                known.ingest.configure(device.capacity.clone());
                known.device = device;
            }
            None => {
                let ingest = Ingest::new(device.capacity.clone(), IngestMemory::default());
                let last_seq = self.retired.remove(&device.name).unwrap_or(0);
                let state_saved_at = self.clock.now();
                self.devices.insert(device.name.clone(), Known { device, ingest, last_seq, state_saved_at });
            }
        }
    }

    /// Goes on where the store's history ends. What it holds beyond the saved rule state is observed
    /// again: that rebuilds state, and its events are known already.
    fn resume(&mut self, resumed: Resumed) {
        self.resumed = true;
        let mut left = Vec::new();
        for (name, before) in resumed.devices {
            let Some(known) = self.devices.get_mut(&name) else {
                left.push((name, before));
                continue;
            };
            if known.last_seq == 0 {
                known.last_seq = before.last_seq;
                known.ingest = Ingest::new(known.device.capacity.clone(), before.memory);
                self.load_rules(&name, before.rules);
                before.answers.iter().for_each(|answer| self.rules.remind(answer));
                for observation in &before.after_state {
                    let _known_events = self.rules.observe(observation);
                }
            }
            self.live.update(&name, |status| before.latest.iter().for_each(|table| status.take_table(table)));
        }
        for (name, last_seq) in resumed.retired {
            match self.devices.get_mut(&name) {
                Some(known) => known.last_seq = known.last_seq.max(last_seq),
                None => {
                    self.retired.insert(name, last_seq);
                }
            }
        }
        for event in &resumed.open_alerts {
            if self.devices.contains_key(&event.device) {
                self.adopt(event);
            }
        }
        self.adopt_journal();
        self.close_alerts_of_departed(left, &resumed.open_alerts);
    }

    /// Devices that left the inventory while we were down: their alerts are closed and told as gone.
    fn close_alerts_of_departed(
        &mut self,
        left: Vec<(DeviceName, crate::resume::Before)>,
        open: &[AlertEvent],
    ) {
        for (name, before) in left {
            let Some(last) = before.last else { continue };
            let device = Arc::new(before.device);
            self.know(Arc::clone(&device));
            if let Some(known) = self.devices.get_mut(&name) {
                known.last_seq = before.last_seq;
            }
            self.load_rules(&name, before.rules);
            for event in open.iter().filter(|event| event.device == name) {
                self.adopt(event);
            }
            let now = self.clock.now();
            let header = cliffwatch_model::PollHeader { started_at: now, finished_at: now, ..last };
            let error =
                cliffwatch_model::SourceError::new(ErrorKind::Retired, "the device left the inventory");
            self.fold(Poll { header, result: Err(error) });
        }
    }

    fn adopt_journal(&mut self) {
        for event in std::mem::take(&mut self.journaled) {
            self.adopt(&event);
            let entry = Entry { events: vec![event], ..Entry::default() };
            self.backlog.push(entry, &self.stats);
        }
    }

    /// Continues an alert that was open before our start. The journal may hold what is long over.
    fn adopt(&mut self, event: &AlertEvent) {
        self.rules.adopt(event);
        let mut open = self.rules.open_alerts_of(&event.device);
        let is_newest = open.any(|open| open.alert_id == event.alert_id && open.seq == event.seq);
        drop(open);
        if is_newest || !event.state.is_open() {
            self.live.take_alert(event);
        }
        if is_newest {
            self.incidents.adopt(event, &self.topology);
        }
    }

    /// Continues a device's rules from their saved rows. Rows that cannot be read are told; the open
    /// alerts themselves go on from their last events.
    fn load_rules(&mut self, name: &DeviceName, rows: Vec<(Option<TableId>, String)>) {
        if let Err(error) = self.rules.load(name, rows) {
            tracing::error!(device = %name, %error, "The saved state of the rules cannot be read; it starts afresh.");
        }
    }

    fn save_all(&mut self) {
        let names: Vec<DeviceName> = self.devices.keys().cloned().collect();
        let now = self.clock.now();
        for name in names {
            let rules = self.saved_state(&name, now);
            self.backlog.push(Entry { rules, ..Entry::default() }, &self.stats);
        }
    }
}

impl Known {
    fn state_is_due(&self, now: Timestamp) -> bool {
        now.since(self.state_saved_at) >= STATE_SAVED_EVERY
    }
}
