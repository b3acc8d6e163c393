//! Runs the rules over history: the same line as live, fed from the store or from a file.

mod difference;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::wire::{PollLine, WireError};
use cliffwatch_model::{
    AlertEvent, AlertState, CapacityOverrides, CounterClass, DeviceName, Ingest, IngestMemory, Observation,
    Poll, Severity, TableId, Timestamp,
};
use cliffwatch_rules::{
    DeviceFacts, Diagnosed, Engine, Incidents, Maintenance, Notice, RuleSet, Silence, Surroundings, Topology,
    paging,
};
use serde::Serialize;

pub use difference::{Change, Difference, Fired, differences};

/// The interval of a device of which the history holds one line only: the inventory's default.
const INTERVAL_DEFAULT: Duration = Duration::from_secs(10);

/// Folds history and keeps the score.
pub struct Replay {
    engine: Engine,
    ingests: HashMap<DeviceName, Ingest>,
    known: HashMap<DeviceName, DeviceFacts>,
    incidents: Incidents,
    topology: Topology,
    silences: Vec<Silence>,
    polls: u64,
    events: u64,
    /// What people would have been told.
    notices: Vec<Notice>,
    /// The newest poll.
    until: Option<Timestamp>,
    tables: BTreeMap<TableId, Lead>,
}

/// What decides the lead time of one table.
#[derive(Clone, Copy, Default)]
struct Lead {
    fired_at: Option<Timestamp>,
    refused_at: Option<Timestamp>,
}

/// What a replay came to: the last line of its output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Polls that were replayed.
    pub polls: u64,
    /// Transitions of alerts.
    pub events: u64,
    /// Incidents that somebody would have been paged for: once each.
    pub pages: u64,
    /// When a new connection was first lost.
    pub first_refusal_at: Option<Timestamp>,
    /// From the first warning or critical of a table to its first lost connection; the smallest.
    pub lead_time_seconds: Option<f64>,
}

impl Replay {
    /// A replay with these rules, of devices of which only their names are known until [`Replay::know`].
    pub fn new(rules: Arc<RuleSet>) -> Self {
        Self {
            topology: Topology::new([], &rules),
            engine: Engine::new(rules),
            ingests: HashMap::new(),
            known: HashMap::new(),
            incidents: Incidents::default(),
            silences: Vec::new(),
            polls: 0,
            events: 0,
            notices: Vec::new(),
            until: None,
            tables: BTreeMap::new(),
        }
    }

    /// Takes what the inventory says of a device: rules match on its labels.
    pub fn know(&mut self, facts: DeviceFacts) {
        self.known.insert(facts.name.clone(), facts.clone());
        self.engine.know(facts);
    }

    /// Takes what decides whom to page: which devices belong together, and what is silenced when.
    pub fn surround(&mut self, topology: Topology, silences: Vec<Silence>) {
        self.topology = topology;
        self.silences = silences;
    }

    /// Takes when devices are worked on.
    pub fn maintain(&mut self, maintenance: Arc<[Maintenance]>) {
        self.engine.maintain(maintenance);
    }

    /// Replays one poll as a source made it.
    pub fn poll(&mut self, poll: Poll) -> Vec<AlertEvent> {
        let name = poll.header.device.clone();
        let fresh = || Ingest::new(CapacityOverrides::default(), IngestMemory::default());
        let observation = self.ingests.entry(name).or_insert_with(fresh).ingest(poll);
        self.observe(&observation)
    }

    /// Replays one observation as the store kept it.
    pub fn observe(&mut self, observation: &Observation) -> Vec<AlertEvent> {
        let header = &observation.header;
        if !self.known.contains_key(&header.device) {
            self.know(DeviceFacts {
                name: header.device.clone(),
                platform: header.platform.clone(),
                labels: BTreeMap::new(),
            });
        }
        self.polls += 1;
        let mut events = self.engine.observe(observation).events;
        let around = Surroundings { topology: &self.topology, silences: &self.silences };
        self.notices.extend(self.incidents.settle(header.finished_at, around));
        self.notices.extend(paging(&mut events, &mut self.incidents, around));
        self.until = self.until.max(Some(header.finished_at));
        self.score(observation, &events);
        events
    }

    /// What people would have been told so far, in time order.
    pub fn notices(&self) -> Vec<Notice> {
        let around = Surroundings { topology: &self.topology, silences: &self.silences };
        // The instant of the newest poll is over, too.
        let end = self.until.map(|until| until.plus(Duration::from_micros(1)));
        let last = end.map(|end| self.incidents.clone().settle(end, around));
        self.notices.iter().cloned().chain(last.into_iter().flatten()).collect()
    }

    fn score(&mut self, observation: &Observation, events: &[AlertEvent]) {
        for table in &observation.tables {
            if table.increases.iter().any(|increase| increase.class == CounterClass::Refused) {
                let lead = self.tables.entry(table.id).or_default();
                // Late data may tell of an earlier one.
                let first = lead.refused_at.map_or(table.observed_at, |at| at.min(table.observed_at));
                lead.refused_at = Some(first);
            }
        }
        for event in events {
            self.events += 1;
            if let (Some(table), true) = (event.table_id, warns(event)) {
                let lead = self.tables.entry(table).or_default();
                lead.fired_at = lead.fired_at.or(Some(event.at));
            }
        }
    }

    /// What is wrong with a table, as of what was replayed; nothing for a table that was not read.
    pub fn diagnose(&self, device: &DeviceName, table: TableId) -> Option<Diagnosed> {
        self.engine.diagnose(device, table)
    }

    /// The tables that a device has now, with their names as people read them.
    pub fn tables_of(&self, device: &DeviceName) -> Vec<(TableId, Arc<str>)> {
        self.engine.tables_of(device)
    }

    /// What it came to.
    pub fn summary(&self) -> Summary {
        let leads = self.tables.values().filter_map(|lead| {
            let (fired, refused) = (lead.fired_at?.as_micros(), lead.refused_at?.as_micros());
            Some(refused.saturating_sub(fired))
        });
        #[expect(clippy::cast_precision_loss, reason = "the length of a history in microseconds fits 2^52")]
        let seconds = |micros: i64| micros as f64 / 1e6;
        Summary {
            polls: self.polls,
            events: self.events,
            pages: self.notices().iter().filter(|notice| matches!(notice, Notice::Page { .. })).count()
                as u64,
            first_refusal_at: self.tables.values().filter_map(|lead| lead.refused_at).min(),
            lead_time_seconds: leads.min().map(seconds),
        }
    }
}

fn warns(event: &AlertEvent) -> bool {
    event.state == AlertState::Firing && event.severity >= Severity::Warning
}

/// The polls that lines of JSON tell of, in time order. What a line does not say takes its natural
/// default: the number of the line among its device's, and the usual spacing as the interval.
///
/// # Errors
/// With the number of the line (from 1) and what is wrong with it.
pub fn polls_of_lines(lines: Vec<PollLine>) -> Result<Vec<Poll>, (usize, WireError)> {
    let intervals = usual_spacing(&lines);
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut polls = Vec::with_capacity(lines.len());
    for (line, number) in lines.into_iter().zip(1..) {
        let count = counts.entry(line.device.clone()).or_default();
        *count += 1;
        let interval = intervals.get(&line.device).copied().unwrap_or(INTERVAL_DEFAULT);
        polls.push(line.into_poll(*count, interval).map_err(|error| (number, error))?);
    }
    polls.sort_by_key(|poll| poll.header.finished_at);
    Ok(polls)
}

/// The median spacing of each device's lines: gaps do not move it.
fn usual_spacing(lines: &[PollLine]) -> HashMap<String, Duration> {
    let mut times: HashMap<&str, Vec<Timestamp>> = HashMap::new();
    for line in lines {
        times.entry(&line.device).or_default().push(line.finished_at);
    }
    let median = |times: &mut Vec<Timestamp>| {
        times.sort_unstable();
        let mut steps: Vec<Duration> =
            times.iter().zip(times.iter().skip(1)).map(|(before, after)| after.since(*before)).collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied().filter(|step| !step.is_zero())
    };
    times
        .into_iter()
        .filter_map(|(device, mut times)| Some((device.to_owned(), median(&mut times)?)))
        .collect()
}
