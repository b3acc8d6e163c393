use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::series::{self, Point};
use cliffwatch_model::{
    AlertEvent, Ask, AskKind, Bound, Capacity, CapacityOrigin, CapacityOverrides, CapacityReason, Counter,
    CounterClass, CounterName, CounterReading, DeviceName, Epoch, ErrorKind, EvidenceItem, GroupName, Ingest,
    IngestMemory, Load, Observation, Platform, Poll, PollHeader, PollerName, Reachability, Reading, Role,
    Sample, Scope, Setting, SourceError, TableKey, TableKind, TableState, Timestamp, Trigger, Unit,
};

use crate::{DeviceFacts, Engine, RuleSet};

/// 2026-03-01T10:00:00Z: second 0 of every scenario.
const START: i64 = 1_772_359_200;

/// One device, polled every 10 s unless told otherwise, and the engine that watches it.
///
/// Fields are what the next polls read; `run` polls along a series, `poll` and `fail` once.
pub(super) struct Lab {
    pub(super) engine: Engine,
    ingest: Ingest,
    device: DeviceName,
    /// Seconds since the start at which the next poll ends.
    pub(super) now: i64,
    pub(super) interval: i64,
    seq: u64,
    pub(super) trigger: Trigger,
    /// Whether the device's tables were read completely.
    pub(super) complete: bool,
    pub(super) boot: u32,
    pub(super) tables: Vec<Sample>,
    pub(super) load: Load,
    pub(super) settings: BTreeMap<String, Setting>,
    pub(super) reachability: Reachability,
    /// What the next poll answers of what was asked.
    pub(super) evidence: Vec<EvidenceItem>,
    pub(super) seen: Vec<Observation>,
    pub(super) events: Vec<AlertEvent>,
    pub(super) asks: Vec<Ask>,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::on("nat-gw-1", "linux", &[])
    }

    pub(super) fn on(name: &str, platform: &str, labels: &[(&str, &str)]) -> Self {
        let device = DeviceName::new(name).unwrap();
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let mut engine = Engine::new(Arc::new(RuleSet::builtin()));
        engine.know(DeviceFacts { name: device.clone(), platform: Platform::new(platform).unwrap(), labels });
        Self {
            engine,
            ingest: Ingest::new(CapacityOverrides::default(), IngestMemory::default()),
            tables: vec![table(&device, "host", 1_000)],
            device,
            now: 0,
            interval: 10,
            seq: 0,
            trigger: Trigger::Tick,
            complete: true,
            boot: 1,
            load: Load::default(),
            settings: BTreeMap::new(),
            reachability: Reachability::default(),
            evidence: Vec::new(),
            seen: Vec::new(),
            events: Vec::new(),
            asks: Vec::new(),
        }
    }

    /// Changes the rules: JSON as `rules.yaml` has it.
    pub(super) fn rules(&mut self, json: &str) {
        let entries: Vec<crate::RuleEntry> = serde_json::from_str(json).unwrap();
        self.engine.configure(Arc::new(RuleSet::customised(entries).unwrap()));
    }

    pub(super) fn table(&mut self) -> &mut Sample {
        &mut self.tables[0]
    }

    pub(super) fn limit(&mut self, limit: u64) {
        self.table().capacity = Capacity::reported(limit).ok_or(CapacityReason::NotTold);
    }

    pub(super) fn bound(&mut self, bound: Bound) {
        let limit = self.table().capacity.unwrap().limit;
        self.table().capacity = Ok(Capacity { limit, origin: CapacityOrigin::Documented, bound });
    }

    /// Polls along series: the use of the first table, and its counters. A gap is a poll that fails.
    pub(super) fn run(&mut self, used: &str, counters: &[(&str, CounterClass, &str)]) {
        let counters: Vec<_> = counters
            .iter()
            .map(|(name, class, text)| (*name, *class, series::parse(text).unwrap()))
            .collect();
        for (n, point) in series::parse(used).unwrap().into_iter().enumerate() {
            let Point::Value { value, reset } = point else {
                self.fail(ErrorKind::Timeout);
                continue;
            };
            self.boot += u32::from(reset);
            self.table().used = Some(value);
            for (name, class, points) in &counters {
                if let Some(Point::Value { value, .. }) = points.get(n.min(points.len() - 1)) {
                    let name = CounterName::new(name).unwrap();
                    self.table().counters.insert(name, Counter::cumulative(*class, *value));
                }
            }
            self.poll();
        }
    }

    /// One sum over the minute that ends at a second of the scenario.
    pub(super) fn period(&mut self, name: &str, class: CounterClass, ends: i64, value: u64) {
        let reading = CounterReading::Period { value, period: Duration::from_secs(60), provisional: false };
        let at = self.at(ends);
        self.table().counters = [(CounterName::new(name).unwrap(), Counter { class, reading })].into();
        self.table().observed_at = at;
        self.poll_as_is();
    }

    pub(super) fn poll(&mut self) {
        let at = self.at(self.now);
        for table in &mut self.tables {
            table.observed_at = at;
        }
        self.poll_as_is();
    }

    fn poll_as_is(&mut self) {
        let complete = if self.complete { vec![group()] } else { vec![] };
        let reading = Reading {
            epoch: Some(Epoch::new(&format!("boot:{}", self.boot)).unwrap()),
            samples: self.tables.clone(),
            complete,
            load: self.load.clone(),
            device_settings: self.settings.clone(),
            reachability: self.reachability.clone(),
            evidence: std::mem::take(&mut self.evidence),
            ..Reading::default()
        };
        self.finish(Ok(reading));
    }

    pub(super) fn fail(&mut self, kind: ErrorKind) {
        self.finish(Err(SourceError::new(kind, "it failed")));
    }

    fn finish(&mut self, result: Result<Reading, SourceError>) {
        self.seq += 1;
        let at = self.at(self.now);
        let header = PollHeader {
            device: self.device.clone(),
            platform: Platform::new("linux").unwrap(),
            poller: PollerName::new("p").unwrap(),
            seq: self.seq,
            trigger: self.trigger,
            started_at: at,
            finished_at: at,
            interval: Duration::from_secs(self.interval.unsigned_abs()),
            late: false,
            lag: Duration::ZERO,
        };
        self.now += self.interval;
        let observation = self.ingest.ingest(Poll { header, result });
        let verdicts = self.engine.observe(&observation);
        self.seen.push(observation);
        self.events.extend(verdicts.events);
        self.asks.extend(verdicts.asks);
    }

    /// An instant of the scenario.
    pub(super) fn at(&self, second: i64) -> Timestamp {
        Timestamp::from_secs(START + second)
    }

    /// How often evidence was asked for.
    pub(super) fn evidence_asks(&self) -> usize {
        self.asks.iter().filter(|ask| ask.kind == AskKind::Evidence).count()
    }

    /// What happened since the last call: `SECOND RULE STATE SEVERITY`, and `(untold)` where people are
    /// not told.
    pub(super) fn news(&mut self) -> Vec<String> {
        let line = |event: AlertEvent| {
            let at = event.at.as_micros() / 1_000_000 - START;
            let told = if event.told { "" } else { " (untold)" };
            format!("{at} {} {} {}{told}", event.rule, event.state, event.severity)
        };
        self.events.drain(..).map(line).collect()
    }
}

pub(super) fn group() -> GroupName {
    GroupName::new("conntrack").unwrap()
}

pub(super) fn table(device: &DeviceName, namespace: &str, limit: u64) -> Sample {
    let scope = Scope::new("netns", namespace);
    Sample {
        table: Arc::new(TableKey::new(device.clone(), scope, TableKind::Conntrack, "nf_conntrack")),
        unit: Unit::Entries,
        group: group(),
        state: TableState::Tracking,
        role: Role::Whole,
        epoch: None,
        observed_at: Timestamp::default(),
        used: Some(0),
        capacity: NonZeroU64::new(limit)
            .map(|limit| Capacity { limit, origin: CapacityOrigin::Reported, bound: Bound::Hard })
            .ok_or(CapacityReason::NotTold),
        sheds_at: None,
        setup_rate: None,
        teardown_rate: None,
        counters: BTreeMap::new(),
    }
}
