//! Two devices, one in trouble and one that cannot be read, and the API in front of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_api::{ApiConfig, Server};
use cliffwatch_engine::testkit::Still;
use cliffwatch_model::{
    AlertEvent, AlertState, Bound, Capacity, CapacityOrigin, CapacityOverrides, CapacityReason, CounterClass,
    CounterKind, CounterName, CounterTotal, Device, DeviceName, Epoch, ErrorKind, Fault, FaultKind,
    GroupName, Increase, Load, Marks, Observation, Outcome, Platform, PollHeader, PollerName, Reachability,
    Role, Scope, Setting, Severity, SourceError, TableKey, TableKind, TableObservation, TableState,
    Timestamp, Trigger, Unit,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The API with what it answers from. It stops when dropped.
pub(crate) struct World {
    pub(crate) still: Still,
    pub(crate) address: SocketAddr,
    pub(crate) folder: TempDir,
    pub(crate) access: cliffwatch_api::Access,
    pub(crate) stop: CancellationToken,
    pub(crate) running: JoinHandle<()>,
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// A configuration of loopback on a free port.
pub(crate) fn local() -> ApiConfig {
    ApiConfig { listen: "127.0.0.1:0".parse().unwrap(), ..ApiConfig::default() }
}

impl World {
    /// The API without tokens.
    pub(crate) async fn open() -> Self {
        Self::with(&local()).await
    }

    pub(crate) async fn with(config: &ApiConfig) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let still = Still::new(folder.path(), poller(), now(), Vec::new()).unwrap();
        for device in [device("nat-gw-1", "linux"), device("edge-1", "panos"), device("new-1", "linux")] {
            still.know(Arc::new(device));
        }
        let seen = observation(812, 0, 250_000);
        still.observe(&seen, &[full(), slow()]);
        still.update(&name("nat-gw-1"), |status| status.warnings.push("the host key is not pinned".into()));
        still.observe(&rejected(), &[locked_out()]);
        let server = Server::bind(config, still.handle().clone()).await.unwrap();
        let (address, access, stop) = (server.address(), server.access(), CancellationToken::new());
        let running = tokio::spawn(server.run(stop.clone()));
        Self { still, address, folder, access, stop, running }
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").unwrap()
}

pub(crate) fn poller() -> PollerName {
    PollerName::new("ams1").unwrap()
}

pub(crate) fn name(name: &str) -> DeviceName {
    DeviceName::new(name).unwrap()
}

pub(crate) fn device(device: &str, platform: &str) -> Device {
    let is_gateway = device == "nat-gw-1";
    Device {
        name: name(device),
        platform: Platform::new(platform).unwrap(),
        address: Some("192.0.2.10:22".into()),
        labels: BTreeMap::from([("site".into(), if is_gateway { "ams1" } else { "fra2" }.into())]),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        ha_peer: is_gateway.then(|| name("nat-gw-2")),
        depends_on: vec!["core-sw-1".into()],
        capacity: CapacityOverrides::default(),
    }
}

pub(crate) fn header(device: &str, platform: &str, seq: u64, after_s: u64) -> PollHeader {
    let at = now().plus(Duration::from_secs(after_s));
    PollHeader {
        device: name(device),
        platform: Platform::new(platform).unwrap(),
        poller: poller(),
        seq,
        trigger: Trigger::Tick,
        started_at: at.minus(Duration::from_millis(40)),
        finished_at: at,
        interval: Duration::from_secs(10),
        late: false,
        lag: Duration::ZERO,
    }
}

pub(crate) fn conntrack() -> Arc<TableKey> {
    let scope = Scope::new("netns", "host");
    Arc::new(TableKey::new(name("nat-gw-1"), scope, TableKind::Conntrack, "nf_conntrack"))
}

/// A pool as a device may name it that wants to break what reads it.
pub(crate) fn pool() -> Arc<TableKey> {
    Arc::new(TableKey {
        protocol: Some("tcp".into()),
        part: BTreeMap::from([("address".into(), "198.51.100.7".into())]),
        ..TableKey::new(
            name("nat-gw-1"),
            Scope::new("context", "blue/<script>"),
            TableKind::NatPool,
            "out\"side\\\n}pool",
        )
    })
}

/// A good poll of the gateway, so long after [`now`].
pub(crate) fn observation(seq: u64, after_s: u64, used: u64) -> Observation {
    let header = header("nat-gw-1", "linux", seq, after_s);
    let at = header.finished_at;
    let fault = Fault::new("per-namespace counts", FaultKind::Denied, "permission denied");
    Observation {
        header,
        outcome: Outcome::Partial,
        error: None,
        epoch: Some(Epoch::new("boot:6f1c").unwrap()),
        tables: vec![conntrack_reading(at, used), pool_reading(at)],
        gone: Vec::new(),
        complete: vec![GroupName::new("conntrack").unwrap()],
        load: Load { figures: BTreeMap::from([("cpu_percent".into(), 3.1)]), ..Load::default() },
        device_settings: Arc::new(BTreeMap::from([("nf_conntrack_buckets".into(), Setting::Number(65_536))])),
        reachability: Reachability { held_ms: Some(0.6), ..Reachability::default() },
        evidence: Vec::new(),
        faults: vec![fault.with_hint("allow `lsns`")],
    }
}

fn conntrack_reading(at: Timestamp, used: u64) -> TableObservation {
    let drop = CounterName::new("drop").unwrap();
    let total = CounterTotal { class: CounterClass::Refused, kind: CounterKind::Cumulative, value: 7 };
    let limit = NonZeroU64::new(262_144).unwrap();
    TableObservation {
        epoch: Some(Epoch::new("boot:6f1c").unwrap()),
        used: Some(used),
        capacity: Ok(Capacity { limit, origin: CapacityOrigin::Reported, bound: Bound::Hard }),
        counters: BTreeMap::from([(drop.clone(), total)]),
        increases: vec![Increase {
            counter: drop,
            class: CounterClass::Refused,
            kind: CounterKind::Cumulative,
            amount: 2,
            paired: 0,
            over_seconds: 10,
        }],
        ..reading(conntrack(), at, Unit::Entries)
    }
}

fn pool_reading(at: Timestamp) -> TableObservation {
    TableObservation { role: Role::Member, setup_rate: Some(0.0), ..reading(pool(), at, Unit::Ports) }
}

fn reading(table: Arc<TableKey>, observed_at: Timestamp, unit: Unit) -> TableObservation {
    TableObservation {
        id: table.id(),
        table,
        unit,
        group: GroupName::new("conntrack").unwrap(),
        state: TableState::Tracking,
        role: Role::Whole,
        epoch: None,
        observed_at,
        revision: 0,
        marks: Marks::default(),
        used: None,
        capacity: Err(CapacityReason::NotTold),
        sheds_at: None,
        setup_rate: None,
        teardown_rate: None,
        counters: BTreeMap::new(),
        increases: Vec::new(),
    }
}

/// A poll of the other device that read nothing.
fn rejected() -> Observation {
    let error = SourceError::new(ErrorKind::Auth, "the device rejected the key of `cliffwatch`");
    Observation {
        header: header("edge-1", "panos", 3, 1),
        outcome: Outcome::Failed(ErrorKind::Auth),
        error: Some(error.with_hint("add its public key to the account")),
        epoch: None,
        tables: Vec::new(),
        gone: Vec::new(),
        complete: Vec::new(),
        load: Load::default(),
        device_settings: Arc::default(),
        reachability: Reachability::default(),
        evidence: Vec::new(),
        faults: Vec::new(),
    }
}

/// A critical alert that fires on the gateway's table.
pub(crate) fn full() -> AlertEvent {
    AlertEvent {
        table_id: Some(conntrack().id()),
        table: Some(conntrack().path()),
        value: Some(95.4),
        threshold: Some(90.0),
        unit: "%".into(),
        evidence: serde_json::from_str(r#"{"used":250000,"limit":262144}"#).unwrap(),
        labels: BTreeMap::from([("site".into(), "ams1".into())]),
        ..event("utilization-critical", "nat-gw-1", Severity::Critical, AlertState::Firing, 60)
    }
}

/// A pending alert on the gateway itself.
pub(crate) fn slow() -> AlertEvent {
    event("clock-skew", "nat-gw-1", Severity::Warning, AlertState::Pending, 5)
}

/// A warning that fires on the other device.
pub(crate) fn locked_out() -> AlertEvent {
    let labels = BTreeMap::from([("site".into(), "fra2".into())]);
    AlertEvent { labels, ..event("credential-rejected", "edge-1", Severity::Warning, AlertState::Firing, 30) }
}

/// An event that came that many seconds ago, and opened its alert as long before.
pub(crate) fn event(
    rule: &str,
    device: &str,
    severity: Severity,
    state: AlertState,
    ago_s: u64,
) -> AlertEvent {
    let ago = Duration::from_secs(ago_s);
    let onset = now().minus(ago * 2);
    let fingerprint = format!("{rule}.{device}");
    let alert_id = format!("{fingerprint}-{}", onset.as_micros());
    AlertEvent {
        id: format!("{alert_id}/2"),
        alert_id,
        seq: 2,
        fingerprint,
        incident_id: None,
        at: now().minus(ago),
        onset,
        rule: rule.into(),
        severity,
        previous_severity: None,
        device: name(device),
        table_id: None,
        table: None,
        labels: BTreeMap::new(),
        state,
        value: None,
        threshold: None,
        unit: String::new(),
        summary: format!("{rule} on {device}"),
        evidence: serde_json::Map::new(),
        told: true,
    }
}
