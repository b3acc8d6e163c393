use std::time::Duration;

use cliffwatch_model::{ErrorKind, NewConnection, Observation, Reachability, Severity, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::device::DeviceView;
use crate::span;
use crate::verdict::{Explanation, Verdict};

/// A held connection that takes longer than this is no proof of a good path: a second is when a lost SYN is
/// sent again.
const HELD_MS_MAX: f64 = 1_000.0;
/// Failures further apart than this are not in a row, and what was measured longer ago is not known now.
const ROW_GAP: Duration = Duration::from_secs(300);
/// Nobody needs to know it more often, and each attempt is an entry in the table that may be full.
const EVERY_MIN: Duration = Duration::from_secs(10);

/// The held connection answers and a new one does not get through: what a full table looks like from
/// outside.
///
/// Only a difference is a finding. Where both fail the device is unreachable, and where the service itself
/// hangs up or talks nonsense the connection got through. One failure may still be a restart of the service
/// in just that second: it takes `failures` in a row, and the second is asked for at once. (Loss is ruled
/// out before: in the 5 s of one attempt Linux sends three SYNs.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewConnections {
    /// Raised at this many failures in a row.
    pub failures: u32,
    /// How often a new connection is tried, while something is wrong with the device's tables or this alert
    /// is open.
    #[serde(with = "span")]
    pub every: Duration,
}

impl Default for NewConnections {
    fn default() -> Self {
        Self { failures: 2, every: Duration::from_secs(60) }
    }
}

/// What is remembered of new connections beside a held one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Refusals {
    /// In a row, while the held one answered.
    pub(crate) count: u32,
    /// The last of them.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) at: Option<Timestamp>,
}

/// What a reading says of new connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Passes,
    Refused,
}

impl Refusals {
    /// Takes up what a poll carries.
    pub(crate) fn take(&mut self, o: &Observation) {
        let now = o.header.finished_at;
        match found(&o.reachability) {
            Some(Found::Refused) => {
                let count = if self.are_current(now) { self.count } else { 0 };
                *self = Self { count: count.saturating_add(1), at: Some(now) };
            }
            Some(Found::Passes) => *self = Self::default(),
            None if o.reachability.new.is_some() => *self = Self::default(),
            None => {}
        }
    }

    fn are_current(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| now.since(at) <= ROW_GAP)
    }
}

impl NewConnections {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.failures == 0 {
            return Err("failures must be at least 1".to_owned());
        }
        if self.every < EVERY_MIN {
            return Err(format!("every must be at least {} s", EVERY_MIN.as_secs()));
        }
        Ok(())
    }

    /// Whether a new connection is to be tried now, for a device that gives a reason to.
    pub(crate) fn is_due(&self, refusals: &Refusals, asked_at: Option<Timestamp>, now: Timestamp) -> bool {
        let again = refusals.count < self.failures && refusals.at > asked_at && refusals.are_current(now);
        again || asked_at.is_none_or(|at| now.since(at) >= self.every)
    }

    pub(super) fn judge(&self, view: &DeviceView<'_>) -> Verdict {
        match found(&view.poll.reachability) {
            Some(Found::Passes) => Verdict::Clear,
            Some(Found::Refused) if view.memory.refusals.count >= self.failures => {
                Verdict::Raised(Severity::Critical)
            }
            Some(Found::Refused) => Verdict::Between,
            None => Verdict::Unknown,
        }
    }

    pub(super) fn explain(&self, view: &DeviceView<'_>) -> Explanation {
        let Reachability { held_ms, new } = &view.poll.reachability;
        let Some(new) = new else { return Explanation::of("new connections were not tried") };
        let count = view.memory.refusals.count;
        let evidence = Map::from_iter([
            ("held_ms".to_owned(), json!(held_ms)),
            ("new_connect_ms".to_owned(), json!(new.connect_ms)),
            ("new_error".to_owned(), json!(new.error)),
            ("new_waited_ms".to_owned(), json!(new.waited_ms)),
            ("failures_in_a_row".to_owned(), json!(count)),
        ]);
        Explanation {
            value: Some(f64::from(count)),
            threshold: Some(f64::from(self.failures)),
            unit: "attempts",
            text: sentence(*held_ms, new, count),
            evidence,
        }
    }
}

fn found(reachability: &Reachability) -> Option<Found> {
    let new = reachability.new.as_ref()?;
    let Some(error) = new.error else { return Some(Found::Passes) };
    let held = reachability.held_ms.is_some_and(|ms| ms.is_finite() && ms <= HELD_MS_MAX);
    // A service that hangs up, or is another one, was reached.
    let lost = new.connect_ms.is_none() || error == ErrorKind::Timeout;
    (held && lost).then_some(Found::Refused)
}

fn sentence(held_ms: Option<f64>, new: &NewConnection, count: u32) -> String {
    let known = |ms: Option<f64>| ms.filter(|ms| ms.is_finite());
    let Some(error) = new.error else {
        let took = known(new.connect_ms).map(|ms| format!(" in {ms:.1} ms")).unwrap_or_default();
        return format!("a new connection gets in again{took}");
    };
    let held = known(held_ms).map(|ms| format!(" in {ms:.1} ms")).unwrap_or_default();
    let after = known(new.waited_ms).map(|ms| format!(" after {:.1} s", ms / 1e3)).unwrap_or_default();
    let times = if count > 1 { format!(", {count} times in a row") } else { String::new() };
    format!(
        "the held session answers{held}, and a new connection does not get in: {}{after}{times}",
        error.as_str()
    )
}
