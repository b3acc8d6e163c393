//! What diagnoses say beside what they must say, each at its time.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::replay::Replay;
use cliffwatch_model::{Device, DeviceName, Diagnosis, TableId, Timestamp};

use super::Unmet;
use super::file::DiagnosisFile;
use crate::yaml::At;

/// The diagnoses that are still to be asked for.
pub(super) struct Asked<'a> {
    start: Timestamp,
    devices: &'a [Device],
    /// The first last.
    waiting: Vec<&'a At<DiagnosisFile>>,
    pub(super) unmet: Vec<Unmet>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(start: Timestamp, devices: &'a [Device], wanted: &'a [At<DiagnosisFile>]) -> Self {
        let mut waiting: Vec<_> = wanted.iter().rev().collect();
        waiting.sort_by_key(|one| Reverse(one.value.at.map_or(Duration::MAX, |at| at.0)));
        Self { start, devices, waiting, unmet: Vec::new() }
    }

    /// Asks for those that were due before an instant.
    pub(super) fn until(&mut self, now: Timestamp, replay: &Replay) {
        let start = self.start;
        let is_due = |one: &&At<DiagnosisFile>| one.value.at.is_some_and(|at| start.plus(at.0) < now);
        while let Some(one) = self.waiting.pop_if(|one| is_due(one)) {
            self.ask(one, replay);
        }
    }

    /// Asks for the rest.
    pub(super) fn finish(mut self, replay: &Replay) -> Vec<Unmet> {
        while let Some(one) = self.waiting.pop() {
            self.ask(one, replay);
        }
        self.unmet
    }

    fn ask(&mut self, At { value: wanted, at }: &At<DiagnosisFile>, replay: &Replay) {
        let named = wanted.tables(self.devices, replay);
        let diagnoses =
            named.iter().filter_map(|(device, table)| Some(replay.diagnose(device, *table)?.diagnosis));
        let wrong: Vec<String> =
            diagnoses.filter(|diagnosis| !wanted.is(diagnosis)).map(|diagnosis| text(&diagnosis)).collect();
        let got = if named.is_empty() { "no table of that name".to_owned() } else { wrong.join(", ") };
        if !got.is_empty() {
            self.unmet.push(Unmet { at: *at, expected: wanted.text(), got });
        }
    }
}

impl DiagnosisFile {
    fn tables(&self, devices: &[Device], replay: &Replay) -> Vec<(DeviceName, TableId)> {
        let of = |device: &Device| {
            let named = |path: &Arc<str>| self.table.as_deref().is_none_or(|table| path.starts_with(table));
            let tables = replay.tables_of(&device.name).into_iter().filter(|(_, path)| named(path));
            tables.map(|(id, _)| (device.name.clone(), id)).collect::<Vec<_>>()
        };
        let named =
            devices.iter().filter(|device| self.device.as_ref().is_none_or(|name| device.name == *name));
        named.flat_map(of).collect()
    }

    fn is(&self, diagnosis: &Diagnosis) -> bool {
        self.pattern.is_none_or(|pattern| diagnosis.pattern == pattern)
            && self.cause.is_none_or(|cause| diagnosis.cause == Some(cause))
            && self.confidence.is_none_or(|confidence| diagnosis.confidence == confidence)
            && self.severity.is_none_or(|severity| diagnosis.severity == Some(severity))
    }

    fn text(&self) -> String {
        let time = self.at.map_or_else(|| "at the end".to_owned(), |at| format!("at {at}"));
        let what = [
            self.pattern.map(|pattern| pattern.to_string()),
            self.cause.map(|cause| format!("by {cause}")),
            self.confidence.map(|confidence| format!("{confidence} confidence")),
            self.severity.map(|severity| severity.to_string()),
        ];
        let what: Vec<String> = what.into_iter().flatten().collect();
        format!("{time} the diagnosis {}", what.join(", "))
    }
}

fn text(diagnosis: &Diagnosis) -> String {
    let cause = diagnosis.cause.filter(|cause| *cause != diagnosis.pattern);
    let cause = cause.map(|cause| format!(", by {cause}")).unwrap_or_default();
    let severity = diagnosis.severity.map(|severity| format!(", {severity}")).unwrap_or_default();
    let Diagnosis { device, table, pattern, confidence, .. } = diagnosis;
    format!("{pattern}{cause}, {confidence} confidence{severity} on {device} {table}")
}
