//! What could not be judged, which evidence is missing, and how to get it.

use std::time::Duration;

use cliffwatch_model::{CapacityReason, Confidence, Finding, Pattern, Unjudged};

use super::case::Case;
use super::recent::Symptom;
use super::steps::BY_HAND;
use crate::conditions::{gets_in, gets_through};
use crate::summary::spoken;

/// Counters that are watched for less than this tell of a part of the usual time only.
const COUNTED_MIN: Duration = Duration::from_secs(300);
/// Hours of a week that are read before a table's own week is known.
const WEEK_HOURS: usize = 24;

/// Everything that is missing.
pub(crate) fn find(case: &Case<'_>, findings: &[Finding]) -> Vec<Unjudged> {
    let all = [
        limit(case),
        demand(case),
        counters(case),
        asymmetry(case),
        evidence(case, findings),
        usual(case),
        rate(case),
    ];
    all.into_iter().flatten().collect()
}

fn unjudged(what: &str, why: impl Into<String>, how: impl Into<String>) -> Unjudged {
    Unjudged { what: what.to_owned(), why: why.into(), how: how.into() }
}

fn limit(case: &Case<'_>) -> Option<Unjudged> {
    let why = match case.newest.capacity.err()? {
        CapacityReason::Unlimited => return None,
        CapacityReason::NotTold => "the device does not tell its limit",
        CapacityReason::NotRead => "the limit is read less often than the count, and was not read yet",
        CapacityReason::Denied => "this login may not read the limit",
        CapacityReason::Unsupported => "this device or version has no limit to read",
    };
    let kind = case.newest.table.kind;
    Some(unjudged(
        "how full the table is",
        why,
        format!(
            "write `capacity: {{ {kind}: N }}` for the device in the inventory; `cliffwatch probe` names a missing right"
        ),
    ))
}

/// A peak that was cut off at the limit is not what was asked for.
fn demand(case: &Case<'_>) -> Option<Unjudged> {
    let cut = case.seen(Symptom::Refused).is_some() || case.seen(Symptom::Evicted).is_some();
    (cut && case.hard_limit().is_some()).then(|| {
        unjudged(
            "how many entries would have been made",
            "the peak was cut off: what is refused or thrown out is not in the count",
            "take 4 × the peak as the least, and look again once nothing is refused",
        )
    })
}

fn counters(case: &Case<'_>) -> Option<Unjudged> {
    if !case.recent.was_read(Symptom::Refused) && !case.recent.was_read(Symptom::Clashed) {
        return Some(unjudged(
            "whether new connections are refused",
            "no counter of refusals was read for this table",
            "`cliffwatch probe` with the device's name tells which right or part is missing",
        ));
    }
    let span = case.span();
    (span < COUNTED_MIN).then(|| {
        unjudged(
            "what the counters did before",
            format!("they have been watched for {} only", spoken(span)),
            "ask again in a few minutes, or replay the store's history",
        )
    })
}

fn asymmetry(case: &Case<'_>) -> Option<Unjudged> {
    let seen = case.sight.canary().and_then(gets_through).or(case.sight.attempt().and_then(gets_in));
    seen.is_none().then(|| {
        let why = "no new connection was tried lately: that is done while a table is nearly full or refuses";
        let how =
            format!("{BY_HAND}; for good: `canary: {{ target: ADDRESS:PORT, from: A_HOST_BEHIND_IT }}`");
        unjudged("whether new connections fail while existing ones work", why, how)
    })
}

/// Who fills it, and what is idle: wanted where there is something to explain.
fn evidence(case: &Case<'_>, findings: &[Finding]) -> Option<Unjudged> {
    let explained = |finding: &Finding| {
        matches!(finding.pattern, Pattern::Inactive | Pattern::PerDestination | Pattern::Quota)
            || (finding.pattern == Pattern::LimitLowered && finding.confidence == Confidence::High)
    };
    if case.gathered.is_there() || findings.iter().all(explained) {
        return None;
    }
    let what = "who fills the table, and how many entries are idle";
    Some(match case.gathered.not_gathered() {
        Some((message, hint)) => {
            unjudged(what, message, hint.unwrap_or("`cliffwatch probe` names what is missing"))
        }
        None => unjudged(
            what,
            "the device was not asked within the hour: it is when `utilization-critical` or `refusing` fires",
            "list the table's entries by source on the device; `cliffwatch probe` names the right that it takes",
        ),
    })
}

fn usual(case: &Case<'_>) -> Option<Unjudged> {
    if case.is_usual().is_some() || case.used().is_none() {
        return None;
    }
    let hours = case.memory.week.hours_read();
    let why = if hours < WEEK_HOURS {
        format!("the table has been read in {hours} whole hours, and not at this hour of a day before")
    } else {
        "it was read neither at this hour last week nor yesterday".to_owned()
    };
    Some(unjudged("whether this is usual at this hour", why, "a day of history, better a week"))
}

fn rate(case: &Case<'_>) -> Option<Unjudged> {
    case.newest.setup_rate.is_none().then(|| {
        unjudged(
            "whether more connections are made, or the same live longer",
            "the device does not tell how many are set up each second",
            "count new flows beside it: a firewall rule with a counter on new connections, or flow logs",
        )
    })
}
