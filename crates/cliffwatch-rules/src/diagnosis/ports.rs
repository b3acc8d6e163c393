//! New connections are lost to clashes: no source port is left, or flows race for one entry.

use std::time::Duration;

use cliffwatch_model::{Confidence, Finding, Pattern, Severity};

use super::case::{Case, count, figure, finding, rise_figure};
use super::recent::Symptom;
use super::signatures::level;
use crate::outlook::number;
use crate::summary::{grouped, spoken};

const MINUTE: Duration = Duration::from_secs(60);
/// Clashes below this many a second may be races of single flows.
const CLASHES_PER_S: f64 = 1.0;
/// An address with this share of its ports in use towards one destination fails connections: the search for
/// a free one gives up after some 240 tries (nf_nat_core.c).
const PORTS_SHORT: f64 = 0.9;

/// Lost to clashes: no source port left, or a race.
pub(super) fn find(case: &Case<'_>) -> Option<Finding> {
    let listed = case.gathered.ports();
    let short = listed.as_ref().filter(|ports| ports.share >= PORTS_SHORT);
    let Some(seen) = case.seen(Symptom::Clashed) else {
        let ports = short?;
        let text = format!(
            "{} has {} of {} ports in use towards one destination: connections there fail before the last one is gone",
            ports.address,
            grouped(ports.used),
            grouped(ports.of)
        );
        let figures = vec![count("used_ports", ports.used, "ports"), count("ports", ports.of, "ports")];
        let refuted = ["connections to that destination that still can be made at this rate"];
        let (severity, confidence) = (Severity::Warning, Confidence::High);
        return Some(finding(Pattern::PortExhaustion, severity, confidence, text, figures, &refuted));
    };
    let mut figures = vec![rise_figure(&seen, case.span())];
    figures.extend(case.level());
    // The last minute tells more than the average of the time that is covered.
    let minute = number(case.memory.counted.sum(case.now(), MINUTE)) / MINUTE.as_secs_f64();
    let rate = case.rate(Symptom::Clashed).unwrap_or(0.0).max(minute);
    figures.push(figure("lost_per_second", rate, "per second"));
    let lost = format!(
        "{} new connections were lost to clashes in {} ({} +{})",
        grouped(seen.amount),
        spoken(case.span()),
        seen.counter,
        grouped(seen.amount)
    );
    let fast = rate >= CLASHES_PER_S;
    if !fast && short.is_none() && listed.as_ref().is_none_or(|ports| ports.range != Some(ports.used)) {
        let text = format!("{lost}: flows that raced for one entry, a few at a time, at {}", level(case));
        let refuted = [
            "an address with most of its ports in use towards one destination",
            "losses that keep pace with the attempts to one destination",
        ];
        let severity = if seen.amount >= 10 { Severity::Warning } else { Severity::Info };
        return Some(finding(Pattern::Clash, severity, Confidence::Low, text, figures, &refuted));
    }
    // Where the device settles races itself, what is lost has another reason.
    let settles = case.recent.was_read(Symptom::RacesSettled);
    let (confidence, why) = match &listed {
        Some(ports) if ports.share >= PORTS_SHORT || ports.range == Some(ports.used) => {
            figures.push(count("used_ports", ports.used, "ports"));
            (
                Confidence::High,
                format!(
                    "{} has {} ports in use towards one destination and none is free between them",
                    ports.address,
                    grouped(ports.used)
                ),
            )
        }
        _ if settles => {
            (Confidence::Medium, "this device settles races itself, so source ports are short".into())
        }
        _ => (Confidence::Low, "source ports are short, or flows race for one entry".into()),
    };
    let refuted = [
        "an address list that shows few ports in use towards every destination",
        "losses of UDP only, in pairs: then they are races",
    ];
    let text = format!("{lost} at {}: {why}", level(case));
    Some(finding(Pattern::PortExhaustion, Severity::Critical, confidence, text, figures, &refuted))
}

/// Two flows wanted one translation, more often than they usually do.
pub(super) fn collisions(case: &Case<'_>) -> Option<Finding> {
    let seen = case.seen(Symptom::Collided)?;
    let usual = case.memory.usual_collisions.median();
    // The usual is for five minutes, what was seen for up to ten.
    let more = usual.is_none_or(|usual| seen.amount > usual.saturating_mul(10));
    if seen.amount < 50 || !more {
        return None;
    }
    let mut figures = vec![rise_figure(&seen, case.span())];
    let beside = usual.map_or("how many are usual is not known yet".to_owned(), |usual| {
        figures.push(count("usual_in_5_minutes", usual, "collisions"));
        format!("{} in 5 minutes are usual", grouped(usual))
    });
    let text = format!(
        "flows competed for one translation {} times in {} ({} +{}); {beside}",
        grouped(seen.amount),
        spoken(case.span()),
        seen.counter,
        grouped(seen.amount)
    );
    let refuted = ["the same number on a calm day"];
    let confidence = if usual.is_some() { Confidence::Medium } else { Confidence::Low };
    Some(finding(Pattern::Clash, Severity::Warning, confidence, text, figures, &refuted))
}
