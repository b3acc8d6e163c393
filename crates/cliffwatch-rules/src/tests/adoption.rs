use std::sync::Arc;

use cliffwatch_model::{AlertEvent, AlertState, ErrorKind, Observation, Platform};

use super::lab::Lab;
use super::made_up::{self, Step, observations, steps};
use crate::{DeviceFacts, Engine, RuleSet};

/// The observations and events of a table that fills, is swept, fills again and drains.
fn history() -> (Vec<Observation>, Vec<AlertEvent>) {
    let mut lab = Lab::new();
    lab.run("500x3 950x12 600x3 950x3 500x40", &[]);
    (lab.seen, lab.events)
}

fn engine() -> Engine {
    let mut engine = Engine::new(Arc::new(RuleSet::builtin()));
    let lab = Lab::new();
    engine.know(DeviceFacts {
        name: lab.tables[0].table.device.clone(),
        platform: Platform::new("linux").unwrap(),
        labels: [].into(),
    });
    engine
}

/// What an engine emits that adopts the first `known` events and observes everything (again).
fn after_adopting(known: &[AlertEvent], observations: &[Observation]) -> Vec<AlertEvent> {
    let mut engine = engine();
    for event in known {
        engine.adopt(event);
    }
    observations.iter().flat_map(|o| engine.observe(o).events).collect()
}

/// An event without the figures that need the whole history.
fn essence(event: &AlertEvent) -> (String, AlertState, bool) {
    (event.id.clone(), event.state, event.told)
}

#[test]
fn a_restart_with_the_journal_alone_emits_what_it_had_not_yet() {
    let (observations, events) = history();
    assert_eq!(events.len(), 10);
    for known in 0..=events.len() {
        let (known, rest) = events.split_at(known);
        let emitted = after_adopting(known, &observations);
        assert_eq!(
            emitted.iter().map(essence).collect::<Vec<_>>(),
            rest.iter().map(essence).collect::<Vec<_>>(),
            "with {} events known",
            known.len()
        );
    }
}

proptest::proptest! {
    /// The same for any history in which nothing is late or goes away.
    #[test]
    fn whatever_the_journal_knows_is_not_said_again(steps in steps(), known in 0usize..30) {
        let calm = |step: &Step| !matches!(step.failed, Some(ErrorKind::Retired)) && step.after_s <= 60;
        let mut steps: Vec<Step> = steps.into_iter().filter(calm).collect();
        for step in &mut steps {
            step.complete = false;
            // Twice in one poll would be late as well.
            step.tables.sort_by_key(|table| table.number);
            step.tables.dedup_by_key(|table| table.number);
            step.tables.iter_mut().for_each(|table| table.back_s = 0);
        }
        let observations = observations(&steps);
        let mut engine = made_up::engine();
        let events: Vec<AlertEvent> =
            observations.iter().flat_map(|o| made_up::observe(&mut engine, o).events).collect();
        let (known, rest) = events.split_at(known.min(events.len()));
        let mut engine = made_up::engine();
        known.iter().for_each(|event| engine.adopt(event));
        let emitted: Vec<AlertEvent> =
            observations.iter().flat_map(|o| made_up::observe(&mut engine, o).events).collect();
        proptest::prop_assert_eq!(
            emitted.iter().map(essence).collect::<Vec<_>>(),
            rest.iter().map(essence).collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_latest_event_of_an_open_alert_is_enough() {
    let (observations, events) = history();
    let latest =
        events.iter().rfind(|e| e.rule == "utilization-critical" && e.state == AlertState::Firing).unwrap();
    let mut engine = engine();
    engine.adopt(latest);
    assert_eq!(engine.open_alerts().next().unwrap().alert_id, latest.alert_id);
    let after: Vec<&Observation> = observations.iter().filter(|o| o.header.finished_at > latest.at).collect();
    let emitted: Vec<AlertEvent> = after.iter().flat_map(|o| engine.observe(o).events).collect();
    let critical: Vec<&AlertEvent> = emitted.iter().filter(|e| e.rule == "utilization-critical").collect();
    assert_eq!(critical[0].seq, latest.seq + 1);
    assert_eq!(critical.last().unwrap().state, AlertState::Resolved, "what ended meanwhile still closes");
}

#[test]
fn an_older_event_changes_nothing() {
    let (observations, events) = history();
    let mut engine = engine();
    for observation in &observations {
        engine.observe(observation);
    }
    for event in &events {
        engine.adopt(event);
    }
    assert_eq!(engine.open_alerts().count(), 0);
}

#[test]
fn an_alert_that_was_opened_without_the_store_gives_way_to_the_stored_one() {
    let (_, events) = history();
    let stored = events.iter().find(|e| e.rule == "utilization-critical" && e.seq == 2).unwrap();
    let mut lab = Lab::new();
    lab.now = 3_600;
    lab.run("950x6", &[]);
    assert_eq!(lab.news().len(), 3, "evaluated without state, it opened an alert of its own");
    lab.engine.adopt(stored);
    lab.run("950x1", &[]);
    assert_eq!(lab.news(), ["3670 utilization-critical gone critical (untold)"]);
    let open: Vec<String> = lab.engine.open_alerts().map(|open| open.alert_id).collect();
    assert!(open.contains(&stored.alert_id));
    assert_eq!(open.len(), 2);
}

#[test]
fn an_adopted_alert_of_a_retired_device_is_closed() {
    let (_, events) = history();
    let mut lab = Lab::new();
    lab.engine.adopt(&events[2]);
    lab.now = 600;
    lab.fail(ErrorKind::Retired);
    assert_eq!(lab.news(), ["600 utilization-critical gone critical"]);
}
