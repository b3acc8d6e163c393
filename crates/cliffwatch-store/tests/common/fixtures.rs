//! Observations, devices and events made by hand.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::*;
use cliffwatch_store::{Batch, MemoryChange};
use serde_json::json;

pub fn at(seconds: i64) -> Timestamp {
    // 2026-03-01T00:00:00Z, an hour's beginning.
    Timestamp::from_secs(1_772_323_200 + seconds)
}

pub fn poller() -> PollerName {
    PollerName::new("ams1").unwrap()
}

pub fn name(device: &str) -> DeviceName {
    DeviceName::new(device).unwrap()
}

pub fn conntrack(device: &str) -> Arc<TableKey> {
    table(device, "host")
}

pub fn table(device: &str, netns: &str) -> Arc<TableKey> {
    let scope = Scope::new("netns", netns);
    Arc::new(TableKey::new(name(device), scope, TableKind::Conntrack, "nf_conntrack"))
}

pub fn header(device: &str, seq: u64, finished_at: Timestamp) -> PollHeader {
    PollHeader {
        device: name(device),
        platform: Platform::new("linux").unwrap(),
        poller: poller(),
        seq,
        trigger: Trigger::Tick,
        started_at: finished_at.minus(Duration::from_millis(2)),
        finished_at,
        interval: Duration::from_secs(10),
        late: false,
        lag: Duration::ZERO,
    }
}

pub fn reading(key: &Arc<TableKey>, observed_at: Timestamp, used: u64) -> TableObservation {
    TableObservation {
        id: key.id(),
        table: Arc::clone(key),
        unit: Unit::Entries,
        group: GroupName::new("conntrack").unwrap(),
        state: TableState::Tracking,
        role: Role::Whole,
        epoch: None,
        observed_at,
        revision: 0,
        marks: Marks::default(),
        used: Some(used),
        capacity: Ok(Capacity::reported(262_144).unwrap()),
        sheds_at: None,
        setup_rate: None,
        teardown_rate: None,
        counters: BTreeMap::from([counter("drop", CounterClass::Refused, 7)]),
        increases: Vec::new(),
    }
}

pub fn counter(name: &str, class: CounterClass, value: u64) -> (CounterName, CounterTotal) {
    (CounterName::new(name).unwrap(), CounterTotal { class, kind: CounterKind::Cumulative, value })
}

pub fn refused(amount: u64) -> Increase {
    Increase {
        counter: CounterName::new("drop").unwrap(),
        class: CounterClass::Refused,
        kind: CounterKind::Cumulative,
        amount,
        paired: 0,
        over_seconds: 10,
    }
}

/// A good poll with these tables.
pub fn observation(
    device: &str,
    seq: u64,
    finished_at: Timestamp,
    tables: Vec<TableObservation>,
) -> Observation {
    Observation {
        header: header(device, seq, finished_at),
        outcome: Outcome::Ok,
        error: None,
        epoch: Some(Epoch::new("boot:6f1c").unwrap()),
        tables,
        gone: Vec::new(),
        complete: vec![GroupName::new("conntrack").unwrap()],
        load: Load::default(),
        device_settings: Arc::new(BTreeMap::from([(
            "nf_conntrack_buckets".to_owned(),
            Setting::Number(65_536),
        )])),
        reachability: Reachability { held_ms: Some(0.6), ..Reachability::default() },
        evidence: Vec::new(),
        faults: Vec::new(),
    }
}

/// A poll of one table, `seq` times ten seconds after the beginning.
pub fn tick(device: &str, seq: u64, used: u64) -> Observation {
    let finished_at = at(i64::try_from(seq).unwrap() * 10);
    observation(device, seq, finished_at, vec![reading(&conntrack(device), finished_at, used)])
}

/// A poll that read nothing.
pub fn failure(device: &str, seq: u64, finished_at: Timestamp, kind: ErrorKind) -> Observation {
    let error = SourceError::new(kind, "no answer within 10 s").with_hint("is it up?");
    Observation {
        outcome: Outcome::Failed(kind),
        error: Some(error),
        ..observation(device, seq, finished_at, Vec::new())
    }
}

/// One observation with something in every field.
pub fn rich() -> Observation {
    let pool = TableKey {
        protocol: Some("tcp".into()),
        part: BTreeMap::from([("address".into(), "198.51.100.7".into()), ("tier".into(), "a=b;c".into())]),
        ..TableKey::new(name("asa-1"), Scope::new("context", "blue/dmz"), TableKind::NatPool, "outside päöl")
    };
    let pool = Arc::new(pool);
    let full = TableObservation {
        unit: Unit::Addresses,
        epoch: Some(Epoch::new("ns:4026531840").unwrap()),
        revision: 3,
        role: Role::Member,
        marks: Marks { appeared: true, late: true, new_epoch: true, decreased: true },
        used: Some(u64::MAX),
        capacity: Ok(Capacity {
            limit: NonZeroU64::MAX,
            origin: CapacityOrigin::Documented,
            bound: Bound::PerDestination,
        }),
        sheds_at: Some(u64::MAX - 1),
        setup_rate: Some(f64::MAX),
        teardown_rate: Some(5e-324),
        counters: BTreeMap::from([
            counter("ErrorPortAllocation", CounterClass::Refused, u64::MAX),
            counter("clash", CounterClass::Collision, 0),
        ]),
        increases: vec![
            Increase { amount: u64::MAX, paired: u64::MAX, over_seconds: u32::MAX, ..refused(1) },
            Increase { kind: CounterKind::Event, class: CounterClass::PolicyLimit, ..refused(2) },
        ],
        ..reading(&pool, at(-3_600), 0)
    };
    let unknown = TableObservation {
        state: TableState::NotTracking,
        used: None,
        capacity: Err(CapacityReason::Denied),
        counters: BTreeMap::new(),
        ..reading(&conntrack("asa-1"), at(5), 0)
    };
    let mut o = observation("asa-1", 812, at(6), vec![full, unknown]);
    o.header = PollHeader {
        platform: Platform::new("asa").unwrap(),
        trigger: Trigger::Backfill,
        interval: Duration::from_nanos(10_000_000_001),
        late: true,
        lag: Duration::from_millis(90_500),
        ..o.header
    };
    o.outcome = Outcome::Partial;
    o.gone = vec![table("asa-1", "old"), table("asa-1", "older")];
    o.load = Load {
        memory_state: Some(MemoryState::Red),
        clock_skew_seconds: Some(-0.25),
        tcp_states: BTreeMap::from([("established".to_owned(), u64::MAX)]),
        figures: BTreeMap::from([("cpu_percent".to_owned(), 3.1), ("memory_percent".to_owned(), 41.0)]),
    };
    let settings = Arc::make_mut(&mut o.device_settings);
    settings.insert("version".to_owned(), Setting::Text("9.18(4) \"x\"".to_owned()));
    settings.insert("offset_seconds".to_owned(), Setting::Number(i64::MIN));
    o.reachability = rich_reachability();
    o.evidence = vec![EvidenceItem {
        what: "top_sources".to_owned(),
        table_id: Some(table("nat-gw-1", "host").id()),
        value: json!([{"address": "10.0.0.1", "entries": 1e2, "share": 0.1}, null, u64::MAX, i64::MIN, "\u{1F525}"]),
    }];
    o.faults = vec![
        Fault::new("per-namespace counts", FaultKind::Denied, "line 1\nline 2").with_hint("CAP_NET_ADMIN"),
    ];
    o
}

/// Nothing new gets in, seen from outside and from behind.
fn rich_reachability() -> Reachability {
    let refused =
        |error, waited_ms| NewConnection { connect_ms: None, error: Some(error), waited_ms: Some(waited_ms) };
    let canary = CanaryReading {
        from: "app-host-1".to_owned(),
        target: "203.0.113.10:443".to_owned(),
        held: Some(HeldState::Open),
        held_ms: Some(0.8),
        attempts: 2,
        new: refused(ErrorKind::Timeout, 10_000.5),
    };
    let new = Some(refused(ErrorKind::ConnectionRefused, 0.2));
    Reachability { held_ms: Some(0.6), new, canary: Some(canary) }
}

pub fn event(alert: &str, seq: u32, instant: Timestamp, state: AlertState) -> AlertEvent {
    AlertEvent {
        id: format!("{alert}/{seq}"),
        alert_id: alert.to_owned(),
        seq,
        fingerprint: "f00d".to_owned(),
        incident_id: None,
        at: instant,
        onset: at(0),
        rule: "refusing".to_owned(),
        severity: Severity::Warning,
        previous_severity: None,
        device: name("nat-gw-1"),
        table_id: Some(conntrack("nat-gw-1").id()),
        table: Some(conntrack("nat-gw-1").path()),
        labels: BTreeMap::from([("site".to_owned(), "ams1".to_owned())]),
        state,
        value: Some(7.9),
        threshold: Some(5.0),
        unit: "connections".to_owned(),
        summary: "nat-gw-1 refuses new connections".to_owned(),
        evidence: json!({"drop": 7, "at": [1.5, null]}).as_object().unwrap().clone(),
        told: true,
    }
}

pub fn batch(observations: impl IntoIterator<Item = Observation>) -> Batch {
    Batch { observations: observations.into_iter().map(Arc::new).collect(), ..Batch::new(poller()) }
}

pub fn memory(device: &str, through_seq: u64, text: &str) -> MemoryChange {
    MemoryChange { device: name(device), through_seq, memory: text.to_owned() }
}

pub fn device(device: &str) -> Arc<Device> {
    Arc::new(Device {
        name: name(device),
        platform: Platform::new("linux").unwrap(),
        address: Some("192.0.2.10:22".into()),
        labels: BTreeMap::from([("site".to_owned(), "ams1".to_owned())]),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        ha_peer: None,
        depends_on: vec!["core-sw-1".to_owned()],
        capacity: CapacityOverrides::default(),
    })
}
