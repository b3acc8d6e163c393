//! The stored history as its users read it: with SQL, by the engines' own clients.

use std::path::{Path, PathBuf};

use cliffwatch_model::Timestamp;
use serde_json::{Map, Number, Value};

use crate::command::{command, run};
use crate::skip::Need;

/// How long SQLite's client waits for a lock, in milliseconds.
const BUSY_MS: u32 = 5_000;

/// A store, asked from outside while the service may be writing to it.
#[derive(Clone, Debug)]
pub enum History {
    /// The file.
    Sqlite(PathBuf),
    /// The address.
    Postgres(String),
}

impl History {
    /// What a machine must have to read SQLite; for Postgres that is [`crate::Postgres::NEEDS`].
    pub const NEEDS: &[Need] = &[Need::Program("sqlite3")];

    /// The store that `--store` names, as seen from a service's folder.
    pub(crate) fn new(store: &str, folder: &Path) -> Self {
        match store.strip_prefix("sqlite:") {
            Some(file) => Self::Sqlite(folder.join(file)),
            None => Self::Postgres(store.to_owned()),
        }
    }

    /// The rows of a query as objects, in a form that does not tell the engines apart: times as RFC 3339 in UTC with
    /// microseconds, truths as 0 and 1, JSON text as JSON, numbers to 6 places.
    ///
    /// # Panics
    ///
    /// When the query fails; so do the others.
    pub fn rows(&self, query: &str) -> Vec<Value> {
        let query = query.trim().trim_end_matches(';');
        let text = match self {
            Self::Sqlite(file) => {
                let mut sqlite = command("sqlite3");
                sqlite.args(["-readonly", "-json", "-cmd", &format!(".timeout {BUSY_MS}")]);
                run(sqlite.arg(file).arg(query))
            }
            Self::Postgres(url) => {
                let query = format!("select coalesce(json_agg(row_to_json(q)), '[]') from ({query}) as q");
                let mut psql = command("psql");
                psql.env("PGTZ", "UTC").args(["-AtXq", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", &query]);
                run(&mut psql)
            }
        };
        let text = if text.trim().is_empty() { "[]" } else { &text };
        let rows: Vec<Value> =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text:?}"));
        rows.into_iter().map(plain).collect()
    }

    /// The first column of each row as text.
    pub fn texts(&self, query: &str) -> Vec<String> {
        self.firsts(query)
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            .collect()
    }

    /// The first column of each row as a number.
    pub fn numbers(&self, query: &str) -> Vec<i64> {
        self.firsts(query)
            .map(|value| value.as_i64().unwrap_or_else(|| panic!("{value} in {query}")))
            .collect()
    }

    /// The first column of each row as a time.
    pub fn times(&self, query: &str) -> Vec<Timestamp> {
        let time = |text: String| Timestamp::parse(&text).unwrap_or_else(|| panic!("{text} in {query}"));
        self.texts(query).into_iter().map(time).collect()
    }

    fn firsts(&self, query: &str) -> impl Iterator<Item = Value> {
        let first = |row| match row {
            Value::Object(columns) => columns.into_iter().next().map(|(_, value)| value),
            _ => None,
        };
        self.rows(query).into_iter().filter_map(first)
    }
}

fn plain(value: Value) -> Value {
    match value {
        Value::Bool(truth) => u8::from(truth).into(),
        Value::Number(number) => Value::Number(rounded(number)),
        Value::String(text) => plain_text(text),
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(columns) => {
            columns.into_iter().map(|(name, value)| (name, plain(value))).collect::<Map<_, _>>().into()
        }
        Value::Null => Value::Null,
    }
}

fn rounded(number: Number) -> Number {
    #[expect(clippy::cast_possible_truncation, reason = "what is whole and below 2^53 is kept exactly")]
    match number.as_f64().filter(|_| number.is_f64()) {
        None => number,
        Some(float) if float.fract() == 0.0 && float.abs() < 9e15 => Number::from(float as i64),
        Some(float) => Number::from_f64((float * 1e6).round() / 1e6).expect("a finite number"),
    }
}

fn plain_text(text: String) -> Value {
    let is_time = text.len() >= 20 && text.get(10..11) == Some("T");
    if let Some(time) = Timestamp::parse(&text).filter(|_| is_time) {
        return time.to_string().into();
    }
    match serde_json::from_str(&text) {
        Ok(json @ (Value::Array(_) | Value::Object(_))) => plain(json),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;
    use serde_json::json;

    #[test]
    fn both_engines_words_become_the_same() {
        let sqlite = json!({"at": "2026-03-01T11:00:00.250000Z", "open": 1, "fill": 0.25000000001, "labels": "{\"a\":1}"});
        let postgres =
            json!({"at": "2026-03-01T11:00:00.25+00:00", "open": true, "fill": 0.25, "labels": {"a": 1}});
        assert_eq!(plain(sqlite), plain(postgres));
        assert_eq!(plain(json!("2026")), json!("2026"));
    }
}
