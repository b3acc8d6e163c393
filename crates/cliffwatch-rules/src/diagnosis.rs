//! Why a table is in trouble: one classifier for all platforms, pure, over what the engine knows.
//!
//! ```text
//! memory of the rules ─┐
//! newest polls (sight) ├─▶ Case ─┬─▶ signatures  what it suffers from now     (counters, fill)
//! gathered evidence   ─┘         ├─▶ causes      why                          (course of the count, evidence)
//!                                ├─▶ steps       the way that a person goes
//!                                ├─▶ fixes       what would help, in figures
//!                                └─▶ unjudged    what is missing, and how to get it
//! ```
//!
//! A finding names the numbers that decided it, how sure it is and what would refute it. What was not read
//! is not judged, and never a number.

mod case;
mod causes;
mod fixes;
mod full;
mod gathered;
mod ports;
mod recent;
mod rise;
mod sight;
mod signatures;
mod steps;
mod surge;
mod unjudged;

use std::cmp::Reverse;

use cliffwatch_model::{
    Confidence, DeviceName, Diagnosis, Finding, OpenRule, Pattern, Platform, Remedy, Severity, Standing,
    Step, TableId, Unjudged,
};

pub(crate) use sight::{DeviceSight, TableSight};

use self::case::Case;
use crate::device::Device;
use crate::table::{Changed, Table, TableChange};

/// The label of devices that are run fuller: carrier-grade NAT.
const CGN: &str = "cgn";

/// A diagnosis, and beside it its remedies in figures: an adapter puts them into words.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnosed {
    /// All but the fixes.
    pub diagnosis: Diagnosis,
    /// What would help and against what, the most effective first.
    pub remedies: Vec<(Pattern, Remedy)>,
}

impl Diagnosed {
    /// The whole diagnosis, with the remedies as somebody words them.
    pub fn worded(self, fix: impl Fn(&Remedy) -> cliffwatch_model::Fix) -> Diagnosis {
        let advice = |(against, remedy)| cliffwatch_model::Advice { against, fix: fix(&remedy) };
        Diagnosis { fixes: self.remedies.into_iter().map(advice).collect(), ..self.diagnosis }
    }
}

/// Diagnoses one table of a device.
pub(crate) fn diagnose(
    name: &DeviceName,
    device: &Device,
    id: TableId,
    table: &Table,
    alerts: Vec<OpenRule>,
) -> Option<Diagnosed> {
    let facts = device.facts.as_ref()?;
    let cgn = facts.labels.get(CGN).is_some_and(|value| value != "false");
    let about = About { device: name, platform: &facts.platform, id, path: &table.path };
    let known = Case::new(id, (&table.memory, &table.sight), (&device.memory, &device.sight), cgn);
    let Some(case) = known else {
        return Some(Diagnosed { diagnosis: about.unread(alerts), remedies: Vec::new() });
    };
    let mut findings = signatures::find(&case);
    if findings.iter().all(|finding| finding.pattern != Pattern::Inactive) {
        findings.extend(causes::find(&case));
    }
    findings.sort_by_key(rank);
    let remedies = fixes::find(&case, &findings);
    let unjudged = unjudged::find(&case, &findings);
    let steps = steps::all(&case, &device.memory.loads);
    let diagnosis = about.diagnosis(&case, findings, steps, unjudged, alerts);
    Some(Diagnosed { diagnosis, remedies })
}

/// What is lost now comes before why, and what nobody has to act on comes last.
fn rank(finding: &Finding) -> (bool, bool, Reverse<Severity>, Pattern) {
    let Finding { pattern, severity, .. } = finding;
    let loses = matches!(
        pattern,
        Pattern::HardFull
            | Pattern::PortExhaustion
            | Pattern::Swept
            | Pattern::Shedding
            | Pattern::MemoryPressure
            | Pattern::Refusing
            | Pattern::Clash
    );
    (*severity == Severity::Info, !loses, Reverse(*severity), *pattern)
}

/// The limit that is, and the higher one that was: within the last hour, or for as long as the table is high for it.
fn lowered_limit(case: &Case<'_>) -> Option<(u64, u64)> {
    let TableChange { at, what: Changed::Limit(before) } = case.memory.change? else { return None };
    let (now, before) = (case.newest.capacity.ok()?.limit.get(), before.limit.get());
    let before_percent =
        case.used().map(|used| crate::outlook::number(used) * 100.0 / crate::outlook::number(before));
    let explains = case.is_high() && before_percent.is_some_and(|percent| percent < case.high_line());
    let shown = explains || case.now().since(at) < crate::table::CHANGE_SHOWN;
    (before > now && shown).then_some((now, before))
}

/// Whom a diagnosis is about.
#[derive(Clone, Copy)]
struct About<'a> {
    device: &'a DeviceName,
    platform: &'a Platform,
    id: TableId,
    path: &'a str,
}

impl About<'_> {
    fn diagnosis(
        self,
        case: &Case<'_>,
        findings: Vec<Finding>,
        steps: Vec<Step>,
        unjudged: Vec<Unjudged>,
        alerts: Vec<OpenRule>,
    ) -> Diagnosis {
        let cause = findings.iter().find(|finding| finding.pattern.is_cause());
        let first = findings.first();
        let (pattern, confidence) = match first {
            Some(first) => (first.pattern, first.confidence),
            None => calm(case),
        };
        let level = signatures::level(case);
        let mut summary = match (first, pattern) {
            (Some(first), _) => first.summary.clone(),
            (None, Pattern::Calm) if !case.is_read_alone() => {
                format!("nothing speaks for trouble: {level}, and its fill alone says nothing of the pool")
            }
            (None, Pattern::Calm) => format!("nothing speaks for trouble: {level}"),
            (None, _) => format!("too little is known to judge: {level}"),
        };
        if let Some(cause) = cause.filter(|cause| Some(cause.pattern) != first.map(|first| first.pattern)) {
            let kind = cause.pattern.as_str().replace('_', " ");
            summary
                .push_str(&format!(". Cause ({} confidence): {kind}: {}", cause.confidence, cause.summary));
        }
        Diagnosis {
            device: self.device.clone(),
            platform: self.platform.clone(),
            table_id: self.id,
            table: self.path.to_owned(),
            at: Some(case.now()),
            pattern,
            cause: cause.map(|cause| cause.pattern),
            confidence,
            severity: findings.iter().map(|finding| finding.severity).max(),
            summary,
            steps,
            findings,
            fixes: Vec::new(),
            unjudged,
            alerts,
        }
    }

    /// A table that is known, and was not read since this process began.
    fn unread(self, alerts: Vec<OpenRule>) -> Diagnosis {
        let missing = Unjudged {
            what: "everything".to_owned(),
            why: "the table was not read since the service began".to_owned(),
            how: "wait for the next poll; `cliffwatch poll` with the device's name tells why there is none"
                .to_owned(),
        };
        Diagnosis {
            device: self.device.clone(),
            platform: self.platform.clone(),
            table_id: self.id,
            table: self.path.to_owned(),
            at: None,
            pattern: Pattern::Unknown,
            cause: None,
            confidence: Confidence::Low,
            severity: None,
            summary: "the table was not read yet".to_owned(),
            steps: vec![Step {
                question: "Is the table read?".to_owned(),
                standing: Standing::Unknown,
                answer: "not since the service began".to_owned(),
                figures: Vec::new(),
            }],
            findings: Vec::new(),
            fixes: Vec::new(),
            unjudged: vec![missing],
            alerts,
        }
    }
}

/// Whether nothing found means that nothing is there.
fn calm(case: &Case<'_>) -> (Pattern, Confidence) {
    let counted = case.recent.was_read(recent::Symptom::Refused);
    let leveled = case.fill().is_some();
    match (leveled, counted) {
        _ if case.device.missed > 0 => (Pattern::Unknown, Confidence::Low),
        (true, true) => (Pattern::Calm, Confidence::High),
        (true, false) | (false, true) => (Pattern::Calm, Confidence::Medium),
        (false, false) => (Pattern::Unknown, Confidence::Low),
    }
}
