use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cliffwatch_engine::{Stats, StoreOpener};
use cliffwatch_model::{AlertState, ErrorKind, Outcome};
use cliffwatch_store::StoreError;

use crate::device::{Behaviour, Fleet};
use crate::{ParseName, eventually, opener, polls, start};

#[tokio::test]
async fn a_hung_and_a_panicking_device_cost_only_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    fleet.set("hung", |state| state.behaviour = Behaviour::Hang);
    fleet.set("broken", |state| state.behaviour = Behaviour::Panic);
    let targets = ["well", "hung", "broken"].map(|name| fleet.target(name, name));
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.to_vec()).await;
    let handle = service.handle().clone();
    let seen = |name: &str| handle.live().device(&name.parse_name()).unwrap();
    eventually("twenty polls of the device that is well", async || {
        (seen("well").polls_total >= 20).then_some(())
    })
    .await;
    let (well, hung, broken) = (seen("well"), seen("hung"), seen("broken"));
    assert!(well.failures_total.is_empty(), "{:?}", well.failures_total);
    assert_eq!(hung.failures_total.keys().collect::<Vec<_>>(), [&ErrorKind::Timeout]);
    assert_eq!(broken.failures_total.keys().collect::<Vec<_>>(), [&ErrorKind::Busy]);
    assert!(hung.polls_total >= 10 && broken.polls_total >= 10, "each tick yields a poll");
    assert!(
        (1..10).contains(&broken.panics_total),
        "it is restarted with growing pauses: {}",
        broken.panics_total
    );
    fleet.set("broken", |state| state.behaviour = Behaviour::Answer);
    eventually("the panicking source is back", async || {
        matches!(seen("broken").last.as_ref()?.outcome, Outcome::Ok).then_some(())
    })
    .await;
    service.stop().await;
}

#[tokio::test]
async fn a_store_that_comes_late_gets_everything_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let attempts = Arc::new(AtomicU32::new(0));
    let real = opener(folder.path());
    let late: StoreOpener = Arc::new({
        let attempts = Arc::clone(&attempts);
        move || {
            if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
                return Box::pin(async {
                    Err(StoreError::Unavailable { what: "not yet".into(), hint: None })
                });
            }
            real()
        }
    });
    let service = start(folder.path(), &fleet, late, vec![fleet.target("gw", "gw")]).await;
    assert!(!service.handle().is_ready() && service.handle().store().is_none());
    let store = eventually("the store is found", async || service.handle().store()).await;
    eventually("the service is ready", async || service.handle().is_ready().then_some(())).await;
    assert!(fleet.state("gw").polled >= 10, "it was polled meanwhile");
    service.stop().await;
    drop(store);
    let store = opener(folder.path())().await.unwrap();
    let seqs: Vec<u64> = polls(&*store, "gw").await.iter().map(|poll| poll.header.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "from the first poll on, without a gap");
    store.close().await;
}

#[tokio::test]
async fn an_alert_is_released_once_and_stored() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let service = start(folder.path(), &fleet, opener(folder.path()), vec![fleet.target("gw", "gw")]).await;
    let mut released = service.handle().released();
    eventually("a first reading", async || (fleet.state("gw").polled >= 2).then_some(())).await;
    fleet.set("gw", |state| state.dropped = 7);
    let event = tokio::time::timeout(crate::PATIENCE, released.recv()).await.unwrap().unwrap();
    assert_eq!((event.rule.as_str(), event.seq, event.state), ("refusing", 1, AlertState::Firing));
    let event = tokio::time::timeout(crate::PATIENCE, released.recv()).await.unwrap().unwrap();
    assert_eq!((event.seq, event.state), (2, AlertState::Recovering), "measured as over, and held");
    let polled = fleet.state("gw").polled;
    eventually("more polls", async || (fleet.state("gw").polled >= polled + 5).then_some(())).await;
    assert!(released.try_recv().is_err(), "each transition is told once");
    let open = service.handle().live().open_alerts();
    assert_eq!(open.iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&event.id]);
    assert_eq!(Stats::read(&service.handle().stats().events_released_total), 2);
    service.stop().await;
    let store = opener(folder.path())().await.unwrap();
    let history = store.alert(&event.alert_id).await.unwrap().unwrap();
    assert_eq!(history.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2]);
    store.close().await;
}

#[tokio::test]
async fn what_a_rule_asked_is_in_a_poll_and_so_is_why_it_could_not_be_answered() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    fleet.set("open", |state| state.lists = true);
    let targets = ["open", "closed"].map(|name| fleet.target(name, name));
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.to_vec()).await;
    for name in ["open", "closed"] {
        eventually("a first reading", async || (fleet.state(name).polled >= 2).then_some(())).await;
        fleet.set(name, |state| state.dropped = 7);
    }
    let store = eventually("the store", async || service.handle().store()).await;
    let answered = eventually("the evidence, though the next question has no answer", async || {
        polls(&*store, "open").await.into_iter().find(|poll| !poll.evidence.is_empty())
    })
    .await;
    assert_eq!(answered.evidence[0].what, "top_sources");
    assert_eq!(answered.evidence[0].table_id, Some(answered.tables[0].table.id()));
    let refused = eventually("why there is none", async || {
        polls(&*store, "closed").await.into_iter().find(|poll| !poll.evidence.is_empty())
    })
    .await;
    let why = &refused.evidence[0];
    assert_eq!((why.what.as_str(), why.table_id), ("not_gathered", Some(refused.tables[0].table.id())));
    let expected = serde_json::json!({"kind": "auth", "message": "not allowed", "hint": "allow it"});
    assert_eq!(why.value, expected);
    service.stop().await;
}
