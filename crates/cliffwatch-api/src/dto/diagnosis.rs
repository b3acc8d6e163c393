use cliffwatch_model::{self as model, Fix, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::word::{AlertState, Confidence, Pattern, Severity, Standing};

/// What is wrong with a table, why, and what to do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Diagnosis {
    /// The device.
    device: String,
    /// Its platform.
    platform: String,
    /// The table.
    table_id: String,
    /// The table as people read it.
    table: String,
    /// When the table was last read: everything is as of then. Null where it was not read yet.
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The gravest finding; `calm` where nothing speaks for trouble, `unknown` where too little is known.
    pattern: Pattern,
    /// Why, where it is known: the gravest finding that is a cause.
    cause: Option<Pattern>,
    /// How sure the gravest finding is.
    confidence: Confidence,
    /// The worst severity of the findings; null where there is none.
    severity: Option<Severity>,
    /// What and why, for a person.
    summary: String,
    /// The steps of the diagnosis, in their order.
    steps: Vec<Step>,
    /// Everything that was found, the gravest first.
    findings: Vec<Finding>,
    /// What would help, the most effective first. Nothing is ever applied.
    fixes: Vec<Advice>,
    /// What could not be judged.
    unjudged: Vec<Unjudged>,
    /// The alerts that are open on the table and its device.
    alerts: Vec<OpenRule>,
}

/// A number that was read, or computed from such.
#[derive(Debug, Serialize, ToSchema)]
struct Figure {
    /// What it is: `used`, or the device's own name of a counter.
    name: String,
    /// How much.
    value: f64,
    /// Of what.
    unit: String,
}

/// One step of the way that a person would go.
#[derive(Debug, Serialize, ToSchema)]
struct Step {
    /// What is asked.
    question: String,
    /// How it came out.
    standing: Standing,
    /// The answer.
    answer: String,
    /// The numbers behind it.
    figures: Vec<Figure>,
}

/// One thing that a table suffers from.
#[derive(Debug, Serialize, ToSchema)]
struct Finding {
    /// What.
    pattern: Pattern,
    /// How much it matters now.
    severity: Severity,
    /// `high`: the device's own counters or listed entries prove it, or several measures agree; `medium`: the course of
    /// the count shows it; `low`: one sign that other causes leave, too.
    confidence: Confidence,
    /// One sentence for a person.
    summary: String,
    /// The numbers that decided.
    figures: Vec<Figure>,
    /// What would show that it is something else.
    refuted_by: Vec<String>,
}

/// What would help.
#[derive(Debug, Serialize, ToSchema)]
struct Advice {
    /// The finding that it helps against.
    against: Pattern,
    /// What it does, with its numbers.
    title: String,
    /// What to type for it to hold now.
    now: Vec<String>,
    /// What makes it last.
    lasting: Vec<ConfigFile>,
    /// What it costs, and what to mind.
    notes: Vec<String>,
}

/// Lines for a file on the device.
#[derive(Debug, Serialize, ToSchema)]
struct ConfigFile {
    /// Where it belongs.
    path: String,
    /// What belongs into it.
    lines: Vec<String>,
}

/// Something that could not be judged.
#[derive(Debug, Serialize, ToSchema)]
struct Unjudged {
    /// What.
    what: String,
    /// Which evidence is missing.
    why: String,
    /// How to get it.
    how: String,
}

/// An open alert, in short.
#[derive(Debug, Serialize, ToSchema)]
struct OpenRule {
    /// The rule.
    rule: String,
    /// How much it matters.
    severity: Severity,
    /// Where it stands.
    state: AlertState,
    /// When the condition began.
    #[schema(value_type = String, format = DateTime)]
    onset: Timestamp,
}

fn all<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

impl From<model::Diagnosis> for Diagnosis {
    fn from(diagnosis: model::Diagnosis) -> Self {
        Self {
            device: diagnosis.device.to_string(),
            platform: diagnosis.platform.to_string(),
            table_id: diagnosis.table_id.to_string(),
            table: diagnosis.table,
            at: diagnosis.at,
            pattern: Pattern(diagnosis.pattern),
            cause: diagnosis.cause.map(Pattern),
            confidence: Confidence(diagnosis.confidence),
            severity: diagnosis.severity.map(Severity),
            summary: diagnosis.summary,
            steps: all(diagnosis.steps),
            findings: all(diagnosis.findings),
            fixes: all(diagnosis.fixes),
            unjudged: all(diagnosis.unjudged),
            alerts: all(diagnosis.alerts),
        }
    }
}

impl From<model::Figure> for Figure {
    fn from(model::Figure { name, value, unit }: model::Figure) -> Self {
        Self { name, value, unit }
    }
}

impl From<model::Step> for Step {
    fn from(step: model::Step) -> Self {
        let model::Step { question, standing, answer, figures } = step;
        Self { question, standing: Standing(standing), answer, figures: all(figures) }
    }
}

impl From<model::Finding> for Finding {
    fn from(finding: model::Finding) -> Self {
        Self {
            pattern: Pattern(finding.pattern),
            severity: Severity(finding.severity),
            confidence: Confidence(finding.confidence),
            summary: finding.summary,
            figures: all(finding.figures),
            refuted_by: finding.refuted_by,
        }
    }
}

impl From<model::Advice> for Advice {
    fn from(model::Advice { against, fix }: model::Advice) -> Self {
        let Fix { title, now, lasting, notes } = fix;
        Self { against: Pattern(against), title, now, lasting: all(lasting), notes }
    }
}

impl From<model::ConfigFile> for ConfigFile {
    fn from(model::ConfigFile { path, lines }: model::ConfigFile) -> Self {
        Self { path, lines }
    }
}

impl From<model::Unjudged> for Unjudged {
    fn from(model::Unjudged { what, why, how }: model::Unjudged) -> Self {
        Self { what, why, how }
    }
}

impl From<model::OpenRule> for OpenRule {
    fn from(open: model::OpenRule) -> Self {
        let model::OpenRule { rule, severity, state, onset } = open;
        Self { rule, severity: Severity(severity), state: AlertState(state), onset }
    }
}
