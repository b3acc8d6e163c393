//! What is too old goes; what is in use stays.

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::*;
use cliffwatch_store::{DeviceChange, HistoryQuery, PageRequest, Retained, Retention, SampleQuery, Store};

use super::samples::points_of;
use crate::common::fixtures::*;
use crate::common::home::Home;

const DAY_S: i64 = 86_400;

const KEEP: Retention = Retention {
    samples: Duration::from_secs(2 * 86_400),
    rollups: Duration::from_secs(10 * 86_400),
    polls: Duration::from_secs(3 * 86_400),
    events: Duration::from_secs(5 * 86_400),
};

async fn retain(store: &dyn Store, now: Timestamp) -> Retained {
    let mut total = Retained::default();
    for _ in 0..1_000 {
        let done = store.retain(&KEEP, now).await.unwrap();
        total.samples += done.samples;
        total.increases += done.increases;
        total.rollups += done.rollups;
        total.polls += done.polls;
        total.events += done.events;
        total.identities += done.identities;
        if !done.more {
            return total;
        }
    }
    panic!("retention does not end: {total:?}");
}

/// A poll every ten minutes for four days, with an increase each hour.
fn four_days(device: &str) -> Vec<Observation> {
    let key = conntrack(device);
    let poll = |n: u64| {
        let instant = at(i64::try_from(n).unwrap() * 600);
        let increases = if n.is_multiple_of(6) { vec![refused(2)] } else { Vec::new() };
        let table = TableObservation { increases, ..reading(&key, instant, n) };
        observation(device, n + 1, instant, vec![table])
    };
    (0..4 * 144).map(poll).collect()
}

pub(crate) async fn old_samples_become_hourly_summaries(home: &Home<'_>) {
    let store = home.open().await;
    store.commit(&batch(four_days("nat-gw-1"))).await.unwrap();
    let query = |step| SampleQuery { table: conntrack("nat-gw-1").id(), from: None, to: None, step };
    let hourly = query(Some(Duration::from_secs(3_600)));
    let daily = query(Some(Duration::from_secs(86_400)));
    let (hours, days) = (points_of(&*store, &hourly, 7).await, points_of(&*store, &daily, 7).await);
    assert_eq!((hours.len(), days.len()), (96, 4));

    let done = retain(&*store, at(4 * DAY_S)).await;
    assert_eq!((done.samples, done.increases, done.polls), (2 * 144, 2 * 24, 144));
    assert_eq!(points_of(&*store, &hourly, 7).await, hours, "the summaries tell what the samples told");
    assert_eq!(points_of(&*store, &daily, 1).await, days);
    assert_eq!(points_of(&*store, &query(None), 1_000).await.len(), 2 * 144);
    let polls = store.observations(&HistoryQuery::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(polls.items.len(), 3 * 144);
    assert_eq!(polls.items[0].tables, [], "its samples are kept for less long than the poll");
    assert_eq!(polls.items[143 * 3].tables.len(), 1);
    assert_eq!(retain(&*store, at(4 * DAY_S)).await, Retained::default(), "once is enough");

    let done = retain(&*store, at(12 * DAY_S)).await;
    assert_eq!(done.rollups, 2 * 24);
}

pub(crate) async fn the_latest_reading_outlives_everything(home: &Home<'_>) {
    let store = home.open().await;
    store.commit(&batch(four_days("nat-gw-1"))).await.unwrap();
    let mut first = batch(four_days("left"));
    first.devices = vec![DeviceChange::Active(device("left"))];
    first.events = vec![
        event("open", 1, at(1), AlertState::Firing),
        event("closed", 1, at(1), AlertState::Firing),
        event("closed", 2, at(2), AlertState::Resolved),
    ];
    store.commit(&first).await.unwrap();
    let mut left = batch([]);
    left.devices = vec![DeviceChange::Retired { device: name("left"), at: at(5 * DAY_S) }];
    store.commit(&left).await.unwrap();

    let done = retain(&*store, at(100 * DAY_S)).await;
    assert_eq!(done.events, 2);
    assert!(done.identities >= 3, "a device, its table and its progress: {done:?}");
    let tables = store.tables(None, &PageRequest::default()).await.unwrap().items;
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].latest.used, Some(4 * 144 - 1));
    let devices = store.devices(&PageRequest::default()).await.unwrap().items;
    assert_eq!(devices.iter().map(|d| d.name.as_str()).collect::<Vec<_>>(), ["nat-gw-1"]);
    assert!(store.alert("open").await.unwrap().is_some());
    assert!(store.alert("closed").await.unwrap().is_none());
    let resume = store.resume(&poller()).await.unwrap();
    assert_eq!(resume.devices[&name("nat-gw-1")].last_seq, 4 * 144, "numbers never start again");

    // What was forgotten is learnt again, also by a writer that knew it.
    let mut back = batch([tick("left", 577, 1), tick("nat-gw-1", 577, 1)]);
    for o in &mut back.observations {
        Arc::make_mut(o).header.finished_at = at(100 * DAY_S);
    }
    assert_eq!(store.commit(&back).await.unwrap().polls, 2);
    let read = store.observations(&HistoryQuery::default(), &PageRequest::default()).await.unwrap();
    assert_eq!(read.items.iter().map(|o| o.tables.len()).collect::<Vec<_>>(), [1, 1]);
}

pub(crate) async fn one_call_removes_a_bounded_part(home: &Home<'_>) {
    let store = home.open().await;
    let polls = |part: u64| {
        let poll = move |n: u64| {
            let seq = part * 8_000 + n;
            observation("nat-gw-1", seq, at(i64::try_from(seq).unwrap()), Vec::new())
        };
        (1..=8_000).map(poll)
    };
    store.commit(&batch(polls(0))).await.unwrap();
    let done = store.retain(&KEEP, at(30 * DAY_S)).await.unwrap();
    assert!(done.more && done.polls > 0 && done.polls < 8_000, "{done:?}");
    assert_eq!(retain(&*store, at(30 * DAY_S)).await.polls, 8_000 - done.polls);
}
