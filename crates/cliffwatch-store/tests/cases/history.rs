//! Observations go in and come out as they were.

use cliffwatch_model::*;
use cliffwatch_store::{Committed, HistoryQuery, Order, PAGE_ITEMS_MAX, PageRequest, Store};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::common::arbitrary;
use crate::common::fixtures::*;
use crate::common::home::Home;

/// Histories that the property is tried on, each in one commit on a store that keeps the others.
const HISTORIES: usize = 64;

async fn all(store: &dyn Store, query: &HistoryQuery, limit: usize) -> Vec<Observation> {
    let mut page = PageRequest { cursor: None, limit: Some(limit) };
    let mut all = Vec::new();
    loop {
        let got = store.observations(query, &page).await.unwrap();
        assert!(got.items.len() <= limit);
        all.extend(got.items);
        match got.next {
            Some(next) => page.cursor = Some(next),
            None => return all,
        }
    }
}

pub(crate) async fn a_rich_observation_is_read_as_it_was_written(home: &Home<'_>) {
    let store = home.open().await;
    let committed = store.commit(&batch([rich()])).await.unwrap();
    assert_eq!((committed.polls, committed.samples, committed.increases), (1, 2, 2));
    let page = store.observations(&HistoryQuery::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(page.items, [rich()]);
    assert_eq!(page.next, None);
}

pub(crate) async fn any_history_is_read_as_it_was_written(home: &Home<'_>) {
    let store = home.open().await;
    let mut runner = TestRunner::deterministic();
    for round in 0..HISTORIES {
        let history = arbitrary::history().new_tree(&mut runner).unwrap().current();
        let mut batch = batch(history.clone());
        // Each history is of a poller of its own, so that the store can keep them all.
        let poller = PollerName::new(&format!("p{round}")).unwrap();
        for (o, instant) in batch.observations.iter_mut().zip(0..) {
            let o = std::sync::Arc::make_mut(o);
            o.header.poller = poller.clone();
            let shift = i64::try_from(round).unwrap() * 1_000_000;
            o.header.finished_at = Timestamp::from_micros(o.header.finished_at.as_micros() + shift);
            for (table, place) in o.tables.iter_mut().zip(0..) {
                table.observed_at = Timestamp::from_micros(shift + instant * 1_000 + place);
            }
        }
        let mut expected: Vec<Observation> = batch.observations.iter().map(|o| (**o).clone()).collect();
        expected.sort_by_key(|o| (o.header.finished_at, o.header.device.clone(), o.header.seq));
        batch.poller = poller.clone();
        store.commit(&batch).await.unwrap();
        let query = HistoryQuery { poller: Some(poller), ..HistoryQuery::default() };
        assert_eq!(all(&*store, &query, 2).await, expected);
    }
}

pub(crate) async fn a_batch_that_is_written_again_adds_nothing(home: &Home<'_>) {
    let store = home.open().await;
    let mut risen = tick("nat-gw-1", 2, 200);
    risen.tables[0].increases = vec![refused(5)];
    let mut batch = batch([tick("nat-gw-1", 1, 100), risen]);
    batch.events = vec![event("a1", 1, at(10), AlertState::Firing)];
    batch.memories = vec![memory("nat-gw-1", 2, "{}")];
    let first = store.commit(&batch).await.unwrap();
    assert_eq!(first, Committed { polls: 2, samples: 2, increases: 1, events: 1 });
    let resumed = store.resume(&poller()).await.unwrap();

    // A writer that lost the answer to its commit starts anew and knows nothing.
    store.close().await;
    let store = home.open().await;
    assert_eq!(store.commit(&batch).await.unwrap(), Committed::default());
    // What came in meanwhile rides with the retry.
    batch.observations.push(std::sync::Arc::new(tick("nat-gw-1", 3, 300)));
    assert_eq!(
        store.commit(&batch).await.unwrap(),
        Committed { polls: 1, samples: 1, ..Committed::default() }
    );

    let stored = all(&*store, &HistoryQuery::default(), 100).await;
    let written: Vec<Observation> = batch.observations.iter().map(|o| (**o).clone()).collect();
    assert_eq!(stored, written);
    let now = store.resume(&poller()).await.unwrap();
    assert_eq!(now.open_alerts, resumed.open_alerts);
    assert_eq!(now.devices[&name("nat-gw-1")].latest, stored[2].tables);
}

pub(crate) async fn history_is_listed_in_order_and_by_page(home: &Home<'_>) {
    let store = home.open().await;
    let mut history = Vec::new();
    for seq in 1..=5 {
        // Names that sort differently by byte and by language.
        for device in ["b", "B", "a-1", "a.1"] {
            history.push(tick(device, seq, seq));
        }
    }
    store.commit(&batch(history.clone())).await.unwrap();
    history.sort_by(|a, b| {
        (a.header.finished_at, &a.header.device).cmp(&(b.header.finished_at, &b.header.device))
    });
    for limit in [1, 3, 20, 100] {
        assert_eq!(all(&*store, &HistoryQuery::default(), limit).await, history);
        let newest = HistoryQuery { order: Order::NewestFirst, ..HistoryQuery::default() };
        assert!(all(&*store, &newest, limit).await.iter().eq(history.iter().rev()));
    }
    let some = HistoryQuery {
        device: Some(name("B")),
        poller: Some(poller()),
        after_seq: Some(1),
        from: Some(at(20)),
        to: Some(at(50)),
        with_evidence: false,
        order: Order::OldestFirst,
    };
    let seqs: Vec<u64> = all(&*store, &some, 2).await.iter().map(|o| o.header.seq).collect();
    assert_eq!(seqs, [2, 3, 4]);
    for none in [
        HistoryQuery { device: Some(name("unknown")), ..HistoryQuery::default() },
        HistoryQuery { poller: Some(PollerName::new("other").unwrap()), ..HistoryQuery::default() },
    ] {
        assert_eq!(all(&*store, &none, 2).await, []);
    }
    let with_evidence = HistoryQuery { with_evidence: true, ..HistoryQuery::default() };
    assert_eq!(all(&*store, &with_evidence, 2).await, []);
    let greedy = PageRequest { cursor: None, limit: Some(PAGE_ITEMS_MAX * 10) };
    assert_eq!(store.observations(&some, &greedy).await.unwrap().items.len(), 3);
    let foreign = PageRequest { cursor: Some("5b5d".to_owned()), limit: None };
    assert!(!store.observations(&some, &foreign).await.unwrap_err().is_retryable());
}

pub(crate) async fn a_nul_from_a_device_costs_only_itself(home: &Home<'_>) {
    let store = home.open().await;
    let mut o = tick("nat-gw-1", 1, 100);
    let table = TableKey { name: "t\0".into(), ..(*table("nat-gw-1", "n\0s")).clone() };
    o.tables.push(reading(&std::sync::Arc::new(table), at(11), 1));
    o.outcome = Outcome::Partial;
    o.faults = vec![Fault::new("a\0b", FaultKind::Parse, "\\u0000 \0")];
    o.device_settings = std::sync::Arc::new([("k\0".to_owned(), Setting::Text("v\0".to_owned()))].into());
    o.evidence = vec![EvidenceItem {
        what: "\0".to_owned(),
        table_id: None,
        value: serde_json::json!({"\0": ["\0"]}),
    }];
    store.commit(&batch([o])).await.unwrap();
    let read = all(&*store, &HistoryQuery::default(), 10).await.remove(0);
    assert_eq!(&*read.tables[1].table.scope.name, "n\u{FFFD}s");
    assert_eq!(&*read.tables[1].table.name, "t\u{FFFD}");
    assert_eq!(read.faults, [Fault::new("a\u{FFFD}b", FaultKind::Parse, "\\u0000 \u{FFFD}")]);
    assert_eq!(read.device_settings["k\u{FFFD}"], Setting::Text("v\u{FFFD}".to_owned()));
    assert_eq!(read.evidence[0].value, serde_json::json!({"\u{FFFD}": ["\u{FFFD}"]}));
    let with_evidence = HistoryQuery { with_evidence: true, ..HistoryQuery::default() };
    assert_eq!(all(&*store, &with_evidence, 10).await, std::slice::from_ref(&read));
    home.rows("SELECT device_settings, evidence, faults FROM polls").await;
}

pub(crate) async fn what_is_not_a_number_is_not_stored(home: &Home<'_>) {
    let store = home.open().await;
    let mut o = tick("nat-gw-1", 1, 100);
    o.load.figures = [("cpu_percent".to_owned(), f64::NAN), ("memory_percent".to_owned(), 5.0)].into();
    o.reachability.held_ms = Some(f64::INFINITY);
    o.tables[0].setup_rate = Some(f64::NEG_INFINITY);
    store.commit(&batch([o])).await.unwrap();
    let read = all(&*store, &HistoryQuery::default(), 10).await.remove(0);
    assert_eq!(read.load.figures, [("memory_percent".to_owned(), 5.0)].into());
    assert_eq!((read.reachability.held_ms, read.tables[0].setup_rate), (None, None));
}

pub(crate) async fn readers_see_whole_batches_while_a_writer_writes(home: &Home<'_>) {
    let store = home.open().await;
    let writer = std::sync::Arc::clone(&store);
    let writing = tokio::spawn(async move {
        for round in 0..20_u64 {
            let polls = (1..=50).map(|n| tick("nat-gw-1", round * 50 + n, n));
            writer.commit(&batch(polls)).await.unwrap();
        }
    });
    let mut last = 0;
    while !writing.is_finished() {
        let seen = all(&*store, &HistoryQuery::default(), PAGE_ITEMS_MAX).await.len();
        assert!(seen % 50 == 0 && seen >= last, "{seen} after {last}");
        last = seen;
    }
    writing.await.unwrap();
    assert_eq!(all(&*store, &HistoryQuery::default(), PAGE_ITEMS_MAX).await.len(), 1_000);
}
