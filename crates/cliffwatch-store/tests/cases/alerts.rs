//! Alerts and their events.

use std::collections::BTreeMap;

use cliffwatch_model::*;
use cliffwatch_store::{AlertFilter, PageRequest, Store};

use crate::common::fixtures::*;
use crate::common::home::Home;

async fn ids(store: &dyn Store, filter: AlertFilter, limit: usize) -> Vec<String> {
    let mut page = PageRequest { cursor: None, limit: Some(limit) };
    let mut ids = Vec::new();
    loop {
        let got = store.alerts(&filter, &page).await.unwrap();
        ids.extend(got.items.into_iter().map(|event| event.id));
        match got.next {
            Some(next) => page.cursor = Some(next),
            None => return ids,
        }
    }
}

pub(crate) async fn alerts_are_listed_by_their_newest_event(home: &Home<'_>) {
    let store = home.open().await;
    let quiet = AlertEvent {
        onset: at(5),
        severity: Severity::Info,
        device: name("other"),
        table_id: None,
        table: None,
        rule: "stale".to_owned(),
        labels: BTreeMap::from([
            ("site".to_owned(), "o\"brien's".to_owned()),
            ("role".to_owned(), "nat".to_owned()),
        ]),
        value: None,
        threshold: None,
        evidence: serde_json::Map::new(),
        told: false,
        incident_id: Some("i1".to_owned()),
        ..event("b1", 1, at(6), AlertState::Firing)
    };
    let escalated = AlertEvent {
        severity: Severity::Critical,
        previous_severity: Some(Severity::Warning),
        ..event("a1", 3, at(30), AlertState::Firing)
    };
    let mut batch = batch([]);
    batch.events = vec![
        event("a1", 1, at(10), AlertState::Pending),
        event("a1", 2, at(20), AlertState::Firing),
        quiet.clone(),
        escalated.clone(),
        event("c1", 1, at(10), AlertState::Firing),
        event("c1", 2, at(12), AlertState::Resolved),
    ];
    assert_eq!(store.commit(&batch).await.unwrap().events, 6);
    for limit in [1, 2, 10] {
        assert_eq!(ids(&*store, AlertFilter::default(), limit).await, ["b1/1", "c1/2", "a1/3"]);
    }
    let label = |key: &str, value: &str| AlertFilter {
        labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..AlertFilter::default()
    };
    let filters = [
        (AlertFilter { states: vec![AlertState::Firing], ..AlertFilter::default() }, vec!["b1/1", "a1/3"]),
        (
            AlertFilter { states: vec![AlertState::Resolved, AlertState::Gone], ..AlertFilter::default() },
            vec!["c1/2"],
        ),
        (AlertFilter { severity: Some(Severity::Critical), ..AlertFilter::default() }, vec!["a1/3"]),
        (AlertFilter { device: Some(name("other")), ..AlertFilter::default() }, vec!["b1/1"]),
        (
            AlertFilter { table: Some(conntrack("nat-gw-1").id()), ..AlertFilter::default() },
            vec!["c1/2", "a1/3"],
        ),
        (AlertFilter { rule: Some("stale".to_owned()), ..AlertFilter::default() }, vec!["b1/1"]),
        (label("site", "ams1"), vec!["c1/2", "a1/3"]),
        (label("site", "o\"brien's"), vec!["b1/1"]),
        (label("rack", "5"), vec![]),
    ];
    for (filter, expected) in filters {
        assert_eq!(ids(&*store, filter.clone(), 10).await, expected, "{filter:?}");
    }
    let history = store.alert("a1").await.unwrap().unwrap();
    assert_eq!(history.current, escalated);
    assert_eq!(history.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(store.alert("b1").await.unwrap().unwrap().events, [quiet]);
    assert_eq!(store.alert("none").await.unwrap(), None);
    let open: Vec<_> = store.resume(&poller()).await.unwrap().open_alerts;
    assert_eq!(open.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["a1/3", "b1/1"]);
}
