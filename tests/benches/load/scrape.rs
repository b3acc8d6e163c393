//! What `/metrics` says, and what happened between two of them.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Our own device is none of the fleet.
const OURSELVES: &str = "cliffwatch";

/// One answer.
#[derive(Debug)]
pub(crate) struct Scrape(String);

/// How late polls were.
#[derive(Debug)]
pub(crate) struct Slip {
    /// Upper bounds in seconds, and how many polls were not later.
    cumulative: Vec<(f64, u64)>,
}

/// A bucket that holds a quantile.
#[derive(Debug)]
pub(crate) struct Between(f64, f64);

impl Scrape {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Devices of the fleet with a good poll.
    pub(crate) fn polled_once(&self) -> usize {
        self.family("cliffwatch_device_last_success_timestamp_seconds")
            .filter(|(labels, _)| device(labels) != OURSELVES)
            .count()
    }

    pub(crate) fn polls(&self) -> u64 {
        self.sum("cliffwatch_polls_total", &|device| device != OURSELVES)
    }

    pub(crate) fn missed(&self) -> u64 {
        self.sum("cliffwatch_ticks_missed_total", &|_| true)
    }

    pub(crate) fn failures(&self, of: &dyn Fn(&str) -> bool) -> u64 {
        self.sum("cliffwatch_poll_failures_total", of)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.sum("cliffwatch_observations_dropped_total", &|_| true)
    }

    pub(crate) fn slip_since(&self, before: &Self) -> Slip {
        let buckets = |scrape: &Self| -> BTreeMap<String, u64> {
            let family = scrape.family("cliffwatch_poll_slip_seconds_bucket");
            family.map(|(labels, value)| (label(labels, "le").to_owned(), value as u64)).collect()
        };
        let then = buckets(before);
        let mut cumulative: Vec<(f64, u64)> = buckets(self)
            .into_iter()
            .map(|(bound, count)| {
                let seconds = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                (seconds, count - then.get(&bound).copied().unwrap_or(0))
            })
            .collect();
        cumulative.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        assert!(!cumulative.is_empty(), "no histogram of slip");
        Slip { cumulative }
    }

    fn sum(&self, name: &str, of: &dyn Fn(&str) -> bool) -> u64 {
        self.family(name).filter(|(labels, _)| of(device(labels))).map(|(_, value)| value as u64).sum()
    }

    /// Labels and values of one family.
    fn family<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let rest = line.strip_prefix(name)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            let is_family = labels.is_empty() || labels.starts_with('{');
            is_family.then(|| (labels, value.parse().unwrap_or(f64::NAN)))
        })
    }
}

fn device(labels: &str) -> &str {
    label(labels, "device")
}

fn label<'a>(labels: &'a str, name: &str) -> &'a str {
    let begin = format!("{name}=\"");
    labels.split_once(&begin).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}

impl Slip {
    pub(crate) fn quantile(&self, share: f64) -> Between {
        let total = self.cumulative.last().map_or(0, |(_, count)| *count);
        let wanted = (total as f64 * share).ceil() as u64;
        let mut below = 0.0;
        for (bound, count) in &self.cumulative {
            if *count >= wanted {
                return Between(below, *bound);
            }
            below = *bound;
        }
        Between(below, f64::INFINITY)
    }

    pub(crate) fn is_within(&self, share: f64, limit: Duration) -> bool {
        self.quantile(share).1 <= limit.as_secs_f64()
    }
}

impl fmt::Display for Between {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{} ms", self.0 * 1e3, self.1 * 1e3)
    }
}
