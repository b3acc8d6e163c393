//! Histories that nobody thought of: small numbers, so that everything happens often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::CounterClass::{Collision, Evicted, PolicyLimit, Refused};
use cliffwatch_model::{
    CanaryReading, Capacity, CapacityOverrides, CapacityReason, Counter, CounterClass, CounterName,
    CounterReading, DeviceName, Epoch, ErrorKind, HeldState, Ingest, IngestMemory, Load, MemoryState,
    NewConnection, Observation, Platform, Poll, PollHeader, PollerName, Reachability, Reading, Role, Sample,
    Setting, SourceError, TableState, Timestamp, Trigger,
};
use proptest::prelude::*;

use super::lab::{group, table};
use crate::{DeviceFacts, Engine, Maintenance, Repeat, RuleEntry, RuleSet, Verdicts, Zone};

pub(super) fn name() -> DeviceName {
    DeviceName::new("gw").unwrap()
}

/// Rules that are not always active or keep firing, beside the built-in ones; and maintenance soon after the start,
/// which is at 10:00, of which the second pauses polls.
pub(super) fn engine() -> Engine {
    let rules = r#"[{"id":"seldom","kind":"utilization-high","for":"20s","active_time":["10:01-10:04","10:20-11:00"]},
        {"id":"kept","kind":"refusing","keep_firing_for":"2m","hold":"1m","active_time":"sun 10:00-10:05"}]"#;
    let rules: Vec<RuleEntry> = serde_json::from_str(rules).unwrap();
    let mut engine = Engine::new(Arc::new(RuleSet::customised(rules).unwrap()));
    let maintenance = |minute: i64, pause_polling| Maintenance {
        labels: BTreeMap::from([("site".into(), "a".into())]),
        device: None,
        start: Timestamp::from_secs(1_772_359_200 + minute * 60),
        duration: Duration::from_secs(120),
        every: Some(Repeat::Day),
        zone: Zone::default(),
        pause_polling,
    };
    engine.maintain(Arc::new([maintenance(2, false), maintenance(7, true)]));
    engine
}

/// Observes a device that is in the inventory, again where it was retired.
pub(super) fn observe(engine: &mut Engine, observation: &Observation) -> Verdicts {
    let platform = Platform::new("linux").unwrap();
    engine.know(DeviceFacts {
        name: name(),
        platform,
        labels: BTreeMap::from([("site".into(), "a".into())]),
    });
    engine.observe(observation)
}

pub(super) fn header(seq: u64, at: i64, trigger: Trigger) -> PollHeader {
    PollHeader {
        device: name(),
        platform: Platform::new("linux").unwrap(),
        poller: PollerName::new("p").unwrap(),
        seq,
        trigger,
        started_at: Timestamp::from_micros(at),
        finished_at: Timestamp::from_micros(at),
        interval: Duration::from_secs(10),
        late: false,
        lag: Duration::ZERO,
    }
}

/// What one poll of a made-up device reads; small numbers, so that everything happens often.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) after_s: i64,
    pub(super) trigger: Trigger,
    pub(super) failed: Option<ErrorKind>,
    pub(super) tables: Vec<TableStep>,
    pub(super) complete: bool,
    pub(super) boot: u8,
    pub(super) memory: Option<MemoryState>,
    pub(super) skew: Option<f64>,
    pub(super) buckets: i64,
    pub(super) reachability: Reachability,
}

#[derive(Clone, Debug)]
pub(super) struct TableStep {
    pub(super) number: u8,
    pub(super) back_s: i64,
    pub(super) used: Option<u64>,
    pub(super) limit: Option<u64>,
    pub(super) state: TableState,
    pub(super) role: Role,
    pub(super) totals: [u64; 6],
    pub(super) sum: Option<u64>,
}

/// Scenarios of a clock that goes forward. Late readings and tables that go and come back do not meet: a
/// table that was forgotten may tell its past again, under the ids that it had.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    (prop::collection::vec(step(), 1..40), any::<bool>()).prop_map(|(mut steps, late)| {
        for step in &mut steps {
            step.complete &= !late;
            for table in &mut step.tables {
                table.back_s *= i64::from(late);
            }
        }
        steps
    })
}

fn step() -> impl Strategy<Value = Step> {
    let after = prop_oneof![6 => Just(10i64), 2 => Just(60), 1 => 1i64..2_000];
    let trigger = prop_oneof![6 => Just(Trigger::Tick), 1 => Just(Trigger::Urgent), 1 => Just(Trigger::Backfill), 1 => Just(Trigger::Answer)];
    let failed = prop_oneof![
        8 => Just(None),
        2 => Just(Some(ErrorKind::Timeout)),
        1 => prop::sample::select(ErrorKind::ALL.to_vec()).prop_map(Some)
    ];
    let memory = prop::option::weighted(0.2, prop::sample::select(MemoryState::ALL.to_vec()));
    let skew = prop::option::weighted(0.2, -100.0..100.0f64);
    let tables = prop::collection::vec(table_step(), 0..4);
    let said = (memory, skew, 1i64..3, reachability());
    (after, trigger, failed, tables, prop::bool::weighted(0.7), 0u8..10, said).prop_map(
        |(after_s, trigger, failed, tables, complete, boot, (memory, skew, buckets, reachability))| Step {
            after_s,
            trigger,
            failed,
            tables,
            complete,
            boot: boot / 9,
            memory,
            skew,
            buckets,
            reachability,
        },
    )
}

pub(super) fn reachability() -> impl Strategy<Value = Reachability> {
    let held = prop_oneof![3 => Just(Some(0.5)), 1 => Just(None), 1 => any::<f64>().prop_map(Some)];
    let error =
        prop::option::weighted(0.7, prop::sample::select(vec![ErrorKind::Timeout, ErrorKind::Unreachable]));
    let ms = || prop::option::of(any::<f64>());
    let new = (ms(), error, ms()).prop_map(|(connect_ms, error, waited_ms)| NewConnection {
        connect_ms,
        error,
        waited_ms,
    });
    let state = prop::option::of(prop::sample::select(HeldState::ALL.to_vec()));
    let canary = (state, prop_oneof![3 => Just(Some(0.5)), 1 => ms()], 1u32..3, new.clone()).prop_map(
        |(held, held_ms, attempts, new)| CanaryReading {
            from: "app-1".into(),
            target: "192.0.2.1:443".into(),
            held,
            held_ms,
            attempts,
            new,
        },
    );
    (held, prop::option::of(new), prop::option::weighted(0.3, canary))
        .prop_map(|(held_ms, new, canary)| Reachability { held_ms, new, canary })
}

fn table_step() -> impl Strategy<Value = TableStep> {
    let used = prop::option::weighted(0.9, prop_oneof![4 => 60u64..105, 1 => Just(0), 1 => Just(u64::MAX)]);
    let limit = prop::option::weighted(0.9, prop_oneof![9 => Just(100u64), 1 => Just(90)]);
    let state = prop_oneof![9 => Just(TableState::Tracking), 1 => Just(TableState::NotTracking)];
    let role = prop_oneof![9 => Just(Role::Whole), 1 => Just(Role::Standby)];
    let back = prop_oneof![9 => Just(0i64), 1 => 0i64..200];
    let totals = prop::array::uniform6(prop_oneof![4 => Just(0u64), 3 => 0u64..30, 1 => Just(u64::MAX / 2)]);
    (0u8..3, back, used, limit, state, role, totals, prop::option::weighted(0.3, 0u64..3)).prop_map(
        |(number, back_s, used, limit, state, role, totals, sum)| TableStep {
            number,
            back_s,
            used,
            limit,
            state,
            role,
            totals,
            sum,
        },
    )
}

pub(super) const COUNTERS: [(&str, CounterClass); 6] = [
    ("drop", Refused),
    ("insert_failed", Refused),
    ("early_drop", Evicted),
    ("clash", Collision),
    ("quota", PolicyLimit),
    ("other", Refused),
];

pub(super) fn observations(steps: &[Step]) -> Vec<Observation> {
    let mut ingest = Ingest::new(CapacityOverrides::default(), IngestMemory::default());
    let mut now = 1_772_359_200;
    let mut totals: BTreeMap<(u8, usize), u64> = BTreeMap::new();
    let mut polls = Vec::new();
    for (seq, step) in steps.iter().enumerate() {
        now += step.after_s;
        let result = match step.failed {
            Some(kind) => Err(SourceError::new(kind, "no")),
            None => Ok(Reading {
                epoch: Some(Epoch::new(&format!("boot:{}", step.boot)).unwrap()),
                samples: step.tables.iter().map(|table| sample(table, now, &mut totals)).collect(),
                complete: if step.complete { vec![group()] } else { vec![] },
                load: Load { memory_state: step.memory, clock_skew_seconds: step.skew, ..Load::default() },
                device_settings: [("x_buckets".to_owned(), Setting::Number(step.buckets))].into(),
                reachability: step.reachability.clone(),
                ..Reading::default()
            }),
        };
        polls.push(Poll { header: header(seq as u64, now * 1_000_000, step.trigger), result });
    }
    polls.into_iter().map(|poll| ingest.ingest(poll)).collect()
}

fn sample(step: &TableStep, now: i64, totals: &mut BTreeMap<(u8, usize), u64>) -> Sample {
    let mut sample = table(&name(), &format!("ns{}", step.number), 1);
    sample.capacity = step.limit.and_then(Capacity::reported).ok_or(CapacityReason::NotTold);
    sample.observed_at = Timestamp::from_secs(now - step.back_s);
    (sample.used, sample.state, sample.role) = (step.used, step.state, step.role);
    for (n, (name, class)) in COUNTERS.into_iter().enumerate() {
        let total = totals.entry((step.number, n)).or_default();
        *total = total.wrapping_add(step.totals[n]);
        sample.counters.insert(CounterName::new(name).unwrap(), Counter::cumulative(class, *total));
    }
    if let Some(value) = step.sum {
        let reading = CounterReading::Period { value, period: Duration::from_secs(60), provisional: true };
        sample.counters.insert(CounterName::new("sum").unwrap(), Counter { class: Refused, reading });
    }
    sample
}
