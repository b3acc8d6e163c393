//! What every adapter's tests run: golden folders, and the suite that a source must pass.

mod conformance;
mod golden;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{CapacityOverrides, Device, DeviceName, Platform, Timestamp};

pub use conformance::{Stuck, deadline_is_honoured, no_panic_on_damaged_replies, no_secret_in_debug};
pub use golden::{GoldenReport, run_golden};

use crate::{Clock, Settings, SshOptions, Target};

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A target with nothing but a name, a platform and an address.
pub fn plain_target(name: &str, platform: &Platform, address: Option<&str>) -> Target {
    #[expect(clippy::expect_used, reason = "the test kit runs in tests only")]
    let name = DeviceName::new(name).expect("the test's device name is valid");
    let device = Device {
        name,
        platform: platform.clone(),
        address: address.map(Into::into),
        labels: BTreeMap::new(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        ha_peer: None,
        depends_on: Vec::new(),
        capacity: CapacityOverrides::default(),
    };
    Target {
        device: Arc::new(device),
        credential: None,
        ssh: SshOptions::default(),
        jump: None,
        source_address: None,
        settings: Settings::default(),
        canary: None,
    }
}
