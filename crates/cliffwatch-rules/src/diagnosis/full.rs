//! New connections are refused for want of room, or will be with the next one.

use cliffwatch_model::{Confidence, Figure, Finding, Pattern, Severity};

use super::case::{Case, figure, finding, rise_figure};
use super::recent::{Seen, Symptom};
use super::signatures::level;
use crate::summary::{grouped, spoken};

/// Refused for want of room: at the limit, just below it, or at a fill that does not explain it.
pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let Some(seen) = case.seen(Symptom::Refused) else { return silent(case) };
    let refused = refused(case, &seen);
    let mut figures = case.level();
    figures.push(rise_figure(&seen, case.span()));
    if let Some(rate) = case.rate(Symptom::Refused) {
        figures.push(figure("refused_per_second_on_average", rate, "per second"));
    }
    let is_over = seen.at < case.now();
    let level = level(case);
    let near = case.fill().is_some_and(|fill| fill >= 90.0);
    if case.was_at_limit() && is_over && near && !case.is_at_limit() {
        let text = format!(
            "{refused} while it was full, and now {level}: the device freed a little of it, which is no recovery"
        );
        let refuted =
            ["a fill below 90 % with no further refusals for ten minutes: then it has really recovered"];
        return Some(finding(Pattern::Swept, Severity::Critical, Confidence::High, text, figures, &refuted));
    }
    if case.was_at_limit() {
        let text = format!("the table is full and refuses new connections: {level}, {refused}");
        let refuted = [
            "refusals that go on while the fill stays well below the limit: then something else refuses",
            "new connections that pass all the same: then what is refused is not what people miss",
        ];
        return Some(finding(
            Pattern::HardFull,
            Severity::Critical,
            Confidence::High,
            text,
            figures,
            &refuted,
        ));
    }
    if case.is_pool() || case.bound_per_destination().is_some() {
        let text = format!("no source port was left for some destination: {refused}, {level}");
        let refuted = ["refusals that stay when addresses are added", "one destination that is down itself"];
        return Some(finding(
            Pattern::PortExhaustion,
            Severity::Critical,
            Confidence::High,
            text,
            figures,
            &refuted,
        ));
    }
    Some(refusing(case, &refused, &level, figures, near))
}

fn refusing(case: &Case<'_>, refused: &str, level: &str, figures: Vec<Figure>, near: bool) -> Finding {
    let severity = if near { Severity::Critical } else { Severity::Warning };
    let confidence = if near { Confidence::Medium } else { Confidence::Low };
    let why = match (case.fill(), near) {
        (None, _) => "whether the table is full is not known without its limit",
        (_, true) => "it may have been full between two polls",
        (_, false) => {
            "the fill does not explain it: a burst between two polls, the device's memory, or a check that drops packets"
        }
    };
    let refuted = ["a fill at the limit: then the table is simply full"];
    finding(
        Pattern::Refusing,
        severity,
        confidence,
        format!("new connections are refused: {refused}, {level}; {why}"),
        figures,
        &refuted,
    )
}

/// Full, and nothing was refused yet, or nothing tells.
fn silent(case: &Case<'_>) -> Option<Finding> {
    if !case.is_at_limit() || !case.is_read_alone() {
        return None;
    }
    let (confidence, text) = if case.recent.was_read(Symptom::Refused) {
        let text = "full to the last entry; nothing was refused yet, the next new connection is";
        (Confidence::Medium, text)
    } else {
        (Confidence::Medium, "full to the last entry; whether connections are refused is not told")
    };
    let refuted = ["new connections that pass while the count stays at the limit"];
    let text = format!("the table is {text}: {}", level(case));
    Some(finding(Pattern::HardFull, Severity::Critical, confidence, text, case.level(), &refuted))
}

fn refused(case: &Case<'_>, seen: &Seen) -> String {
    format!(
        "{} refused in {} ({} +{})",
        grouped(seen.amount),
        spoken(case.span()),
        seen.counter,
        grouped(seen.amount)
    )
}
