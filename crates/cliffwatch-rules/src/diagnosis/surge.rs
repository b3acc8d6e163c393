//! Sudden growth: an attack, a failover, a malfunction, or one of them.

use std::time::Duration;

use cliffwatch_model::{Confidence, Figure, Finding, Pattern, Role};

use super::case::{Case, figure, finding, rounded};
use super::rise::Rise;
use crate::outlook::Forecast;
use crate::summary::{grouped, spoken};

/// Below this fill, in percent, growth is no news unless the table is full soon (the growth rule's floor).
const FLOOR: f64 = 40.0;
const SOON_S: f64 = 600.0;
/// Use that is usual and comes this near to the limit, in percent, excuses nothing.
const USUAL_MAX: f64 = 90.0;
/// A share of the entries that one source, destination or state has to have to be the reason.
const MOST: f64 = 0.5;
/// Traffic that comes over from another gateway comes within a few minutes: a step that is older than six of them
/// is seen in averages of 150 s, two of which it touches …
const STEP_S: f64 = 300.0;
/// … and stays: for this long at least.
const STANDS_S: f64 = 300.0;
/// What a change of role explains.
const TURNED: Duration = Duration::from_secs(3_600);

/// What a kind of surge is told by.
struct Kind {
    pattern: Pattern,
    confidence: Confidence,
    why: String,
    refuted_by: &'static [&'static str],
    figures: Vec<Figure>,
}

pub(crate) fn find(case: &Case<'_>) -> Option<Finding> {
    let rise = case.rise?;
    let soon = case.outlook.is_some_and(|outlook| is_soon(outlook.full));
    let full = case.fill().is_some_and(|fill| fill >= USUAL_MAX);
    if case.fill().is_some_and(|fill| fill < FLOOR) && !soon {
        return None;
    }
    if case.is_usual() == Some(true) && !full {
        return None;
    }
    let unit = case.newest.unit.as_str();
    let mut figures = vec![
        figure("from", rise.from.round(), unit),
        figure("to", rise.to.round(), unit),
        figure("within", rise.seconds.round(), "s"),
        figure("growth", rise.percent_per_minute(), "%/min"),
    ];
    let Kind { pattern, confidence, why, refuted_by, figures: more } = kind(case, rise);
    figures.extend(more);
    let ended = if rise.ago_s > 0.0 {
        figures.push(figure("ended", rise.ago_s.round(), "s ago"));
        format!(", {} ago", spoken(Duration::from_secs_f64(rise.ago_s)))
    } else {
        String::new()
    };
    let text = format!(
        "it grew from {} to {} {unit} within {}{ended} ({:.0} % a minute): {why}",
        grouped(rounded(rise.from)),
        grouped(rounded(rise.to)),
        spoken(Duration::from_secs_f64(rise.seconds)),
        rise.percent_per_minute()
    );
    Some(finding(pattern, case.weight(), confidence, text, figures, refuted_by))
}

fn is_soon(full: Forecast) -> bool {
    full.seconds().is_some_and(|seconds| seconds <= SOON_S)
}

fn kind(case: &Case<'_>, rise: Rise) -> Kind {
    let turned =
        case.turned.filter(|(at, before)| *before == Role::Standby && case.now().since(*at) <= TURNED);
    if let Some((at, _)) = turned {
        let ago = case.now().since(at);
        return Kind {
            pattern: Pattern::Failover,
            confidence: Confidence::High,
            why: format!("it was the standby until {} ago and serves now", spoken(ago)),
            refuted_by: &["a mate that serves as well"],
            figures: vec![figure("role_changed", ago.as_secs_f64().round(), "s ago")],
        };
    }
    if case.gathered.is_there() {
        return told(case, rise);
    }
    if is_step(case, rise) {
        return Kind {
            pattern: Pattern::Failover,
            confidence: Confidence::Low,
            why: "in one step that stands since, as when a neighbour's traffic comes over".into(),
            refuted_by: &["neighbours that serve as before", "few sources, or a deployment at that time"],
            figures: Vec::new(),
        };
    }
    Kind {
        pattern: Pattern::Surge,
        confidence: Confidence::Medium,
        why: "an attack, a failover or a malfunction; which, is not known without the sources of the entries"
            .into(),
        refuted_by: &["the same rise at this hour on other days"],
        figures: Vec::new(),
    }
}

/// A count that is cut off at the limit stands whatever brought it there.
fn is_step(case: &Case<'_>, rise: Rise) -> bool {
    rise.seconds <= STEP_S && rise.ago_s >= STANDS_S && !case.was_at_limit()
}

/// What the listed entries tell.
fn told(case: &Case<'_>, rise: Rise) -> Kind {
    let gathered = &case.gathered;
    let sources = gathered.sources();
    let top = sources.first().filter(|top| top.share >= MOST);
    let unreplied = gathered.share_of("unreplied").filter(|share| *share >= MOST);
    let destination = gathered.top_destination().filter(|(_, share)| *share >= MOST);
    let mut figures = Vec::new();
    let mut note = |name: &str, share: f64| {
        figures.push(figure(name, share * 100.0, "%"));
        share * 100.0
    };
    let who = match (top, gathered.distinct_sources()) {
        (Some(top), _) => {
            format!("{:.0} % of the entries are of {}", note("top_source", top.share), top.address)
        }
        (None, Some(sources)) => format!("no source of {} has half of the entries", grouped(sources)),
        (None, None) => "no source has half of the entries".into(),
    };
    let whither = destination
        .as_ref()
        .map(|(name, share)| format!(", {:.0} % lead to {name}", note("top_destination", *share)));
    let whither = whither.unwrap_or_default();
    if let Some(share) = unreplied {
        let percent = note("unreplied", share);
        return Kind {
            pattern: Pattern::Attack,
            confidence: if top.is_some() { Confidence::High } else { Confidence::Medium },
            why: format!("{percent:.0} % of the entries were never answered, and {who}{whither}"),
            refuted_by: &["a destination that is down, whose clients try again: then it is a malfunction"],
            figures,
        };
    }
    match (top.is_some(), destination.is_some()) {
        (true, false) => Kind {
            pattern: Pattern::Attack,
            confidence: Confidence::Medium,
            why: format!("{who}, towards many destinations: a scanner, or one host that is abused"),
            refuted_by: &["a proxy or a NAT at that address, behind which there are many"],
            figures,
        },
        (_, true) => Kind {
            pattern: Pattern::Malfunction,
            confidence: Confidence::Medium,
            why: format!("{who}{whither}, and it answers: an application opens connections again and again"),
            refuted_by: &["a service that is busy for a good reason: a release, an event"],
            figures,
        },
        (false, false) if is_step(case, rise) => Kind {
            pattern: Pattern::Failover,
            confidence: Confidence::Medium,
            why: format!("in one step that stands since, and {who}: ordinary traffic, only more of it"),
            refuted_by: &["neighbours that serve as before"],
            figures,
        },
        (false, false) => Kind {
            pattern: Pattern::Surge,
            confidence: Confidence::Medium,
            why: format!("{who}, and they are answered: ordinary traffic, only more of it"),
            refuted_by: &["the same rise at this hour on other days"],
            figures,
        },
    }
}
