use std::collections::BTreeMap;

use cliffwatch_model::{AlertEvent, DeviceName, TableId, Timestamp};
use sha2::{Digest, Sha256};

use crate::DeviceFacts;
use crate::lifecycle::Change;
use crate::summary;
use crate::verdict::Explanation;

/// Whom an alert is about.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    pub(crate) facts: &'a DeviceFacts,
    /// The table and its readable name; absent for the device itself.
    pub(crate) table: Option<(TableId, &'a str)>,
}

/// Hash of rule and table, or of rule and device: the receivers' dedup key, 16 hex digits.
pub(crate) fn fingerprint(rule: &str, device: &DeviceName, table: Option<TableId>) -> String {
    let mut hash = Sha256::new();
    hash.update(rule.as_bytes());
    match table {
        Some(id) => hash.update(format!("/table/{id}").as_bytes()),
        None => hash.update(format!("/device/{device}").as_bytes()),
    }
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    format!("{:016x}", u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}

/// The fingerprint and the onset in microseconds: the same in a replay, different for the next alert.
pub(crate) fn alert_id(fingerprint: &str, onset: Timestamp) -> String {
    format!("{fingerprint}-{}", onset.as_micros())
}

/// The event of a transition.
pub(crate) fn event(rule: &str, about: About<'_>, change: &Change, why: Explanation) -> AlertEvent {
    let alert = &change.alert;
    let name = &about.facts.name;
    let fingerprint = fingerprint(rule, name, about.table.map(|(id, _)| id));
    let alert_id = alert_id(&fingerprint, alert.onset);
    let path = about.table.map(|(_, path)| path);
    let aged = alert.at.since(alert.onset);
    AlertEvent {
        id: format!("{alert_id}/{}", alert.seq),
        summary: summary::sentence(name.as_str(), path, &why.text, change.state, aged),
        alert_id,
        seq: alert.seq,
        fingerprint,
        incident_id: None,
        at: alert.at,
        onset: alert.onset,
        rule: rule.to_owned(),
        severity: alert.severity,
        previous_severity: change.previous_severity,
        device: name.clone(),
        table_id: about.table.map(|(id, _)| id),
        table: path.map(str::to_owned),
        labels: BTreeMap::clone(&about.facts.labels),
        state: change.state,
        value: why.value.filter(|value| value.is_finite()),
        threshold: why.threshold.filter(|threshold| threshold.is_finite()),
        unit: why.unit.to_owned(),
        evidence: why.evidence,
        told: change.told,
    }
}
