use std::sync::Arc;

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
    let _ = (url, options);
    Err(StoreError::Invalid("not built yet".to_owned()))
}
