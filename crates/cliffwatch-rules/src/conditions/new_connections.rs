use std::time::Duration;

use cliffwatch_model::{
    CanaryReading, ErrorKind, HeldState, NewConnection, Observation, Reachability, Severity, Timestamp,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::device::DeviceView;
use crate::span;
use crate::verdict::{Explanation, Verdict};

/// A held connection that takes longer than this is no proof of a good path: a second is when a lost SYN is
/// sent again.
const HELD_MS_MAX: f64 = 1_000.0;
/// A target of a canary answers as fast as its service does.
const CANARY_MS_MAX: f64 = 2_000.0;
/// Failures further apart than this are not in a row, and what was measured longer ago is not known now.
const ROW_GAP: Duration = Duration::from_secs(300);
/// Nobody needs to know it more often, and each attempt is an entry in the table that may be full.
const EVERY_MIN: Duration = Duration::from_secs(10);

/// The held connection answers and a new one does not get through: what a full table looks like from
/// outside. It is seen in two ways, and either decides: by us, at the device's own management port, and by
/// the canary, through the device.
///
/// Only a difference is a finding, and only silence: a table that is full throws packets away. Where both
/// fail the device is unreachable. Where a new connection is refused, or reached no host, an answer came back,
/// so that its packets passed. One silence may still be a restart of the service in just that second: it
/// takes `failures` in a row, and the second is asked for at once. (Loss is ruled out before: in the 5 s of
/// one attempt Linux sends three SYNs. A canary has tried twice already, and needs no second look, which its
/// held connection would not live to see.)
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

/// What is remembered of both ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ways {
    /// At the device's own port.
    #[serde(default)]
    pub(crate) direct: Refusals,
    /// Through the device.
    #[serde(default)]
    pub(crate) canary: Refusals,
}

impl Ways {
    /// Takes up what a poll carries.
    pub(crate) fn take(&mut self, o: &Observation) {
        let now = o.header.finished_at;
        let Reachability { new, canary, .. } = &o.reachability;
        if new.is_some() {
            self.direct.take(direct(&o.reachability), 1, now);
        }
        match canary.as_ref().map(|canary| (through(canary), canary.attempts)) {
            Some((Some(found), attempts)) => self.canary.take(Some(found), attempts, now),
            // Its held connection is used up by a finding: until a new one is made that is what is known.
            Some((None, _)) if self.canary.still_refused(now) => self.canary.at = Some(now),
            Some((None, _)) | None => {}
        }
    }

    /// Whether either way was refused, as far as is known.
    pub(crate) fn is_refused(&self) -> bool {
        self.direct.count > 0 || self.canary.count > 0
    }
}

impl Refusals {
    fn take(&mut self, found: Option<Found>, attempts: u32, now: Timestamp) {
        *self = match found {
            Some(Found::Refused) => {
                let count = if self.are_current(now) { self.count } else { 0 };
                Self { count: count.saturating_add(attempts), at: Some(now) }
            }
            Some(Found::Passes) | None => Self::default(),
        };
    }

    fn are_current(&self, now: Timestamp) -> bool {
        self.at.is_some_and(|at| now.since(at) <= ROW_GAP)
    }

    fn still_refused(&self, now: Timestamp) -> bool {
        self.count > 0 && self.are_current(now)
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
    pub(crate) fn is_due(&self, ways: &Ways, asked_at: Option<Timestamp>, now: Timestamp) -> bool {
        let refusals = &ways.direct;
        let again = refusals.count < self.failures && refusals.at > asked_at && refusals.are_current(now);
        again || asked_at.is_none_or(|at| now.since(at) >= self.every)
    }

    pub(super) fn judge(&self, view: &DeviceView<'_>) -> Verdict {
        let (reachability, ways) = (&view.poll.reachability, &view.memory.ways);
        let canary = reachability.canary.as_ref();
        let seen = [
            (direct(reachability), &ways.direct, self.failures),
            (canary.and_then(through), &ways.canary, 1),
        ];
        let now = view.poll.header.finished_at;
        if seen.iter().all(|(found, ..)| found.is_none()) {
            Verdict::Unknown
        } else if seen
            .iter()
            .any(|(found, way, enough)| *found == Some(Found::Refused) && way.count >= *enough)
        {
            Verdict::Raised(Severity::Critical)
        } else if seen.iter().any(|(_, way, _)| way.still_refused(now)) {
            Verdict::Between
        } else {
            Verdict::Clear
        }
    }

    pub(super) fn explain(&self, view: &DeviceView<'_>) -> Explanation {
        let reachability = &view.poll.reachability;
        let ways = &view.memory.ways;
        let canary = reachability.canary.as_ref();
        let by_canary = canary.filter(|canary| {
            direct(reachability) != Some(Found::Refused)
                && (reachability.new.is_none() || through(canary) == Some(Found::Refused))
        });
        let (decided_by, count, text) = match (by_canary, &reachability.new) {
            (Some(canary), _) => ("canary", ways.canary.count, canary_sentence(canary)),
            (None, Some(new)) => {
                ("session", ways.direct.count, sentence(reachability.held_ms, new, ways.direct.count))
            }
            (None, None) => return Explanation::of("new connections were not tried"),
        };
        let mut evidence = Map::from_iter([("decided_by".to_owned(), json!(decided_by))]);
        let (held_ms, new) = match by_canary {
            Some(canary) => (canary.held_ms, Some(&canary.new)),
            None => (reachability.held_ms, reachability.new.as_ref()),
        };
        evidence.insert("failures_in_a_row".into(), json!(count));
        evidence.insert("held_ms".into(), json!(held_ms));
        evidence.insert("new_connect_ms".into(), json!(new.and_then(|new| new.connect_ms)));
        evidence.insert("new_error".into(), json!(new.and_then(|new| new.error)));
        evidence.insert("new_waited_ms".into(), json!(new.and_then(|new| new.waited_ms)));
        if let Some(canary) = by_canary {
            evidence.insert("from".into(), json!(canary.from));
            evidence.insert("target".into(), json!(canary.target));
        }
        Explanation {
            value: Some(f64::from(count)),
            threshold: Some(f64::from(by_canary.map_or(self.failures, |canary| canary.attempts))),
            unit: "attempts",
            text,
            evidence,
        }
    }
}

/// Whether a new connection to the device's own port got in, where that says anything.
pub(crate) fn gets_in(reachability: &Reachability) -> Option<bool> {
    direct(reachability).map(|found| found == Found::Passes)
}

/// Whether a new connection through the device passed, where that says anything.
pub(crate) fn gets_through(canary: &CanaryReading) -> Option<bool> {
    through(canary).map(|found| found == Found::Passes)
}

/// What an attempt at the device's own port says.
fn direct(reachability: &Reachability) -> Option<Found> {
    let new = reachability.new.as_ref()?;
    if new.error.is_none() {
        return Some(Found::Passes);
    }
    (is_fast(reachability.held_ms, HELD_MS_MAX) && is_lost(new)).then_some(Found::Refused)
}

/// What a canary's look says.
fn through(canary: &CanaryReading) -> Option<Found> {
    if canary.new.error.is_none() {
        return Some(Found::Passes);
    }
    let held = canary.held == Some(HeldState::Open) && is_fast(canary.held_ms, CANARY_MS_MAX);
    (held && is_lost(&canary.new)).then_some(Found::Refused)
}

fn is_fast(held_ms: Option<f64>, max: f64) -> bool {
    held_ms.is_some_and(|ms| ms.is_finite() && ms <= max)
}

/// Nothing came back. A service that hangs up, is another one or refuses was reached.
fn is_lost(new: &NewConnection) -> bool {
    new.error == Some(ErrorKind::Timeout)
}

fn sentence(held_ms: Option<f64>, new: &NewConnection, count: u32) -> String {
    let Some(error) = new.error else {
        return format!("a new connection gets in again{}", within(new.connect_ms));
    };
    let times = if count > 1 { format!(", {count} times in a row") } else { String::new() };
    format!(
        "the held session answers{}, and a new connection does not get in: {}{}{times}",
        within(held_ms),
        error.as_str(),
        after(new.waited_ms)
    )
}

fn canary_sentence(canary: &CanaryReading) -> String {
    let CanaryReading { from, target, new, .. } = canary;
    let Some(error) = new.error else {
        return format!(
            "a new connection from {from} to {target} gets through again{}",
            within(new.connect_ms)
        );
    };
    format!(
        "the connection that {from} holds to {target} answers{}, and no new one gets through: {}{}, {} attempts",
        within(canary.held_ms),
        error.as_str(),
        after(new.waited_ms),
        canary.attempts
    )
}

fn within(ms: Option<f64>) -> String {
    ms.filter(|ms| ms.is_finite()).map(|ms| format!(" in {ms:.1} ms")).unwrap_or_default()
}

fn after(ms: Option<f64>) -> String {
    ms.filter(|ms| ms.is_finite()).map(|ms| format!(" after {:.1} s", ms / 1e3)).unwrap_or_default()
}
