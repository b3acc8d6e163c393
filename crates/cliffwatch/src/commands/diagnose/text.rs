//! A diagnosis as a person reads it.

use std::io::{self, Write};

use cliffwatch_model::{Advice, Diagnosis, Figure, Finding, Standing, Step};

/// Prints it whole: the steps as they were gone, what was found, what helps, what is not known.
pub(super) fn print(diagnosis: &Diagnosis, others: usize, out: &mut dyn Write) -> io::Result<()> {
    let Diagnosis { device, table, pattern, cause, confidence, summary, .. } = diagnosis;
    writeln!(out, "{device}  {table}  ({})", diagnosis.table_id)?;
    let at = diagnosis.at.map_or("never".to_owned(), |at| at.to_string());
    writeln!(out, "as of its reading at {at}")?;
    let cause = cause.filter(|cause| cause != pattern);
    let cause = cause.map(|cause| format!(", by {}", words(cause.as_str()))).unwrap_or_default();
    let name = words(pattern.as_str());
    writeln!(out, "\n{}{cause} ({confidence} confidence)\n{summary}\n", name.to_uppercase())?;
    for (number, step) in (1..).zip(&diagnosis.steps) {
        print_step(number, step, out)?;
    }
    if !diagnosis.findings.is_empty() {
        writeln!(out, "\nWhat was found")?;
    }
    for finding in &diagnosis.findings {
        print_finding(finding, out)?;
    }
    if !diagnosis.fixes.is_empty() {
        writeln!(out, "\nWhat would help (nothing is applied)")?;
    }
    for advice in &diagnosis.fixes {
        print_advice(advice, out)?;
    }
    if !diagnosis.unjudged.is_empty() {
        writeln!(out, "\nWhat could not be judged")?;
    }
    for missing in &diagnosis.unjudged {
        writeln!(out, "- {}: {}\n    {}", missing.what, missing.why, missing.how)?;
    }
    if !diagnosis.alerts.is_empty() {
        writeln!(out, "\nOpen alerts")?;
    }
    for alert in &diagnosis.alerts {
        writeln!(out, "- {} ({}, {}) since {}", alert.rule, alert.severity, alert.state, alert.onset)?;
    }
    if others > 0 {
        let (noun, name) = if others == 1 { ("table", "it") } else { ("tables", "one") };
        writeln!(out, "\n{device} has {others} other {noun}: name {name} to have it diagnosed")?;
    }
    Ok(())
}

fn print_step(number: u32, step: &Step, out: &mut dyn Write) -> io::Result<()> {
    let mark = match step.standing {
        Standing::Fine => "ok",
        Standing::Suspect => "look",
        Standing::Wrong => "BAD",
        Standing::Unknown => "?",
    };
    writeln!(out, "{number}. {:<7}{}\n        {}", format!("[{mark}]"), step.question, step.answer)
}

fn print_finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let Finding { pattern, severity, confidence, summary, figures, refuted_by } = finding;
    writeln!(out, "- {} ({severity}, {confidence} confidence): {summary}", words(pattern.as_str()))?;
    if !figures.is_empty() {
        let figures: Vec<String> = figures.iter().map(shown).collect();
        writeln!(out, "    decided by: {}", figures.join(", "))?;
    }
    refuted_by.iter().try_for_each(|what| writeln!(out, "    would refute it: {what}"))
}

fn print_advice(advice: &Advice, out: &mut dyn Write) -> io::Result<()> {
    let Advice { against, fix } = advice;
    writeln!(out, "- against {}: {}", words(against.as_str()), fix.title)?;
    fix.now.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
    for file in &fix.lasting {
        writeln!(out, "    to last, in {}: {}", file.path, file.lines.join(" | "))?;
    }
    fix.notes.iter().try_for_each(|note| writeln!(out, "    ({note})"))
}

fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// `used 950 entries`; whole numbers without a fraction.
fn shown(figure: &Figure) -> String {
    let Figure { name, value, unit } = figure;
    let value = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") };
    format!("{name} {value} {unit}")
}
