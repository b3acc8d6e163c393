//! The README's SQL, run as it stands there.

use cliffwatch_tests::History;
use serde_json::Value;

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

/// Both stores answer alike to each example: the same columns, the same rows but for the instants of the polls.
pub(crate) fn assert_alike(sqlite: &History, postgres: &History) {
    let examples = examples();
    assert_eq!(examples.len(), 3, "the README has three");
    for example in examples {
        let [left, right] = [sqlite, postgres].map(|history| history.rows(&example));
        assert!(!left.is_empty(), "no rows: {example}");
        assert_eq!(without_times(left), without_times(right), "{example}");
    }
}

fn examples() -> Vec<String> {
    let readme = std::fs::read_to_string(README).expect("the README");
    let blocks = readme.split("```sql\n").skip(1).filter_map(|rest| rest.split_once("```"));
    blocks.map(|(sql, _)| sql.to_owned()).collect()
}

/// Two services look at different instants.
fn without_times(rows: Vec<Value>) -> Vec<Value> {
    let blank = |value: Value| match value {
        Value::String(text) if cliffwatch_model::Timestamp::parse(&text).is_some() => "a time".into(),
        other => other,
    };
    let row = |row| match row {
        Value::Object(columns) => columns.into_iter().map(|(name, value)| (name, blank(value))).collect(),
        other => other,
    };
    rows.into_iter().map(row).collect()
}
