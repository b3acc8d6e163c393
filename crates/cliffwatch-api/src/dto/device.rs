use std::collections::BTreeMap;

use cliffwatch_model::{self as model, Fault, Load, Setting, SourceError, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::WorstAlert;
use super::word::{ErrorKind, Outcome};
use crate::snapshot::DeviceRow;

/// A device of the inventory, and how it is doing now. What is not known is null.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Device {
    /// Its name.
    device: String,
    /// What it is.
    platform: String,
    /// Where it is, as the inventory spells it.
    address: Option<String>,
    /// The operator's labels.
    labels: BTreeMap<String, String>,
    /// How often it is polled.
    interval_seconds: f64,
    /// How long a poll may take.
    timeout_seconds: f64,
    /// Its high-availability mate.
    ha_peer: Option<String>,
    /// What must be up for it to be reachable.
    depends_on: Vec<String>,
    /// When its newest poll ended.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_poll_at: Option<Timestamp>,
    /// How its newest poll ended.
    last_outcome: Option<Outcome>,
    /// How long its newest poll took.
    last_duration_seconds: Option<f64>,
    /// Why its newest poll read nothing.
    last_error: Option<PollError>,
    /// When a poll last succeeded.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_success_at: Option<Timestamp>,
    /// Polls that failed in a row.
    missed_polls: u32,
    /// What its newest poll could not read, and which right is missing.
    #[schema(value_type = Vec<Object>)]
    faults: Vec<Fault>,
    /// What an operator should know about how it is polled.
    warnings: Vec<String>,
    /// How it answers.
    reachability: Option<Reachability>,
    /// Its own load, in figures with the unit in the name.
    #[schema(value_type = Object)]
    load: Load,
    /// Timeouts, sizes and ratios that are configured on it.
    #[schema(value_type = Object)]
    device_settings: BTreeMap<String, Setting>,
    /// How many tables it has.
    table_count: usize,
    /// The worst alert that is open on it or on one of its tables.
    worst_alert: Option<WorstAlert>,
}

/// Why a poll read nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PollError {
    /// The kind of failure; the same word as the outcome.
    kind: ErrorKind,
    /// What failed.
    message: String,
    /// What to do.
    hint: Option<String>,
}

/// How the held session and a new connection answered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reachability {
    /// Round trip on the held session, in milliseconds.
    held_ms: Option<f64>,
    /// What a new connection beside it did, where one was tried.
    new: Option<NewConnection>,
    /// What a host behind the device saw, where one looked.
    canary: Option<Canary>,
}

/// One held and one new connection through the device, made from a host behind it.
#[derive(Debug, Serialize, ToSchema)]
struct Canary {
    /// The host: a device's name, or `local`.
    from: String,
    /// Where the connections lead.
    target: String,
    /// `open` or `closed`; null where it is not known.
    held: Option<String>,
    /// How fast the held one answered, in milliseconds.
    held_ms: Option<f64>,
    /// How many new connections were tried.
    attempts: u32,
    /// The last of them.
    new: NewConnection,
}

/// What a new connection did.
#[derive(Debug, Serialize, ToSchema)]
struct NewConnection {
    /// How long TCP took to make it, in milliseconds.
    connect_ms: Option<f64>,
    /// Why it is of no use.
    error: Option<ErrorKind>,
    /// How long it was waited for, in milliseconds.
    waited_ms: Option<f64>,
}

impl From<&SourceError> for PollError {
    fn from(error: &SourceError) -> Self {
        Self { kind: ErrorKind(error.kind), message: error.message.clone(), hint: error.hint.clone() }
    }
}

impl From<&model::NewConnection> for NewConnection {
    fn from(new: &model::NewConnection) -> Self {
        Self { connect_ms: new.connect_ms, error: new.error.map(ErrorKind), waited_ms: new.waited_ms }
    }
}

impl From<&model::Reachability> for Reachability {
    fn from(reachability: &model::Reachability) -> Self {
        let canary = reachability.canary.as_ref().map(|canary| Canary {
            from: canary.from.clone(),
            target: canary.target.clone(),
            held: canary.held.map(|held| held.as_str().to_owned()),
            held_ms: canary.held_ms,
            attempts: canary.attempts,
            new: NewConnection::from(&canary.new),
        });
        let new = reachability.new.as_ref().map(NewConnection::from);
        Self { held_ms: reachability.held_ms, new, canary }
    }
}

impl From<&DeviceRow<'_>> for Device {
    fn from(row: &DeviceRow<'_>) -> Self {
        let status = row.status;
        let device = &status.device;
        let last = status.last.as_ref();
        let header = last.map(|last| &last.header);
        let took = |header: &model::PollHeader| header.finished_at.since(header.started_at).as_secs_f64();
        Self {
            device: device.name.to_string(),
            platform: device.platform.to_string(),
            address: device.address.as_deref().map(str::to_owned),
            labels: device.labels.clone(),
            interval_seconds: device.interval.as_secs_f64(),
            timeout_seconds: device.timeout.as_secs_f64(),
            ha_peer: device.ha_peer.as_ref().map(ToString::to_string),
            depends_on: device.depends_on.clone(),
            last_poll_at: header.map(|header| header.finished_at),
            last_outcome: last.map(|last| Outcome(last.outcome)),
            last_duration_seconds: header.map(took),
            last_error: last.and_then(|last| last.error.as_ref()).map(PollError::from),
            last_success_at: status.last_success_at,
            missed_polls: status.missed_polls,
            faults: last.map_or_else(Vec::new, |last| last.faults.clone()),
            warnings: status.warnings.clone(),
            reachability: last.map(|last| Reachability::from(&last.reachability)),
            load: status.load.clone(),
            device_settings: BTreeMap::clone(&status.device_settings),
            table_count: status.tables.len(),
            worst_alert: row.worst.map(WorstAlert::from),
        }
    }
}
