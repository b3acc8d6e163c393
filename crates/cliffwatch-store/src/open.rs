use std::sync::Arc;

use crate::postgres::Postgres;
use crate::sql_store::SqlStore;
use crate::sqlite::Sqlite;
use crate::{Store, StoreError, StoreUrl};

/// How to open a store.
#[derive(Clone, Copy, Default)]
pub struct OpenOptions<'a> {
    /// The Postgres password. It goes to the server only: never into an error, a log or `Debug`.
    pub password: Option<&'a str>,
    /// For reading beside a running service: takes no lock, migrates nothing, refuses to write.
    pub read_only: bool,
}

/// Opens a store and migrates it to this binary's schema. A SQLite file with an older schema is copied
/// beside itself first.
///
/// # Errors
/// [`StoreError::Unavailable`] when the database cannot be reached now, [`StoreError::SchemaNewer`] when a
/// newer Cliffwatch has migrated it, [`StoreError::InUse`] when another process writes to the SQLite file.
pub async fn open(url: &StoreUrl, options: OpenOptions<'_>) -> Result<Arc<dyn Store>, StoreError> {
    let read_only = options.read_only;
    Ok(match url {
        StoreUrl::Sqlite(path) => Arc::new(SqlStore::new(Sqlite::open(path, read_only).await?, read_only)),
        StoreUrl::Postgres(url) => {
            let postgres = Postgres::open(url, options.password, read_only).await?;
            Arc::new(SqlStore::new(postgres, read_only))
        }
    })
}
