use std::collections::BTreeMap;

use cliffwatch_model::{EvidenceItem, Fault, Load, Observation, Setting, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::Reachability;
use super::device::PollError;
use super::word::{Outcome, Trigger};

/// One attempt to read a device. What was read of each table is in its samples.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Poll {
    /// The device.
    device: String,
    /// Its platform.
    platform: String,
    /// Who polled.
    poller: String,
    /// Counts the polls of this device by this poller.
    seq: u64,
    /// What made it happen.
    trigger: Trigger,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    /// When it ended.
    #[schema(value_type = String, format = DateTime)]
    finished_at: Timestamp,
    /// The device's interval at the time.
    interval_seconds: f64,
    /// Whether it began more than an interval after its tick.
    late: bool,
    /// The normal lateness of the source's data.
    lag_seconds: f64,
    /// How it went.
    outcome: Outcome,
    /// Why nothing was read.
    error: Option<PollError>,
    /// Tells one life of the device from the next.
    epoch: Option<String>,
    /// Groups of tables that were read completely.
    complete: Vec<String>,
    /// How many tables were read.
    table_count: usize,
    /// The device's own load, in figures with the unit in the name.
    #[schema(value_type = Object)]
    load: Load,
    /// Timeouts, sizes and ratios that are configured on the device.
    #[schema(value_type = Object)]
    device_settings: BTreeMap<String, Setting>,
    /// How the device answered.
    reachability: Reachability,
    /// Answers to what rules asked.
    #[schema(value_type = Vec<Object>)]
    evidence: Vec<EvidenceItem>,
    /// What could not be read, and which right is missing.
    #[schema(value_type = Vec<Object>)]
    faults: Vec<Fault>,
}

impl From<Observation> for Poll {
    fn from(observation: Observation) -> Self {
        let header = observation.header;
        Self {
            device: header.device.to_string(),
            platform: header.platform.to_string(),
            poller: header.poller.to_string(),
            seq: header.seq,
            trigger: Trigger(header.trigger),
            started_at: header.started_at,
            finished_at: header.finished_at,
            interval_seconds: header.interval.as_secs_f64(),
            late: header.late,
            lag_seconds: header.lag.as_secs_f64(),
            outcome: Outcome(observation.outcome),
            error: observation.error.as_ref().map(PollError::from),
            epoch: observation.epoch.as_ref().map(ToString::to_string),
            complete: observation.complete.iter().map(ToString::to_string).collect(),
            table_count: observation.tables.len(),
            load: observation.load,
            device_settings: std::sync::Arc::unwrap_or_clone(observation.device_settings),
            reachability: Reachability::from(&observation.reachability),
            evidence: observation.evidence,
            faults: observation.faults,
        }
    }
}
