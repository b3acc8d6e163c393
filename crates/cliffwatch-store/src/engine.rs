use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::read::StoredReading;
use crate::row::{Record, Row};
use crate::{StoreError, StoreKind};

/// A bound value of a statement.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Int(i64),
    Text(String),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Statements of any length, alone.
    Migrate,
    /// Short transactions, one at a time.
    Write,
    /// Questions, beside the writer.
    Read,
}

impl Purpose {
    /// After this a statement is given up and its connection closed.
    pub(crate) fn deadline(self) -> Duration {
        Duration::from_secs(match self {
            // A new index over a month of a large fleet.
            Self::Migrate => 600,
            // The design's deadline of a batch: while it runs, the backlog grows.
            Self::Write => 5,
            // A question over a month of one table; users wait for it.
            Self::Read => 30,
        })
    }
}

/// The few things that differ between the engines. Everything above is written once: both take `$1`
/// parameters, row values, `ON CONFLICT` and `RETURNING` alike.
pub(crate) trait Engine: fmt::Debug + Send + Sync + 'static {
    /// An open connection. Dropping it closes it without asking.
    type Connection: Send + 'static;

    const KIND: StoreKind;
    /// Begins a transaction that writes.
    const BEGIN: &'static str;

    fn connect(&self, purpose: Purpose) -> impl Future<Output = Result<Self::Connection, StoreError>> + Send;

    /// Lets another process write, after the last connection is closed.
    fn release(&self) {}

    /// Says goodbye and waits for it.
    fn disconnect(connection: Self::Connection) -> impl Future<Output = ()> + Send;

    /// Runs one statement and tells how many rows it changed.
    fn execute(
        connection: &mut Self::Connection,
        sql: &str,
        arguments: Vec<Arg>,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    fn fetch<R: Row>(
        connection: &mut Self::Connection,
        sql: &str,
        arguments: Vec<Arg>,
    ) -> impl Future<Output = Result<Vec<R>, StoreError>> + Send;

    /// The samples that are chosen: what follows the `FROM` clause of a question to `sample AS s`, ordered.
    fn readings(
        connection: &mut Self::Connection,
        chosen: &str,
        arguments: Vec<Arg>,
    ) -> impl Future<Output = Result<Vec<StoredReading>, StoreError>> + Send;

    /// Inserts rows; `conflict` follows the values. Tells how many rows were inserted or changed.
    fn insert<R: Record>(
        connection: &mut Self::Connection,
        rows: Vec<R>,
        conflict: &'static str,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Inserts rows; `conflict` follows the values and ends in a `RETURNING` clause.
    fn insert_returning<R: Record, T: Row>(
        connection: &mut Self::Connection,
        rows: Vec<R>,
        conflict: &'static str,
    ) -> impl Future<Output = Result<Vec<T>, StoreError>> + Send;

    /// A subquery of the values in the JSON array of numbers that is bound to `parameter`.
    fn numbers(parameter: &str) -> String;

    /// A subquery of the values in the JSON array of strings that is bound to `parameter`.
    fn strings(parameter: &str) -> String;

    /// A subquery `(table_ref, observed_at, revision)` of the JSON array of such triples that is bound to
    /// `parameter`.
    fn sample_keys(parameter: &str) -> String;

    /// Whether the map in the JSON text of `column` has the key and value that are bound.
    fn has_label(column: &str, key: &str, value: &str) -> String;

    /// Writes a consistent copy to a new file.
    fn backup(
        connection: &mut Self::Connection,
        path: &Path,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
}
