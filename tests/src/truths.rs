//! What must be true of the stored history of every run, whatever happened in it.

use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde_json::Value;

use crate::eventually::eventually;
use crate::history::History;
use crate::service::Service;

const NOTHING: &[String] = &[];

/// What was told and what is stored are one within moments: a commit and a line in the log apart.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// One transition of an alert.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Its id.
    pub id: String,
    /// Its number in the alert.
    pub seq: u64,
    /// The state that it led to.
    pub state: String,
}

/// The stored transitions of one rule's alerts on one device, in time order.
///
/// # Panics
///
/// When a column is missing.
pub fn events(history: &History, device: &str, rule: &str) -> Vec<Event> {
    let query = "select at, id, seq, state from alert_events";
    let mut events: Vec<Event> = history
        .rows(&format!("{query} where device = '{device}' and rule = '{rule}'"))
        .iter()
        .map(Event::of)
        .collect();
    events.sort();
    events
}

impl Event {
    fn of(row: &Value) -> Self {
        let text = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}")).to_owned();
        Self {
            at: Timestamp::parse(&text("at")).expect("a time"),
            id: text("id"),
            seq: row["seq"].as_u64().expect("a number"),
            state: text("state"),
        }
    }
}

/// The device's polls are numbered from the first to the newest, without a gap. Gives how many there are.
///
/// # Panics
///
/// When that is not so; so do the others.
pub fn assert_polls_whole(history: &History, device: &str) -> usize {
    let query = format!("select seq from polls where device = '{device}' order by seq");
    let seqs = history.numbers(&query);
    let expected: Vec<i64> = (1..).take(seqs.len()).collect();
    assert_eq!(seqs, expected, "polls of {device}");
    seqs.len()
}

/// The longest time between two polls of the device.
pub fn longest_gap(history: &History, device: &str) -> Duration {
    let query = format!("select finished_at from polls where device = '{device}' order by seq");
    let times = history.times(&query);
    assert!(times.is_sorted(), "the times of {device} go back: {times:?}");
    times.windows(2).map(|pair| pair[1].since(pair[0])).max().expect("two polls")
}

/// Every poll of the device read its table.
pub fn assert_never_failed(history: &History, device: &str) {
    let failed = "select error_message from polls where outcome not in ('ok', 'partial')";
    assert_eq!(history.texts(&format!("{failed} and device = '{device}'")), NOTHING);
}

/// Every alert is there from its opening on, each transition once; of one rule on one thing at most one is open.
pub fn assert_events_whole(history: &History) {
    let mut alerts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for row in history.rows("select alert_id, seq from alert_events order by seq") {
        let id = row["alert_id"].as_str().expect("an id").to_owned();
        alerts.entry(id).or_default().push(row["seq"].as_u64().expect("a number"));
    }
    for (id, seqs) in alerts {
        let expected: Vec<u64> = (1..).take(seqs.len()).collect();
        assert_eq!(seqs, expected, "transitions of {id}");
    }
    let doubled = "select fingerprint from alerts where is_open group by fingerprint having count(*) > 1";
    assert_eq!(history.texts(doubled), NOTHING, "open twice");
}

/// No event was told twice, and none that the store does not have.
///
/// # Panics
///
/// When that is not so.
pub fn assert_told_once(service: &Service) {
    let mut told: Vec<String> = service.told().into_iter().map(|told| told.id).collect();
    let count = told.len();
    told.sort();
    told.dedup();
    assert_eq!(told.len(), count, "told twice: {:?}", service.told());
    eventually(SETTLED_WITHIN, "all that was told to be stored", || {
        let stored = service.history().texts("select id from alert_events");
        told.iter().all(|id| stored.contains(id)).then_some(())
    });
}

/// Every event that people are to be told of was told. A kill between the commit and the telling may lose one.
///
/// # Panics
///
/// When that is not so.
pub fn assert_all_told(service: &Service) {
    // An event is told once the store has it: a moment later.
    eventually(SETTLED_WITHIN, "all that is stored to be told", || {
        let owed = service.history().texts("select id from alert_events where told");
        let told: Vec<String> = service.told().into_iter().map(|told| told.id).collect();
        owed.iter().all(|id| told.contains(id)).then_some(())
    });
}

/// The stored polls give the stored events again: live, restarted and replayed are one thing.
///
/// # Panics
///
/// When that is not so, or the replay fails.
pub fn assert_replays(service: &Service) {
    let output = service.ask("replay", &["--since", "1h", "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let mut replayed: Vec<Event> =
        lines.filter(|line| line["id"].is_string()).map(|line| Event::of(&line)).collect();
    replayed.sort();
    let rows = service.history().rows("select at, id, seq, state from alert_events");
    let mut stored: Vec<Event> = rows.iter().map(Event::of).collect();
    stored.sort();
    assert_eq!(replayed, stored);
}
