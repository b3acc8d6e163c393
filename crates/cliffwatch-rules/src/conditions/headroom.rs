use std::time::Duration;

use cliffwatch_model::Severity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::reading::{self, number};
use super::{Line, ahead};
use crate::span;
use crate::summary::{self, grouped, spoken};
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};

/// A table is sized for less than it should be: a report, found before anything fails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Headroom {
    /// The limit should be this many times the highest use of the last week.
    pub times_peak: f64,
    /// That use is known once this many hours were read.
    pub hours: usize,
    /// A hash table should have a bucket for this many entries of the limit.
    pub entries_a_bucket: f64,
    /// Established connections should not be kept longer than this …
    #[serde(with = "span")]
    pub established_max: Duration,
    /// … where the table was at least this full, in percent: elsewhere it hurts nobody.
    pub established_floor: f64,
    /// A bound per destination is worth a report from this fill on, in percent: no harm is done while flows
    /// are spread, and it would be if they had one destination.
    pub bound_fill: f64,
}

/// A bound per destination is clear below this share of where it is reported.
const BOUND_CLEAR: f64 = 0.9;

impl Default for Headroom {
    fn default() -> Self {
        Self {
            times_peak: 4.0,
            hours: 24,
            entries_a_bucket: 4.0,
            established_max: Duration::from_secs(86_400),
            established_floor: 10.0,
            bound_fill: 100.0,
        }
    }
}

/// What is too small or too long.
#[derive(Clone, Copy, Debug, Default)]
struct Findings {
    /// The highest use, where the limit is too near to it.
    peak: Option<u64>,
    /// The number of buckets, where there are too few.
    buckets: Option<u64>,
    /// The timeout, where it is too long.
    established: Option<Duration>,
}

impl Headroom {
    pub(super) fn check(&self) -> Result<(), String> {
        let numbers = [self.times_peak, self.entries_a_bucket, self.established_floor, self.bound_fill];
        if numbers.iter().all(|value| value.is_finite() && *value >= 0.0) {
            return Ok(());
        }
        let names = "times_peak, entries_a_bucket, established_floor and bound_fill";
        Err(format!("{names} must be numbers from 0 up"))
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        if let Err(verdict) = ahead::used(view) {
            return verdict;
        }
        let Some(limit) = ahead::limit(view) else { return self.judge_bound(view) };
        let Findings { peak, buckets, established } = self.findings(view, limit);
        if peak.is_some() || buckets.is_some() || established.is_some() {
            Verdict::Raised(Severity::Info)
        } else if self.peak(view).is_some() {
            Verdict::Clear
        } else {
            Verdict::Unknown
        }
    }

    fn judge_bound(&self, view: &TableView<'_>) -> Verdict {
        let line = Line { raise: self.bound_fill, clear: self.bound_fill * BOUND_CLEAR };
        view.fill_percent().map_or(Verdict::Unknown, |percent| line.judge(percent, Severity::Info))
    }

    /// The highest use of the last week, once enough of it was read.
    fn peak(&self, view: &TableView<'_>) -> Option<u64> {
        view.memory.week.peak().filter(|(_, hours)| *hours >= self.hours).map(|(peak, _)| peak)
    }

    fn findings(&self, view: &TableView<'_>, limit: f64) -> Findings {
        let peak = self.peak(view);
        let sizes = view.sizes;
        let few = |buckets: &u64| number(*buckets) * self.entries_a_bucket < limit;
        let worn = peak.is_some_and(|peak| number(peak) * 100.0 >= limit * self.established_floor);
        let long = |timeout: &Duration| *timeout > self.established_max && worn;
        Findings {
            peak: peak.filter(|peak| number(*peak) * self.times_peak > limit),
            buckets: sizes.buckets.filter(few),
            established: sizes.established.filter(long),
        }
    }

    pub(super) fn explain(&self, view: &TableView<'_>) -> Explanation {
        let mut evidence = reading::numbers(view);
        let peak = self.peak(view);
        evidence.insert("peak_of_the_week".into(), json!(peak));
        let Some(limit) = ahead::limit(view) else {
            return self.explain_bound(view, evidence);
        };
        let findings = self.findings(view, limit);
        let mut texts = Vec::new();
        if let Some(peak) = findings.peak {
            let advised = rounded(number(peak) * self.times_peak);
            evidence.insert("advised_limit".into(), json!(advised));
            texts.push(format!(
                "the peak of the week was {} of {}: {} × that is {}",
                grouped(peak),
                grouped(rounded(limit)),
                self.times_peak,
                grouped(advised)
            ));
        }
        if let Some(buckets) = findings.buckets {
            let advised = rounded(limit / self.entries_a_bucket);
            evidence.insert("buckets".into(), json!(buckets));
            evidence.insert("advised_buckets".into(), json!(advised));
            texts.push(format!("{} buckets where {} are advised", grouped(buckets), grouped(advised)));
        }
        if let Some(timeout) = findings.established {
            evidence.insert("established_timeout_seconds".into(), json!(timeout.as_secs()));
            texts.push(format!("established connections are kept for {} when idle", spoken(timeout)));
        }
        if texts.is_empty() {
            texts.push(format!("there is room for {} × the peak of the week", self.times_peak));
        }
        Explanation {
            value: peak.filter(|peak| *peak > 0).map(|peak| limit / number(peak)),
            threshold: Some(self.times_peak),
            unit: "x",
            text: texts.join("; "),
            evidence,
        }
    }
}

impl Headroom {
    fn explain_bound(&self, view: &TableView<'_>, evidence: Map<String, Value>) -> Explanation {
        if view.reading.capacity.is_err() {
            let text = "its limit is not known".to_owned();
            return Explanation { text, evidence, ..Explanation::default() };
        }
        let text =
            format!("{}, a bound for each destination: spread flows pass it unharmed", summary::fill(view));
        Explanation {
            value: view.fill_percent(),
            threshold: Some(self.bound_fill),
            unit: "%",
            text,
            evidence,
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
fn rounded(number: f64) -> u64 {
    number.ceil() as u64
}
