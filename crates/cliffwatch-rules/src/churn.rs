use std::time::Duration;

use cliffwatch_model::{TableObservation, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ring::{Points, Ring};
use crate::signals::Signals;

/// Rates are compared minute by minute …
const WIDTH: Duration = Duration::from_secs(60);
/// … over five of them, and one that is cut.
const WINDOW: Duration = Duration::from_secs(330);
/// As many minutes as the window touches.
const MINUTES_MAX: usize = 7;
/// What must lie between the first and the last minute.
const SPAN_MIN_S: f64 = 200.0;
/// Sums of a minute, or of five, that end later than this lie within the last five minutes.
const SUMS_FROM_S: f64 = -270.0;
/// Rates are kept in thousandths.
const SCALE: f64 = 1_000.0;

/// Two numbers of the last minutes that should balance, where a device measures both.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rates {
    /// Set-ups, or attempts.
    setups: Ring,
    /// Ends, or what was established.
    teardowns: Ring,
    #[serde(default, skip_serializing_if = "Pair::is_rates")]
    pair: Pair,
}

/// What the two numbers are. No platform gives both pairs of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Pair {
    /// Set-ups and ends, a second.
    #[default]
    Rates,
    /// Attempts and what was established of them, a provider's period.
    Sums,
}

impl Pair {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
    fn is_rates(&self) -> bool {
        *self == Self::Rates
    }
}

/// Set-ups against ends over five minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Imbalance {
    pub(crate) setup_per_s: f64,
    pub(crate) teardown_per_s: f64,
    /// Whether more were made than ended in every single minute.
    pub(crate) sustained: bool,
}

/// Attempts against what was established, over five minutes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shortfall {
    pub(crate) attempts: f64,
    pub(crate) established: f64,
    /// Whether some failed in every single minute.
    pub(crate) sustained: bool,
}

impl Shortfall {
    /// How many of the attempts came to something, in percent.
    pub(crate) fn percent(self) -> f64 {
        self.established * 100.0 / self.attempts
    }
}

impl Imbalance {
    pub(crate) fn net_per_s(self) -> f64 {
        self.setup_per_s - self.teardown_per_s
    }
}

impl Rates {
    pub(crate) fn add(&mut self, reading: &TableObservation, signals: &Signals) {
        let known = |rate: Option<f64>| rate.filter(|rate| rate.is_finite() && *rate >= 0.0).map(thousandths);
        let rates = known(reading.setup_rate).zip(known(reading.teardown_rate));
        let sums = || signals.attempts.zip(signals.established);
        let measured = rates.map(|both| (Pair::Rates, both)).or_else(|| Some((Pair::Sums, sums()?)));
        let Some((pair, (setup, teardown))) = measured else { return };
        if self.pair != pair {
            self.clear();
            self.pair = pair;
        }
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

    /// The last five minutes of set-ups and ends, or nothing where too little was read.
    pub(crate) fn imbalance(&self, now: Timestamp) -> Option<Imbalance> {
        let (setups, teardowns) = self.window(Pair::Rates, now)?;
        let pairs = || setups.as_slice().iter().zip(teardowns.as_slice());
        Some(Imbalance {
            setup_per_s: mean(&setups)? / SCALE,
            teardown_per_s: mean(&teardowns)? / SCALE,
            sustained: pairs().all(|(setup, teardown)| setup.value > teardown.value),
        })
    }

    /// The last five minutes of attempts and what came of them, or nothing where too little was read.
    pub(crate) fn shortfall(&self, now: Timestamp) -> Option<Shortfall> {
        let (attempts, established) = self.window(Pair::Sums, now)?;
        let both = attempts.as_slice().iter().zip(established.as_slice());
        let nothing = Shortfall { attempts: 0.0, established: 0.0, sustained: true };
        // Each is the sum of a period that ends there: the first of the window tells of what was before it.
        Some(both.filter(|(attempts, _)| attempts.at_s > SUMS_FROM_S).fold(nothing, |so_far, both| {
            Shortfall {
                attempts: so_far.attempts + both.0.value,
                established: so_far.established + both.1.value,
                sustained: so_far.sustained && both.0.value > both.1.value,
            }
        }))
    }

    fn window(&self, pair: Pair, now: Timestamp) -> Option<(Points, Points)> {
        let points = |ring: &Ring| ring.points(now, WINDOW, WIDTH);
        let (setups, teardowns) = (points(&self.setups), points(&self.teardowns));
        (self.pair == pair && setups.span_s() >= SPAN_MIN_S).then_some((setups, teardowns))
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
