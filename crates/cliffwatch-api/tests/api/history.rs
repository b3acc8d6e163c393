//! What is answered from the store: a real SQLite file.

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{AlertEvent, AlertState, EvidenceItem, Observation, Severity, TableKey, Timestamp};
use cliffwatch_store::{Batch, DeviceChange, OpenOptions, Store, StoreUrl};
use serde_json::{Value, json};

use crate::client::get;
use crate::golden;
use crate::world::{World, conntrack, device, event, full, now, observation, poller, pool};

/// Polls that the store holds: more than are read from it at a time.
const POLLS: u64 = 45;

async fn with_history() -> World {
    let world = World::open().await;
    let url: StoreUrl = format!("sqlite:{}", world.folder.path().join("c.db").display()).parse().unwrap();
    let store = cliffwatch_store::open(&url, OpenOptions::default()).await.unwrap();
    store.commit(&history()).await.unwrap();
    world.still.set_store(Some(store));
    world
}

fn history() -> Batch {
    let polls = (1..=POLLS).map(|seq| Arc::new(observation(seq, seq * 10, 1_000 + seq)));
    Batch {
        observations: polls.collect(),
        events: (1..=7_u64).flat_map(closed).chain(firing()).collect(),
        devices: vec![DeviceChange::Active(Arc::new(device("nat-gw-1", "linux")))],
        ..Batch::new(poller())
    }
}

/// An alert that fired and was resolved, that many hours ago.
fn closed(hours: u64) -> [AlertEvent; 2] {
    let ago_s = hours * 3_600;
    let at = |seq: u32, state| {
        let event = event("stale", "nat-gw-1", Severity::Warning, state, ago_s);
        AlertEvent { id: format!("{}/{seq}", event.alert_id), seq, ..event }
    };
    [at(1, AlertState::Firing), at(2, AlertState::Resolved)]
}

/// The open alert's first event; memory has its second.
fn firing() -> [AlertEvent; 1] {
    let opened = AlertEvent { seq: 1, state: AlertState::Pending, ..full() };
    [AlertEvent { id: format!("{}/1", opened.alert_id), ..opened }]
}

async fn items(world: &World, path: &str) -> Vec<Value> {
    let answer = get(world.address, path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["items"].as_array().unwrap().clone()
}

/// Every page of a list.
async fn pages(world: &World, path: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(world.address, &format!("{path}limit={limit}{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        all.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn samples_are_read_in_pages_and_steps() {
    let world = with_history().await;
    let path = format!("/api/v1/tables/{}/samples?", conntrack().id());
    let all = items(&world, &path).await;
    assert_eq!(all.len() as u64, POLLS);
    assert_eq!(pages(&world, &path, 7).await, all);
    assert_eq!(all[0]["used"], 1_001, "the oldest first");
    let minute = now().plus(Duration::from_secs(60));
    golden::json("samples", &get(world.address, &format!("{path}from={minute}&limit=2")).await);
    golden::json("samples_step", &get(world.address, &format!("{path}from={minute}&step=1m&limit=1")).await);
    assert_eq!(items(&world, &format!("{path}to={minute}")).await.len(), 5);
}

#[tokio::test]
async fn a_table_that_nobody_knows_has_no_history() {
    let world = with_history().await;
    let unknown = get(world.address, "/api/v1/tables/0123456789abcdef/samples").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-table"));
    let path = format!("/api/v1/tables/{}/samples?from=2030-01-01T00:00:00Z", conntrack().id());
    assert!(items(&world, &path).await.is_empty(), "a table that exists may have nothing in a period");
    let foreign =
        get(world.address, &format!("/api/v1/tables/{}/samples?cursor=xyz", conntrack().id())).await;
    assert_eq!((foreign.status, foreign.problem().as_str()), (400, "bad-cursor"));
}

#[tokio::test]
async fn polls_are_read_newest_first_and_whole() {
    let world = with_history().await;
    golden::json("polls", &get(world.address, "/api/v1/polls?device=nat-gw-1&limit=1").await);
    let all = items(&world, "/api/v1/polls").await;
    let seqs: Vec<u64> = all.iter().map(|poll| poll["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=POLLS).rev().collect::<Vec<_>>());
    for limit in [1, 7, 44, 45] {
        assert_eq!(pages(&world, "/api/v1/polls?", limit).await, all, "by {limit}");
    }
    assert_eq!(items(&world, "/api/v1/polls?sort=finished_at&limit=1").await[0]["seq"], 1);
    assert!(items(&world, "/api/v1/polls?device=edge-1").await.is_empty());
}

#[tokio::test]
async fn open_alerts_come_first_and_then_the_closed_ones() {
    let world = with_history().await;
    let all = items(&world, "/api/v1/alerts").await;
    let states: Vec<&str> = all.iter().map(|alert| alert["state"].as_str().unwrap()).collect();
    assert_eq!(states[..3], ["pending", "firing", "firing"]);
    assert!(states[3..].iter().all(|state| *state == "resolved") && states.len() == 10, "{states:?}");
    for limit in 1..=11 {
        assert_eq!(pages(&world, "/api/v1/alerts?", limit).await, all, "by {limit}");
    }
    assert_eq!(items(&world, "/api/v1/alerts?state=closed").await.len(), 7);
    assert_eq!(items(&world, "/api/v1/alerts?rule=stale&device=nat-gw-1&severity=warning").await.len(), 7);
    assert_eq!(items(&world, "/api/v1/alerts?severity=critical").await.len(), 1);
    assert!(items(&world, "/api/v1/alerts?state=gone").await.is_empty());
}

#[tokio::test]
async fn an_alert_has_a_history_with_what_is_not_stored_yet() {
    let world = with_history().await;
    let alert = get(world.address, &format!("/api/v1/alerts/{}", full().alert_id)).await.json();
    assert_eq!(alert["state"], "firing");
    let seqs: Vec<_> = alert["events"].as_array().unwrap().iter().map(|event| event["seq"].clone()).collect();
    assert_eq!(seqs, [1, 2]);
    let [_, resolved] = closed(3);
    let alert = get(world.address, &format!("/api/v1/alerts/{}", resolved.alert_id)).await.json();
    assert_eq!((&alert["state"], alert["events"].as_array().unwrap().len()), (&"resolved".into(), 2));
    let unknown = get(world.address, "/api/v1/alerts/nothing").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-alert"));
}

#[tokio::test]
async fn a_store_that_goes_takes_history_with_it_and_nothing_else() {
    let world = with_history().await;
    let store: Arc<dyn Store> = world.still.handle().store().unwrap();
    store.close().await;
    for path in ["/api/v1/alerts", "/api/v1/polls"] {
        let answer = get(world.address, path).await;
        assert!([500, 503].contains(&answer.status), "{answer:?}");
        answer.problem();
        assert!(!answer.body.contains("c.db"), "no inner details: {}", answer.body);
    }
    assert_eq!(items(&world, "/api/v1/alerts?state=open").await.len(), 3);
    let alert = get(world.address, &format!("/api/v1/alerts/{}", full().alert_id)).await;
    assert_eq!((alert.status, alert.json()["events"].is_null()), (200, true));
    assert_eq!(items(&world, "/api/v1/tables").await.len(), 2);
}

#[tokio::test]
async fn an_alert_shows_what_its_device_answered() {
    let world = with_history().await;
    let path = format!("/api/v1/alerts/{}", full().alert_id);
    assert!(get(world.address, &path).await.json()["gathered"].as_array().unwrap().is_empty());
    let item = |what: &str, table: &TableKey| EvidenceItem {
        what: what.to_owned(),
        table_id: Some(table.id()),
        value: json!([{"address": "203.0.113.9", "entries": 249_000}]),
    };
    let (own, other) = (item("top_sources", &conntrack()), item("top_sources", &pool()));
    let answered = |seq: u64, finished_at: Timestamp, evidence: &[EvidenceItem]| {
        let mut answer = Observation { evidence: evidence.to_vec(), ..observation(seq, 0, 1_000) };
        answer.header.finished_at = finished_at;
        Arc::new(answer)
    };
    let since = |seconds| full().onset.plus(Duration::from_secs(seconds));
    let before = full().onset.minus(Duration::from_secs(10));
    let observations = vec![
        answered(101, before, &[item("before_the_onset", &conntrack())]),
        answered(102, since(30), &[own, other.clone()]),
        answered(103, since(60), &[other]),
    ];
    let store = world.still.handle().store().unwrap();
    store.commit(&Batch { observations, ..Batch::new(poller()) }).await.unwrap();
    let gathered = get(world.address, &path).await.json()["gathered"].clone();
    let found = gathered.as_array().unwrap();
    assert_eq!(found.len(), 1, "of this table, since its onset: {gathered}");
    assert_eq!(found[0]["what"], "top_sources");
    assert_eq!(found[0]["value"][0]["address"], "203.0.113.9");
    assert_eq!(items(&world, "/api/v1/polls?evidence=true").await.len(), 3);
}
