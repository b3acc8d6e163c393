use cliffwatch_engine::Service;
use cliffwatch_model::{AlertState, Fix, TableId};

use crate::device::Fleet;
use crate::{ParseName as _, alerts, eventually, opener, polls, start};

#[tokio::test]
async fn a_restart_goes_on_with_the_same_alert_and_the_next_number() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let targets = vec![fleet.target("gw", "gw")];
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.clone()).await;
    eventually("a first reading", async || (fleet.state("gw").polled >= 2).then_some(())).await;
    fleet.set("gw", |state| state.dropped = 7);
    let before = eventually("the alert, held", async || {
        service.handle().live().open_alerts().pop().filter(|alert| alert.state == AlertState::Recovering)
    })
    .await;
    service.stop().await;
    assert_eq!(fleet.state("gw").closed, 1, "the session was ended in good order");

    let service = start(folder.path(), &fleet, opener(folder.path()), targets).await;
    let mut released = service.handle().released();
    let polled = fleet.state("gw").polled;
    eventually("new polls", async || (fleet.state("gw").polled >= polled + 5).then_some(())).await;
    let after = service.handle().live().open_alerts();
    assert_eq!(after.iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&before.id]);
    assert!(released.try_recv().is_err(), "nobody is told twice");
    service.stop().await;

    let store = opener(folder.path())().await.unwrap();
    let seqs: Vec<u64> = polls(&*store, "gw").await.iter().map(|poll| poll.header.seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let history = store.alert(&before.alert_id).await.unwrap().unwrap();
    let seqs: Vec<u32> = history.events.iter().map(|event| event.seq).collect();
    assert_eq!(seqs, [1, 2], "no second opening event");
    store.close().await;
}

#[tokio::test]
async fn what_a_device_answered_before_a_restart_is_still_advice() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let targets = vec![fleet.target("gw", "gw")];
    fleet.set("gw", |state| (state.lists, state.used) = (true, 950));
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.clone()).await;
    eventually("a first reading", async || (fleet.state("gw").polled >= 2).then_some(())).await;
    fleet.set("gw", |state| state.dropped = 7);
    let store = service.handle().store().unwrap();
    let answered = eventually("the answer is stored", async || {
        polls(&*store, "gw").await.into_iter().find(|poll| !poll.evidence.is_empty())
    })
    .await;
    let table = answered.tables[0].table.id();
    let before = lower_timeout(&service, table).await;
    service.stop().await;
    // Never again: what is known of it is what was stored.
    fleet.set("gw", |state| state.lists = false);
    let service = start(folder.path(), &fleet, opener(folder.path()), targets).await;
    let after = lower_timeout(&service, table).await;
    assert_eq!(before, after);
    service.stop().await;
}

/// What is advised of an idle timeout, which only an answer of the device gives.
async fn lower_timeout(service: &Service, table: TableId) -> Fix {
    eventually("the advice", async || {
        let diagnosis = service.handle().diagnose(&"gw".parse_name(), table).await.unwrap()?;
        let mut fixes = diagnosis.fixes.into_iter().map(|advice| advice.fix);
        fixes.find(|fix| fix.title.contains("established"))
    })
    .await
}

#[tokio::test]
async fn an_old_event_in_the_journal_brings_nothing_back() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let targets = vec![fleet.target("gw", "gw")];
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.clone()).await;
    eventually("a first reading", async || (fleet.state("gw").polled >= 2).then_some(())).await;
    fleet.set("gw", |state| state.dropped = 7);
    let newest = eventually("the alert, held", async || {
        service.handle().live().open_alerts().pop().filter(|alert| alert.state == AlertState::Recovering)
    })
    .await;
    let store = service.handle().store().unwrap();
    let history = eventually("both events are stored", async || {
        store.alert(&newest.alert_id).await.unwrap().filter(|alert| alert.events.len() == 2)
    })
    .await;
    service.stop().await;
    let line = serde_json::to_string(&history.events[0]).unwrap();
    std::fs::write(folder.path().join("events.journal"), format!("{line}\n")).unwrap();

    let service = start(folder.path(), &fleet, opener(folder.path()), targets).await;
    let polled = fleet.state("gw").polled;
    eventually("new polls", async || (fleet.state("gw").polled >= polled + 3).then_some(())).await;
    let open = service.handle().live().open_alerts();
    assert_eq!(open.iter().map(|alert| &alert.id).collect::<Vec<_>>(), [&newest.id]);
    service.stop().await;
}

#[tokio::test]
async fn drops_while_we_were_down_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let targets = vec![fleet.target("gw", "gw")];
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.clone()).await;
    eventually("a first reading", async || (fleet.state("gw").polled >= 2).then_some(())).await;
    service.stop().await;
    fleet.set("gw", |state| state.dropped = 7);
    let service = start(folder.path(), &fleet, opener(folder.path()), targets).await;
    let alert = eventually("the alert", async || service.handle().live().open_alerts().pop()).await;
    assert_eq!(alert.rule, "refusing");
    service.stop().await;
}

#[tokio::test]
async fn a_device_that_left_while_we_were_down_closes_its_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let targets = vec![fleet.target("gw", "gw"), fleet.target("other", "other")];
    let service = start(folder.path(), &fleet, opener(folder.path()), targets).await;
    eventually("a first reading", async || (fleet.state("gw").polled >= 2).then_some(())).await;
    fleet.set("gw", |state| state.dropped = 7);
    let open = eventually("the alert", async || service.handle().live().open_alerts().pop()).await;
    service.stop().await;
    let service =
        start(folder.path(), &fleet, opener(folder.path()), vec![fleet.target("other", "other")]).await;
    let store = service.handle().store().unwrap();
    let closed = eventually("the alert is closed", async || {
        alerts(&*store).await.into_iter().find(|alert| alert.state == AlertState::Gone)
    })
    .await;
    assert_eq!((closed.alert_id, closed.seq), (open.alert_id.clone(), 2));
    assert!(service.handle().live().open_alerts().is_empty());
    service.stop().await;
}
