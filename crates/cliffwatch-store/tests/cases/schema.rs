//! Opening a store: whose schema, and for what.

use cliffwatch_store::{HistoryQuery, PageRequest, StoreError};

use crate::common::fixtures::*;
use crate::common::home::Home;

pub(crate) async fn a_newer_schema_is_refused_by_name(home: &Home<'_>) {
    home.open().await.close().await;
    home.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (7, 'from the future', true, '', 0)",
    )
    .await;
    for read_only in [false, true] {
        let error = home.try_open(read_only).await.unwrap_err();
        assert!(matches!(error, StoreError::SchemaNewer { found: 7, .. }), "{error:?}");
        assert!(error.to_string().starts_with("the store has migration 0007; this binary knows up to 00"));
        assert!(!error.is_retryable());
    }
}

pub(crate) async fn an_altered_migration_is_refused(home: &Home<'_>) {
    home.open().await.close().await;
    home.execute("DELETE FROM _sqlx_migrations WHERE version > 2").await;
    home.execute("UPDATE _sqlx_migrations SET checksum = 'other' WHERE version = 1").await;
    let error = home.try_open(false).await.unwrap_err();
    assert!(
        error.to_string().contains("migration 0001 in the store is not the one in this binary"),
        "{error}"
    );
}

pub(crate) async fn a_reader_needs_the_schema_and_may_not_write(home: &Home<'_>) {
    let writer = home.open().await;
    writer.commit(&batch([tick("nat-gw-1", 1, 10)])).await.unwrap();
    let reader = home.try_open(true).await.unwrap();
    let page = reader.observations(&HistoryQuery::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(matches!(reader.commit(&batch([])).await, Err(StoreError::Invalid(_))));
    home.execute("DELETE FROM _sqlx_migrations WHERE version > 2").await;
    let error = home.try_open(true).await.unwrap_err();
    assert!(matches!(error, StoreError::SchemaOlder { found: 2, .. }), "{error:?}");
}

pub(crate) async fn a_closed_store_says_so(home: &Home<'_>) {
    let store = home.open().await;
    store.ping().await.unwrap();
    store.close().await;
    assert!(store.ping().await.unwrap_err().to_string().contains("closed"));
    assert!(store.commit(&batch([])).await.is_err());
}
