use std::sync::Arc;

use cliffwatch_model::{AlertEvent, AlertState, Timestamp};
use serde_json::Value;

use crate::lifecycle::Progress;
use crate::phase::{Alert, Last, Phase};
use crate::{RuleSet, RuleSpec};

/// The rules that look at one table or device, and how far each is.
///
/// Which rules these are depends on the configuration. Progress that was loaded or adopted waits by rule
/// id until the next reading binds it; the configuration may have changed meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracks {
    pub(crate) bound: Vec<Track>,
    loose: Vec<(Arc<str>, Progress)>,
    /// Alerts that a newly adopted one takes the place of.
    superseded: Vec<(Arc<str>, Progress)>,
    /// The configuration that `bound` belongs to.
    generation: Option<u64>,
}

/// One rule, and how far it is.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) rule: Arc<RuleSpec>,
    pub(crate) progress: Progress,
}

/// What became of a rule that does not look here any more.
pub(crate) struct Leftover {
    pub(crate) rule: Arc<str>,
    pub(crate) progress: Progress,
    pub(crate) why: &'static str,
}

const UNWANTED: &str = "the rule no longer applies here";
const SUPERSEDED: &str = "an earlier alert continues";

impl Tracks {
    /// Takes up progress that was saved.
    pub(crate) fn restore(progress: Vec<(Arc<str>, Progress)>) -> Self {
        Self { loose: progress, ..Self::default() }
    }

    /// Whether the configuration changed since the rules were bound.
    pub(crate) fn is_bound(&self, generation: u64) -> bool {
        self.generation == Some(generation)
    }

    /// Binds the rules that `wanted` chooses; gives back what is left of rules that do not look here any
    /// more, and of alerts that were superseded.
    pub(crate) fn bind(
        &mut self,
        rules: &RuleSet,
        generation: u64,
        wanted: impl Fn(&RuleSpec) -> bool,
    ) -> Vec<Leftover> {
        let bound = std::mem::take(&mut self.bound).into_iter();
        let mut known: Vec<(Arc<str>, Progress)> =
            bound.map(|track| (Arc::clone(&track.rule.id), track.progress)).collect();
        known.append(&mut self.loose);
        let mut take = |id: &str| {
            let at = known.iter().position(|(known, _)| **known == *id)?;
            Some(known.swap_remove(at).1)
        };
        self.bound = rules
            .iter()
            .filter(|rule| wanted(rule))
            .map(|rule| Track { rule: Arc::clone(rule), progress: take(&rule.id).unwrap_or_default() })
            .collect();
        self.bound.shrink_to_fit();
        self.generation = Some(generation);
        let unwanted = known.into_iter().map(|(rule, progress)| Leftover { rule, progress, why: UNWANTED });
        let superseded = self.superseded.drain(..);
        unwanted
            .chain(superseded.map(|(rule, progress)| Leftover { rule, progress, why: SUPERSEDED }))
            .collect()
    }

    /// Every rule with something to remember.
    pub(crate) fn progress(&self) -> impl Iterator<Item = (&Arc<str>, &Progress)> {
        let bound = self.bound.iter().map(|track| (&track.rule.id, &track.progress));
        let loose = self.loose.iter().map(|(id, progress)| (id, progress));
        bound.chain(loose).filter(|(_, progress)| !progress.is_idle())
    }

    /// Every rule's progress, bound or not.
    pub(crate) fn progress_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Progress)> {
        let bound = self.bound.iter_mut().map(|track| (&track.rule.id, &mut track.progress));
        bound.chain(self.loose.iter_mut().map(|(id, progress)| (&*id, progress)))
    }

    /// Alerts that were superseded and not closed yet.
    pub(crate) fn superseded_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Progress)> {
        self.superseded.iter_mut().map(|(id, progress)| (&*id, progress))
    }

    /// Continues the alert of an event that the journal or the store holds.
    pub(crate) fn adopt(&mut self, event: &AlertEvent) {
        let known = self.progress_mut().find(|(id, _)| ***id == *event.rule).map(|(_, progress)| progress);
        let superseded = match known {
            Some(progress) => progress.adopt(event),
            None => {
                let mut progress = Progress::default();
                progress.adopt(event);
                self.loose.push((event.rule.as_str().into(), progress));
                None
            }
        };
        if let Some(alert) = superseded {
            // It began where the adopted alert was not known: people hear of one alert, not of two.
            let alert = Alert { told: None, ..alert };
            self.superseded
                .push((event.rule.as_str().into(), Progress { alert: Some(alert), ..Progress::default() }));
            self.generation = None;
        }
    }
}

impl Progress {
    /// Takes over what the event says, where that is news. Gives back the alert that it replaces.
    fn adopt(&mut self, event: &AlertEvent) -> Option<Alert> {
        let current = self.alert.filter(|alert| alert.onset == event.onset);
        let known = match current {
            Some(alert) => event.seq <= alert.seq,
            None => self.closed.is_some_and(|closed| event.onset <= closed),
        };
        if known {
            return None;
        }
        self.settled = self.settled.max(Some(event.at));
        let had_fired = current.is_some_and(|alert| !matches!(alert.phase, Phase::Pending { .. }));
        match event.state {
            AlertState::Firing if !had_fired => self.flaps.fires(event.at),
            AlertState::Resolved if had_fired => self.flaps.is_over(event.at),
            _ => {}
        }
        if let Some(phase) = Phase::of(event) {
            let before = self.alert.replace(Alert::of(event, phase, current));
            return before.filter(|_| current.is_none());
        }
        self.closed = self.closed.max(Some(event.onset));
        if current.is_some() {
            self.alert = None;
        }
        None
    }

    /// Whether all up to this instant is history that the journal or the store knows.
    pub(crate) fn is_settled(&self, at: Timestamp) -> bool {
        self.settled.is_some_and(|settled| at <= settled)
    }
}

impl Phase {
    fn of(event: &AlertEvent) -> Option<Self> {
        match event.state {
            AlertState::Pending => {
                Some(Self::Pending { held: std::time::Duration::ZERO, last: Last::Raised(event.onset) })
            }
            AlertState::Firing => Some(Self::Firing),
            AlertState::Recovering => Some(Self::Recovering { since: Some(event.at) }),
            AlertState::Stale => Some(Self::Stale),
            AlertState::Resolved | AlertState::Gone => None,
        }
    }
}

impl Alert {
    /// `known` is the same alert as it was remembered.
    fn of(event: &AlertEvent, phase: Phase, known: Option<Self>) -> Self {
        Self {
            onset: event.onset,
            at: event.at,
            severity: event.severity,
            seq: event.seq,
            told: if event.told { Some(event.severity) } else { known.and_then(|known| known.told) },
            asked: !matches!(phase, Phase::Pending { .. }),
            counted: event.evidence.get(SINCE_ONSET).and_then(Value::as_u64).unwrap_or(0),
            unmeasured: None,
            phase,
        }
    }
}

/// The evidence that holds how much a counter rose since the onset.
pub(crate) const SINCE_ONSET: &str = "since_onset";
