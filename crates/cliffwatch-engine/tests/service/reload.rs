use std::sync::Arc;

use cliffwatch_engine::Changes;
use cliffwatch_model::AlertState;

use crate::device::{Behaviour, Fleet};
use crate::{ParseName, alerts, eventually, opener, plan, polls, start};

#[tokio::test]
async fn a_reload_touches_only_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let targets = ["same", "labelled", "leaving"].map(|name| fleet.target(name, name));
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.to_vec()).await;
    eventually("first readings", async || (fleet.state("leaving").polled >= 2).then_some(())).await;
    fleet.set("leaving", |state| state.dropped = 7);
    eventually("an alert on the leaving device", async || service.handle().live().open_alerts().pop()).await;

    let mut labelled = fleet.target("labelled", "labelled");
    Arc::make_mut(&mut labelled.device).labels.insert("role".into(), "nat".into());
    let targets = vec![fleet.target("same", "same"), labelled, fleet.target("new", "new")];
    let changes = service.apply(plan(targets)).await;
    assert_eq!(changes, Changes { added: 1, retired: 1, changed: 1, unchanged: 2 }, "we are a device, too");

    let store = service.handle().store().unwrap();
    let closed = eventually("the alert is closed", async || {
        alerts(&*store).await.into_iter().find(|alert| alert.state == AlertState::Gone)
    })
    .await;
    assert_eq!(closed.device.as_str(), "leaving");
    eventually("the new device is polled", async || (fleet.state("new").polled >= 2).then_some(())).await;
    let live = service.handle().live();
    assert!(live.device(&"leaving".parse_name()).is_none());
    assert_eq!(live.device(&"labelled".parse_name()).unwrap().device.labels["role"], "nat");
    for name in ["same", "labelled"] {
        assert_eq!((fleet.state(name).opened, fleet.state(name).closed), (1, 0), "{name} keeps its session");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_device_that_comes_back_goes_on_with_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let both = vec![fleet.target("gw", "gw"), fleet.target("other", "other")];
    let service = start(folder.path(), &fleet, opener(folder.path()), both.clone()).await;
    let polled = async |times| {
        let wanted = fleet.state("gw").polled + times;
        eventually("polls", async || (fleet.state("gw").polled >= wanted).then_some(())).await;
    };
    polled(3).await;
    service.apply(plan(vec![fleet.target("other", "other")])).await;
    let live = service.handle().live();
    eventually("it has left", async || live.device(&"gw".parse_name()).is_none().then_some(())).await;
    service.apply(plan(both.clone())).await;
    polled(3).await;
    service.apply(plan(vec![fleet.target("other", "other")])).await;
    eventually("it has left again", async || live.device(&"gw".parse_name()).is_none().then_some(())).await;
    service.stop().await;
    let service = start(folder.path(), &fleet, opener(folder.path()), both).await;
    polled(3).await;
    service.stop().await;
    let store = opener(folder.path())().await.unwrap();
    let seqs: Vec<u64> = polls(&*store, "gw").await.iter().map(|poll| poll.header.seq).collect();
    assert!(seqs.len() >= 11, "no poll was taken for one that is stored: {seqs:?}");
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    store.close().await;
}

#[tokio::test]
async fn a_changed_address_is_made_before_the_old_one_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    fleet.set("new", |state| state.behaviour = Behaviour::Refuse);
    let service = start(folder.path(), &fleet, opener(folder.path()), vec![fleet.target("gw", "old")]).await;
    eventually("a first reading", async || (fleet.state("old").polled >= 2).then_some(())).await;
    service.apply(plan(vec![fleet.target("gw", "new")])).await;
    let last = async || service.handle().live().device(&"gw".parse_name())?.last.clone();
    let fault = eventually("the new address is tried", async || last().await?.faults.pop()).await;
    assert!(fault.message.contains("the old session goes on: refused"), "{}", fault.message);
    assert_eq!(fleet.state("old").closed, 0);

    fleet.set("new", |state| state.behaviour = Behaviour::Answer);
    eventually("the old session is ended", async || (fleet.state("old").closed == 1).then_some(())).await;
    let polled = fleet.state("old").polled;
    let more = fleet.state("new").polled + 3;
    eventually("the new session goes on", async || (fleet.state("new").polled >= more).then_some(())).await;
    assert_eq!(fleet.state("old").polled, polled);
    service.stop().await;
}
