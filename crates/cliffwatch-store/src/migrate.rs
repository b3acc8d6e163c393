//! The schema, embedded in the binary. Both engines have the same migrations under the same numbers.

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::{StoreError, StoreKind};

/// Lists the migrations: number, name, SQL.
macro_rules! migrations {
    ($engine:literal) => {
        &[
            (1, "tables", include_str!(concat!("../../../migrations/", $engine, "/0001_tables.sql"))),
            (2, "views", include_str!(concat!("../../../migrations/", $engine, "/0002_views.sql"))),
            (3, "canary", include_str!(concat!("../../../migrations/", $engine, "/0003_canary.sql"))),
            (4, "sample_key", include_str!(concat!("../../../migrations/", $engine, "/0004_sample_key.sql"))),
        ]
    };
}

const SQLITE: &[(i64, &str, &str)] = migrations!("sqlite");
const POSTGRES: &[(i64, &str, &str)] = migrations!("postgres");

/// Where sqlx notes what was applied.
pub(crate) const APPLIED: &str = "SELECT COALESCE(max(version), 0) FROM _sqlx_migrations";

/// The newest migration of this binary.
pub(crate) fn known() -> i64 {
    SQLITE.iter().map(|(number, ..)| *number).max().unwrap_or(0)
}

/// The migrations of an engine.
pub(crate) fn migrator(kind: StoreKind) -> Migrator {
    let list = match kind {
        StoreKind::Sqlite => SQLITE,
        StoreKind::Postgres => POSTGRES,
    };
    let migration = |(number, name, sql): &(i64, &'static str, &'static str)| {
        Migration::new(*number, (*name).into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    Migrator::with_migrations(list.iter().map(migration).collect())
}

/// Refuses a store whose newest migration this binary does not know, or may not add.
pub(crate) fn check(found: i64, read_only: bool) -> Result<(), StoreError> {
    let known = known();
    match found {
        found if found > known => Err(StoreError::SchemaNewer { found, known }),
        found if found < known && read_only => Err(StoreError::SchemaOlder { found, known }),
        _ => Ok(()),
    }
}

/// What a failed migration means.
pub(crate) fn failed(kind: StoreKind, error: sqlx::migrate::MigrateError) -> StoreError {
    use sqlx::migrate::MigrateError as M;
    match error {
        M::Execute(error) | M::ExecuteMigration(error, _) => crate::fault::of(kind, &error),
        M::VersionMissing(found) => StoreError::SchemaNewer { found, known: known() },
        M::VersionMismatch(number) => StoreError::Permanent {
            what: format!("migration {number:04} in the store is not the one in this binary"),
            hint: Some("the store belongs to another build of Cliffwatch; use that, or a new store"),
        },
        other => StoreError::permanent(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_have_the_same_migrations() {
        let names = |list: &[(i64, &str, &str)]| {
            list.iter().map(|(number, name, _)| format!("{number} {name}")).collect::<Vec<_>>()
        };
        assert_eq!(names(SQLITE), names(POSTGRES));
        assert!(SQLITE.iter().zip(1..).all(|((number, ..), place)| *number == place));
    }
}
