//! Where a store of a test lives, on either engine.

use std::sync::Arc;

use cliffwatch_store::{OpenOptions, Store, StoreError, StoreUrl, open};
use sqlx::{AssertSqlSafe, Column as _, ConnectOptions as _, Executor as _, Row as _, TypeInfo as _};
use tempfile::TempDir;

use super::postgres::{PASSWORD, Server};

pub enum Home<'a> {
    Sqlite(TempDir),
    Postgres(&'a Server, String),
}

impl<'a> Home<'a> {
    pub fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    pub async fn postgres(server: &'a Server) -> Self {
        Self::Postgres(server, server.database().await)
    }

    pub fn url(&self) -> StoreUrl {
        match self {
            Self::Sqlite(dir) => StoreUrl::Sqlite(dir.path().join("history.db")),
            Self::Postgres(_, url) => url.parse().unwrap(),
        }
    }

    pub async fn open(&self) -> Arc<dyn Store> {
        self.try_open(false).await.unwrap()
    }

    pub async fn try_open(&self, read_only: bool) -> Result<Arc<dyn Store>, StoreError> {
        open(&self.url(), OpenOptions { password: Some(PASSWORD), read_only }).await
    }

    /// Runs statements of the test's own.
    pub async fn execute(&self, sql: &str) {
        let sql = AssertSqlSafe(sql);
        match self {
            Self::Sqlite(_) => {
                self.sqlite_connection().await.execute(sql).await.unwrap();
            }
            Self::Postgres(server, url) => {
                server.connect(url).await.execute(sql).await.unwrap();
            }
        }
    }

    /// A query's column names and its rows as text, as a user of the views sees them: null is `∅`, truth 1.
    pub async fn rows(&self, sql: &str) -> (Vec<String>, Vec<Vec<String>>) {
        match self {
            Self::Sqlite(_) => {
                let mut connection = self.sqlite_connection().await;
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
                (column_names(&rows), rows.iter().map(sqlite_row).collect())
            }
            Self::Postgres(server, url) => {
                let mut connection = server.connect(url).await;
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
                (column_names(&rows), rows.iter().map(postgres_row).collect())
            }
        }
    }

    pub async fn sqlite_connection(&self) -> sqlx::SqliteConnection {
        let StoreUrl::Sqlite(path) = self.url() else { unreachable!() };
        sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await.unwrap()
    }
}

fn column_names<R: sqlx::Row>(rows: &[R]) -> Vec<String> {
    rows.first().map(|row| row.columns().iter().map(|c| c.name().to_owned()).collect()).unwrap_or_default()
}

const NULL: &str = "∅";

fn sqlite_row(row: &sqlx::sqlite::SqliteRow) -> Vec<String> {
    use sqlx::ValueRef as _;
    let show = |at: usize| {
        let value = row.try_get_raw(at).unwrap();
        match value.type_info().name() {
            _ if value.is_null() => NULL.to_owned(),
            "INTEGER" | "BOOLEAN" => row.get_unchecked::<i64, _>(at).to_string(),
            "REAL" => row.get_unchecked::<f64, _>(at).to_string(),
            _ => compact(row.get_unchecked::<String, _>(at)),
        }
    };
    (0..row.len()).map(show).collect()
}

fn postgres_row(row: &sqlx::postgres::PgRow) -> Vec<String> {
    use sqlx::ValueRef as _;
    let show = |at: usize| {
        let value = row.try_get_raw(at).unwrap();
        match value.type_info().name() {
            _ if value.is_null() => NULL.to_owned(),
            "BOOL" => i64::from(row.get_unchecked::<bool, _>(at)).to_string(),
            "INT4" => row.get_unchecked::<i32, _>(at).to_string(),
            "INT8" => row.get_unchecked::<i64, _>(at).to_string(),
            "FLOAT8" => row.get_unchecked::<f64, _>(at).to_string(),
            "TIMESTAMPTZ" => timestamp(row.get_unchecked::<i64, _>(at)),
            "JSONB" => json(value),
            "TEXT" => row.get_unchecked::<String, _>(at),
            other => panic!("the views have no columns of type {other}"),
        }
    };
    (0..row.len()).map(show).collect()
}

/// The binary form of a timestamptz: microseconds since 2000-01-01.
fn timestamp(micros: i64) -> String {
    let since_1970 = jiff::Timestamp::from_microsecond(micros + 946_684_800_000_000).unwrap();
    format!("{since_1970:.6}")
}

/// The binary form of a jsonb: a version byte and the text.
fn json(value: sqlx::postgres::PgValueRef<'_>) -> String {
    compact(String::from_utf8(value.as_bytes().unwrap()[1..].to_vec()).unwrap())
}

/// JSON without the blanks by which the engines differ.
fn compact(text: String) -> String {
    if !text.starts_with(['{', '[']) {
        return text;
    }
    serde_json::from_str::<serde_json::Value>(&text).map_or(text, |value| value.to_string())
}
