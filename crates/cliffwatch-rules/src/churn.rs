use std::time::Duration;

use cliffwatch_model::{TableObservation, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ring::{Points, Ring};

/// Rates are compared minute by minute …
const WIDTH: Duration = Duration::from_secs(60);
/// … over five of them, and one that is cut.
const WINDOW: Duration = Duration::from_secs(330);
/// As many minutes as the window touches.
const MINUTES_MAX: usize = 7;
/// What must lie between the first and the last minute.
const SPAN_MIN_S: f64 = 200.0;
/// Rates are kept in thousandths.
const SCALE: f64 = 1_000.0;

/// The rates of the last minutes, where a device measures both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rates {
    setups: Ring,
    teardowns: Ring,
}

/// Set-ups against ends over five minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Imbalance {
    pub(crate) setup_per_s: f64,
    pub(crate) teardown_per_s: f64,
    /// Whether more were made than ended in every single minute.
    pub(crate) sustained: bool,
}

impl Imbalance {
    pub(crate) fn net_per_s(self) -> f64 {
        self.setup_per_s - self.teardown_per_s
    }
}

impl Rates {
    pub(crate) fn add(&mut self, reading: &TableObservation) {
        let known = |rate: Option<f64>| rate.filter(|rate| rate.is_finite() && *rate >= 0.0).map(thousandths);
        let Some((setup, teardown)) = known(reading.setup_rate).zip(known(reading.teardown_rate)) else {
            return;
        };
        let correction = reading.revision > 0;
        self.setups.add(setup, reading.observed_at, WIDTH, correction);
        self.teardowns.add(teardown, reading.observed_at, WIDTH, correction);
        self.setups.keep(MINUTES_MAX);
        self.teardowns.keep(MINUTES_MAX);
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.setups.heap_bytes() + self.teardowns.heap_bytes()
    }

    pub(crate) fn clear(&mut self) {
        self.setups.clear();
        self.teardowns.clear();
    }

    /// The last five minutes, or nothing where too little was read.
    pub(crate) fn imbalance(&self, now: Timestamp) -> Option<Imbalance> {
        let setups = self.setups.points(now, WINDOW, WIDTH);
        let teardowns = self.teardowns.points(now, WINDOW, WIDTH);
        if setups.span_s() < SPAN_MIN_S {
            return None;
        }
        let pairs = || setups.as_slice().iter().zip(teardowns.as_slice());
        Some(Imbalance {
            setup_per_s: mean(&setups)? / SCALE,
            teardown_per_s: mean(&teardowns)? / SCALE,
            sustained: pairs().all(|(setup, teardown)| setup.value > teardown.value),
        })
    }
}

fn mean(points: &Points) -> Option<f64> {
    let points = points.as_slice();
    let count = u32::try_from(points.len()).ok().filter(|count| *count > 0)?;
    Some(points.iter().map(|point| point.value).sum::<f64>() / f64::from(count))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "finite and not negative; saturates"
)]
fn thousandths(rate: f64) -> u64 {
    (rate * SCALE) as u64
}
