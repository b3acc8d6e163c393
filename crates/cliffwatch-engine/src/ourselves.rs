//! Cliffwatch as a device of its own: the name `cliffwatch`, the platform `self`, polled like the others.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use cliffwatch_model::{
    CapacityOverrides, Device, DeviceName, NameError, Platform, Reading, SourceError, Timestamp,
};
use cliffwatch_rules::figures as figure;
use cliffwatch_source::{
    Access, DecodeError, OpenError, Opened, PollContext, Problem, SessionSource, Settings, SourceFactory,
    SshOptions, Target,
};

use crate::clock::SystemClock;
use crate::stats::Stats;

/// The platform's name.
const PLATFORM: &str = "self";
/// How often we look at ourselves.
const INTERVAL: Duration = Duration::from_secs(10);

/// Makes the one source that reads our own state.
pub(crate) struct OurselvesFactory {
    pub(crate) platform: Platform,
    pub(crate) stats: Arc<Stats>,
    pub(crate) clock: Option<Arc<SystemClock>>,
}

struct Ourselves {
    stats: Arc<Stats>,
    clock: Option<Arc<SystemClock>>,
}

impl std::fmt::Debug for Ourselves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ourselves")
    }
}

/// The platform of the device that stands for this process.
pub(crate) fn platform() -> Result<Platform, NameError> {
    Platform::new(PLATFORM)
}

/// The device that stands for this process.
pub(crate) fn target(platform: Platform) -> Target {
    let device = Device {
        name: DeviceName::ourselves(),
        platform,
        address: None,
        labels: std::collections::BTreeMap::new(),
        interval: INTERVAL,
        timeout: INTERVAL / 2,
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

impl SourceFactory for OurselvesFactory {
    fn platform(&self) -> Platform {
        self.platform.clone()
    }

    fn interval_min(&self) -> Duration {
        INTERVAL
    }

    fn check(&self, _target: &Target) -> Vec<Problem> {
        Vec::new()
    }

    fn open(&self, _target: &Target) -> Result<Opened, OpenError> {
        let source = Ourselves { stats: Arc::clone(&self.stats), clock: self.clock.clone() };
        Ok(Opened { source: Arc::new(source), pushed: None })
    }

    fn access(&self) -> Vec<Access> {
        Vec::new()
    }

    fn decode(&self, _folder: &Path, _target: &Target, _at: Timestamp) -> Result<Vec<Reading>, DecodeError> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl SessionSource for Ourselves {
    #[expect(clippy::cast_precision_loss, reason = "durations and counts of a process fit 2^52")]
    async fn poll(&self, cx: &PollContext<'_>) -> Result<Reading, SourceError> {
        let mut reading = Reading::default();
        let figures = &mut reading.load.figures;
        let away_since = Stats::read(&self.stats.store_away_since_micros);
        let away = match i64::try_from(away_since) {
            Ok(since) if since > 0 => cx.clock.now().since(Timestamp::from_micros(since)).as_secs_f64(),
            _ => 0.0,
        };
        figures.insert(figure::STORE_UNAVAILABLE_SECONDS.into(), away);
        let slip = self.stats.slip_micros_max.swap(0, Ordering::Relaxed);
        figures.insert(figure::POLL_SLIP_SECONDS.into(), slip as f64 / 1e6);
        let missed = self.stats.missed_ticks_unreported.swap(0, Ordering::Relaxed);
        figures.insert(figure::POLLS_MISSED.into(), missed as f64);
        if let Some(clock) = &self.clock {
            figures.insert(figure::CLOCK_STEP_SECONDS.into(), clock.step_seconds());
        }
        Ok(reading)
    }
}
