//! Where an open alert stands, and how a verdict moves it.

use std::time::Duration;

use cliffwatch_model::{AlertState, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::RuleSpec;
use crate::lifecycle::Moment;
use crate::verdict::Verdict;

/// An open alert.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Alert {
    /// The reading that opened it. Never changes.
    #[serde(with = "crate::state::micros_plain")]
    pub(crate) onset: Timestamp,
    /// The last transition. The times of an alert's events never go back.
    #[serde(with = "crate::state::micros_plain")]
    pub(crate) at: Timestamp,
    /// The highest so far.
    pub(crate) severity: Severity,
    /// Transitions so far.
    pub(crate) seq: u32,
    /// The severity that people were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told: Option<Severity>,
    /// Whether the device was asked about it.
    #[serde(default)]
    pub(crate) asked: bool,
    /// For counters: how much they rose since the onset.
    #[serde(default)]
    pub(crate) counted: u64,
    /// Since when readings say nothing about it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::micros")]
    pub(crate) unmeasured: Option<Timestamp>,
    pub(crate) phase: Phase,
}

/// Where an open alert stands, with what must be remembered to move on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Pending {
        /// How long the condition held.
        #[serde(with = "crate::state::micros_span")]
        held: Duration,
        last: Last,
    },
    Firing,
    /// It is measured as over, and kept firing for a time by its rule.
    Kept {
        /// The first reading of those that measured it as over.
        #[serde(with = "crate::state::micros_plain")]
        since: Timestamp,
    },
    Recovering {
        /// The first reading of those that measured it as over; absent after one between the lines.
        #[serde(with = "crate::state::micros")]
        since: Option<Timestamp>,
    },
    Stale,
}

/// How a pending alert's last reading was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Last {
    /// It held the condition.
    Raised(#[serde(with = "crate::state::micros_plain")] Timestamp),
    /// It was below the raising line, like all since this one.
    Dipped(#[serde(with = "crate::state::micros_plain")] Timestamp),
}

impl Phase {
    /// The state that users see.
    pub(crate) fn state(self) -> AlertState {
        match self {
            Self::Pending { .. } => AlertState::Pending,
            Self::Firing | Self::Kept { .. } => AlertState::Firing,
            Self::Recovering { .. } => AlertState::Recovering,
            Self::Stale => AlertState::Stale,
        }
    }
}

impl Alert {
    /// Moves on, and names the state to be reported where that is news. `hold` is how long it must be clear.
    pub(crate) fn advance(
        &mut self,
        rule: &RuleSpec,
        hold: Duration,
        verdict: Verdict,
        risen: bool,
        now: Moment,
    ) -> Option<AlertState> {
        let (phase, news) = match (self.phase, verdict) {
            (_, Verdict::Unknown) => return None,
            (Phase::Pending { held, last }, Verdict::Raised(_)) => still_raised(rule, held, last, now.at),
            (Phase::Pending { held, last }, Verdict::Between) => dipped(rule, held, last, now.at),
            (phase @ Phase::Pending { .. }, Verdict::Clear) => (phase, Some(AlertState::Resolved)),
            (Phase::Firing | Phase::Kept { .. }, Verdict::Raised(_) | Verdict::Between) => {
                let owed = now.live && self.told < Some(self.severity);
                (Phase::Firing, (risen || owed).then_some(AlertState::Firing))
            }
            (Phase::Recovering { .. }, Verdict::Raised(_))
            | (Phase::Stale, Verdict::Raised(_) | Verdict::Between) => {
                (Phase::Firing, Some(AlertState::Firing))
            }
            (Phase::Recovering { .. }, Verdict::Between) => (Phase::Recovering { since: None }, None),
            (Phase::Recovering { since }, Verdict::Clear) => {
                let since = since.unwrap_or(now.at);
                let over = now.at.since(since) >= hold;
                (Phase::Recovering { since: Some(since) }, over.then_some(AlertState::Resolved))
            }
            (Phase::Firing, Verdict::Clear) if !rule.keep_firing_for.is_zero() => {
                (Phase::Kept { since: now.at }, None)
            }
            (Phase::Kept { since }, Verdict::Clear) => kept(rule, hold, since, now.at),
            (Phase::Firing | Phase::Stale, Verdict::Clear) if hold.is_zero() => {
                (self.phase, Some(AlertState::Resolved))
            }
            (Phase::Firing | Phase::Stale, Verdict::Clear) => {
                (Phase::Recovering { since: Some(now.at) }, Some(AlertState::Recovering))
            }
        };
        self.phase = phase;
        news
    }
}

/// A time that is kept firing counts as measured as over: the longer of the two decides.
fn kept(rule: &RuleSpec, hold: Duration, since: Timestamp, at: Timestamp) -> (Phase, Option<AlertState>) {
    let over = at.since(since);
    if over < rule.keep_firing_for {
        (Phase::Kept { since }, None)
    } else if over < hold {
        (Phase::Recovering { since: Some(since) }, Some(AlertState::Recovering))
    } else {
        (Phase::Kept { since }, Some(AlertState::Resolved))
    }
}

fn still_raised(rule: &RuleSpec, held: Duration, last: Last, at: Timestamp) -> (Phase, Option<AlertState>) {
    let held = match last {
        Last::Raised(then) => held.saturating_add(at.since(then)),
        Last::Dipped(_) => held,
    };
    if held >= rule.for_ {
        (Phase::Firing, Some(AlertState::Firing))
    } else {
        (Phase::Pending { held, last: Last::Raised(at) }, None)
    }
}

fn dipped(rule: &RuleSpec, held: Duration, last: Last, at: Timestamp) -> (Phase, Option<AlertState>) {
    let since = match last {
        Last::Raised(_) => at,
        Last::Dipped(since) => since,
    };
    let over = !rule.for_.is_zero() && at.since(since) >= rule.for_;
    (Phase::Pending { held, last: Last::Dipped(since) }, over.then_some(AlertState::Resolved))
}
