//! What only SQLite has: a file, its lock, its copies.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::Path;

use cliffwatch_store::{HistoryQuery, OpenOptions, PageRequest, Store, StoreError, StoreUrl, open};
use common::fixtures::*;
use common::home::Home;

fn file(home: &Home<'_>) -> std::path::PathBuf {
    let StoreUrl::Sqlite(path) = home.url() else { unreachable!() };
    path
}

async fn polls(store: &dyn Store) -> usize {
    store.observations(&HistoryQuery::default(), &PageRequest::default()).await.unwrap().items.len()
}

async fn open_file(path: &Path) -> Result<std::sync::Arc<dyn Store>, StoreError> {
    open(&StoreUrl::Sqlite(path.to_owned()), OpenOptions::default()).await
}

#[tokio::test]
async fn a_second_writer_is_refused_and_a_reader_is_not() {
    let home = Home::sqlite();
    let first = home.open().await;
    first.commit(&batch([tick("nat-gw-1", 1, 10)])).await.unwrap();
    let error = home.try_open(false).await.unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("history.db is in use by another Cliffwatch"));
    // By another name of the same file, too.
    let link = file(&home).with_file_name("link.db");
    std::os::unix::fs::symlink(file(&home), &link).unwrap();
    assert!(matches!(open_file(&link).await, Err(StoreError::InUse { .. })));
    assert_eq!(polls(&*home.try_open(true).await.unwrap()).await, 1);
    first.close().await;
    home.open().await;
}

#[tokio::test]
async fn a_backup_is_a_store() {
    let home = Home::sqlite();
    let store = home.open().await;
    store.commit(&batch((1..=100).map(|seq| tick("nat-gw-1", seq, seq)))).await.unwrap();
    let copy = file(&home).with_file_name("copy's.db");
    store.backup(&copy).await.unwrap();
    store.commit(&batch([tick("nat-gw-1", 101, 1)])).await.unwrap();
    let restored = open_file(&copy).await.unwrap();
    assert_eq!(polls(&*restored).await, 100);
    assert_eq!(restored.resume(&poller()).await.unwrap().devices[&name("nat-gw-1")].last_seq, 100);
    restored.commit(&batch([tick("nat-gw-1", 101, 1)])).await.unwrap();
    let error = store.backup(&copy).await.unwrap_err();
    assert!(error.to_string().contains("already exists"), "an existing file is not overwritten: {error}");
}

#[tokio::test]
async fn an_older_schema_is_copied_before_it_is_migrated() {
    let home = Home::sqlite();
    let store = home.open().await;
    store.commit(&batch([tick("nat-gw-1", 1, 10)])).await.unwrap();
    store.close().await;
    // Back to the state before migration 0003.
    home.execute("DROP VIEW polls").await;
    home.execute("ALTER TABLE poll DROP COLUMN canary").await;
    home.execute("CREATE VIEW polls AS SELECT seq FROM poll").await;
    home.execute("DELETE FROM _sqlx_migrations WHERE version > 2").await;
    let copy = file(&home).with_file_name("history.db.before-0003");
    assert!(!copy.exists());
    let store = home.open().await;
    assert_eq!(polls(&*store).await, 1);
    assert_eq!(home.rows("SELECT device FROM polls").await.1, [["nat-gw-1"]]);
    assert!(copy.exists());
    store.close().await;
    // A start that changes nothing copies nothing.
    std::fs::remove_file(&copy).unwrap();
    home.open().await;
    assert!(!copy.exists());
    assert!(matches!(open_file(Path::new("/nonexistent/x.db")).await, Err(e) if e.is_retryable()));
}

#[tokio::test]
async fn what_is_not_a_database_is_said_so() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = dir.path().join("notes.txt");
    std::fs::write(&path, "these are notes, not a database, and long enough to be looked at: ".repeat(100))
        .unwrap();
    let error = open_file(&path).await.unwrap_err();
    assert!(!error.is_retryable(), "{error:?}");
    assert_eq!(error.hint(), Some("the file is damaged or not a SQLite database; restore a backup"));
}

#[tokio::test]
async fn somebody_elses_lock_is_waited_for_within_the_deadline() {
    let home = Home::sqlite();
    let store = home.open().await;
    store.commit(&batch([tick("nat-gw-1", 1, 10)])).await.unwrap();
    let mut other = home.sqlite_connection().await;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let error = store.commit(&batch([tick("nat-gw-1", 2, 20)])).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(polls(&*store).await, 1, "readers do not wait");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    store.commit(&batch([tick("nat-gw-1", 2, 20)])).await.unwrap();
    assert_eq!(polls(&*store).await, 2);
}
