//! A Postgres that dies, hangs or refuses: nothing acknowledged is lost, nothing is stored twice, and no
//! call waits for ever.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::*;
use cliffwatch_store::{
    Batch, HistoryQuery, OpenOptions, PAGE_ITEMS_MAX, PageRequest, Store, StoreError, open,
};
use common::fixtures::*;
use common::home::Home;
use common::postgres::{PASSWORD, Server};
use tokio::time::{Instant, sleep};

/// Times that the server is killed.
const KILLS: u64 = 5;
/// Polls in one batch.
const BATCH: u64 = 50;
/// Between two commits, so that the history stays small enough to be read after each kill.
const PAUSE: Duration = Duration::from_millis(5);
/// The deadline of a commit, and what a busy machine may add to it.
const COMMIT_MAX: Duration = Duration::from_secs(5 + 3);

async fn open_as(url: &str, password: &str, read_only: bool) -> Result<Arc<dyn Store>, StoreError> {
    open(&url.parse().unwrap(), OpenOptions { password: Some(password), read_only }).await
}

/// The polls `n` to `n + BATCH` of one device, with an event for the first.
fn numbered(n: u64) -> Batch {
    let mut batch = batch((n + 1..=n + BATCH).map(|seq| tick("nat-gw-1", seq, seq)));
    batch.memories = vec![memory("nat-gw-1", n + BATCH, "{}")];
    let seq = u32::try_from(n / BATCH + 1).unwrap();
    batch.events = vec![event("a1", seq, at(0), AlertState::Firing)];
    batch
}

/// Commits until it succeeds, as the engine's writer does.
async fn commit_in_the_end(store: &dyn Store, batch: &Batch) {
    loop {
        match store.commit(batch).await {
            Ok(_) => return,
            Err(error) => assert!(error.is_retryable(), "{error:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

async fn stored_seqs(store: &dyn Store) -> Vec<u64> {
    let mut page = PageRequest { cursor: None, limit: Some(PAGE_ITEMS_MAX) };
    let mut seqs = Vec::new();
    loop {
        let got = store.observations(&HistoryQuery::default(), &page).await.unwrap();
        for o in got.items {
            assert_eq!(o, tick("nat-gw-1", o.header.seq, o.header.seq));
            seqs.push(o.header.seq);
        }
        match got.next {
            Some(next) => page.cursor = Some(next),
            None => return seqs,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_no_acknowledged_batch_and_doubles_none() {
    let Some(mut server) = Server::start(&[]).await else { return };
    let url = server.database().await;
    let store = open_as(&url, PASSWORD, false).await.unwrap();
    let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let (writer, count) = (Arc::clone(&store), Arc::clone(&acknowledged));
    let writing = tokio::spawn(async move {
        let mut next = 0;
        while count.load(std::sync::atomic::Ordering::SeqCst) < u64::MAX / 2 {
            commit_in_the_end(&*writer, &numbered(next)).await;
            next += BATCH;
            sleep(PAUSE).await;
            count.fetch_add(BATCH, std::sync::atomic::Ordering::SeqCst);
        }
        next
    });
    for kill in 0..KILLS {
        // At another point of the commits each time.
        sleep(Duration::from_millis(150 + 37 * kill)).await;
        server.kill();
        let before = acknowledged.load(std::sync::atomic::Ordering::SeqCst);
        server.launch().await;
        let reader = open_as(&url, PASSWORD, true).await.unwrap();
        let stored = u64::try_from(stored_seqs(&*reader).await.len()).unwrap();
        assert!(stored >= before && stored % BATCH == 0, "{before} acknowledged, {stored} stored");
    }
    acknowledged.store(u64::MAX / 2, std::sync::atomic::Ordering::SeqCst);
    let written = writing.await.unwrap();
    assert_eq!(stored_seqs(&*store).await, (1..=written).collect::<Vec<_>>());
    let events = store.alert("a1").await.unwrap().unwrap().events;
    assert_eq!(u64::try_from(events.len()).unwrap(), written / BATCH);
    let resume = store.resume(&poller()).await.unwrap();
    assert_eq!(resume.devices[&name("nat-gw-1")].last_seq, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_server_costs_a_deadline_and_nothing_else() {
    let Some(server) = Server::start(&[]).await else { return };
    let home = Home::postgres(&server).await;
    let store = home.open().await;
    store.commit(&numbered(0)).await.unwrap();
    server.signal("STOP");
    let began = Instant::now();
    let error = store.commit(&numbered(BATCH)).await.unwrap_err();
    assert!(error.is_retryable() && began.elapsed() < COMMIT_MAX, "{error:?} after {:?}", began.elapsed());
    // The connection was dropped, so this one waits for a new one: within the deadline as well.
    let began = Instant::now();
    let error = store.commit(&numbered(BATCH)).await.unwrap_err();
    assert!(error.is_retryable() && began.elapsed() < COMMIT_MAX, "{error:?} after {:?}", began.elapsed());
    server.signal("CONT");
    commit_in_the_end(&*store, &numbered(BATCH)).await;
    assert_eq!(stored_seqs(&*store).await, (1..=2 * BATCH).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_lost_connection_is_made_again() {
    let Some(server) = Server::start(&[]).await else { return };
    let home = Home::postgres(&server).await;
    let store = home.open().await;
    store.commit(&numbered(0)).await.unwrap();
    store.ping().await.unwrap();
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                  WHERE datname = current_database() AND pid <> pg_backend_pid()";
    home.execute(others).await;
    let error = store.commit(&numbered(BATCH)).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    store.commit(&numbered(BATCH)).await.unwrap();
    assert!(store.ping().await.unwrap_err().is_retryable());
    store.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_unavailable_at_once() {
    let error = open_as("postgres://cliffwatch@/db?host=/nonexistent", PASSWORD, false).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert!(!format!("{error} {error:?}").contains(PASSWORD));
}

#[tokio::test]
async fn what_the_server_refuses_has_a_hint_and_never_the_password() {
    let Some(server) = Server::start(&[]).await else { return };
    let url = server.database().await;
    let error = open_as(&url, "wrong-canary", false).await.unwrap_err();
    assert!(matches!(error, StoreError::Permanent { .. }), "{error:?}");
    assert_eq!(error.hint(), Some("check user, password and pg_hba.conf"));
    assert!(!format!("{error} {error:?}").contains("wrong-canary"));
    let missing = url.replace("/db0", "/nowhere");
    let error = open_as(&missing, PASSWORD, false).await.unwrap_err();
    assert_eq!(error.hint(), Some("create the database first: createdb NAME"));
    let store = open_as(&url, PASSWORD, false).await.unwrap();
    assert_eq!(format!("{store:?}"), "Store(postgres)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_that_start_at_once_one_migrates() {
    let Some(server) = Server::start(&["fsync = off"]).await else { return };
    let home = Home::postgres(&server).await;
    let opened = futures_util::future::join_all((0..4).map(|_| home.open())).await;
    for store in opened {
        store.ping().await.unwrap();
    }
    let (_, rows) = home.rows("SELECT max(version) - count(*) AS twice FROM _sqlx_migrations").await;
    assert_eq!(rows, [["0"]]);
}
