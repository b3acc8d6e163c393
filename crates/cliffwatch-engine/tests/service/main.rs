//! The running service over a real SQLite file, with devices that do what a test tells them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may"
)]

mod asymmetry;
mod device;
mod faults;
mod maintenance;
mod reload;
mod restart;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::{Options, Plan, Service, StoreOpener};
use cliffwatch_model::{AlertEvent, Observation, PollerName};
use cliffwatch_rules::RuleSet;
use cliffwatch_source::Target;
use cliffwatch_store::{AlertFilter, HistoryQuery, PageRequest, Retention, Store, StoreUrl};

use device::Fleet;

const DAY: Duration = Duration::from_secs(86_400);

/// How long anything may take on a busy machine before the test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

fn opener(folder: &Path) -> StoreOpener {
    let url: StoreUrl = format!("sqlite:{}", folder.join("cliffwatch.db").display()).parse().unwrap();
    Arc::new(move || {
        let url = url.clone();
        Box::pin(async move { cliffwatch_store::open(&url, cliffwatch_store::OpenOptions::default()).await })
    })
}

fn plan(targets: Vec<Target>) -> Plan {
    let retention = Retention { samples: DAY, rollups: DAY, polls: DAY, events: DAY };
    Plan { targets, rules: Arc::new(RuleSet::builtin()), maintenance: Arc::default(), retention }
}

async fn start(folder: &Path, fleet: &Fleet, store: StoreOpener, targets: Vec<Target>) -> Service {
    let options = Options {
        poller: PollerName::new("test").unwrap(),
        journal: folder.join("events.journal"),
        store,
        factories: vec![fleet.factory()],
        dial: |to| panic!("a connection to {to}"),
        plan: plan(targets),
    };
    Service::start(options).await.unwrap()
}

/// Waits until the check gives something.
async fn eventually<T>(what: &str, mut check: impl AsyncFnMut() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

async fn polls(store: &dyn Store, device: &str) -> Vec<Observation> {
    let query = HistoryQuery { device: Some(device.parse_name()), ..HistoryQuery::default() };
    store.observations(&query, &PageRequest::default()).await.unwrap().items
}

async fn alerts(store: &dyn Store) -> Vec<AlertEvent> {
    store.alerts(&AlertFilter::default(), &PageRequest::default()).await.unwrap().items
}

trait ParseName {
    fn parse_name(&self) -> cliffwatch_model::DeviceName;
}

impl ParseName for str {
    fn parse_name(&self) -> cliffwatch_model::DeviceName {
        cliffwatch_model::DeviceName::new(self).unwrap()
    }
}
