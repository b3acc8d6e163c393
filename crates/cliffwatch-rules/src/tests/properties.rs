use std::collections::{BTreeMap, BTreeSet};

use cliffwatch_model::{AlertEvent, AlertState, Observation, TableId};
use proptest::prelude::*;

use super::made_up::{engine, name, observations, observe, steps};
use super::raw::raw_observation;
use crate::{Engine, Verdicts};

/// A row of rule state, at most: the promise of `Engine::save`.
const ROW_BYTES_MAX: usize = 8 * 1024;

/// The rows as a store would hold them.
#[derive(Default)]
struct Rows(BTreeMap<Option<TableId>, String>);

impl Rows {
    fn save(&mut self, engine: &mut Engine) {
        for (id, text) in engine.save(&name()) {
            match text {
                Some(text) => self.0.insert(id, text),
                None => self.0.remove(&id),
            };
        }
    }
}

fn all(engine: &mut Engine, observations: &[Observation]) -> Vec<Verdicts> {
    observations.iter().map(|o| observe(engine, o)).collect()
}

/// Ids are used once and count without a gap; states follow each other; one open alert per rule and subject.
fn check_events(events: &[AlertEvent]) -> Result<(), TestCaseError> {
    let mut latest: BTreeMap<&str, &AlertEvent> = BTreeMap::new();
    let mut open: BTreeMap<(&str, Option<TableId>), &str> = BTreeMap::new();
    for event in events {
        let before = latest.insert(&event.alert_id, event);
        prop_assert_eq!(event.seq, before.map_or(1, |before| before.seq + 1));
        prop_assert!(before.is_none_or(|before| before.state.is_open()
            && before.at <= event.at
            && before.onset == event.onset));
        prop_assert!(before.is_none_or(|before| before.severity <= event.severity));
        prop_assert!(event.state != AlertState::Pending || !event.told);
        for number in [event.value, event.threshold].into_iter().flatten() {
            prop_assert!(number.is_finite());
        }
        let subject = (&*event.rule, event.table_id);
        let holder =
            if event.state.is_open() { open.insert(subject, &event.alert_id) } else { open.remove(&subject) };
        prop_assert!(
            holder.is_none_or(|holder| holder == event.alert_id),
            "two open alerts on {:?}",
            subject
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_cut_anywhere_changes_nothing(steps in steps(), cut in 0usize..40) {
        let observations = observations(&steps);
        let (first, rest) = observations.split_at(cut.min(observations.len()));
        let mut whole = engine();
        all(&mut whole, first);
        let expected = all(&mut whole, rest);

        let mut rows = Rows::default();
        let mut before = engine();
        for (n, observation) in first.iter().enumerate() {
            observe(&mut before, observation);
            if n % 5 == 0 {
                rows.save(&mut before);
            }
        }
        rows.save(&mut before);
        let mut after = engine();
        after.load(&name(), rows.0.clone()).unwrap();
        let (mut left, mut right): (Vec<_>, Vec<_>) = (before.open_alerts().collect(), after.open_alerts().collect());
        left.sort_by(|a, b| a.alert_id.cmp(&b.alert_id));
        right.sort_by(|a, b| a.alert_id.cmp(&b.alert_id));
        prop_assert_eq!(left, right);
        prop_assert_eq!(all(&mut after, rest), expected);

        let mut rows_of_whole = Rows::default();
        rows_of_whole.save(&mut whole);
        rows.save(&mut after);
        prop_assert_eq!(rows.0, rows_of_whole.0);
    }

    #[test]
    fn events_are_well_formed_and_rows_are_bounded(steps in steps()) {
        let mut engine = engine();
        let mut rows = Rows::default();
        let mut events = Vec::new();
        for observation in observations(&steps) {
            events.extend(observe(&mut engine, &observation).events);
            rows.save(&mut engine);
            for text in rows.0.values() {
                prop_assert!(text.len() <= ROW_BYTES_MAX, "{} bytes: {text}", text.len());
            }
        }
        check_events(&events)?;
        let open: BTreeSet<String> = engine.open_alerts().map(|open| open.alert_id).collect();
        let mut expected: BTreeMap<&str, bool> = BTreeMap::new();
        for event in &events {
            expected.insert(&event.alert_id, event.state.is_open());
        }
        prop_assert_eq!(open, expected.iter().filter(|(_, open)| **open).map(|(id, _)| (*id).to_owned()).collect());
    }

    #[test]
    fn the_same_observation_again_changes_nothing(steps in steps()) {
        let observations = observations(&steps);
        let mut once = engine();
        let mut twice = engine();
        for observation in &observations {
            prop_assert_eq!(observe(&mut once, observation), observe(&mut twice, observation));
            prop_assert_eq!(observe(&mut twice, observation), Verdicts::default());
        }
        prop_assert_eq!(once.save(&name()), twice.save(&name()));
    }

    /// Observations that no ingest would make: nothing panics, and no event holds what is not a number.
    #[test]
    fn nothing_panics(raw in prop::collection::vec(raw_observation(), 1..40)) {
        let mut engine = engine();
        for (seq, mut observation) in raw.into_iter().enumerate() {
            observation.header.seq = seq as u64;
            for event in observe(&mut engine, &observation).events {
                prop_assert!([event.value, event.threshold].into_iter().flatten().all(f64::is_finite));
                prop_assert!(!event.summary.contains("NaN"), "{}", event.summary);
            }
            prop_assert!(engine.save(&name()).iter().all(|(_, text)| text.as_ref().is_none_or(|t| t.len() <= ROW_BYTES_MAX)));
        }
    }
}
