//! Which remedies are picked, and with which figures.

use cliffwatch_model::{AlertEvent, AlertState, DeviceName, EvidenceItem, Remedy, Severity, Timestamp};
use serde_json::{Value, json};

use crate::{RuleKind, remedies};

fn alert(used: u64, limit: u64) -> AlertEvent {
    let Value::Object(evidence) = json!({"used": used, "limit": limit}) else { unreachable!() };
    AlertEvent {
        id: "a/1".into(),
        alert_id: "a".into(),
        seq: 1,
        fingerprint: "a".into(),
        incident_id: None,
        at: Timestamp::from_secs(0),
        onset: Timestamp::from_secs(0),
        rule: "refusing".into(),
        severity: Severity::Critical,
        previous_severity: None,
        device: DeviceName::new("gw").unwrap(),
        table_id: None,
        table: None,
        labels: Default::default(),
        state: AlertState::Firing,
        value: None,
        threshold: None,
        unit: String::new(),
        summary: String::new(),
        evidence,
        told: true,
    }
}

fn item(what: &str, value: Value) -> EvidenceItem {
    EvidenceItem { what: what.into(), table_id: None, value }
}

#[test]
fn a_full_table_is_sized_at_four_times_its_peak() {
    let picked = remedies(RuleKind::UtilizationCritical, &alert(50_000, 52_000), &[]);
    assert_eq!(picked, [Remedy::RaiseLimit { peak: 50_000, entries: 200_000 }, Remedy::ExemptPoller]);
    assert_eq!(remedies(RuleKind::Stale, &alert(50_000, 52_000), &[]), []);
}

#[test]
fn a_table_that_refuses_while_it_is_empty_needs_ports_and_no_limit() {
    let ports = item(
        "snat_ports",
        json!([{"address": "198.51.100.1", "used_ports": 60_000, "ports": 64_512, "share": 0.93}]),
    );
    let picked = remedies(RuleKind::Refusing, &alert(60_100, 1_000_000), &[ports]);
    let address = "198.51.100.1".parse().unwrap();
    let more = Remedy::AddAddresses { address, used_ports: 60_000, ports_per_address: 64_512, add: 3 };
    assert_eq!(picked, [more, Remedy::ExemptPoller]);
}

#[test]
fn the_mildest_timeout_that_does_something_is_picked() {
    let lower = |to: u64, idle: u64, share: f64| {
        json!({"setting": "established", "timeout_seconds": 432_000, "to_seconds": to,
               "entries_idle_longer": idle, "share_idle_longer": share})
    };
    let gathered = [item("lower_timeouts", json!([lower(86_400, 10, 0.01), lower(7_440, 400, 0.4)]))];
    let picked = remedies(RuleKind::UtilizationHigh, &alert(750, 1_000), &gathered);
    assert!(
        matches!(picked[1], Remedy::LowerTimeout { to_seconds: 7_440, idle_entries: 400, .. }),
        "{picked:?}"
    );
    let garbage = [item("lower_timeouts", json!([{"setting": 5}, "x"])), item("snat_ports", json!({"a": 1}))];
    assert_eq!(remedies(RuleKind::UtilizationHigh, &alert(750, 1_000), &garbage).len(), 1);
}
