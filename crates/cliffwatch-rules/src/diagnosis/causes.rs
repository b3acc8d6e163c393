//! Why a table is as full as it is: from how its count moved, and from what was gathered.

use std::time::Duration;

use cliffwatch_model::{Confidence, Figure, Finding, Pattern, Severity};

use super::case::{Case, count, figure, finding};
use super::recent::Symptom;
use super::rise::{Climb, DAYS_A_WEEK};
use super::signatures::level;
use super::surge;
use crate::outlook::number;
use crate::summary::{grouped, spoken};

/// Below this fill, in percent, growth is nobody's business yet …
const FLOOR: f64 = 20.0;
/// … and where the limit is not known, below this many.
const FLOOR_UNLIMITED: u64 = 5_000;
/// Days whose peak was high, to call a table too small for its work.
const DAYS_SURE: usize = 3;
const DAYS_MIN: usize = 2;
/// A night this far below the day's peak is a recovery: a table that never recovers leaks.
const RECOVERED: f64 = 0.75;
/// Lows of days that came to this many times the first of them are no wave of the week.
const SURE_TIMES: f64 = 1.5;
/// A share of idle entries that explains a fill, and one that helps to.
const IDLE_MOST: f64 = 0.3;
const IDLE_SOME: f64 = 0.1;
/// Entries that live for longer than an hour on average are mostly idle ones.
const LIFETIME_LONG_S: f64 = 3_600.0;
/// An established connection that is kept for longer than this when idle outlives most peers.
const ESTABLISHED_LONG_S: u64 = 86_400;

const DAY: Duration = Duration::from_secs(86_400);

/// Every cause that the numbers speak for.
pub(crate) fn find(case: &Case<'_>) -> Vec<Finding> {
    if !is_worth(case) {
        return Vec::new();
    }
    let surge = surge::find(case);
    let leak = if surge.is_none() { leak(case) } else { None };
    let mut found: Vec<Finding> =
        [surge, leak, undersized(case), stale(case)].into_iter().flatten().collect();
    if found.is_empty() {
        found.extend(too_small(case));
    }
    found
}

/// Whether it is full enough, or fills fast enough, to ask why. An address of a pool is filled before the next one is
/// used: how full it is has no cause.
fn is_worth(case: &Case<'_>) -> bool {
    if !case.is_read_alone() {
        return false;
    }
    let soon = case.outlook.and_then(|outlook| outlook.full.seconds()).is_some();
    match (case.fill(), case.used()) {
        (Some(fill), _) => fill >= FLOOR || soon,
        (None, Some(used)) => used >= FLOOR_UNLIMITED && case.bound_per_destination().is_none(),
        (None, None) => false,
    }
}

/// Gradual growth that never went back.
fn leak(case: &Case<'_>) -> Option<Finding> {
    let climb = case.climb.filter(|climb| climb.goes_on)?;
    let usual = case.is_usual();
    // A day's own wave climbs as well.
    if usual == Some(true) && climb.days == 0 {
        return None;
    }
    let unit = case.newest.unit.as_str();
    let mut figures = vec![count("from", climb.from, unit), count("to", climb.to, unit)];
    let over = if climb.days > 0 {
        figures.push(count("days_with_higher_lows", climb.days.into(), "days"));
        format!("for {} days each day's low was above the one before", climb.days)
    } else {
        figures.push(figure("rising_for", hours(climb), "h"));
        format!("it has risen for {} and not gone back", spoken(climb.lasted))
    };
    let growth = percent(climb.to, climb.from) - 100.0;
    figures.push(figure("growth", growth, "%"));
    let mut text =
        format!("{over}: from {} to {} {unit} (+{growth:.0} %)", grouped(climb.from), grouped(climb.to));
    if let Some(usual) = case.outlook.and_then(|outlook| outlook.usual).filter(|_| usual == Some(false)) {
        figures.push(count("usual_at_this_hour", usual, unit));
        text.push_str(&format!("; {} are usual at this hour", grouped(usual)));
    }
    let churn = case.memory.churn(case.now()).filter(|churn| churn.net_per_s() > 0.0);
    if let Some(churn) = churn {
        figures.push(figure("setup_rate", churn.setup_per_s, "per second"));
        figures.push(figure("teardown_rate", churn.teardown_per_s, "per second"));
        text.push_str(&format!(
            "; {:.1} are made and {:.1} end each second",
            churn.setup_per_s, churn.teardown_per_s
        ));
    }
    holders(case, &mut figures, &mut text);
    let rise = number(climb.to) / number(climb.from.max(1));
    // In the first week the same day of another week is not known: only what half as much again came to is sure.
    let sure_days = climb.days >= 3 && (rise >= SURE_TIMES || case.memory.week.lows().len() > DAYS_A_WEEK);
    let confidence = match (sure_days, hours(climb) >= 6.0 && usual == Some(false), churn.is_some()) {
        (true, _, _) | (_, true, true) => Confidence::High,
        (_, true, _) | (_, _, true) => Confidence::Medium,
        _ if climb.days > 0 => Confidence::Medium,
        _ => Confidence::Low,
    };
    let refuted = [
        "the count goes back to where it came from within a day: then it is the day's wave",
        "the sources with most entries closed and opened as many as usual: then there is more work, and no leak",
    ];
    Some(finding(Pattern::Leak, case.weight(), confidence, text, figures, &refuted))
}

fn holders(case: &Case<'_>, figures: &mut Vec<Figure>, text: &mut String) {
    let sources = case.gathered.sources();
    let shown =
        |holder: &super::gathered::Holder| format!("{} ({:.0} %)", holder.address, holder.share * 100.0);
    if !sources.is_empty() {
        let all: Vec<String> = sources.iter().map(shown).collect();
        text.push_str(&format!("; most entries are of {}", all.join(", ")));
        figures.extend(
            sources.iter().map(|it| count(&format!("entries_of_{}", it.address), it.entries, "entries")),
        );
    }
}

/// High in the peaks of several days, and back each night.
fn undersized(case: &Case<'_>) -> Option<Finding> {
    let limit = case.limit()?;
    let line = limit * case.high_line() / 100.0;
    let days: Vec<(u64, u64)> = case.memory.week.whole_days().collect();
    let is_high =
        |(peak, low): &&(u64, u64)| number(*peak) >= line && number(*low) <= number(*peak) * RECOVERED;
    let high = days.iter().rev().take(7).filter(is_high).count();
    if high < DAYS_MIN {
        return None;
    }
    let peak = case.peak()?;
    let unit = case.newest.unit.as_str();
    let (high_days, read) = (u64::try_from(high).unwrap_or(0), u64::try_from(days.len().min(7)).unwrap_or(0));
    let times = limit / number(peak.max(1));
    let figures = vec![
        count("days_with_a_high_peak", high_days, "days"),
        count("days_read", read, "days"),
        count("peak_of_the_week", peak, unit),
        figure("limit", limit, unit),
        figure("limit_over_peak", times, "x"),
    ];
    let text = format!(
        "on {high_days} of the last {read} days the peak was above {:.0} % and the night went back: the work is normal, the \
         limit is {times:.1} × the peak of {} where 4 × is advised",
        case.high_line(),
        grouped(peak)
    );
    let full = days.iter().rev().take(7).any(|(peak, _)| number(*peak) >= limit * 0.9);
    let severity = if full { case.weight().max(Severity::Warning) } else { case.weight() };
    let confidence = if high >= DAYS_SURE { Confidence::High } else { Confidence::Medium };
    let refuted =
        ["lows that rise from day to day: then it leaks", "one workload that makes the peaks and should not"];
    Some(finding(Pattern::Undersized, severity, confidence, text, figures, &refuted))
}

/// High now, as far as is known always, and nothing else speaks.
fn too_small(case: &Case<'_>) -> Option<Finding> {
    if !case.is_high() {
        return None;
    }
    let usual = case.is_usual() == Some(true);
    let (why, confidence) = if usual {
        ("as at this hour of other days", Confidence::Medium)
    } else {
        ("and in what was read there is no growth that would explain it", Confidence::Low)
    };
    let text = format!("{}, {why}: too small for its work, or full since before it was watched", level(case));
    let refuted = ["a history that shows when it rose", "idle entries that fill it"];
    Some(finding(Pattern::Undersized, case.weight(), confidence, text, case.level(), &refuted))
}

/// Idle entries fill it.
fn stale(case: &Case<'_>) -> Option<Finding> {
    let idle = case.gathered.idle();
    let unit = case.newest.unit.as_str();
    // The mildest that does something: a longer timeout breaks fewer connections.
    if let Some(idle) = idle.iter().find(|idle| idle.share >= IDLE_SOME) {
        let figures = vec![
            count("idle_entries", idle.entries, "entries"),
            figure("idle_share", idle.share * 100.0, "%"),
            count(&idle.setting, idle.from_seconds, "s"),
        ];
        let text = format!(
            "{} entries ({:.0} % of those listed) have been idle for more than {} s, and {} keeps them for {} s",
            grouped(idle.entries),
            idle.share * 100.0,
            grouped(idle.to_seconds),
            idle.setting,
            grouped(idle.from_seconds)
        );
        let most = idle.share >= IDLE_MOST;
        let confidence = if most { Confidence::High } else { Confidence::Medium };
        let severity = if most { case.weight() } else { Severity::Info };
        let refuted = ["connections that are idle on purpose: long polls, databases, sessions of people"];
        return Some(finding(Pattern::StaleTimeouts, severity, confidence, text, figures, &refuted));
    }
    if case.gathered.is_there() && !idle.is_empty() {
        return None;
    }
    let rate = case.newest.setup_rate.filter(|rate| *rate > 0.0);
    let lifetime = rate.zip(case.used()).map(|(rate, used)| (number(used) / rate, rate));
    if let Some((lifetime, rate)) = lifetime.filter(|(s, _)| s.is_finite() && *s >= LIFETIME_LONG_S) {
        let figures = vec![
            figure("mean_lifetime", lifetime, "s"),
            figure("setup_rate", rate, "per second"),
            count("used", case.used()?, unit),
        ];
        let text = format!(
            "at {rate:.1} new ones a second, {} {unit} live for {} on average: most of them are idle",
            grouped(case.used()?),
            spoken(Duration::from_secs_f64(lifetime.min(1e9)))
        );
        let refuted =
            ["connections that carry traffic for as long", "a rate that was higher while it filled"];
        let confidence = Confidence::Medium;
        return Some(finding(Pattern::StaleTimeouts, case.weight(), confidence, text, figures, &refuted));
    }
    plateau(case)
}

/// It rose, and stands: as many end as begin, after a long timeout.
fn plateau(case: &Case<'_>) -> Option<Finding> {
    let climb = case.climb.filter(|climb| !climb.goes_on)?;
    // What stood here yesterday as well, and went back in between, is the day's wave.
    if case.is_usual() == Some(true) && climb.lasted < DAY {
        return None;
    }
    let kept = case.sizes.established.map(|kept| kept.as_secs()).filter(|s| *s >= ESTABLISHED_LONG_S)?;
    if case.seen(Symptom::Evicted).is_some() || case.seen(Symptom::Refused).is_some() {
        return None;
    }
    let unit = case.newest.unit.as_str();
    let figures = vec![
        count("from", climb.from, unit),
        count("to", climb.to, unit),
        figure("rising_and_standing_for", hours(climb), "h"),
        count("established_timeout", kept, "s"),
    ];
    let text = format!(
        "it rose from {} to {} {unit} and stands there: as many end as begin, and idle established connections are kept for \
         {} s; how many are idle is not known",
        grouped(climb.from),
        grouped(climb.to),
        grouped(kept)
    );
    let refuted = ["idle times that are short: then it is simply more work"];
    Some(finding(Pattern::StaleTimeouts, case.weight(), Confidence::Low, text, figures, &refuted))
}

/// To a tenth.
fn hours(climb: Climb) -> f64 {
    (climb.lasted.as_secs_f64() / 360.0).round() / 10.0
}

fn percent(part: u64, whole: u64) -> f64 {
    number(part) * 100.0 / number(whole.max(1))
}
