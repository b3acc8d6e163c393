//! What an error of the database driver means to the operator.

use sqlx::error::DatabaseError;

use crate::{StoreError, StoreKind};

/// Sorts an error of the driver into "later" and "never", with a hint where there is one.
pub(crate) fn of(kind: StoreKind, error: &sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    match error {
        E::Database(database) => match kind {
            StoreKind::Postgres => postgres(database.as_ref()),
            StoreKind::Sqlite => sqlite(database.as_ref()),
        },
        E::Io(_) | E::Protocol(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed => {
            StoreError::unavailable(error.to_string())
        }
        E::Configuration(_) => StoreError::Invalid(format!("store URL: {error}")),
        other => StoreError::permanent(other.to_string()),
    }
}

/// By SQLSTATE (PostgreSQL documentation, appendix A).
fn postgres(error: &dyn DatabaseError) -> StoreError {
    let code = error.code().unwrap_or_default();
    let later = |hint| StoreError::Unavailable { what: error.message().to_owned(), hint };
    let never = |hint| StoreError::Permanent { what: error.message().to_owned(), hint };
    match &*code {
        "53100" => later(Some("the disk of the Postgres server is full")),
        "53300" => later(Some("raise max_connections of the Postgres server; Cliffwatch uses at most 6")),
        "25006" => later(Some("the server is a read-only standby; point the store URL at the primary")),
        "28P01" | "28000" => never(Some("check user, password and pg_hba.conf")),
        "3D000" => never(Some("create the database first: createdb NAME")),
        "42501" => never(Some("the user must own the schema: GRANT CREATE, USAGE ON SCHEMA public TO USER")),
        _ => match code.get(..2) {
            // Connection, transaction rollback, resources, operator intervention, system error.
            Some("08" | "40" | "53" | "57" | "58") => later(None),
            Some("55") => later(Some("another session holds a lock; look at pg_locks")),
            _ => never(None),
        },
    }
}

/// By primary result code (<https://www.sqlite.org/rescode.html>): the low byte of the extended one.
fn sqlite(error: &dyn DatabaseError) -> StoreError {
    let code = error.code().and_then(|code| code.parse::<i64>().ok()).unwrap_or_default() & 0xff;
    let later = |hint| StoreError::Unavailable { what: error.message().to_owned(), hint };
    let never = |hint| StoreError::Permanent { what: error.message().to_owned(), hint };
    match code {
        5 | 6 => later(Some("another process holds the file locked")),
        13 => later(Some("the disk is full")),
        14 => {
            later(Some("the folder must exist and be writable: SQLite keeps two files beside the database"))
        }
        8 => later(Some("the file or its folder is not writable")),
        7 | 9 | 10 => later(None),
        11 | 26 => never(Some("the file is damaged or not a SQLite database; restore a backup")),
        _ => never(None),
    }
}
