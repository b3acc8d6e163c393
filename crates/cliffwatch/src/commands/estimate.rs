use std::fmt;
use std::time::Duration;

use cliffwatch_source::Target;
use serde::Serialize;

/// Tables of one device, as long as none was seen: a Linux host has one.
const TABLES_PER_DEVICE: u64 = 1;
/// Bytes of a poll's row and of a sample's, with their indexes: 100 each when measured in a compacted SQLite
/// file, and half as much again in one that grows in many places.
const POLL_BYTES: u64 = 150;
const SAMPLE_BYTES: u64 = 150;

const DAY_SECONDS: f64 = 86_400.0;

/// What history will cost: each poll is a row, and each table of it another; they stay for their retention.
/// Increases and alerts are rare beside them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Estimate {
    pub polls_per_day: u64,
    pub samples_per_day: u64,
    pub disk_bytes: u64,
}

impl Estimate {
    pub(super) fn of(targets: &[Target], samples_kept: Duration, polls_kept: Duration) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive figure far below 2^52"
        )]
        let polls_per_day = targets
            .iter()
            .map(|target| DAY_SECONDS / target.device.interval.as_secs_f64().max(0.001))
            .sum::<f64>() as u64;
        let samples_per_day = polls_per_day * TABLES_PER_DEVICE;
        let days = |kept: Duration| kept.as_secs() / 86_400;
        let polls = polls_per_day.saturating_mul(days(polls_kept)).saturating_mul(POLL_BYTES);
        let samples = samples_per_day.saturating_mul(days(samples_kept)).saturating_mul(SAMPLE_BYTES);
        Self { polls_per_day, samples_per_day, disk_bytes: polls.saturating_add(samples) }
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.polls_per_day.saturating_add(self.samples_per_day);
        write!(f, "about {rows} rows a day, {} on disk within the retention", bytes(self.disk_bytes))
    }
}

fn bytes(count: u64) -> String {
    let units = ["bytes", "KB", "MB", "GB", "TB"];
    let mut count = count;
    let mut unit = 0;
    while count >= 10_000 && unit + 1 < units.len() {
        count /= 1_000;
        unit += 1;
    }
    format!("{count} {}", units.get(unit).copied().unwrap_or_default())
}
