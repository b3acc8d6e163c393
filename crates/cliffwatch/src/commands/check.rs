use std::io::Write;

use serde::Serialize;

use super::estimate::Estimate;
use super::setup::{Depth, Setup};
use super::{CommandError, Status};
use crate::cli::{CheckArgs, TextOrJson};
use crate::diagnostics::ProblemLine;
use crate::registry::Registry;

/// What `check --format json` prints.
#[derive(Serialize)]
struct CheckLine<'a> {
    ok: bool,
    errors: usize,
    warnings: usize,
    problems: Vec<ProblemLine<'a>>,
    devices: usize,
    rules: usize,
    estimate: Estimate,
}

pub(super) fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let registry = Registry::new();
    let depth = Depth { secrets: !args.skip_secrets, devices: true, pins: true };
    let setup = Setup::load(&args.config.flags(), &registry, depth);
    let report = &setup.report;
    let retention = &setup.config.retention;
    let estimate = Estimate::of(&setup.targets, retention.samples.value.0, retention.polls.value.0);
    match args.format {
        TextOrJson::Text => {
            out.write_all(report.to_text().as_bytes())?;
            writeln!(out, "{}", verdict(&setup))?;
            if report.errors() == 0 {
                writeln!(out, "{estimate}")?;
            }
        }
        TextOrJson::Json => {
            let line = CheckLine {
                ok: report.errors() == 0,
                errors: report.errors(),
                warnings: report.warnings(),
                problems: report.to_lines(),
                devices: setup.targets.len(),
                rules: setup.rules.iter().count(),
                estimate,
            };
            serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(match report.errors() {
        0 => Status::Fine,
        _ if report.is_unreadable() => Status::Unreadable,
        _ => Status::NotFine,
    })
}

fn verdict(setup: &Setup) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (errors, warnings) = (setup.report.errors(), setup.report.warnings());
    let found = format!("{}, {}", count(errors, "error"), count(warnings, "warning"));
    if errors > 0 {
        return found;
    }
    let rules = setup.rules.iter().filter(|rule| rule.enabled).count();
    format!("{}, {} in force: {found}", count(setup.targets.len(), "device"), count(rules, "rule"))
}
