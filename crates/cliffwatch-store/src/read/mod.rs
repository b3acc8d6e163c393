//! Questions to the history. Each is a few statements on one connection: rows first, then the names behind
//! their references.

mod alerts;
mod devices;
mod history;
mod lookup;
mod resume;
mod samples;
mod tables;

pub(crate) use alerts::{alert, alerts};
pub(crate) use devices::devices;
pub(crate) use history::observations;
pub(crate) use resume::resume;
pub(crate) use samples::{HOUR, StoredReading, points_of, samples};
pub(crate) use tables::tables;

use crate::engine::Arg;
use crate::row::Record;

/// The latest reading of each table: the tables of a FROM clause, and the condition that joins them. SQLite
/// keeps the order of a CROSS join; without statistics it would read every sample there is.
const LATEST_SAMPLES: &str = "latest AS l CROSS JOIN sample AS s";
const LATEST_ONLY: &str =
    "s.table_ref = l.table_ref AND s.observed_at = l.observed_at AND s.revision = l.revision";

/// Conditions joined by AND, with the values bound to them.
#[derive(Default)]
struct Conditions {
    clauses: Vec<String>,
    arguments: Vec<Arg>,
}

impl Conditions {
    /// Binds a value and names its place.
    fn bind(&mut self, value: Arg) -> String {
        self.arguments.push(value);
        format!("${}", self.arguments.len())
    }

    fn bind_text(&mut self, value: impl Into<String>) -> String {
        self.bind(Arg::Text(value.into()))
    }

    /// Adds `left value`, as in `d.name = $3`.
    fn add(&mut self, left: &str, value: Arg) {
        let place = self.bind(value);
        self.clauses.push(format!("{left} {place}"));
    }

    fn add_text(&mut self, left: &str, value: impl Into<String>) {
        self.add(left, Arg::Text(value.into()));
    }

    fn clause(&mut self, clause: String) {
        self.clauses.push(clause);
    }

    /// `WHERE …`, or nothing.
    fn sql(&self) -> String {
        if self.clauses.is_empty() { String::new() } else { format!("WHERE {}", self.clauses.join(" AND ")) }
    }
}

/// The columns of a table under an alias.
fn columns<R: Record>(alias: &str) -> String {
    R::COLUMNS.iter().map(|column| format!("{alias}.{column}")).collect::<Vec<_>>().join(", ")
}

/// One row more than the page holds, so that it is known whether another page follows.
fn limit_clause(limit: usize) -> String {
    format!("LIMIT {}", limit.saturating_add(1))
}
