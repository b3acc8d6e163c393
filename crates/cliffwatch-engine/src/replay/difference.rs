use std::collections::BTreeMap;

use cliffwatch_model::{AlertEvent, AlertState, DeviceName, Severity, Timestamp};
use serde::Serialize;

/// An alert that one set of rules raises and the other does not, or otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The rule's id.
    pub rule: String,
    /// The device.
    pub device: DeviceName,
    /// The table as people read it; absent for an alert on the device.
    pub table: Option<String>,
    /// What differs.
    pub change: Change,
    /// What the replayed rules make of it.
    pub replayed: Option<Fired>,
    /// What those in force make of it.
    pub in_force: Option<Fired>,
}

/// What differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Only the replayed rules raise it.
    OnlyReplayed,
    /// Only those in force raise it.
    OnlyInForce,
    /// Both do, at different times or with different severities.
    Changed,
}

/// An alert from its first firing to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fired {
    /// When it first fired.
    pub at: Timestamp,
    /// The highest severity it reached.
    pub severity: Severity,
    /// When it was over; absent where it is still open.
    pub ended_at: Option<Timestamp>,
}

/// Compares what two sets of rules make of one history; events in time order. Alerts of one rule and subject
/// are the same where their times overlap.
pub fn differences(replayed: &[AlertEvent], in_force: &[AlertEvent]) -> Vec<Difference> {
    let (mut left, mut right) = (alerts(replayed), alerts(in_force));
    let mut found = Vec::new();
    let keys: std::collections::BTreeSet<Subject> = left.keys().chain(right.keys()).cloned().collect();
    for key in keys {
        let (ours, theirs) = (left.remove(&key).unwrap_or_default(), right.remove(&key).unwrap_or_default());
        found.extend(pair(ours, theirs).into_iter().filter_map(|pair| difference(&key, pair)));
    }
    let first = |d: &Difference| d.replayed.iter().chain(&d.in_force).map(|fired| fired.at).min();
    found.sort_by_key(first);
    found
}

type Subject = (String, DeviceName, Option<String>);
type Pair = (Option<Fired>, Option<Fired>);

fn alerts(events: &[AlertEvent]) -> BTreeMap<Subject, Vec<Fired>> {
    let mut all: BTreeMap<Subject, Vec<Fired>> = BTreeMap::new();
    let mut open: BTreeMap<&str, Fired> = BTreeMap::new();
    let subject = |event: &AlertEvent| (event.rule.clone(), event.device.clone(), event.table.clone());
    let mut subjects: BTreeMap<&str, Subject> = BTreeMap::new();
    for event in events {
        if event.state == AlertState::Firing {
            subjects.entry(&event.alert_id).or_insert_with(|| subject(event));
            let fired = open.entry(&event.alert_id).or_insert(Fired {
                at: event.at,
                severity: event.severity,
                ended_at: None,
            });
            fired.severity = fired.severity.max(event.severity);
        } else if !event.state.is_open()
            && let Some(fired) = open.remove(&*event.alert_id)
        {
            all.entry(subject(event)).or_default().push(Fired { ended_at: Some(event.at), ..fired });
        }
    }
    for (id, fired) in open {
        if let Some(subject) = subjects.remove(id) {
            all.entry(subject).or_default().push(fired);
        }
    }
    all.values_mut().for_each(|fired| fired.sort_by_key(|fired| fired.at));
    all
}

/// Both lists are in time order, and the alerts of one list do not overlap.
fn pair(ours: Vec<Fired>, theirs: Vec<Fired>) -> Vec<Pair> {
    let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.into_iter().peekable());
    let mut pairs = Vec::new();
    loop {
        match (ours.peek(), theirs.peek()) {
            (None, None) => return pairs,
            (Some(our), Some(their)) if our.overlaps(their) => pairs.push((ours.next(), theirs.next())),
            (Some(our), Some(their)) if our.at > their.at => pairs.push((None, theirs.next())),
            (Some(_), _) => pairs.push((ours.next(), None)),
            (None, Some(_)) => pairs.push((None, theirs.next())),
        }
    }
}

fn difference((rule, device, table): &Subject, (replayed, in_force): Pair) -> Option<Difference> {
    let change = match (&replayed, &in_force) {
        (Some(_), None) => Change::OnlyReplayed,
        (None, Some(_)) => Change::OnlyInForce,
        (Some(our), Some(their)) if our != their => Change::Changed,
        _ => return None,
    };
    Some(Difference {
        rule: rule.clone(),
        device: device.clone(),
        table: table.clone(),
        change,
        replayed,
        in_force,
    })
}

impl Fired {
    fn overlaps(&self, other: &Self) -> bool {
        let before = |one: &Self, other: &Self| one.ended_at.is_some_and(|ended| ended < other.at);
        !before(self, other) && !before(other, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::event;

    fn at(seconds: i64, alert: &str, state: AlertState) -> AlertEvent {
        AlertEvent { at: Timestamp::from_secs(seconds), alert_id: alert.into(), state, ..event(alert, 1) }
    }

    #[test]
    fn alerts_whose_times_overlap_are_compared() {
        use AlertState::{Firing, Resolved};
        let these =
            [at(10, "a", Firing), at(50, "a", Resolved), at(100, "b", Firing), at(110, "b", Resolved)];
        assert_eq!(differences(&these, &these), []);
        let later = [at(20, "x", Firing), at(50, "x", Resolved)];
        let found = differences(&these, &later);
        let told: Vec<_> =
            found.iter().map(|d| (d.change, d.replayed.as_ref().map(|f| f.at.as_micros()))).collect();
        assert_eq!(told, [(Change::Changed, Some(10_000_000)), (Change::OnlyReplayed, Some(100_000_000))]);
        assert_eq!(differences(&later, &these)[1].change, Change::OnlyInForce);
    }
}
