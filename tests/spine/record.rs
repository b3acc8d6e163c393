//! What a run left in the store, held against what must be true of every run.

use std::time::Duration;

use cliffwatch_model::Timestamp;
use cliffwatch_tests::truths::{assert_never_failed, assert_polls_whole, longest_gap};
use cliffwatch_tests::{History, Service};
use serde_json::Value;

/// Polls come each second; a loaded machine may be late.
const GAP_MAX: Duration = Duration::from_secs(4);

/// One transition of an alert.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    pub(crate) id: String,
    pub(crate) seq: u64,
    pub(crate) state: String,
}

/// Every transition of every alert, or of one rule's on one device, in time order.
pub(crate) fn events(history: &History, device: &str, rule: &str) -> Vec<Event> {
    let query = format!(
        "select at, id, seq, state from alert_events where device like '{device}' and rule like '{rule}'"
    );
    let mut events: Vec<Event> = history.rows(&query).iter().map(event).collect();
    events.sort();
    events
}

pub(crate) fn event(row: &Value) -> Event {
    let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}")).to_owned();
    Event {
        at: Timestamp::parse(&text("at")).expect("a time"),
        id: text("id"),
        seq: row["seq"].as_u64().expect("a number"),
        state: text("state"),
    }
}

/// The instant at which the alert last came into a state.
pub(crate) fn at(events: &[Event], state: &str) -> Timestamp {
    let last = events.iter().rfind(|event| event.state == state);
    last.unwrap_or_else(|| panic!("never {state}: {events:?}")).at
}

/// The held session reported all the time: every poll is there once, every one read the table, and none came late.
pub(crate) fn assert_unbroken(history: &History, device: &str) {
    assert_polls_whole(history, device);
    assert_never_failed(history, device);
    let gap = longest_gap(history, device);
    assert!(gap < GAP_MAX, "a gap of {gap:?}");
}

/// The stored history gives the same events again.
pub(crate) fn assert_replays(service: &Service) {
    let output = service.ask("replay", &["--since", "1h", "--format", "json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut replayed: Vec<Event> =
        lines.iter().filter(|line| line["summary"].is_null() || line["id"].is_string()).map(event).collect();
    replayed.sort();
    assert_eq!(replayed, events(&service.history(), "%", "%"));
}
