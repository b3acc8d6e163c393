use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::AlertEvent;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::event;
use crate::journal::Journal;
use crate::outbox::Outbox;
use crate::stats::Stats;

struct Running {
    outbox: Arc<Outbox>,
    released: broadcast::Receiver<Arc<AlertEvent>>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(path: &Path) -> Running {
    let (outbox, _) = Outbox::open(path, Arc::new(Stats::default())).unwrap();
    let outbox = Arc::new(outbox);
    let released = outbox.listen();
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&outbox).run(stop.clone()));
    Running { outbox, released, stop, task }
}

async fn next(running: &mut Running) -> String {
    let event = tokio::time::timeout(Duration::from_secs(30), running.released.recv()).await;
    event.expect("an event is released").unwrap().id.clone()
}

fn journaled(path: &Path) -> Vec<String> {
    let (_, kept) = Journal::open(path).unwrap();
    kept.events.into_iter().map(|event| event.id).collect()
}

#[tokio::test]
async fn what_the_store_has_is_released_without_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.journal");
    let mut running = start(&path);
    running.outbox.hold(&[event("a", 1), event("a", 2)]);
    running.outbox.stored(&[event("a", 1), event("a", 2)]);
    assert_eq!([next(&mut running).await, next(&mut running).await], ["a/1", "a/2"]);
    assert!(journaled(&path).is_empty());
}

#[tokio::test]
async fn while_the_store_is_away_the_journal_takes_its_place_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.journal");
    let mut running = start(&path);
    running.outbox.hold(&[event("a", 1)]);
    assert_eq!(next(&mut running).await, "a/1");
    assert_eq!(journaled(&path), ["a/1"], "it is on the disk before it is released");
    running.outbox.stored(&[event("a", 1)]);
    running.stop.cancel();
    running.task.await.unwrap();
    assert!(journaled(&path).is_empty(), "the store has it");
}

#[tokio::test]
async fn a_later_event_never_overtakes_an_earlier_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = start(&folder.path().join("events.journal"));
    running.outbox.hold(&[event("a", 1)]);
    running.outbox.hold(&[event("a", 2)]);
    running.outbox.stored(&[event("a", 2)]);
    assert_eq!([next(&mut running).await, next(&mut running).await], ["a/1", "a/2"]);
}

#[tokio::test]
async fn what_nobody_is_told_is_not_released() {
    let folder = tempfile::tempdir().unwrap();
    let mut running = start(&folder.path().join("events.journal"));
    let quiet = AlertEvent { told: false, ..event("a", 1) };
    running.outbox.hold(&[quiet, event("b", 1)]);
    running.outbox.stored(&[event("b", 1)]);
    assert_eq!(next(&mut running).await, "b/1");
}

#[tokio::test]
async fn what_nobody_is_told_is_durable_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.journal");
    let mut running = start(&path);
    let quiet = AlertEvent { told: false, ..event("a", 1) };
    running.outbox.hold(&[quiet, event("a", 2)]);
    assert_eq!(next(&mut running).await, "a/2");
    assert_eq!(journaled(&path), ["a/1", "a/2"], "the alert with its beginning");
}

#[tokio::test]
async fn a_stop_releases_what_is_left_durably() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.journal");
    let mut running = start(&path);
    running.outbox.hold(&[event("a", 1)]);
    running.stop.cancel();
    running.task.await.unwrap();
    assert_eq!(running.released.try_recv().unwrap().id, "a/1");
    assert_eq!(journaled(&path), ["a/1"]);
}
