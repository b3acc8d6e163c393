//! Scenario tests of rules: series in, alerts out, in the manner of promtool.
//!
//! A file says what devices read, and which alerts, events and pages must follow. The polls that it makes go
//! the way of `replay`, so what holds here holds for the service.

mod check;
mod diagnoses;
mod expect;
mod file;
mod polls;
mod track;

use std::path::Path;
use std::sync::Arc;

use cliffwatch_engine::replay::{Replay, Summary};
use cliffwatch_model::{AlertEvent, Device, Poll, Timestamp};
use cliffwatch_rules::{DeviceFacts, Maintenance, RuleSet, Silence, Topology};
use serde::Serialize;

use self::diagnoses::Asked;
use self::expect::Expectations;
use crate::diagnostics::{Position, Report};
use crate::{config, rules_file, yaml};

/// The JSON schema of a scenario file.
pub(crate) fn schema() -> schemars::Schema {
    schemars::schema_for!(file::ScenarioFile)
}

/// A scenario, ready to be played.
pub(crate) struct Scenario {
    pub name: String,
    start: Timestamp,
    rules: Arc<RuleSet>,
    devices: Vec<Device>,
    silences: Vec<Silence>,
    maintenance: Arc<[Maintenance]>,
    polls: Vec<Poll>,
    expectations: Expectations,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub scenario: String,
    pub file: String,
    pub ok: bool,
    pub failures: Vec<Failure>,
    pub summary: Summary,
}

/// An expectation that was not met.
#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    /// `FILE:LINE:COLUMN` of the expectation.
    pub place: String,
    pub expected: String,
    pub got: String,
}

/// The same before its place is looked up.
struct Unmet {
    at: Position,
    expected: String,
    got: String,
}

/// Reads a scenario; nothing where it cannot be used, and the report says why.
pub(crate) fn load(path: &Path, report: &mut Report) -> Option<Scenario> {
    let before = report.errors();
    let root = yaml::load(path, None, report)?;
    let file: file::ScenarioFile = yaml::read(&root, report)?;
    let zone = config::timezone(file.timezone.clone(), report).value;
    let rules = match root.entry("rules") {
        Some((_, list)) => rules_file::from_list(list, &zone, report),
        None => Arc::new(RuleSet::builtin()),
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = file.name.clone().unwrap_or_else(stem);
    let made = polls::make(&file, folder, &zone, root.at, report);
    (report.errors() == before).then(|| Scenario {
        name,
        start: made.start,
        rules,
        devices: made.devices,
        silences: made.silences,
        maintenance: made.maintenance.into(),
        polls: made.polls,
        expectations: Expectations::of(file.expect, root.at),
    })
}

impl Scenario {
    /// Plays it and compares.
    pub(crate) fn play(self, path: &Path, report: &Report) -> Outcome {
        let mut replay = Replay::new(Arc::clone(&self.rules));
        for device in &self.devices {
            replay.know(DeviceFacts::from(device));
        }
        replay.maintain(Arc::clone(&self.maintenance));
        replay.surround(Topology::new(&self.devices, &self.rules), self.silences);
        let mut events: Vec<AlertEvent> = Vec::new();
        let mut asked = Asked::new(self.start, &self.devices, &self.expectations.diagnoses);
        for poll in self.polls {
            asked.until(poll.header.finished_at, &replay);
            events.extend(replay.poll(poll));
        }
        let mut unmet = asked.finish(&replay);
        events.sort_by_key(|event| event.at);
        let summary = replay.summary();
        unmet.extend(check::check(&self.expectations, self.start, &events, &replay.notices(), &summary));
        let place = |unmet: Unmet| Failure {
            place: report.place(unmet.at),
            expected: unmet.expected,
            got: unmet.got,
        };
        let failures: Vec<Failure> = unmet.into_iter().map(place).collect();
        let (ok, file) = (failures.is_empty(), path.display().to_string());
        Outcome { scenario: self.name, file, ok, failures, summary }
    }
}

#[cfg(test)]
mod tests;
