//! What a table suffers from now, as its counters and its fill show it.

use cliffwatch_model::{Confidence, Finding, MemoryState, Pattern, Role, Severity, TableState};

use super::case::{Case, count, figure, finding, rise_figure};
use super::recent::Symptom;
use super::{full, ports};
use crate::conditions::Churn;
use crate::outlook::number;
use crate::summary::{grouped, spoken};

/// Packets that belong to nothing, a second: fewer are the everyday rest of closed connections.
const INVALID_PER_S: f64 = 50.0;
/// Entries in one bucket, on average at the peak, that make every look-up slow.
const CHAIN: f64 = 8.0;

/// Everything that shows.
pub(crate) fn find(case: &Case<'_>) -> Vec<Finding> {
    if let Some(inactive) = inactive(case) {
        return vec![inactive];
    }
    let found = [
        full::find(case),
        ports::find(case),
        shedding(case),
        memory(case),
        ports::collisions(case),
        lowered(case),
        hash(case),
        invalid(case),
        quota(case),
        per_destination(case),
    ];
    found.into_iter().flatten().collect()
}

fn inactive(case: &Case<'_>) -> Option<Finding> {
    let text = match (case.newest.state, case.newest.role) {
        (TableState::NotTracking, _) => "the table is not in use: nothing feeds it, and nothing can fill it",
        (_, Role::Standby) => "the table mirrors its peer and serves nobody now: its fill is the peer's",
        _ => return None,
    };
    let refuted = ["traffic that this device passes itself"];
    Some(finding(Pattern::Inactive, Severity::Info, Confidence::High, text, case.level(), &refuted))
}

fn shedding(case: &Case<'_>) -> Option<Finding> {
    let unit = case.newest.unit;
    if let Some(seen) = case.seen(Symptom::Evicted) {
        let mut figures = case.level();
        figures.push(rise_figure(&seen, case.span()));
        if let Some(rate) = case.rate(Symptom::Evicted) {
            figures.push(figure("evicted_per_second_on_average", rate, "per second"));
        }
        let text = format!(
            "{} {unit} were thrown out in {} to let new ones in ({} +{}), at {}: the fill will not rise further, and that \
             is no calm",
            grouped(seen.amount),
            spoken(case.span()),
            seen.counter,
            grouped(seen.amount),
            level(case)
        );
        let refuted = ["an end of the evictions while use falls"];
        return Some(finding(
            Pattern::Shedding,
            Severity::Warning,
            Confidence::High,
            text,
            figures,
            &refuted,
        ));
    }
    let (sheds_at, used) = case.newest.sheds_at.zip(case.used())?;
    if used < sheds_at {
        return None;
    }
    let mut figures = case.level();
    figures.push(count("sheds_at", sheds_at, unit.as_str()));
    let text = format!(
        "{} {unit} are in use, and from {} on the device ends idle ones early",
        grouped(used),
        grouped(sheds_at)
    );
    let refuted = ["a device that does not age entries faster above that line"];
    Some(finding(Pattern::Shedding, Severity::Warning, Confidence::Medium, text, figures, &refuted))
}

fn memory(case: &Case<'_>) -> Option<Finding> {
    let (state, percent) = case.sight.memory.filter(|(state, _)| *state != MemoryState::Normal)?;
    let severity = if state == MemoryState::Extreme { Severity::Critical } else { Severity::Warning };
    let percent = percent.filter(|percent| percent.is_finite());
    let figures = percent.map(|percent| figure("memory_percent", percent, "%")).into_iter().collect();
    let text =
        format!("the device says that it is short of memory ({state}): it refuses work whatever the fill");
    let refuted = ["refusals that go on when its memory is back to normal"];
    Some(finding(Pattern::MemoryPressure, severity, Confidence::High, text, figures, &refuted))
}

fn lowered(case: &Case<'_>) -> Option<Finding> {
    let (now, before) = super::lowered_limit(case)?;
    let unit = case.newest.unit.as_str();
    let mut figures = case.level();
    figures.push(count("limit_before", before, unit));
    let ago = case.memory.change.map(|change| case.now().since(change.at));
    let ago =
        ago.filter(|ago| !ago.is_zero()).map_or_else(String::new, |ago| format!(", {} ago", spoken(ago)));
    let text = format!("the limit was lowered from {} to {} {unit}{ago}", grouped(before), grouped(now));
    let refuted = ["the change was meant, and use fits into the new limit with room to spare"];
    Some(finding(
        Pattern::LimitLowered,
        case.weight().max(Severity::Info),
        Confidence::High,
        text,
        figures,
        &refuted,
    ))
}

fn hash(case: &Case<'_>) -> Option<Finding> {
    let buckets = case.sizes.buckets.filter(|buckets| *buckets > 0);
    let mut figures = Vec::new();
    let chain = buckets.zip(case.peak()).map(|(buckets, peak)| {
        figures.push(count("buckets", buckets, "buckets"));
        number(peak) / number(buckets)
    });
    if let Some(chain) = chain {
        figures.push(figure("entries_a_bucket_at_the_peak", chain, "entries"));
    }
    if let Some(seen) = case.seen(Symptom::LongChains) {
        figures.push(rise_figure(&seen, case.span()));
        let mean = chain
            .map(|chain| format!("; at the peak a bucket held {chain:.1} entries on average"))
            .unwrap_or_default();
        let text = format!(
            "{} packets were lost in {} because a chain of the hash was too long ({} +{}){mean}",
            grouped(seen.amount),
            spoken(case.span()),
            seen.counter,
            grouped(seen.amount)
        );
        let refuted = [
            "few entries a bucket: then somebody chooses addresses and ports so that they meet in one bucket",
        ];
        return Some(finding(
            Pattern::HashSick,
            Severity::Warning,
            Confidence::High,
            text,
            figures,
            &refuted,
        ));
    }
    let (chain, buckets) = chain.zip(buckets)?;
    if chain < CHAIN {
        return None;
    }
    let text = format!(
        "{} buckets held {chain:.1} entries each at the peak: every look-up walks a long chain",
        grouped(buckets)
    );
    let refuted = ["no CPU time in softirqs at the peak"];
    Some(finding(Pattern::HashSick, Severity::Info, Confidence::Medium, text, figures, &refuted))
}

fn invalid(case: &Case<'_>) -> Option<Finding> {
    let seen = case.seen(Symptom::Invalid)?;
    let rate = case.rate(Symptom::Invalid).filter(|rate| *rate >= INVALID_PER_S)?;
    let figures = vec![rise_figure(&seen, case.span()), figure("invalid_per_second", rate, "per second")];
    let text = format!(
        "{} packets in {} belonged to no connection ({rate:.0} a second): one direction of the traffic goes another way, \
         entries end too early, or somebody scans",
        grouped(seen.amount),
        spoken(case.span())
    );
    let refuted = ["so much traffic that this is a small part of it", "a routing that is symmetric"];
    Some(finding(Pattern::InvalidStorm, Severity::Warning, Confidence::Medium, text, figures, &refuted))
}

fn quota(case: &Case<'_>) -> Option<Finding> {
    let seen = case.seen(Symptom::HeldBack)?;
    let figures = vec![rise_figure(&seen, case.span())];
    let text = format!(
        "a configured quota held {} connections back in {} ({} +{}): the table itself has nothing to do with it",
        grouped(seen.amount),
        spoken(case.span()),
        seen.counter,
        grouped(seen.amount)
    );
    let refuted = ["hosts that fail without being above their quota"];
    Some(finding(Pattern::Quota, Severity::Warning, Confidence::High, text, figures, &refuted))
}

/// Near a worst case, with nothing refused. It may be real where fewer of the attempts come to something: from where
/// `churn-imbalance` warns of that out of the box.
fn per_destination(case: &Case<'_>) -> Option<Finding> {
    let (limit, used) = case.bound_per_destination().zip(case.used())?;
    let percent = number(used) * 100.0 / number(limit);
    let short = case.memory.shortfall(case.now()).filter(|short| short.attempts > 0.0);
    let Churn { floor, established, .. } = Churn::default();
    let fails = percent >= floor && short.is_some_and(|short| short.percent() < established);
    if percent < 70.0 && !fails || case.seen(Symptom::Refused).is_some() {
        return None;
    }
    let mut figures = case.level();
    let mut text = format!(
        "{} {} are {percent:.0} % of what ONE destination may have ({}); spread over several it harms nobody, and nothing \
         was refused",
        grouped(used),
        case.newest.unit,
        grouped(limit)
    );
    if let Some(short) = short {
        figures.push(figure("established_of_attempts", short.percent(), "%"));
        text.push_str(&format!("; {:.1} % of the attempts of 5 minutes were established", short.percent()));
    }
    if fails {
        text.push_str(": some fail, at the far end or for want of a port towards it");
    }
    let severity = if fails { Severity::Warning } else { Severity::Info };
    let refuted = ["most connections lead to one destination", "a first refusal"];
    Some(finding(Pattern::PerDestination, severity, Confidence::Medium, text, figures, &refuted))
}

/// `950 of 1,000 entries (95.0 %)`, or what is known of it.
pub(crate) fn level(case: &Case<'_>) -> String {
    let unit = case.newest.unit;
    match (case.used(), case.newest.capacity) {
        (Some(used), Ok(capacity)) => format!(
            "{} of {} {unit} ({:.1} %)",
            grouped(used),
            grouped(capacity.limit.get()),
            capacity.utilization(used) * 100.0
        ),
        (Some(used), Err(_)) => format!("{} {unit} of an unknown limit", grouped(used)),
        (None, Ok(capacity)) => format!("an unknown part of {} {unit}", grouped(capacity.limit.get())),
        (None, Err(_)) => format!("an unknown number of {unit}"),
    }
}
