//! How many samples a second one core takes through all rules, and how much it remembers of a table.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    Capacity, CapacityReason, CounterClass, CounterKind, CounterName, CounterTotal, DeviceName, GroupName,
    Increase, Load, Marks, Observation, Outcome, Platform, PollHeader, PollerName, Reachability, Role, Scope,
    Setting, TableKey, TableKind, TableObservation, TableState, Timestamp, Trigger, Unit,
};
use cliffwatch_rules::{DeviceFacts, Engine, RuleSet, Verdicts};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// The columns of Linux' stat file that are counters, as the adapter classes them.
const COUNTERS: [(&str, CounterClass); 8] = [
    ("drop", CounterClass::Refused),
    ("insert_failed", CounterClass::Refused),
    ("early_drop", CounterClass::Evicted),
    ("clash_resolve", CounterClass::Pressure),
    ("found", CounterClass::Pressure),
    ("search_restart", CounterClass::Pressure),
    ("chaintoolong", CounterClass::Pressure),
    ("clash", CounterClass::Collision),
];

/// What happens to the tables.
#[derive(Clone, Copy)]
enum Case {
    /// Half full, and nothing is lost.
    Healthy,
    /// Full, and every counter rises at every poll: all windows are full, no alert changes.
    Failing,
    /// Between 45 and 85 %, ever moving: every slope is computed at every reading.
    Moving,
    /// Full and lossy at one poll, empty and quiet at the next: every rule makes an event at every poll.
    Flapping,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Failing => "failing",
            Self::Moving => "moving",
            Self::Flapping => "flapping",
        }
    }

    fn is_bad(self, poll: u64) -> bool {
        match self {
            Self::Healthy | Self::Moving => false,
            Self::Failing => true,
            Self::Flapping => poll.is_multiple_of(2),
        }
    }
}

fn table(device: &DeviceName, number: usize) -> TableObservation {
    let scope = Scope::new("netns", &format!("pod-{number}"));
    let key = Arc::new(TableKey::new(device.clone(), scope, TableKind::Conntrack, "nf_conntrack"));
    let total = |class| CounterTotal { class, kind: CounterKind::Cumulative, value: 7 };
    TableObservation {
        id: key.id(),
        table: key,
        unit: Unit::Entries,
        group: GroupName::new("conntrack").unwrap(),
        state: TableState::Tracking,
        role: Role::Whole,
        epoch: None,
        observed_at: Timestamp::default(),
        revision: 0,
        marks: Marks::default(),
        used: Some(131_072),
        capacity: Capacity::reported(262_144).ok_or(CapacityReason::NotTold),
        sheds_at: None,
        setup_rate: None,
        teardown_rate: None,
        counters: COUNTERS.map(|(name, class)| (CounterName::new(name).unwrap(), total(class))).into(),
        increases: Vec::new(),
    }
}

fn observation(tables: usize) -> Observation {
    let device = DeviceName::new("nat-gw-1").unwrap();
    let settings =
        ["nf_conntrack_buckets", "nf_conntrack_max", "nf_conntrack_tcp_timeout_established_seconds"];
    Observation {
        header: PollHeader {
            device: device.clone(),
            platform: Platform::new("linux").unwrap(),
            poller: PollerName::new("ams1").unwrap(),
            seq: 0,
            trigger: Trigger::Tick,
            started_at: Timestamp::default(),
            finished_at: Timestamp::default(),
            interval: Duration::from_secs(10),
            late: false,
            lag: Duration::ZERO,
        },
        outcome: Outcome::Ok,
        error: None,
        epoch: None,
        tables: (0..tables).map(|number| table(&device, number)).collect(),
        gone: Vec::new(),
        complete: Vec::new(),
        load: Load::default(),
        device_settings: Arc::new(settings.map(|name| (name.to_owned(), Setting::Number(65_536))).into()),
        reachability: Reachability::default(),
        evidence: Vec::new(),
        faults: Vec::new(),
    }
}

/// A device whose polls are made before the clock runs: one in a good and one in a bad state.
struct Device {
    case: Case,
    good: Observation,
    bad: Observation,
    engine: Engine,
    poll: u64,
}

impl Device {
    fn new(case: Case, tables: usize) -> Self {
        let good = observation(tables);
        let mut bad = good.clone();
        for table in &mut bad.tables {
            table.used = Some(262_144);
            table.increases = increases();
        }
        let mut engine = Engine::new(Arc::new(RuleSet::builtin()));
        let (name, platform) = (good.header.device.clone(), good.header.platform.clone());
        engine.know(DeviceFacts { name, platform, labels: BTreeMap::new() });
        Self { case, good, bad, engine, poll: 0 }
    }

    /// The next poll, ten seconds later.
    fn poll(&mut self) -> Verdicts {
        self.poll += 1;
        let at = Timestamp::from_secs(1_772_359_200 + 10 * i64::try_from(self.poll).unwrap());
        let o = if self.case.is_bad(self.poll) { &mut self.bad } else { &mut self.good };
        o.header.seq = self.poll;
        (o.header.started_at, o.header.finished_at) = (at, at);
        for table in &mut o.tables {
            table.observed_at = at;
            if matches!(self.case, Case::Moving) {
                // An hour up and an hour down, with some noise.
                let (phase, noise) = (self.poll % 720, self.poll * 7_919 % 1_013);
                table.used = Some(118_000 + 290 * phase.min(720 - phase) + noise);
            }
        }
        self.engine.observe(o)
    }
}

fn increases() -> Vec<Increase> {
    let increase = |(name, class): (&str, CounterClass)| Increase {
        counter: CounterName::new(name).unwrap(),
        class,
        kind: CounterKind::Cumulative,
        amount: 240,
        paired: if name == "insert_failed" { 200 } else { 0 },
        over_seconds: 10,
    };
    COUNTERS.into_iter().map(increase).collect()
}

fn observe(c: &mut Criterion) {
    for case in [Case::Healthy, Case::Moving, Case::Failing, Case::Flapping] {
        let mut group = c.benchmark_group(case.name());
        for tables in [1, 100] {
            let mut device = Device::new(case, tables);
            group.throughput(Throughput::Elements(tables as u64));
            group.bench_function(BenchmarkId::new("samples", format!("{tables}_a_poll")), |b| {
                b.iter(|| black_box(device.poll()));
            });
        }
        group.finish();
        print_state(case);
    }
}

/// The size of the rows after a day of polls.
fn print_state(case: Case) {
    let mut device = Device::new(case, 1);
    for _ in 0..8_640 {
        device.poll();
    }
    for (id, text) in device.engine.save(&device.good.header.device) {
        let row = if id.is_some() { "table" } else { "device" };
        println!("{}: {} bytes of state for the {row}", case.name(), text.unwrap_or_default().len());
    }
}

criterion_group!(benches, observe);
criterion_main!(benches);
