//! `/metrics`.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::live::MISSED_POLLS_MAX;
use cliffwatch_engine::testkit::Still;
use cliffwatch_model::{Device, Observation, Platform, Reading, Timestamp};
use cliffwatch_source::{
    Access, DecodeError, HubStatus, OpenError, Opened, Problem, SettingsError, SourceFactory, Target,
};

use crate::client::get;
use crate::golden;
use crate::world::{World, device, now, observation, poller};

#[tokio::test]
async fn everything_is_there_in_the_text_format() {
    let world = World::open().await;
    let answer = get(world.address, "/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    golden::text("metrics.txt", &answer.body);
    assert_valid(&answer.body);
}

#[tokio::test]
async fn a_series_vanishes_after_three_missed_polls_and_comes_back() {
    let world = World::open().await;
    let series = async || {
        let body = get(world.address, "/metrics").await.body;
        assert_valid(&body);
        body.lines().filter(|line| line.contains("table=") && !line.contains("alert")).count()
    };
    let all = series().await;
    assert!(all > 0);
    for missed in 1..=MISSED_POLLS_MAX {
        assert_eq!(series().await, all, "after {} missed polls", missed - 1);
        let nothing = observation(812 + u64::from(missed), 10 * u64::from(missed), 0);
        world.still.observe(&Observation { tables: Vec::new(), ..nothing }, &[]);
    }
    assert_eq!(series().await, 0);
    world.still.observe(&observation(900, 900, 1), &[]);
    assert_eq!(series().await, all);
    let gone = observation(901, 910, 1);
    let keys = gone.tables.iter().map(|table| Arc::clone(&table.table)).collect();
    world.still.observe(&Observation { tables: Vec::new(), gone: keys, ..gone }, &[]);
    assert_eq!(series().await, 0, "a table that is gone has no series");
}

#[tokio::test]
async fn labels_that_become_the_same_stay_apart() {
    let world = World::open().await;
    let labels = [("a-b", "1"), ("a.b", "2"), ("a_b", "3"), ("a_b_2", "4"), ("9", "5")];
    let labels: BTreeMap<String, String> = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    world.still.know(Arc::new(Device { labels, ..device("odd-1", "linux") }));
    let body = get(world.address, "/metrics").await.body;
    assert_valid(&body);
    let info = body.lines().find(|line| line.contains("odd-1") && line.contains("device_info")).unwrap();
    assert!(info.contains("label__9=\"5\",label_a_b=\"1\",label_a_b_2=\"2\",label_a_b_3=\"3\""), "{info}");
}

/// A platform whose shared part has figures.
struct WithHub;

impl SourceFactory for WithHub {
    fn platform(&self) -> Platform {
        Platform::new("linux").unwrap()
    }
    fn interval_min(&self) -> Duration {
        Duration::from_secs(1)
    }
    fn check(&self, _: &Target) -> Vec<Problem> {
        Vec::new()
    }
    fn open(&self, _: &Target) -> Result<Opened, OpenError> {
        Err(OpenError::Settings(SettingsError::new("address", "nothing is opened here")))
    }
    fn access(&self) -> Vec<Access> {
        Vec::new()
    }
    fn hubs(&self) -> Vec<HubStatus> {
        let figures = BTreeMap::from([("sessions", 3), ("logins_total", 8)]);
        vec![HubStatus { hub: "ssh", figures, warnings: Vec::new() }]
    }
    fn decode(&self, _: &Path, _: &Target, _: Timestamp) -> Result<Vec<Reading>, DecodeError> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_part_that_platforms_share_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let factories: Vec<Arc<dyn SourceFactory>> = vec![Arc::new(WithHub), Arc::new(WithHub)];
    let still = Still::new(folder.path(), poller(), now(), factories).unwrap();
    still.set_reloaded(false);
    let server = cliffwatch_api::Server::bind(&crate::world::local(), still.handle().clone()).await.unwrap();
    let address = server.address();
    let running = tokio::spawn(server.run(tokio_util::sync::CancellationToken::new()));
    let body = get(address, "/metrics").await.body;
    assert_valid(&body);
    assert!(body.contains("\n# TYPE cliffwatch_ssh_logins_total counter\ncliffwatch_ssh_logins_total 8\n"));
    assert!(body.contains("\n# TYPE cliffwatch_ssh_sessions gauge\ncliffwatch_ssh_sessions 3\n"));
    assert!(body.contains("\ncliffwatch_config_last_reload_successful 0\n"));
    running.abort();
}

/// Whether Prometheus takes it: families whole and once, series once, labels of the contract only.
fn assert_valid(body: &str) {
    let (mut families, mut series, mut current, mut parts) = (HashSet::new(), HashSet::new(), "", false);
    assert!(body.ends_with('\n'));
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split(' ').next().unwrap();
            assert!(families.insert(current), "{current} occurs twice");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(name == current && (kind == "counter") == name.ends_with("_total"), "{line}");
            parts = kind == "histogram";
        } else {
            let (id, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            let name = id.split('{').next().unwrap();
            let part = name.strip_prefix(current).unwrap_or("of another family");
            assert!(part.is_empty() || parts && ["_bucket", "_sum", "_count"].contains(&part), "{line}");
            assert!(series.insert(id), "{id} occurs twice");
            assert!(!line.contains("192.0.2.10"), "an address is no label: {line}");
        }
    }
}
