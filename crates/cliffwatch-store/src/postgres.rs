use std::fmt;
use std::path::Path;
use std::str::FromStr as _;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection};
use sqlx::{Arguments as _, AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use crate::engine::{Arg, Engine, Purpose};
use crate::read::StoredReading;
use crate::row::{Record, Row};
use crate::{StoreError, StoreKind, fault, migrate};

/// Rows of one INSERT: beyond this a larger message saves nothing, and both sides hold it in memory.
const ROWS_PER_INSERT: usize = 2_000;

/// A Postgres server.
pub(crate) struct Postgres {
    options: PgConnectOptions,
}

/// The options hold the password, so nothing of them is shown.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Postgres")
    }
}

impl Postgres {
    pub(crate) async fn open(url: &str, password: Option<&str>, read_only: bool) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(&with_host(url))
            .map_err(|error| StoreError::Invalid(format!("store URL: {error}")))?
            .application_name("cliffwatch")
            .disable_statement_logging();
        let options = match password {
            Some(password) => options.password(password),
            None => options,
        };
        let postgres = Self { options };
        let deadline = Purpose::Migrate.deadline();
        match timeout(deadline, postgres.migrate(read_only)).await {
            Ok(migrated) => migrated.map(|()| postgres),
            Err(_) => Err(StoreError::unavailable("the schema was not migrated within its deadline")),
        }
    }

    /// sqlx takes an advisory lock, so of several that start at once one migrates and the others wait.
    async fn migrate(&self, read_only: bool) -> Result<(), StoreError> {
        let mut connection = self.connect(Purpose::Migrate).await?;
        let applied = applied(&mut connection).await?;
        migrate::check(applied, read_only)?;
        if !read_only && applied < migrate::known() {
            let migrated =
                migrate::migrator(StoreKind::Postgres).run_direct(None, &mut connection, false).await;
            migrated.map_err(|error| migrate::failed(StoreKind::Postgres, error))?;
        }
        Self::disconnect(connection).await;
        Ok(())
    }
}

/// `postgres://user@/db?host=/run/postgresql` is how libpq spells a Unix socket; a URL needs a host, which
/// the query then replaces.
fn with_host(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if authority.is_empty() || authority.ends_with('@') {
        format!("{scheme}://{authority}localhost{tail}")
    } else {
        url.to_owned()
    }
}

async fn applied(connection: &mut PgConnection) -> Result<i64, StoreError> {
    let fault = |error| fault::of(StoreKind::Postgres, &error);
    let table = sqlx::query_scalar::<_, bool>("SELECT to_regclass('_sqlx_migrations') IS NOT NULL");
    if !table.fetch_one(&mut *connection).await.map_err(fault)? {
        return Ok(0);
    }
    sqlx::query_scalar::<_, i64>(migrate::APPLIED).fetch_one(&mut *connection).await.map_err(fault)
}

impl Engine for Postgres {
    type Connection = PgConnection;

    const KIND: StoreKind = StoreKind::Postgres;
    const BEGIN: &'static str = "BEGIN";

    async fn connect(&self, purpose: Purpose) -> Result<PgConnection, StoreError> {
        let fault = |error| fault::of(Self::KIND, &error);
        // Connecting has the deadline of a statement that writes, whatever the connection is for.
        let connecting = timeout(Purpose::Write.deadline(), self.options.connect()).await;
        let mut connection = match connecting {
            Ok(connected) => connected.map_err(fault)?,
            Err(_) => return Err(StoreError::unavailable("Postgres did not accept a connection in time")),
        };
        // The server gives up as well: a connection that we dropped must not go on holding locks. Our
        // statements are short, so compiling them (jit) costs more than it saves.
        let deadline_ms = purpose.deadline().as_millis();
        let settings = format!(
            "SET statement_timeout = {deadline_ms}; SET lock_timeout = {deadline_ms}; \
             SET idle_in_transaction_session_timeout = {deadline_ms}; SET jit = off"
        );
        sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await.map_err(fault)?;
        Ok(connection)
    }

    async fn disconnect(connection: PgConnection) {
        if let Err(error) = connection.close().await {
            tracing::debug!(%error, "A connection did not close cleanly.");
        }
    }

    async fn execute(
        connection: &mut PgConnection,
        sql: &str,
        arguments: Vec<Arg>,
    ) -> Result<u64, StoreError> {
        let query = sqlx::query_with(AssertSqlSafe(sql), bind(arguments)?);
        let result = query.execute(connection).await;
        result.map(|done| done.rows_affected()).map_err(|error| fault::of(Self::KIND, &error))
    }

    async fn fetch<R: Row>(
        connection: &mut PgConnection,
        sql: &str,
        arguments: Vec<Arg>,
    ) -> Result<Vec<R>, StoreError> {
        fetch_with(connection, sql, bind(arguments)?).await
    }

    async fn readings(
        connection: &mut PgConnection,
        chosen: &str,
        arguments: Vec<Arg>,
    ) -> Result<Vec<StoredReading>, StoreError> {
        let sql = format!("SELECT {} FROM sample AS s {chosen}", StoredReading::COLUMNS);
        Self::fetch(connection, &sql, arguments).await
    }

    async fn insert<R: Record>(
        connection: &mut PgConnection,
        mut rows: Vec<R>,
        conflict: &'static str,
    ) -> Result<u64, StoreError> {
        let mut changed = 0;
        while let Some((sql, arguments)) = next_insert(&mut rows, conflict)? {
            let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
            let done = query.execute(&mut *connection).await;
            changed += done.map_err(|error| fault::of(Self::KIND, &error))?.rows_affected();
        }
        Ok(changed)
    }

    async fn insert_returning<R: Record, T: Row>(
        connection: &mut PgConnection,
        mut rows: Vec<R>,
        conflict: &'static str,
    ) -> Result<Vec<T>, StoreError> {
        let mut returned = Vec::with_capacity(rows.len());
        while let Some((sql, arguments)) = next_insert(&mut rows, conflict)? {
            returned.append(&mut fetch_with(connection, &sql, arguments).await?);
        }
        Ok(returned)
    }

    fn numbers(parameter: &str) -> String {
        format!("(SELECT value::bigint FROM jsonb_array_elements_text({parameter}::jsonb) AS value)")
    }

    fn strings(parameter: &str) -> String {
        format!("(SELECT value FROM jsonb_array_elements_text({parameter}::jsonb) AS value)")
    }

    fn sample_keys(parameter: &str) -> String {
        format!(
            "(SELECT (value ->> 0)::integer AS table_ref, (value ->> 1)::bigint AS observed_at, \
             (value ->> 2)::integer AS revision FROM jsonb_array_elements({parameter}::jsonb) AS value)"
        )
    }

    fn has_label(column: &str, key: &str, value: &str) -> String {
        format!("{column}::jsonb ->> {key} = {value}")
    }

    async fn backup(_: &mut PgConnection, _: &Path) -> Result<(), StoreError> {
        Err(StoreError::Unsupported {
            what: "Cliffwatch does not copy a Postgres store",
            hint: "use pg_dump, or the server's own backups",
        })
    }
}

fn bind(arguments: Vec<Arg>) -> Result<PgArguments, StoreError> {
    let mut bound = PgArguments::default();
    for argument in arguments {
        match argument {
            Arg::Int(number) => bound.add(number),
            Arg::Text(text) => bound.add(text),
        }
        .map_err(|error| fault::of(StoreKind::Postgres, &sqlx::Error::Encode(error)))?;
    }
    Ok(bound)
}

async fn fetch_with<R: Row>(
    connection: &mut PgConnection,
    sql: &str,
    arguments: PgArguments,
) -> Result<Vec<R>, StoreError> {
    let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
    let rows = query.try_map(|row| R::from_postgres(&row)).fetch_all(connection).await;
    rows.map_err(|error| fault::of(StoreKind::Postgres, &error))
}

/// The statement for the next rows, or nothing where none are left.
fn next_insert<R: Record>(
    rows: &mut Vec<R>,
    conflict: &str,
) -> Result<Option<(String, PgArguments)>, StoreError> {
    if rows.is_empty() {
        return Ok(None);
    }
    let later = rows.split_off(rows.len().min(ROWS_PER_INSERT));
    let now = std::mem::replace(rows, later);
    let mut arguments = PgArguments::default();
    R::bind_columns(now, &mut arguments)
        .map_err(|error| fault::of(StoreKind::Postgres, &sqlx::Error::Encode(error)))?;
    let arrays = (1..).zip(R::ARRAYS).map(|(place, array)| format!("${place}::{array}"));
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let columns = R::COLUMNS.join(", ");
    let sql = format!("INSERT INTO {} ({columns}) SELECT * FROM unnest({arrays}) {conflict}", R::TABLE);
    Ok(Some((sql, arguments)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_url_gets_the_host_that_a_url_needs() {
        assert_eq!(with_host("postgres://c@/db?host=/run"), "postgres://c@localhost/db?host=/run");
        assert_eq!(with_host("postgres:///db"), "postgres://localhost/db");
        assert_eq!(with_host("postgres://c@h:5432/db"), "postgres://c@h:5432/db");
    }
}
