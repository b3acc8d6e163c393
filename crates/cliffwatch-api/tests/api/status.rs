//! What is answered from memory, with no store there.

use crate::client::get;
use crate::world::{World, conntrack, event, full, name};
use crate::{golden, world};

use cliffwatch_engine::{Changes, ReloadError};
use cliffwatch_model::{AlertState, Severity};

#[tokio::test]
async fn devices_are_shown_as_they_are_now() {
    let world = World::open().await;
    golden::json("devices", &get(world.address, "/api/v1/devices").await);
    golden::json("device", &get(world.address, "/api/v1/devices/nat-gw-1").await);
    let unknown = get(world.address, "/api/v1/devices/nat-gw-9").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-device"));
}

#[tokio::test]
async fn tables_are_shown_as_they_are_now() {
    let world = World::open().await;
    golden::json("tables", &get(world.address, "/api/v1/tables").await);
    let path = format!("/api/v1/tables/{}", conntrack().id());
    golden::json("table", &get(world.address, &path).await);
    for path in ["/api/v1/tables/0000000000000000", "/api/v1/tables/x", "/api/v1/tables/%FF"] {
        let unknown = get(world.address, path).await;
        assert!([404, 400].contains(&unknown.status), "{unknown:?}");
        unknown.problem();
    }
}

#[tokio::test]
async fn a_table_is_diagnosed() {
    let world = World::open().await;
    let path = |id| format!("/api/v1/tables/{id}/diagnosis");
    golden::json("diagnosis", &get(world.address, &path(conntrack().id().to_string())).await);
    // Of a table without limit and counters nothing is claimed.
    let pool = get(world.address, &path(world::pool().id().to_string())).await.json();
    assert_eq!((&pool["pattern"], &pool["at"]), (&"unknown".into(), &"2026-03-01T12:00:00Z".into()));
    for id in ["0000000000000000", "x"] {
        let unknown = get(world.address, &path(id.to_owned())).await;
        assert_eq!((unknown.status, unknown.problem().as_str()), (404, "unknown-table"));
    }
}

#[tokio::test]
async fn open_alerts_are_shown_as_they_are_now() {
    let world = World::open().await;
    golden::json("alerts_open", &get(world.address, "/api/v1/alerts?state=open").await);
    golden::json("alert", &get(world.address, &format!("/api/v1/alerts/{}", full().alert_id)).await);
    let event = serde_json::to_value(full()).unwrap();
    let shown = get(world.address, "/api/v1/alerts?state=open&severity=critical").await.json();
    assert_eq!(shown["items"][0], event, "REST returns the object that is stored and sent");
}

#[tokio::test]
async fn open_alerts_are_filtered_and_sorted() {
    let world = World::open().await;
    let rules = async |query: &str| {
        let answer = get(world.address, &format!("/api/v1/alerts?{query}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let items = answer.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item["rule"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(rules("state=pending").await, ["clock-skew"]);
    assert_eq!(rules("state=firing,recovering").await, ["credential-rejected", "utilization-critical"]);
    assert_eq!(rules("state=open&sort=-severity&limit=1").await, ["utilization-critical"]);
    assert_eq!(rules("state=open&device=edge-1").await, ["credential-rejected"]);
    assert_eq!(rules("state=open&rule=clock-skew").await, ["clock-skew"]);
    assert_eq!(rules(&format!("state=open&table_id={}", conntrack().id())).await, ["utilization-critical"]);
    assert_eq!(rules("state=open&label.site=fra2").await, ["credential-rejected"]);
    assert!(rules("state=stale").await.is_empty());
}

#[tokio::test]
async fn an_alert_that_ends_is_no_longer_open() {
    let world = World::open().await;
    let resolved = event("utilization-critical", "nat-gw-1", Severity::Critical, AlertState::Resolved, 60);
    world.still.observe(&world::observation(813, 10, 5), &[resolved]);
    let left = get(world.address, "/api/v1/alerts?state=firing").await.json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1);
    let table = get(world.address, &format!("/api/v1/tables/{}", conntrack().id())).await.json();
    assert_eq!((&table["worst_alert"], &table["used"]), (&serde_json::Value::Null, &5.into()));
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let world = World::open().await;
    let items = async |path: &str| {
        let answer = get(world.address, &format!("/api/v1/{path}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["items"].as_array().unwrap().clone()
    };
    assert_eq!(items("tables?kind=conntrack&label.site=ams1").await.len(), 1);
    assert_eq!(items("tables?role=member").await[0]["kind"], "nat-pool");
    assert_eq!(items("tables?severity=critical").await[0]["kind"], "conntrack");
    assert_eq!(items("tables?sort=-utilization").await[0]["kind"], "conntrack");
    assert_eq!(items("tables?sort=utilization").await[0]["kind"], "conntrack", "unknown comes last");
    assert!(items("tables?device=edge-1").await.is_empty());
    assert_eq!(items("devices?last_outcome=auth").await[0]["device"], "edge-1");
    assert_eq!(items("devices?sort=-severity").await[0]["device"], "nat-gw-1");
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(world.address, &format!("/api/v1/devices?sort=-device&limit=1{cursor}")).await.json();
        seen.push(page["items"][0]["device"].as_str().unwrap().to_owned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["new-1", "nat-gw-1", "edge-1"]);
}

#[tokio::test]
async fn mistakes_are_answered_with_what_is_right() {
    let world = World::open().await;
    golden::json("unknown_parameter", &get(world.address, "/api/v1/tables?devise=x").await);
    golden::json("bad_parameter", &get(world.address, "/api/v1/alerts?state=burning").await);
    for (path, status, kind) in [
        ("/api/v1/devices?cursor=00", 400, "bad-cursor"),
        ("/api/v1/alerts?cursor=00", 400, "bad-cursor"),
        ("/api/v1/alerts?sort=at", 400, "bad-parameter"),
        ("/api/v1/devices/nat-gw-1?x=1", 400, "unknown-parameter"),
        ("/api/v1/alerts/nothing", 503, "store-away"),
        ("/api/v1/alerts", 503, "store-away"),
        ("/api/v1/polls", 503, "store-away"),
        ("/api/v1/nothing", 404, "not-found"),
        ("/", 404, "not-found"),
    ] {
        let answer = get(world.address, path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, kind), "{path}");
    }
    let wrong_method = crate::client::send(world.address, "DELETE", "/api/v1/devices", &[]).await;
    assert_eq!((wrong_method.status, wrong_method.problem().as_str()), (405, "method-not-allowed"));
    assert_eq!(wrong_method.header("allow"), Some("GET,HEAD"));
}

#[tokio::test]
async fn the_rules_in_force_are_shown() {
    let world = World::open().await;
    let rules = get(world.address, "/api/v1/rules").await.json();
    let rules = rules["items"].as_array().unwrap();
    assert_eq!(rules.len(), world.still.handle().rules().iter().count());
    let high = rules.iter().find(|rule| rule["id"] == "utilization-high").unwrap();
    assert_eq!((&high["severity"], &high["enabled"]), (&"warning".into(), &true.into()));
    assert_eq!((&high["for"], &high["raise"]), (&"5m".into(), &70.0.into()));
    assert_eq!(high["match"]["labels"], serde_json::json!({}));
}

#[tokio::test]
async fn health_is_told_apart_from_readiness() {
    let world = World::open().await;
    assert_eq!(get(world.address, "/healthz").await.json(), serde_json::json!({"status": "ok"}));
    let not_ready = get(world.address, "/readyz").await;
    assert_eq!((not_ready.status, not_ready.problem().as_str()), (503, "not-ready"));
    world.still.handle().stats().commits_total.store(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(get(world.address, "/readyz").await.status, 200);
}

#[tokio::test]
async fn a_reload_tells_what_it_did() {
    let mut world = World::open().await;
    let post = |path| crate::client::send(world.address, "POST", path, &[]);
    let asked = tokio::spawn(post("/-/reload"));
    let changes = Changes { added: 1, retired: 2, changed: 3, unchanged: 4 };
    world.still.reload_requested().await.unwrap().send(Ok(changes)).unwrap();
    let answer = asked.await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, r#"{"added":1,"retired":2,"changed":3,"unchanged":4}"#);
    let asked = tokio::spawn(post("/api/v1/-/reload"));
    let refused = ReloadError::Refused("inventory.yaml:3:7: unknown key `naem`".into());
    world.still.reload_requested().await.unwrap().send(Err(refused)).unwrap();
    golden::json("reload_refused", &asked.await.unwrap());
}

#[tokio::test]
async fn a_device_that_was_never_polled_has_nothing_rather_than_zero() {
    let world = World::open().await;
    let device = get(world.address, &format!("/api/v1/devices/{}", name("new-1"))).await.json();
    for unknown in ["last_poll_at", "last_outcome", "last_success_at", "reachability", "worst_alert"] {
        assert!(device[unknown].is_null(), "{unknown}: {device}");
    }
}
