use std::time::Duration;

use cliffwatch_model::{AlertEvent, AlertState, DeviceName, Severity};

use super::file::{AlertFile, DiagnosisFile, EventFile, ExpectFile};
use crate::diagnostics::Position;
use crate::value::Span;
use crate::yaml::At;

/// What must follow.
pub(super) struct Expectations {
    pub(super) at: Position,
    pub(super) events: Vec<At<EventFile>>,
    pub(super) snapshots: Vec<(Position, Duration, Vec<At<AlertFile>>)>,
    pub(super) diagnoses: Vec<At<DiagnosisFile>>,
    pub(super) only: bool,
    pub(super) pages: Option<At<u64>>,
    pub(super) lead_time: Option<At<Span>>,
}

impl Expectations {
    pub(super) fn of(file: ExpectFile, at: Position) -> Self {
        let snapshots = file.alerts.into_iter().map(|At { value, at }| (at, value.at.0, value.open));
        Self {
            at,
            events: file.events,
            snapshots: snapshots.collect(),
            diagnoses: file.diagnoses,
            only: file.only.unwrap_or(true),
            pages: file.pages,
            lead_time: file.lead_time,
        }
    }
}

/// What an alert must be like.
pub(super) struct Wanted<'a> {
    pub(super) rule: &'a str,
    pub(super) state: AlertState,
    pub(super) severity: Option<Severity>,
    pub(super) device: Option<&'a DeviceName>,
    pub(super) table: Option<&'a str>,
}

impl Wanted<'_> {
    pub(super) fn is(&self, event: &AlertEvent) -> bool {
        let table = |table: &str| event.table.as_deref().is_some_and(|path| path.starts_with(table));
        event.rule == self.rule
            && event.state == self.state
            && self.severity.is_none_or(|severity| event.severity == severity)
            && self.device.is_none_or(|device| event.device == *device)
            && self.table.is_none_or(table)
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("{} {}", self.rule, self.state);
        if let Some(severity) = self.severity {
            text = format!("{text} {severity}");
        }
        match (self.device, self.table) {
            (Some(device), Some(table)) => format!("{text} on {device} {table}"),
            (Some(device), None) => format!("{text} on {device}"),
            (None, Some(table)) => format!("{text} on {table}"),
            (None, None) => text,
        }
    }
}

impl EventFile {
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            rule: &self.rule,
            state: self.state.unwrap_or(AlertState::Firing),
            severity: self.severity,
            device: self.device.as_ref(),
            table: self.table.as_deref(),
        }
    }

    /// Whether it may happen so long after the start.
    pub(super) fn is_time(&self, since: Duration) -> bool {
        self.at.is_none_or(|at| since == at.0)
            && self.after.is_none_or(|after| since >= after.0)
            && self.before.is_none_or(|before| since <= before.0)
    }

    pub(super) fn time(&self) -> String {
        match (self.at, self.after, self.before) {
            (Some(at), ..) => format!("at {at}"),
            (_, Some(after), Some(before)) => format!("from {after} to {before}"),
            (_, Some(after), None) => format!("after {after}"),
            (_, None, Some(before)) => format!("before {before}"),
            (None, None, None) => "at any time".to_owned(),
        }
    }
}

impl AlertFile {
    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            rule: &self.rule,
            state: self.state.unwrap_or(AlertState::Firing),
            severity: self.severity,
            device: self.device.as_ref(),
            table: self.table.as_deref(),
        }
    }
}
