use std::collections::BTreeMap;

use cliffwatch_model::Timestamp;
use cliffwatch_store::SamplePoint;
use serde::Serialize;
use utoipa::ToSchema;

use super::Capacity;
use super::word::{CapacityReason, CounterClass};

/// A reading of a table, or what the readings of one step come to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sample {
    /// When it was read; the beginning of the step.
    #[schema(value_type = String, format = DateTime)]
    observed_at: Timestamp,
    /// How many readings it stands for.
    readings: u32,
    /// How much was used: the highest of the step.
    used: Option<u64>,
    /// The limit: the last of the step.
    capacity: Option<Capacity>,
    /// Why there is no limit.
    capacity_reason: Option<CapacityReason>,
    /// Used over the limit of the same reading: the highest of the step.
    utilization: Option<f64>,
    /// Where the device itself begins to shed.
    sheds_at: Option<u64>,
    /// New entries per second: the highest of the step.
    setup_rate: Option<f64>,
    /// Ended entries per second: the highest of the step.
    teardown_rate: Option<f64>,
    /// By how much counters rose; what did not rise is absent.
    increases: BTreeMap<String, Increase>,
}

/// By how much a counter rose.
#[derive(Debug, Serialize, ToSchema)]
struct Increase {
    /// What it means.
    class: CounterClass,
    /// By how much.
    delta: u64,
}

impl From<SamplePoint> for Sample {
    fn from(point: SamplePoint) -> Self {
        let increases = point.increases.into_iter();
        Self {
            observed_at: point.observed_at,
            readings: point.readings,
            used: point.used,
            capacity: point.capacity.ok().map(Capacity::from),
            capacity_reason: point.capacity.err().map(CapacityReason),
            utilization: point.utilization,
            sheds_at: point.sheds_at,
            setup_rate: point.setup_rate,
            teardown_rate: point.teardown_rate,
            increases: increases
                .map(|(name, (class, delta))| {
                    (name.to_string(), Increase { class: CounterClass(class), delta })
                })
                .collect(),
        }
    }
}
