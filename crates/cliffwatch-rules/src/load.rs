//! Load beside sessions: whether the device's processors work harder with the count.

use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::{Load, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::ring::Ring;
use crate::trend::{Scale, Trend};

/// The figures of [`Load`] that tell of work per session.
const FIGURES: [(&str, &str); 2] = [("cpu_percent", "CPU"), ("softirq_percent", "softirq")];
/// Slots in which both were read, to speak of together.
const SLOTS_MIN: usize = 6;
/// Load that rose by fewer points is no burden.
const RISE_MIN: f64 = 10.0;
/// Pearson's coefficient from which two curves are called alike.
const ALIKE: f64 = 0.8;
/// Percent are kept in thousandths.
const SCALE: f64 = 1_000.0;

/// The device's load in the last minutes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Loads(BTreeMap<String, Ring>);

/// A figure that rose together with the count.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Together {
    from: f64,
    to: f64,
    correlation: f64,
}

impl Loads {
    pub(crate) fn add(&mut self, load: &Load, at: Timestamp) {
        for (name, _) in FIGURES {
            let Some(percent) = load.figures.get(name).filter(|p| (0.0..=1e6).contains(*p)) else { continue };
            if !self.0.contains_key(name) {
                self.0.insert(name.to_owned(), Ring::default());
            }
            if let Some(ring) = self.0.get_mut(name) {
                ring.add(thousandths(*percent), at, width(), false);
            }
        }
    }

    /// Adds to an alert what rose together with its table's count: to the evidence, and a few words.
    pub(crate) fn tell(&self, trend: &Trend, evidence: &mut Map<String, Value>, text: &mut String) {
        let mut found = Map::new();
        for (name, word) in FIGURES {
            let Some(together) = self.0.get(name).and_then(|ring| together(ring, trend)) else { continue };
            let Together { from, to, correlation } = together;
            text.push_str(&format!("; {word} rose with it from {from:.0} % to {to:.0} %"));
            found.insert(name.to_owned(), json!({"from": from, "to": to, "correlation": correlation}));
        }
        if !found.is_empty() {
            evidence.insert("load_with_sessions".to_owned(), Value::Object(found));
        }
    }
}

fn width() -> Duration {
    Scale::Minutes.width()
}

fn together(load: &Ring, trend: &Trend) -> Option<Together> {
    let pairs = load.beside(trend.ring(Scale::Minutes));
    let (first, last) = (pairs.first()?, pairs.last()?);
    let (from, to) = (first.0 / SCALE, last.0 / SCALE);
    if pairs.len() < SLOTS_MIN || to - from < RISE_MIN || last.1 <= first.1 {
        return None;
    }
    let correlation = pearson(&pairs)?;
    (correlation >= ALIKE).then_some(Together { from, to, correlation })
}

/// Pearson's correlation coefficient; nothing where one of the two does not move.
fn pearson(pairs: &[(f64, f64)]) -> Option<f64> {
    let count = f64::from(u32::try_from(pairs.len()).ok()?);
    let mean = |of: fn(&(f64, f64)) -> f64| pairs.iter().map(of).sum::<f64>() / count;
    let (mx, my) = (mean(|p| p.0), mean(|p| p.1));
    let sums = pairs.iter().fold((0.0, 0.0, 0.0), |(xy, xx, yy), (x, y)| {
        let (dx, dy) = (x - mx, y - my);
        (xy + dx * dy, xx + dx * dx, yy + dy * dy)
    });
    let correlation = sums.0 / (sums.1 * sums.2).sqrt();
    correlation.is_finite().then_some(correlation)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be 0 to a million")]
fn thousandths(percent: f64) -> u64 {
    (percent * SCALE) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_line_correlates_and_a_flat_one_does_not() {
        let line: Vec<(f64, f64)> = (0..8).map(|n| (f64::from(n), 3.0 * f64::from(n))).collect();
        assert!((pearson(&line).unwrap() - 1.0).abs() < 1e-9);
        let flat: Vec<(f64, f64)> = (0..8).map(|n| (5.0, f64::from(n))).collect();
        assert_eq!(pearson(&flat), None);
    }
}
