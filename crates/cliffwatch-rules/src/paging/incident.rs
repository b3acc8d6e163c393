use std::collections::BTreeMap;

use cliffwatch_model::{AlertEvent, AlertState, DeviceName, Severity, Timestamp};

use super::Surroundings;
use super::silence::{Silence, free_from};

/// Alerts that belong together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Incident {
    pub(super) id: String,
    /// Its open alerts, by fingerprint: those that fired as warning or critical.
    pub(super) members: BTreeMap<String, Member>,
    pub(super) paged: bool,
    /// Since when none of them is critical, where one was.
    pub(super) critical_over: Option<Timestamp>,
    /// Whether it took in the scopes of its device.
    pub(super) whole: bool,
}

/// An open alert, as far as paging needs it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    device: DeviceName,
    rule: String,
    table: Option<String>,
    labels: BTreeMap<String, String>,
    severity: Severity,
    state: AlertState,
    /// Whether people are to be told of it at all.
    told: bool,
    /// The instant that was being told of when it last fired.
    fired_at: Option<Timestamp>,
}

impl Incident {
    pub(super) fn new(id: String) -> Self {
        Self { id, members: BTreeMap::new(), paged: false, critical_over: None, whole: false }
    }

    /// Whether people are to be told of it. What they were told of stays told when it fires again in backfilled
    /// history.
    pub(super) fn is_told(&self, event: &AlertEvent) -> bool {
        event.told || self.members.get(&event.fingerprint).is_some_and(|known| known.told)
    }

    /// Takes an alert in.
    pub(super) fn join(&mut self, event: &AlertEvent, now: Option<Timestamp>) {
        let member = Member { told: self.is_told(event), fired_at: now, ..Member::of(event) };
        self.members.insert(event.fingerprint.clone(), member);
    }

    /// Takes a transition of a member that is not its firing.
    pub(super) fn update(&mut self, event: &AlertEvent) {
        let was_critical = self.is_critical();
        if event.state.is_open() {
            if let Some(member) = self.members.get_mut(&event.fingerprint) {
                member.state = event.state;
            }
        } else {
            self.members.remove(&event.fingerprint);
        }
        if was_critical && !self.is_critical() {
            self.critical_over = Some(event.at);
        }
    }

    pub(super) fn is_critical(&self) -> bool {
        self.members.values().any(Member::is_critical)
    }

    /// Whether somebody is to be paged, perhaps later.
    pub(super) fn owes_page(&self) -> bool {
        !self.paged && self.is_critical()
    }

    /// When somebody is to be paged, from `now` on, if nothing else happens. What fired at this very instant counts
    /// even where it recovers in it: late data tells of both at once.
    pub(super) fn page_due(
        &self,
        now: Timestamp,
        around: Surroundings<'_>,
        is_down: impl Fn(&DeviceName) -> bool + Copy,
    ) -> Option<Timestamp> {
        if self.paged {
            return None;
        }
        let pressing = self.members.values().filter(|member| {
            member.is_critical()
                && (member.state == AlertState::Firing || member.fired_at == Some(now))
                && !around.topology.is_cut_off(&member.device, is_down)
        });
        pressing.filter_map(|m| free_from(now, around.silences.iter().filter(|s| m.is_hit(s)))).min()
    }
}

impl Member {
    pub(super) fn of(event: &AlertEvent) -> Self {
        Self {
            device: event.device.clone(),
            rule: event.rule.clone(),
            table: event.table.clone(),
            labels: event.labels.clone(),
            severity: event.severity,
            state: event.state,
            told: event.told,
            fired_at: None,
        }
    }

    fn is_critical(&self) -> bool {
        self.told && self.severity == Severity::Critical
    }

    /// Whether the silence is about it, whenever it is in force.
    pub(super) fn is_hit(&self, silence: &Silence) -> bool {
        let wanted = &silence.matches;
        wanted.labels.iter().all(|(label, value)| self.labels.get(label) == Some(value))
            && wanted.device.as_ref().is_none_or(|device| *device == self.device)
            && wanted.rule.as_ref().is_none_or(|rule| *rule == self.rule)
            && wanted.table.as_ref().is_none_or(|table| Some(table) == self.table.as_ref())
    }
}
