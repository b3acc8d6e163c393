use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::{CapacityOverrides, DeviceName, Platform};

/// One thing in the inventory: what the engine and the rules know about it. How to reach it is the source's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its unique name.
    pub name: DeviceName,
    /// What it is.
    pub platform: Platform,
    /// Where it is, as the inventory spells it; absent for sources that push or are found through others.
    pub address: Option<Arc<str>>,
    /// The operator's labels: rules match on them, metrics and alerts carry them.
    pub labels: BTreeMap<String, String>,
    /// How often it is polled.
    pub interval: Duration,
    /// How long one poll may take; below the interval.
    pub timeout: Duration,
    /// Its high-availability mate.
    pub ha_peer: Option<DeviceName>,
    /// What must be up for it to be reachable.
    pub depends_on: Vec<String>,
    /// Limits that the operator configured.
    pub capacity: CapacityOverrides,
}
