use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cliffwatch_model::{
    Capacity, CapacityReason, Counter, CounterClass, CounterName, Epoch, ErrorKind, EvidenceItem, GroupName,
    Platform, Reachability, Reading, Role, Sample, Scope, SourceError, TableKey, TableKind, TableState,
    Timestamp, Unit,
};
use cliffwatch_source::testkit::plain_target;
use cliffwatch_source::{
    Access, DecodeError, OpenError, Opened, PollContext, Problem, SessionSource, SourceFactory, Target,
};

/// What every device of the fleet does now, by address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fleet(Arc<Mutex<HashMap<String, State>>>);

#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) behaviour: Behaviour,
    pub(crate) used: u64,
    pub(crate) dropped: u64,
    /// Whether it may be asked who fills its table.
    pub(crate) lists: bool,
    /// What an attempt at a new connection gives, and how many were made.
    pub(crate) beside: Option<Reachability>,
    pub(crate) tried: u32,
    pub(crate) opened: u32,
    pub(crate) closed: u32,
    pub(crate) polled: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behaviour {
    #[default]
    Answer,
    Hang,
    Panic,
    Refuse,
}

impl Fleet {
    pub(crate) fn factory(&self) -> Arc<dyn SourceFactory> {
        Arc::new(self.clone())
    }

    /// A device that is polled each tenth of a second.
    pub(crate) fn target(&self, name: &str, address: &str) -> Target {
        let mut target = plain_target(name, &SourceFactory::platform(self), Some(address));
        let device = Arc::make_mut(&mut target.device);
        device.interval = Duration::from_millis(100);
        device.timeout = Duration::from_millis(80);
        target
    }

    pub(crate) fn set(&self, address: &str, change: impl FnOnce(&mut State)) {
        change(self.0.lock().unwrap().entry(address.to_owned()).or_default());
    }

    pub(crate) fn state(&self, address: &str) -> State {
        self.0.lock().unwrap().get(address).cloned().unwrap_or_default()
    }
}

#[derive(Debug)]
struct Scripted {
    fleet: Fleet,
    target: Target,
    address: String,
}

impl SourceFactory for Fleet {
    fn platform(&self) -> Platform {
        Platform::new("scripted").unwrap()
    }

    fn interval_min(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn check(&self, _target: &Target) -> Vec<Problem> {
        Vec::new()
    }

    fn open(&self, target: &Target) -> Result<Opened, OpenError> {
        let address = target.device.address.as_deref().unwrap_or_default().to_owned();
        self.set(&address, |state| state.opened += 1);
        let source = Scripted { fleet: self.clone(), target: target.clone(), address };
        Ok(Opened { source: Arc::new(source), pushed: None })
    }

    fn access(&self) -> Vec<Access> {
        Vec::new()
    }

    fn decode(&self, _: &Path, _: &Target, _: Timestamp) -> Result<Vec<Reading>, DecodeError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl SessionSource for Scripted {
    async fn poll(&self, cx: &PollContext<'_>) -> Result<Reading, SourceError> {
        self.fleet.set(&self.address, |state| state.polled += 1);
        let state = self.fleet.state(&self.address);
        match state.behaviour {
            Behaviour::Answer => Ok(self.reading(&state, cx.clock.now())),
            Behaviour::Hang => std::future::pending().await,
            Behaviour::Panic => panic!("a defect of the source"),
            Behaviour::Refuse => Err(SourceError::new(ErrorKind::ConnectionRefused, "refused")),
        }
    }

    async fn evidence(
        &self,
        _cx: &PollContext<'_>,
        table: &TableKey,
    ) -> Result<Vec<EvidenceItem>, SourceError> {
        if !self.fleet.state(&self.address).lists {
            return Err(SourceError::new(ErrorKind::Auth, "not allowed").with_hint("allow it"));
        }
        let item =
            |what: &str, value| EvidenceItem { what: what.to_owned(), table_id: Some(table.id()), value };
        let sources =
            serde_json::json!({"addresses": [{"address": "192.0.2.7", "entries": 900, "share": 0.9}]});
        let idle = serde_json::json!([{"setting": "established", "timeout_seconds": 432_000, "to_seconds": 86_400,
                                       "entries_idle_longer": 400, "share_idle_longer": 0.4}]);
        Ok(vec![item("top_sources", sources), item("lower_timeouts", idle)])
    }

    async fn try_new_connection(&self, _: &PollContext<'_>) -> Result<Option<Reachability>, SourceError> {
        self.fleet.set(&self.address, |state| state.tried += 1);
        Ok(self.fleet.state(&self.address).beside)
    }

    async fn close(&self) {
        self.fleet.set(&self.address, |state| state.closed += 1);
    }
}

impl Scripted {
    fn reading(&self, state: &State, now: Timestamp) -> Reading {
        let key = TableKey::new(
            self.target.device.name.clone(),
            Scope::new("netns", "host"),
            TableKind::Conntrack,
            "nf_conntrack",
        );
        let drop = Counter::cumulative(CounterClass::Refused, state.dropped);
        let sample = Sample {
            table: Arc::new(key),
            unit: Unit::Entries,
            group: GroupName::new("conntrack").unwrap(),
            state: TableState::Tracking,
            role: Role::Whole,
            epoch: None,
            observed_at: now,
            used: Some(state.used),
            capacity: Capacity::reported(1_000).ok_or(CapacityReason::NotTold),
            sheds_at: None,
            setup_rate: None,
            teardown_rate: None,
            counters: BTreeMap::from([(CounterName::new("drop").unwrap(), drop)]),
        };
        Reading {
            epoch: Some(Epoch::new("boot:1").unwrap()),
            complete: vec![sample.group.clone()],
            samples: vec![sample],
            ..Reading::default()
        }
    }
}
