use cliffwatch_model::{AlertEvent, AlertState, Severity, TableId, Timestamp};

use super::identity::device_name;
use crate::StoreError;
use crate::records::{AlertRecord, EventRecord};
use crate::text::{clean, from_json, json, word};

/// The row of an event.
pub(crate) fn event_record(event: &AlertEvent) -> Result<EventRecord, StoreError> {
    let finite = |number: Option<f64>| number.filter(|number| number.is_finite());
    Ok(EventRecord {
        alert_id: clean(&event.alert_id),
        seq: i64::from(event.seq),
        id: clean(&event.id),
        fingerprint: clean(&event.fingerprint),
        incident_id: event.incident_id.as_deref().map(clean),
        at: event.at.as_micros(),
        onset: event.onset.as_micros(),
        rule: clean(&event.rule),
        severity: event.severity.as_str().to_owned(),
        previous_severity: event.previous_severity.map(|severity| severity.as_str().to_owned()),
        device: event.device.as_str().to_owned(),
        table_id: event.table_id.map(|id| id.to_string()),
        table_path: event.table.as_deref().map(clean),
        labels: json(&event.labels)?,
        state: event.state.as_str().to_owned(),
        value: finite(event.value),
        threshold: finite(event.threshold),
        unit: clean(&event.unit),
        summary: clean(&event.summary),
        evidence: json(&event.evidence)?,
        told: event.told,
    })
}

/// The row that says where an alert stands after this event.
pub(crate) fn alert_record(event: &AlertEvent) -> AlertRecord {
    AlertRecord {
        alert_id: clean(&event.alert_id),
        seq: i64::from(event.seq),
        onset: event.onset.as_micros(),
        at: event.at.as_micros(),
        is_open: event.state.is_open(),
    }
}

/// The event that a row tells.
pub(crate) fn event(row: EventRecord) -> Result<AlertEvent, StoreError> {
    let severity = |text: &str| word("severity", text, Severity::parse);
    Ok(AlertEvent {
        severity: severity(&row.severity)?,
        previous_severity: row.previous_severity.as_deref().map(severity).transpose()?,
        state: word("state", &row.state, AlertState::parse)?,
        device: device_name(&row.device)?,
        table_id: row.table_id.as_deref().map(|id| word("table_id", id, TableId::parse)).transpose()?,
        labels: from_json("labels", &row.labels)?,
        evidence: from_json("evidence", &row.evidence)?,
        id: row.id,
        alert_id: row.alert_id,
        seq: u32::try_from(row.seq).unwrap_or(u32::MAX),
        fingerprint: row.fingerprint,
        incident_id: row.incident_id,
        at: Timestamp::from_micros(row.at),
        onset: Timestamp::from_micros(row.onset),
        rule: row.rule,
        table: row.table_path,
        value: row.value,
        threshold: row.threshold,
        unit: row.unit,
        summary: row.summary,
        told: row.told,
    })
}
