//! From verdicts to the life of an alert.
//!
//! ```text
//!            raised        held for `for`          clear             clear for `hold`
//! inactive ─────────▶ pending ─────────▶ firing ─────────▶ recovering ─────────▶ resolved
//!                        │ clear            ▲ │  ▲   raised    │
//!                        ▼                  │ │  └─────────────┘
//!                     resolved       raised │ ▼ nothing measured for too long
//!                                    between│stale          any ─▶ gone (table or device no longer exists)
//! ```
//!
//! - Severity only rises while an alert lives: a wave that ebbs is not an end.
//! - The time that counts towards `for` lies between readings that both held the condition, so a gap
//!   between two of them counts and a dip below the raising line does not. A pending alert ends when it is
//!   measured clear, or below the raising line for as long as `for`.
//! - An alert that comes back within an hour must be clear for twice as long each time, up to an hour.
//! - `told` marks what people are to be told: never `pending`; never a transition in backfilled history,
//!   but for the end of an alert that they know of. What fires untold is told at the next live reading.

use std::time::Duration;

use cliffwatch_model::{AlertState, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::RuleSpec;
use crate::flaps::Flaps;
use crate::phase::{Alert, Last, Phase};
use crate::verdict::Verdict;

/// The design judges by five minutes.
const WINDOW_MIN: Duration = Duration::from_secs(300);

/// How far one rule is with one table or device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The open alert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) alert: Option<Alert>,
    /// The onset of the last alert that closed. Onsets only grow, so that no id is used twice.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::micros")]
    pub(crate) closed: Option<Timestamp>,
    /// Transitions up to here were adopted: they are history and are not made again.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::micros")]
    pub(crate) settled: Option<Timestamp>,
    /// How often it came back.
    #[serde(default, skip_serializing_if = "Flaps::is_none")]
    pub(crate) flaps: Flaps,
}

/// A transition that was made: one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// The alert after it.
    pub(crate) alert: Alert,
    pub(crate) state: AlertState,
    pub(crate) previous_severity: Option<Severity>,
    pub(crate) told: bool,
}

/// When a reading was, and whether people hear of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Timestamp,
    /// Not backfilled.
    pub(crate) live: bool,
}

impl Progress {
    /// Whether there is nothing to remember.
    pub(crate) fn is_idle(&self) -> bool {
        self.alert.is_none() && self.closed.is_none() && self.settled.is_none()
    }

    /// Takes a verdict. `amount` is what the reading adds to the alert's count.
    pub(crate) fn step(
        &mut self,
        rule: &RuleSpec,
        verdict: Verdict,
        amount: u64,
        now: Moment,
    ) -> Option<Change> {
        if self.is_settled(now.at) {
            return None;
        }
        let Some(alert) = &mut self.alert else {
            let Verdict::Raised(severity) = verdict else { return None };
            return self.open(rule, severity, amount, now.at, now);
        };
        alert.counted = alert.counted.saturating_add(amount);
        alert.unmeasured = None;
        let before = alert.severity;
        if let Verdict::Raised(severity) = verdict {
            alert.severity = before.max(severity);
        }
        let risen = (alert.severity > before).then_some(before);
        let was_pending = matches!(alert.phase, Phase::Pending { .. });
        let state = alert.advance(rule, self.flaps.hold(rule), verdict, risen.is_some(), now)?;
        if was_pending && state == AlertState::Firing {
            self.flaps.fires(now.at);
        }
        let shown = if state == AlertState::Firing { risen } else { None };
        self.enter(state, shown, now)
    }

    /// Takes a raising verdict on a reading at `then`, older than the newest at `now`.
    pub(crate) fn step_late(
        &mut self,
        rule: &RuleSpec,
        severity: Severity,
        amount: u64,
        then: Timestamp,
        now: Moment,
    ) -> Option<Change> {
        if self.is_settled(then) || !rule.for_.is_zero() {
            return None;
        }
        let Some(alert) = &mut self.alert else { return self.open(rule, severity, amount, then, now) };
        if then >= alert.onset {
            alert.counted = alert.counted.saturating_add(amount);
        }
        let before = alert.severity;
        let again = match alert.phase {
            // What began the recovery may be corrected, too.
            Phase::Recovering { since } => severity > before || since.is_none_or(|since| then >= since),
            Phase::Kept { since } if then >= since => {
                alert.phase = Phase::Firing;
                severity > before
            }
            Phase::Kept { .. } | Phase::Firing | Phase::Stale => severity > before,
            Phase::Pending { .. } => false,
        };
        if !again {
            return None;
        }
        alert.severity = before.max(severity);
        alert.phase = Phase::Firing;
        let risen = (alert.severity > before).then_some(before);
        self.enter(AlertState::Firing, risen, now)
    }

    /// Nothing was measured for too long: what fires or recovers is in doubt. A pending alert just waits.
    pub(crate) fn doubt(&mut self, now: Moment) -> Option<Change> {
        let settled = self.is_settled(now.at);
        let alert = self.alert.as_mut().filter(|_| !settled)?;
        match alert.phase {
            Phase::Firing | Phase::Kept { .. } | Phase::Recovering { .. } => alert.phase = Phase::Stale,
            Phase::Pending { .. } | Phase::Stale => return None,
        }
        self.enter(AlertState::Stale, None, now)
    }

    /// The table, the device or the rule no longer exists.
    pub(crate) fn end(&mut self, now: Moment) -> Option<Change> {
        self.alert.as_ref()?;
        self.enter(AlertState::Gone, None, now)
    }

    /// Over how long readings must have come for one that measures the alert as over to be believed: over the
    /// window that raised it, over its whole recovery for the last one, and over the shortest time after doubt.
    pub(crate) fn wants_covered(&self, rule: &RuleSpec, at: Timestamp) -> Option<Duration> {
        let hold = self.flaps.hold(rule);
        match self.alert.as_ref()?.phase {
            Phase::Firing => Some(hold.max(WINDOW_MIN)),
            Phase::Kept { since } | Phase::Recovering { since: Some(since) } => {
                Some(at.since(since)).filter(|clear| *clear >= hold.max(rule.keep_firing_for))
            }
            Phase::Stale => Some(Duration::ZERO),
            Phase::Recovering { since: None } | Phase::Pending { .. } => None,
        }
    }

    /// Whether the alert is one that people may know of, so that too little data puts it in doubt.
    pub(crate) fn may_be_doubted(&self) -> bool {
        let phase = self.alert.as_ref().map(|alert| alert.phase);
        phase.is_some_and(|phase| !matches!(phase, Phase::Pending { .. }))
    }

    /// A reading says nothing about the alert: after a while it is in doubt.
    pub(crate) fn unmeasured(&mut self, patience: Duration, now: Moment) -> Option<Change> {
        let since = *self.alert.as_mut()?.unmeasured.get_or_insert(now.at);
        if now.at.since(since) >= patience { self.doubt(now) } else { None }
    }

    /// Notes that the device was asked about the alert.
    pub(crate) fn asked(&mut self) {
        if let Some(alert) = &mut self.alert {
            alert.asked = true;
        }
    }

    fn open(
        &mut self,
        rule: &RuleSpec,
        severity: Severity,
        amount: u64,
        onset: Timestamp,
        now: Moment,
    ) -> Option<Change> {
        if self.closed.is_some_and(|closed| onset <= closed) {
            return None;
        }
        let (phase, state) = if rule.for_.is_zero() {
            (Phase::Firing, AlertState::Firing)
        } else {
            (Phase::Pending { held: Duration::ZERO, last: Last::Raised(onset) }, AlertState::Pending)
        };
        if state == AlertState::Firing {
            self.flaps.fires(now.at);
        }
        self.alert = Some(Alert {
            onset,
            at: now.at,
            severity,
            seq: 0,
            told: None,
            asked: false,
            counted: amount,
            unmeasured: None,
            phase,
        });
        self.enter(state, None, now)
    }

    /// Makes the event of a transition; closes the alert where it was the last.
    fn enter(
        &mut self,
        state: AlertState,
        previous_severity: Option<Severity>,
        now: Moment,
    ) -> Option<Change> {
        let alert = self.alert.as_mut()?;
        alert.seq = alert.seq.saturating_add(1);
        alert.at = alert.at.max(now.at);
        let known = alert.told.is_some();
        let told = match state {
            AlertState::Pending => false,
            AlertState::Firing => now.live,
            AlertState::Recovering | AlertState::Stale => known && now.live,
            AlertState::Resolved | AlertState::Gone => known,
        };
        if told && state == AlertState::Firing {
            alert.told = Some(alert.severity);
        }
        let change = Change { alert: *alert, state, previous_severity, told };
        if state == AlertState::Resolved && !matches!(alert.phase, Phase::Pending { .. }) {
            self.flaps.is_over(alert.at);
        }
        if !state.is_open() {
            self.closed = Some(alert.onset);
            self.alert = None;
        }
        Some(change)
    }
}
