use std::io::Write;

use serde::Serialize;

use super::{CommandError, Status};
use crate::cli::{TestRulesArgs, TextOrJson};
use crate::diagnostics::Report;
use crate::scenario::{self, Outcome};

/// The last line of `--format json`.
#[derive(Serialize)]
struct SummaryLine {
    summary: Summary,
}

#[derive(Default, Serialize)]
struct Summary {
    scenarios: usize,
    failed: usize,
}

/// Plays scenarios: 0 when all are as expected, 1 when one is not, 2 when one cannot be read.
pub(super) fn run(args: &TestRulesArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let mut summary = Summary::default();
    let mut report = Report::default();
    for path in &args.files {
        let Some(scenario) = scenario::load(path, &mut report) else { continue };
        let outcome = scenario.play(path, &report);
        summary.scenarios += 1;
        summary.failed += usize::from(!outcome.ok);
        match args.format {
            TextOrJson::Text => print(&outcome, out)?,
            TextOrJson::Json => {
                serde_json::to_writer(&mut *out, &outcome).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
    }
    // What can be played was; a file that cannot be read still ends in an error.
    if report.errors() > 0 {
        out.flush()?;
        return Err(CommandError::Configuration(report.to_text()));
    }
    let failed = summary.failed;
    match args.format {
        TextOrJson::Text => {
            let s = if summary.scenarios == 1 { "" } else { "s" };
            writeln!(out, "{} scenario{s}, {failed} failed", summary.scenarios)?;
        }
        TextOrJson::Json => {
            serde_json::to_writer(&mut *out, &SummaryLine { summary }).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(if failed == 0 { Status::Fine } else { Status::NotFine })
}

fn print(outcome: &Outcome, out: &mut dyn Write) -> std::io::Result<()> {
    let summary = &outcome.summary;
    let count = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let (polls, events, pages) =
        (count(summary.polls, "poll"), count(summary.events, "event"), count(summary.pages, "page"));
    let word = if outcome.ok { "ok  " } else { "FAIL" };
    writeln!(out, "{word}  {}: {polls}, {events}, {pages}", outcome.scenario)?;
    for failure in &outcome.failures {
        writeln!(out, "  {}", failure.place)?;
        writeln!(out, "    expected: {}", failure.expected)?;
        writeln!(out, "    got: {}", failure.got)?;
    }
    Ok(())
}
