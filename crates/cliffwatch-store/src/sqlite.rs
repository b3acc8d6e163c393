use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous,
};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _};

use crate::engine::{Arg, Engine, Purpose};
use crate::read::StoredReading;
use crate::row::{Record, Row, row};
use crate::{StoreError, StoreKind, fault, migrate};

/// Rows of one INSERT. Each statement hops to the connection's thread and back, so few large ones are best;
/// few sizes keep the prepared statements in the cache. 512 rows of 21 columns stay below SQLite's 32,766
/// parameters.
const ROWS_PER_INSERT: [usize; 4] = [512, 64, 8, 1];
/// How long a statement waits for a lock, below the deadline of a commit: only a backup or a reader's
/// recovery after a crash holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
/// The log is folded into the database beyond this: small enough to read fast after a crash, large enough
/// that a page which many commits touch is written back once.
const WAL_PAGES: &str = "16384";
/// The log file shrinks to this after a burst.
const WAL_BYTES_KEPT: &str = "268435456";
/// Page cache of a connection in KiB (negative by SQLite's convention): the leaves that a commit touches.
const CACHE_KIB: &str = "-65536";
/// Rows in flight between the connection's thread and the reader.
const ROW_BUFFER: usize = 1_024;

row! {
    Packed { readings: String, }
}

row! {
    Rates { observed_at: i64, revision: i32, setup_rate: Option<f64>, teardown_rate: Option<f64>, }
}

/// Both are in one order; a reading that was committed or retained between the two questions is in one of them only.
fn add_rates(rows: &mut [StoredReading], rates: &[Rates]) {
    let mut rates = rates.iter().peekable();
    for row in rows {
        let key = (row.observed_at, row.revision);
        while rates.next_if(|rate| (rate.observed_at, rate.revision) < key).is_some() {}
        if let Some(rate) = rates.next_if(|rate| (rate.observed_at, rate.revision) == key) {
            (row.setup_rate, row.teardown_rate) = (rate.setup_rate, rate.teardown_rate);
        }
    }
}

/// One file with one writer. The lock is held until the store is closed.
#[derive(Debug)]
pub(crate) struct Sqlite {
    path: PathBuf,
    lock: Mutex<Option<File>>,
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, read_only: bool) -> Result<Self, StoreError> {
        // Two names of one file must meet at one lock.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = if read_only { None } else { Some(lock(&path)?) };
        let sqlite = Self { path, lock: Mutex::new(lock) };
        let purpose = if read_only { Purpose::Read } else { Purpose::Migrate };
        let mut connection = sqlite.connect(purpose).await?;
        let applied = applied(&mut connection).await?;
        migrate::check(applied, read_only)?;
        if !read_only && applied < migrate::known() {
            if applied > 0 {
                sqlite.keep_copy(&mut connection, applied + 1).await?;
            }
            let migrated =
                migrate::migrator(StoreKind::Sqlite).run_direct(None, &mut connection, false).await;
            migrated.map_err(|error| migrate::failed(StoreKind::Sqlite, error))?;
        }
        Self::disconnect(connection).await;
        Ok(sqlite)
    }

    /// Copies the database beside itself before migration `next` changes it.
    async fn keep_copy(&self, connection: &mut SqliteConnection, next: i64) -> Result<(), StoreError> {
        let copy = beside(&self.path, &format!(".before-{next:04}"));
        let unfinished = beside(&copy, ".tmp");
        let io = |error: std::io::Error| {
            StoreError::unavailable(format!(
                "{} cannot be written before the migration: {error}",
                copy.display()
            ))
        };
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
            _ => Self::backup(connection, &unfinished).await?,
        }
        std::fs::rename(&unfinished, &copy).map_err(io)?;
        tracing::info!(copy = %copy.display(), migration = next, "Copied the store before its migration.");
        Ok(())
    }
}

/// The path with something appended to its file name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = beside(path, ".lock");
    let unavailable = |error: std::io::Error| StoreError::Unavailable {
        what: format!("{} cannot be opened: {error}", lock_path.display()),
        hint: Some("the folder must exist and be writable"),
    };
    let file =
        File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(unavailable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unavailable(error)),
    }
}

async fn applied(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    let table = "SELECT count(*) FROM sqlite_master WHERE name = '_sqlx_migrations'";
    let number = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql);
    let fault = |error| fault::of(StoreKind::Sqlite, &error);
    match number(table).fetch_one(&mut *connection).await.map_err(fault)? {
        0 => Ok(0),
        _ => number(migrate::APPLIED).fetch_one(&mut *connection).await.map_err(fault),
    }
}

impl Engine for Sqlite {
    type Connection = SqliteConnection;

    const KIND: StoreKind = StoreKind::Sqlite;
    // A deferred transaction that has read cannot begin to write after somebody else wrote.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";

    async fn connect(&self, purpose: Purpose) -> Result<SqliteConnection, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .foreign_keys(false)
            .busy_timeout(BUSY_TIMEOUT)
            .row_buffer_size(ROW_BUFFER)
            .pragma("cache_size", CACHE_KIB)
            .disable_statement_logging();
        let options = match purpose {
            Purpose::Read => options.read_only(true),
            Purpose::Migrate | Purpose::Write => options
                .create_if_missing(purpose == Purpose::Migrate)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .pragma("wal_autocheckpoint", WAL_PAGES)
                .pragma("journal_size_limit", WAL_BYTES_KEPT),
        };
        options.connect().await.map_err(|error| match fault::of(Self::KIND, &error) {
            StoreError::Unavailable { what, hint } => {
                StoreError::Unavailable { what: format!("{}: {what}", self.path.display()), hint }
            }
            other => other,
        })
    }

    fn release(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    async fn disconnect(connection: SqliteConnection) {
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "A connection did not close cleanly.");
        }
    }

    async fn execute(
        connection: &mut SqliteConnection,
        sql: &str,
        arguments: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql), bind(arguments)?);
        let result = query.execute(connection).await;
        result.map(|done| done.rows_affected()).map_err(|error| fault::of(Self::KIND, &error))
    }

    async fn fetch<R: Row>(
        connection: &mut SqliteConnection,
        sql: &str,
        arguments: Vec<Arg>,
    ) -> Result<Vec<R>, StoreError> {
        fetch_with(connection, sql, bind(arguments)?).await
    }

    /// Each value of a row comes over from the connection's thread in memory of its own, which takes longer than to
    /// find it. So a day of readings comes as one text; rates, which
    /// that text cannot hold, are asked for on their own where there are any.
    async fn readings(
        connection: &mut SqliteConnection,
        chosen: &str,
        arguments: Vec<Arg>,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let sql = format!(
            "SELECT json_group_array(json_array({})) AS readings \
             FROM (SELECT {} FROM sample AS s {chosen}) AS s",
            StoredReading::PACKED,
            StoredReading::COLUMNS
        );
        let packed: Vec<Packed> = Self::fetch(connection, &sql, arguments.clone()).await?;
        let Some(Packed { readings }) = packed.first() else { return Ok(Vec::new()) };
        let (mut rows, rated) = StoredReading::unpack(readings)?;
        if rated {
            let sql = format!(
                "SELECT s.observed_at, s.revision, s.setup_rate, s.teardown_rate FROM sample AS s {chosen}"
            );
            let rates: Vec<Rates> = Self::fetch(connection, &sql, arguments).await?;
            add_rates(&mut rows, &rates);
        }
        Ok(rows)
    }

    async fn insert<R: Record>(
        connection: &mut SqliteConnection,
        rows: Vec<R>,
        conflict: &'static str,
    ) -> Result<u64, StoreError> {
        let mut rows = rows.into_iter();
        let mut changed = 0;
        while let Some((sql, arguments)) = next_insert(&mut rows, conflict)? {
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
            let done = query.execute(&mut *connection).await;
            changed += done.map_err(|error| fault::of(Self::KIND, &error))?.rows_affected();
        }
        Ok(changed)
    }

    async fn insert_returning<R: Record, T: Row>(
        connection: &mut SqliteConnection,
        rows: Vec<R>,
        conflict: &'static str,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = rows.into_iter();
        let mut returned = Vec::with_capacity(rows.len());
        while let Some((sql, arguments)) = next_insert(&mut rows, conflict)? {
            returned.append(&mut fetch_with(connection, &sql, arguments).await?);
        }
        Ok(returned)
    }

    fn numbers(parameter: &str) -> String {
        format!("(SELECT value FROM json_each({parameter}))")
    }

    fn strings(parameter: &str) -> String {
        Self::numbers(parameter)
    }

    fn sample_keys(parameter: &str) -> String {
        format!(
            "(SELECT json_extract(value, '$[0]') AS table_ref, json_extract(value, '$[1]') AS observed_at, \
             json_extract(value, '$[2]') AS revision FROM json_each({parameter}))"
        )
    }

    fn has_label(column: &str, key: &str, value: &str) -> String {
        format!("EXISTS (SELECT 1 FROM json_each({column}) AS l WHERE l.key = {key} AND l.value = {value})")
    }

    async fn backup(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
        let Some(path) = path.to_str() else {
            return Err(StoreError::Invalid(format!("{} is not a UTF-8 path", path.display())));
        };
        Self::execute(connection, "VACUUM INTO $1", vec![Arg::Text(path.to_owned())]).await.map(drop)
    }
}

fn bind(arguments: Vec<Arg>) -> Result<SqliteArguments, StoreError> {
    let mut bound = SqliteArguments::default();
    for argument in arguments {
        match argument {
            Arg::Int(number) => bound.add(number),
            Arg::Text(text) => bound.add(text),
        }
        .map_err(|error| fault::of(StoreKind::Sqlite, &sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

async fn fetch_with<R: Row>(
    connection: &mut SqliteConnection,
    sql: &str,
    arguments: SqliteArguments,
) -> Result<Vec<R>, StoreError> {
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
    let rows = query.try_map(|row| R::from_sqlite(&row)).fetch_all(connection).await;
    rows.map_err(|error| fault::of(StoreKind::Sqlite, &error))
}

/// The statement for the next rows, or nothing where none are left.
fn next_insert<R: Record>(
    rows: &mut std::vec::IntoIter<R>,
    conflict: &str,
) -> Result<Option<(String, SqliteArguments)>, StoreError> {
    let Some(count) = ROWS_PER_INSERT.into_iter().find(|count| *count <= rows.len()) else { return Ok(None) };
    let width = R::COLUMNS.len();
    let mut arguments = SqliteArguments::default();
    arguments.reserve(count * width, 0);
    for row in rows.by_ref().take(count) {
        row.bind_row(&mut arguments)
            .map_err(|error| fault::of(StoreKind::Sqlite, &sqlx::Error::Encode(error)))?;
    }
    let places = vec!["?"; width].join(",");
    let values = vec![places.as_str(); count].join("),(");
    let columns = R::COLUMNS.join(", ");
    // A failure rolls the whole transaction back, so SQLite need not remember how to undo this statement alone.
    let sql = format!("INSERT OR ROLLBACK INTO {} ({columns}) VALUES ({values}) {conflict}", R::TABLE);
    Ok(Some((sql, arguments)))
}
