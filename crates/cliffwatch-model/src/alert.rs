use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::table::words;
use crate::{DeviceName, TableId, Timestamp};

words! {
    /// How much an alert matters.
    Severity {
        /// A report: never sent unless routed.
        Info = "info",
        /// Look today.
        Warning = "warning",
        /// Look now: entering it pages, once per incident.
        Critical = "critical",
    }
}

words! {
    /// Where an alert stands.
    AlertState {
        /// The condition holds, not yet for long enough.
        Pending = "pending",
        /// It holds.
        Firing = "firing",
        /// It is measured as over, not yet for long enough.
        Recovering = "recovering",
        /// It was measured as over for the hold time. (A pending alert that ends is resolved, too.)
        Resolved = "resolved",
        /// Nothing was measured for too long: neither over nor confirmed.
        Stale = "stale",
        /// The table or device no longer exists.
        Gone = "gone",
    }
}

impl AlertState {
    /// Whether the alert still has a future.
    pub fn is_open(self) -> bool {
        match self {
            Self::Pending | Self::Firing | Self::Recovering | Self::Stale => true,
            Self::Resolved | Self::Gone => false,
        }
    }
}

/// One transition of one alert. The same object is stored, returned by REST and sent to receivers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// `alert_id/seq`: the idempotency key.
    pub id: String,
    /// The fingerprint and the onset: deterministic, so a replay makes the same.
    pub alert_id: String,
    /// Counts the transitions of this alert from 1.
    pub seq: u32,
    /// Hash of rule and table or device: the receivers' dedup key.
    pub fingerprint: String,
    /// What a person is told of once; absent until incidents are formed.
    pub incident_id: Option<String>,
    /// The instant of the observation that caused it.
    pub at: Timestamp,
    /// The instant of the observation that opened the alert.
    pub onset: Timestamp,
    /// The rule's id.
    pub rule: String,
    /// How much it matters now.
    pub severity: Severity,
    /// How much it mattered before, where that changed.
    pub previous_severity: Option<Severity>,
    /// The device.
    pub device: DeviceName,
    /// The table; absent for an alert on the device.
    pub table_id: Option<TableId>,
    /// The table as people read it.
    pub table: Option<String>,
    /// The device's labels.
    pub labels: BTreeMap<String, String>,
    /// Where the alert stands now.
    pub state: AlertState,
    /// The number that decided, in `unit`.
    pub value: Option<f64>,
    /// What it is compared with, in `unit`.
    pub threshold: Option<f64>,
    /// The unit of value and threshold.
    pub unit: String,
    /// One sentence for a person.
    pub summary: String,
    /// The numbers behind it.
    pub evidence: serde_json::Map<String, serde_json::Value>,
    /// Whether people are told: backfilled transitions are stored only.
    pub told: bool,
}

/// What a rule asks a source, beside the polls.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AskKind {
    /// Who fills this table?
    Evidence,
    /// Does a NEW connection still get in?
    TryNewConnection,
}

/// A question to one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Whom to ask.
    pub device: DeviceName,
    /// About which table.
    pub table: Option<Arc<crate::TableKey>>,
    /// What.
    pub kind: AskKind,
}
