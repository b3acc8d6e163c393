use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::known_of;
use crate::{Bound, CapacityOrigin, CapacityReason, Scope, Timestamp};

/// One table of a [`PollLine`](super::PollLine).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableLine {
    /// The id; derived from the identity, ignored when read.
    #[serde(default)]
    pub table_id: Option<String>,
    /// Where in the device.
    pub scope: Scope,
    /// What runs out.
    pub kind: String,
    /// The table's name.
    pub name: String,
    /// The protocol, where it holds one only.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Which part of it.
    #[serde(default)]
    pub part: Option<BTreeMap<String, String>>,
    /// What `used` counts.
    #[serde(default)]
    pub unit: Option<String>,
    /// The request that read it.
    #[serde(default)]
    pub group: Option<String>,
    /// tracking, not_tracking, unknown.
    #[serde(default)]
    pub state: Option<String>,
    /// whole, member, standby.
    #[serde(default)]
    pub role: Option<String>,
    /// Its own epoch.
    #[serde(default)]
    pub epoch: Option<String>,
    /// The instant of the reading; `finished_at` where absent.
    #[serde(default)]
    pub observed_at: Option<Timestamp>,
    /// How much is used.
    #[serde(default)]
    pub used: Option<u64>,
    /// The limit.
    #[serde(default)]
    pub capacity: Option<CapacityLine>,
    /// Why there is no limit.
    #[serde(default)]
    pub capacity_reason: Option<CapacityReason>,
    /// Used over capacity; ignored when read.
    #[serde(default)]
    pub utilization: Option<f64>,
    /// Where the device itself starts to shed.
    #[serde(default)]
    pub sheds_at: Option<u64>,
    /// New entries per second.
    #[serde(default)]
    pub setup_rate: Option<f64>,
    /// Ended entries per second.
    #[serde(default)]
    pub teardown_rate: Option<f64>,
    /// Every counter that was read.
    #[serde(default, deserialize_with = "known_of")]
    pub counters: BTreeMap<String, CounterLine>,
}

/// A limit. A plain number is read as a hard limit that the device told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "CapacityInput")]
pub struct CapacityLine {
    /// The limit; 0 is read as "no limit".
    pub limit: u64,
    /// Who says so.
    pub origin: CapacityOrigin,
    /// What happens at the limit.
    pub bound: Bound,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "capacity is `{\"limit\": N}` with a whole number from 0 up, and may have `origin` (reported, configured, documented) \
                 and `bound` (hard, per_destination)"
)]
enum CapacityInput {
    Plain(u64),
    Full {
        limit: u64,
        #[serde(default)]
        origin: Option<CapacityOrigin>,
        #[serde(default)]
        bound: Option<Bound>,
    },
}

impl From<CapacityInput> for CapacityLine {
    fn from(input: CapacityInput) -> Self {
        let (limit, origin, bound) = match input {
            CapacityInput::Plain(limit) => (limit, None, None),
            CapacityInput::Full { limit, origin, bound } => (limit, origin, bound),
        };
        Self {
            limit,
            origin: origin.unwrap_or(CapacityOrigin::Reported),
            bound: bound.unwrap_or(Bound::Hard),
        }
    }
}

/// One counter of a [`TableLine`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CounterLine {
    /// refused, policy_limit, evicted, collision, pressure.
    pub class: String,
    /// cumulative, period, event.
    #[serde(default)]
    pub kind: Option<String>,
    /// Width of a part: 32 or 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<u8>,
    /// The sum of the parts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// One number per part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Vec<u64>>,
    /// The period's sum, or the number of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
    /// The length of the period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_seconds: Option<f64>,
    /// Whether the provider may still correct it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisional: Option<bool>,
    /// By how much it moved, where that is known; ignored when read.
    #[serde(default)]
    pub delta: Option<u64>,
}
