//! Tests of the engine's parts, with real files and real tasks; the whole runs in `tests/service.rs`.

mod backlog;
mod outbox;

use std::collections::BTreeMap;

use cliffwatch_model::{AlertEvent, AlertState, DeviceName, Severity, Timestamp};

pub(crate) fn event(alert: &str, seq: u32) -> AlertEvent {
    AlertEvent {
        id: format!("{alert}/{seq}"),
        alert_id: alert.into(),
        seq,
        fingerprint: alert.into(),
        incident_id: None,
        at: Timestamp::from_secs(5),
        onset: Timestamp::from_secs(5),
        rule: "refusing".into(),
        severity: Severity::Critical,
        previous_severity: None,
        device: DeviceName::new("gw").unwrap(),
        table_id: None,
        table: None,
        labels: BTreeMap::new(),
        state: AlertState::Firing,
        value: Some(1.0),
        threshold: None,
        unit: "entries".into(),
        summary: "two\nlines".into(),
        evidence: serde_json::Map::new(),
        told: true,
    }
}
