//! The way that a person would go: six questions, in the order in which they rule things out.

use std::time::Duration;

use cliffwatch_model::{Figure, Standing, Step};
use serde_json::Map;

use super::case::{Case, count, figure, rise_figure, rounded};
use super::recent::Symptom;
use super::signatures::level;
use crate::conditions::{gets_in, gets_through};
use crate::outlook::{Forecast, number};
use crate::summary::{grouped, origin, spoken};

/// How to see by hand what was not measured.
pub(super) const BY_HAND: &str = "keep one connection through the device open and make a second one: where the first goes on and the second hangs, a table is full";

/// All of them.
pub(crate) fn all(case: &Case<'_>, loads: &crate::load::Loads) -> Vec<Step> {
    vec![asymmetry(case), utilisation(case), growth(case), counters(case), timeouts(case), rate(case, loads)]
}

fn step(question: &str, standing: Standing, answer: String, figures: Vec<Figure>) -> Step {
    Step { question: question.to_owned(), standing, answer, figures }
}

/// 1: exhaustion, or an outage?
fn asymmetry(case: &Case<'_>) -> Step {
    const QUESTION: &str = "Do new connections fail while existing ones work?";
    let sight = case.sight;
    let held = sight.held_ms().map(|ms| figure("held_ms", ms, "ms"));
    let figures = |more: Option<Figure>| held.clone().into_iter().chain(more).collect::<Vec<_>>();
    if case.device.missed > 0 {
        let polled = sight.polled_at.unwrap_or_else(|| case.now());
        let away = spoken(case.device.failing_for(polled));
        let text = format!(
            "the held session has not answered for {away} either: an outage of the device or of the way to it comes first; \
             everything below is of before"
        );
        return step(QUESTION, Standing::Suspect, text, Vec::new());
    }
    let canary = sight.canary();
    if let Some((canary, passes)) = canary.and_then(|canary| Some((canary, gets_through(canary)?))) {
        let ms = canary.new.connect_ms.filter(|ms| ms.is_finite());
        let figures = figures(ms.map(|ms| figure("new_connect_ms", ms, "ms")));
        let way = format!("from {} through the device to {}", canary.from, canary.target);
        return if passes {
            step(QUESTION, Standing::Fine, format!("no: a new connection {way} is made"), figures)
        } else {
            let text = format!(
                "yes: the connection held {way} answers and no new one is made: exhaustion, and no outage"
            );
            step(QUESTION, Standing::Wrong, text, figures)
        };
    }
    match sight.attempt().and_then(|attempt| Some((attempt.new.as_ref()?, gets_in(attempt)?))) {
        Some((_, false)) => {
            let text = "yes: the held session answers and a new one to the device does not get in: exhaustion, and no outage";
            step(QUESTION, Standing::Wrong, text.to_owned(), figures(None))
        }
        Some((new, true)) => {
            let ms = new.connect_ms.filter(|ms| ms.is_finite()).map(|ms| figure("new_connect_ms", ms, "ms"));
            let text = "not to the device itself: a new connection to it gets in; whether one THROUGH it does, only a canary tells";
            step(QUESTION, Standing::Fine, text.to_owned(), figures(ms))
        }
        None => {
            let text = format!("not measured. By hand: {BY_HAND}");
            step(QUESTION, Standing::Unknown, text, figures(None))
        }
    }
}

/// 2: how full against which limit?
fn utilisation(case: &Case<'_>) -> Step {
    const QUESTION: &str = "How full is the table, against which limit?";
    let mut figures = case.level();
    let mut text = level(case);
    if let Ok(capacity) = case.newest.capacity {
        text.push_str(&format!("; the limit is {}", origin(capacity.origin)));
    }
    if let Some((limit, peak)) = case.hard_limit().zip(case.peak()).filter(|(_, peak)| *peak > 0) {
        let times = number(limit) / number(peak);
        figures.push(count("peak", peak, case.newest.unit.as_str()));
        figures.push(figure("limit_over_peak", times, "x"));
        text.push_str(&format!(", {times:.1} × the highest use that was read ({})", grouped(peak)));
    }
    if let Some(outlook) = case.outlook {
        text.push_str(&ahead(outlook.full, &mut figures));
    }
    let standing = match case.fill() {
        Some(fill) if fill >= case.critical_line() => Standing::Wrong,
        Some(fill) if fill >= case.high_line() => Standing::Suspect,
        Some(_) => Standing::Fine,
        None => Standing::Unknown,
    };
    step(QUESTION, standing, text, figures)
}

fn ahead(full: Forecast, figures: &mut Vec<Figure>) -> String {
    let time = |seconds: f64| spoken(Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
    match full {
        Forecast::Within { seconds, .. } if seconds <= 0.0 => String::new(),
        Forecast::Within { seconds, soonest, latest } => {
            figures.push(figure("time_to_full", seconds.round(), "s"));
            let latest =
                latest.map_or("perhaps never".to_owned(), |latest| format!("{} at the latest", time(latest)));
            format!("; full in about {} ({} at the soonest, {latest})", time(seconds), time(soonest))
        }
        Forecast::Levelling => "; it levels off below its limit".to_owned(),
        Forecast::NotAhead => "; not full within the time that its course tells of".to_owned(),
        Forecast::Held => "; the device holds it where it is, which is no calm".to_owned(),
        Forecast::Unknown => String::new(),
    }
}

/// 3: suddenly, gradually, or always?
fn growth(case: &Case<'_>) -> Step {
    const QUESTION: &str = "How did it get there: suddenly, gradually, or is it always so?";
    let unit = case.newest.unit.as_str();
    let outlook = case.outlook;
    let mut figures = Vec::new();
    if let Some(growth) = outlook.and_then(|outlook| outlook.growth_percent_per_minute) {
        figures.push(figure("growth", growth, "%/min"));
    }
    if let Some(usual) = outlook.and_then(|outlook| outlook.usual) {
        figures.push(count("usual_at_this_hour", usual, unit));
    }
    let (standing, text) = if let Some(rise) = case.rise {
        figures.extend([figure("from", rise.from.round(), unit), figure("to", rise.to.round(), unit)]);
        figures.push(figure("within", rise.seconds.round(), "s"));
        let span = spoken(Duration::from_secs_f64(rise.seconds));
        let (from, to) = (grouped(rounded(rise.from)), grouped(rounded(rise.to)));
        (Standing::Suspect, format!("suddenly: from {from} to {to} {unit} within {span}"))
    } else if let Some(climb) = case.climb {
        figures.extend([count("from", climb.from, unit), count("to", climb.to, unit)]);
        let course = if climb.goes_on { "and still rises" } else { "and stands now" };
        let over = if climb.days > 0 { format!("{} days", climb.days + 1) } else { spoken(climb.lasted) };
        let (from, to) = (grouped(climb.from), grouped(climb.to));
        (Standing::Suspect, format!("gradually: from {from} to {to} {unit} in {over}, {course}"))
    } else if outlook.is_some_and(|outlook| outlook.growth_percent_per_minute.is_some()) {
        let growth = outlook.and_then(|outlook| outlook.growth_percent_per_minute).unwrap_or_default();
        let text = format!("it moves by {growth:+.1} % a minute now, and was about where it is before");
        (if case.is_high() { Standing::Suspect } else { Standing::Fine }, text)
    } else {
        (
            Standing::Unknown,
            "too little was read to tell: some five minutes of readings are needed".to_owned(),
        )
    };
    let usual = match case.is_usual() {
        Some(true) => "; that is usual at this hour",
        Some(false) => "; that is more than usual at this hour",
        None => "; what is usual at this hour is not known yet",
    };
    let standing = if case.is_usual() == Some(true) && !case.is_high() && standing == Standing::Suspect {
        Standing::Fine
    } else {
        standing
    };
    step(QUESTION, standing, text + usual, figures)
}

/// 4: what do counters say?
fn counters(case: &Case<'_>) -> Step {
    const QUESTION: &str = "What do the early-warning and failure counters say?";
    const WORDS: [(Symptom, &str, Standing); 7] = [
        (Symptom::Refused, "new connections refused", Standing::Wrong),
        (Symptom::Clashed, "new connections lost to clashes or missing ports", Standing::Wrong),
        (Symptom::Evicted, "entries thrown out", Standing::Suspect),
        (Symptom::LongChains, "packets lost to long hash chains", Standing::Suspect),
        (Symptom::Collided, "collisions", Standing::Suspect),
        (Symptom::HeldBack, "held back by a quota", Standing::Suspect),
        (Symptom::Invalid, "packets of no connection", Standing::Fine),
    ];
    let span = case.span();
    let seen: Vec<_> = WORDS
        .iter()
        .filter_map(|(symptom, words, standing)| Some((case.seen(*symptom)?, words, *standing)))
        .collect();
    let figures = seen.iter().map(|(seen, ..)| rise_figure(seen, span)).collect();
    let rank = |standing: &Standing| {
        [Standing::Fine, Standing::Suspect, Standing::Wrong].iter().position(|it| it == standing)
    };
    let worst = seen.iter().map(|(.., standing)| *standing).max_by_key(rank);
    let read = case.recent.was_read(Symptom::Refused) || case.recent.was_read(Symptom::Clashed);
    let told =
        seen.iter().map(|(seen, words, _)| format!("{} +{} ({words})", seen.counter, grouped(seen.amount)));
    let told: Vec<String> = told.collect();
    let (standing, text) = match (worst, read) {
        (Some(standing), _) => (standing, format!("in the last {}: {}", spoken(span), told.join(", "))),
        (None, true) => (Standing::Fine, format!("none of them rose in the last {}", spoken(span))),
        (None, false) => {
            (Standing::Unknown, "the device gives none for this table, or not with this login".to_owned())
        }
    };
    step(QUESTION, standing, text, figures)
}

/// 5: do timeouts hold idle entries?
fn timeouts(case: &Case<'_>) -> Step {
    const QUESTION: &str = "Do timeouts hold entries that nobody uses?";
    let idle = case.gathered.idle();
    let mut figures: Vec<Figure> = case
        .sizes
        .established
        .map(|kept| count("established_timeout", kept.as_secs(), "s"))
        .into_iter()
        .collect();
    if let Some(idle) = idle.iter().max_by_key(|idle| idle.entries) {
        figures.push(count("idle_entries", idle.entries, "entries"));
        figures.push(figure("idle_share", idle.share * 100.0, "%"));
        let text = format!(
            "{:.0} % of the listed entries have been idle for more than {} s; {} keeps them for {} s",
            idle.share * 100.0,
            grouped(idle.to_seconds),
            idle.setting,
            grouped(idle.from_seconds)
        );
        let standing = if idle.share >= 0.1 { Standing::Suspect } else { Standing::Fine };
        return step(QUESTION, standing, text, figures);
    }
    let longest = case.timeouts().max_by_key(|(_, seconds)| *seconds);
    let text = match (case.sizes.established, longest) {
        (Some(kept), _) => format!(
            "idle established connections are kept for {} ({} s); how many entries are idle is not known",
            spoken(kept),
            grouped(kept.as_secs())
        ),
        (None, Some((name, seconds))) => {
            figures.push(count(name, seconds, "s"));
            format!(
                "the longest that was read is {name} = {}; how many entries are idle is not known",
                grouped(seconds)
            )
        }
        (None, None) => "neither the timeouts nor the entries' idle times are known".to_owned(),
    };
    step(QUESTION, Standing::Unknown, text, figures)
}

/// 6: does it go with the rate of new connections, with load, with somebody?
fn rate(case: &Case<'_>, loads: &crate::load::Loads) -> Step {
    const QUESTION: &str =
        "Does it go with the rate of new connections, with the device's load, with somebody?";
    let mut figures = Vec::new();
    let mut parts = Vec::new();
    let newest = case.newest;
    let mut standing = Standing::Unknown;
    if let Some(setup) = newest.setup_rate {
        standing = Standing::Fine;
        figures.push(figure("setup_rate", setup, "per second"));
        match newest.teardown_rate {
            Some(teardown) => {
                figures.push(figure("teardown_rate", teardown, "per second"));
                parts.push(format!("{setup:.1} are set up and {teardown:.1} end each second"));
            }
            None => parts.push(format!("{setup:.1} are set up each second")),
        }
    } else {
        parts.push("the device does not tell how many are set up each second".to_owned());
    }
    let mut with = String::new();
    loads.tell(&case.memory.trend, &mut Map::new(), &mut with);
    if !with.is_empty() {
        standing = Standing::Suspect;
        parts.push(with.trim_start_matches("; ").to_owned());
    }
    let sources = case.gathered.sources();
    for source in &sources {
        standing = Standing::Suspect;
        figures.push(count(&format!("entries_of_{}", source.address), source.entries, "entries"));
        parts.push(format!("{} holds {:.0} % of the entries", source.address, source.share * 100.0));
    }
    if let Some(at) = case.gathered.at.filter(|_| !sources.is_empty()) {
        parts.push(format!("its entries were listed {} before this reading", spoken(case.now().since(at))));
    }
    if let Some((name, share)) = case.gathered.top_destination().filter(|(_, share)| *share >= 0.25) {
        figures.push(figure("top_destination", share * 100.0, "%"));
        parts.push(format!("{:.0} % lead to {name}", share * 100.0));
    }
    step(QUESTION, standing, parts.join("; "), figures)
}
