//! What followed beside what must follow.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cliffwatch_engine::replay::Summary;
use cliffwatch_model::{AlertEvent, AlertState, Severity, Timestamp};
use cliffwatch_rules::Notice;

use super::Unmet;
use super::expect::Expectations;
use crate::diagnostics::Position;
use crate::value::Span;

/// Things that are told of one mismatch: enough to see what happened.
const SHOWN_MAX: usize = 8;

struct Played<'a> {
    start: Timestamp,
    /// In time order.
    events: &'a [AlertEvent],
    /// Alerts that fired at some time.
    fired: BTreeSet<&'a str>,
    /// Events that fire again what was recovering.
    again: BTreeSet<&'a str>,
}

/// Compares; gives back what is not as it must be.
pub(super) fn check(
    expected: &Expectations,
    start: Timestamp,
    events: &[AlertEvent],
    notices: &[Notice],
    summary: &Summary,
) -> Vec<Unmet> {
    let firing = events.iter().filter(|event| event.state == AlertState::Firing);
    let fired = firing.map(|event| &*event.alert_id).collect();
    let played = Played { start, events, fired, again: fired_again(events) };
    let mut unmet = played.check_events(expected);
    for (at, time, open) in &expected.snapshots {
        unmet.extend(played.check_open(*at, *time, open));
    }
    if let Some(pages) = expected.pages.as_ref().filter(|pages| pages.value != summary.pages) {
        let made: Vec<String> = notices.iter().filter_map(|notice| played.page(notice)).collect();
        let got =
            if made.is_empty() { "none".to_owned() } else { format!("{}: {}", made.len(), listed(made)) };
        unmet.push(Unmet { at: pages.at, expected: format!("{} pages", pages.value), got });
    }
    if let Some(lead) = &expected.lead_time {
        let got = summary.lead_time_seconds;
        if got.is_none_or(|got| got < lead.value.0.as_secs_f64()) {
            let got = got.map_or("nothing warned and then refused".to_owned(), |got| format!("{got} s"));
            unmet.push(Unmet {
                at: lead.at,
                expected: format!("a lead time of at least {}", lead.value),
                got,
            });
        }
    }
    unmet
}

impl Played<'_> {
    fn since(&self, at: Timestamp) -> Duration {
        at.since(self.start)
    }

    /// Each expected transition has one of its own, in the order of their times; what is left over was not
    /// expected.
    fn check_events(&self, expected: &Expectations) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        let mut reached = Duration::ZERO;
        for one in &expected.events {
            let (at, one) = (one.at, &one.value);
            let wanted = one.wanted();
            let found = self.events.iter().enumerate().find(|(place, event)| {
                let since = self.since(event.at);
                !taken.contains(place)
                    && since >= reached
                    && one.is_time(since)
                    && wanted.is(event)
                    && one.told.is_none_or(|told| event.told == told)
            });
            if let Some((place, event)) = found {
                taken.insert(place);
                reached = self.since(event.at);
                continue;
            }
            let near = self.events.iter().enumerate();
            let near = near.filter(|(place, event)| !taken.contains(place) && event.rule == one.rule);
            let near: Vec<String> = near.map(|(_, event)| self.text(event)).collect();
            let got = if near.is_empty() { format!("nothing of {}", one.rule) } else { listed(near) };
            unmet.push(Unmet { at, expected: format!("{} {}", one.time(), wanted.text()), got });
        }
        let is_left = |(place, event): &(usize, &AlertEvent)| !taken.contains(place) && self.is_news(event);
        let left: Vec<String> =
            self.events.iter().enumerate().filter(is_left).map(|(_, event)| self.text(event)).collect();
        if expected.only && !left.is_empty() {
            unmet.push(Unmet { at: expected.at, expected: "nothing else".to_owned(), got: listed(left) });
        }
        unmet
    }

    /// What must be expected to be allowed: reports are not, nor steps on the way.
    fn is_news(&self, event: &AlertEvent) -> bool {
        if event.severity == Severity::Info {
            return false;
        }
        match event.state {
            AlertState::Pending | AlertState::Recovering => false,
            AlertState::Firing => !self.again.contains(&*event.id),
            AlertState::Stale => true,
            AlertState::Resolved | AlertState::Gone => self.fired.contains(&*event.alert_id),
        }
    }

    fn check_open(
        &self,
        at: Position,
        time: Duration,
        wanted: &[crate::yaml::At<super::file::AlertFile>],
    ) -> Vec<Unmet> {
        let until = self.start.plus(time);
        let mut open: BTreeMap<&str, &AlertEvent> = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.at <= until) {
            open.insert(&event.fingerprint, event);
        }
        open.retain(|_, event| event.state.is_open());
        let shown: Vec<String> = open.values().map(|event| self.text(event)).collect();
        let mut unmet = Vec::new();
        for one in wanted {
            let alert = one.value.wanted();
            let found = open.iter().find(|(_, event)| alert.is(event)).map(|(id, _)| *id);
            match found {
                Some(id) => {
                    open.remove(id);
                }
                None => unmet.push(Unmet {
                    at: one.at,
                    expected: format!("open at {}: {}", Span(time), alert.text()),
                    got: if shown.is_empty() { "nothing is open".to_owned() } else { listed(shown.clone()) },
                }),
            }
        }
        open.retain(|_, event| event.state != AlertState::Pending && event.severity != Severity::Info);
        if !open.is_empty() {
            let left = open.values().map(|event| self.text(event)).collect();
            unmet.push(Unmet {
                at,
                expected: format!("nothing else open at {}", Span(time)),
                got: listed(left),
            });
        }
        unmet
    }

    fn text(&self, event: &AlertEvent) -> String {
        let told = if event.told || event.state == AlertState::Pending { "" } else { ", untold" };
        let table = event.table.as_deref().map(|table| format!(" {table}")).unwrap_or_default();
        let at = Span(self.since(event.at));
        format!("at {at} {} {} {} on {}{table}{told}", event.rule, event.state, event.severity, event.device)
    }

    fn page(&self, notice: &Notice) -> Option<String> {
        let Notice::Page { at, subject, scope, .. } = notice else { return None };
        let scope = scope.as_deref().map(|scope| format!(" {scope}")).unwrap_or_default();
        Some(format!("at {} for {subject}{scope}", Span(self.since(*at))))
    }
}

fn fired_again(events: &[AlertEvent]) -> BTreeSet<&str> {
    let mut latest: BTreeMap<&str, AlertState> = BTreeMap::new();
    let mut again = BTreeSet::new();
    for event in events {
        let before = latest.insert(&event.alert_id, event.state);
        let recovering = before == Some(AlertState::Recovering) && event.previous_severity.is_none();
        if recovering && event.state == AlertState::Firing {
            again.insert(&*event.id);
        }
    }
    again
}

/// One a line, below what they belong to.
fn listed(mut lines: Vec<String>) -> String {
    let more = lines.len().saturating_sub(SHOWN_MAX);
    lines.truncate(SHOWN_MAX);
    if more > 0 {
        lines.push(format!("… and {more} more"));
    }
    match lines.as_slice() {
        [one] => one.clone(),
        _ => lines.iter().map(|line| format!("\n      {line}")).collect(),
    }
}
