use std::collections::BTreeMap;

use cliffwatch_model::{AlertEvent, Fix, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::word::{AlertState, Severity};

/// An alert as its newest event tells it: the same object that is stored and sent to receivers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alert {
    /// `alert_id/seq`.
    id: String,
    /// The alert, from its first to its last event.
    alert_id: String,
    /// Counts the events of the alert from 1.
    seq: u32,
    /// The same for every alert of one rule on one table or device.
    fingerprint: String,
    /// What people are told of once; null until incidents are formed.
    incident_id: Option<String>,
    /// When it came to this state.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// When the condition began.
    #[schema(value_type = String, format = DateTime)]
    onset: Timestamp,
    /// The rule.
    rule: String,
    /// How much it matters.
    severity: Severity,
    /// How much it mattered before, where that changed.
    previous_severity: Option<Severity>,
    /// The device.
    device: String,
    /// The table; null for an alert on the device.
    table_id: Option<String>,
    /// The table as people read it.
    table: Option<String>,
    /// The device's labels.
    labels: BTreeMap<String, String>,
    /// Where it stands.
    state: AlertState,
    /// The number that decided, in `unit`.
    value: Option<f64>,
    /// What it is compared with, in `unit`.
    threshold: Option<f64>,
    /// The unit of both.
    unit: String,
    /// One sentence for a person.
    summary: String,
    /// The numbers behind it.
    #[schema(value_type = Object)]
    evidence: serde_json::Map<String, serde_json::Value>,
    /// Whether people are told of it; false for what was found in history only.
    told: bool,
}

impl From<&AlertEvent> for Alert {
    fn from(event: &AlertEvent) -> Self {
        Self {
            id: event.id.clone(),
            alert_id: event.alert_id.clone(),
            seq: event.seq,
            fingerprint: event.fingerprint.clone(),
            incident_id: event.incident_id.clone(),
            at: event.at,
            onset: event.onset,
            rule: event.rule.clone(),
            severity: Severity(event.severity),
            previous_severity: event.previous_severity.map(Severity),
            device: event.device.to_string(),
            table_id: event.table_id.map(|id| id.to_string()),
            table: event.table.clone(),
            labels: event.labels.clone(),
            state: AlertState(event.state),
            value: event.value,
            threshold: event.threshold,
            unit: event.unit.clone(),
            summary: event.summary.clone(),
            evidence: event.evidence.clone(),
            told: event.told,
        }
    }
}

/// An alert with its history.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AlertDetail {
    #[serde(flatten)]
    pub(crate) alert: Alert,
    /// Every event of it, oldest first; null while the store is away.
    pub(crate) events: Option<Vec<Alert>>,
    /// What the device said when it was asked about this alert's table, the newest of each finding; null while the
    /// store is away.
    pub(crate) gathered: Option<Vec<Gathered>>,
    /// What would help its table, as the table's diagnosis says, in the words of the device's platform; empty once the
    /// alert is over, null while that cannot be worked out. Nothing is ever applied.
    #[schema(value_type = Option<Vec<Object>>)]
    pub(crate) fixes: Option<Vec<Fix>>,
}

/// One finding of a device.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Gathered {
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// What it shows: `top_sources`; `not_gathered` where it tells why there is nothing.
    pub(crate) what: String,
    /// The finding.
    #[schema(value_type = Object)]
    pub(crate) value: serde_json::Value,
}

/// The worst alert on a table or device, in short.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorstAlert {
    /// The alert.
    alert_id: String,
    /// Its rule.
    rule: String,
    /// How much it matters.
    severity: Severity,
    /// Where it stands.
    state: AlertState,
    /// When the condition began.
    #[schema(value_type = String, format = DateTime)]
    onset: Timestamp,
    /// One sentence for a person.
    summary: String,
}

impl From<&AlertEvent> for WorstAlert {
    fn from(event: &AlertEvent) -> Self {
        Self {
            alert_id: event.alert_id.clone(),
            rule: event.rule.clone(),
            severity: Severity(event.severity),
            state: AlertState(event.state),
            onset: event.onset,
            summary: event.summary.clone(),
        }
    }
}
