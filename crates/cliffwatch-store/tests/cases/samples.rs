//! One table's history, and the latest reading of each.

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::*;
use cliffwatch_store::{PageRequest, SamplePoint, SampleQuery, Store};

use crate::common::fixtures::*;
use crate::common::home::Home;

async fn points(store: &dyn Store, step_s: Option<u64>, limit: usize) -> Vec<SamplePoint> {
    let query = SampleQuery {
        table: conntrack("nat-gw-1").id(),
        from: None,
        to: None,
        step: step_s.map(Duration::from_secs),
    };
    points_of(store, &query, limit).await
}

pub(crate) async fn points_of(store: &dyn Store, query: &SampleQuery, limit: usize) -> Vec<SamplePoint> {
    let mut page = PageRequest { cursor: None, limit: Some(limit) };
    let mut all = Vec::new();
    loop {
        let got = store.samples(query, &page).await.unwrap();
        assert!(got.items.len() <= limit);
        all.extend(got.items);
        match got.next {
            Some(next) => page.cursor = Some(next),
            None => return all,
        }
    }
}

pub(crate) async fn the_highest_revision_counts_and_every_increase(home: &Home<'_>) {
    let store = home.open().await;
    let key = conntrack("nat-gw-1");
    let first = TableObservation { increases: vec![refused(3)], ..reading(&key, at(0), 10) };
    let other = reading(&key, at(60), 20);
    let corrected = TableObservation { revision: 1, increases: vec![refused(2)], ..reading(&key, at(0), 15) };
    let polls = [
        observation("nat-gw-1", 1, at(1), vec![first]),
        observation("nat-gw-1", 2, at(61), vec![other, corrected]),
    ];
    store.commit(&batch(polls)).await.unwrap();
    let points = points(&*store, None, 10).await;
    let seen: Vec<_> = points.iter().map(|p| (p.observed_at, p.used, p.readings)).collect();
    assert_eq!(seen, [(at(0), Some(15), 1), (at(60), Some(20), 1)]);
    let drop = CounterName::new("drop").unwrap();
    assert_eq!(points[0].increases[&drop], (CounterClass::Refused, 5));
    assert!(points[1].increases.is_empty());
    let (_, rows) = home.rows("SELECT used, revision FROM samples ORDER BY observed_at").await;
    assert_eq!(rows, [["15", "1"], ["20", "0"]]);
    let (_, rows) = home.rows("SELECT CAST(sum(delta) AS bigint) AS risen FROM counter_increases").await;
    assert_eq!(rows, [["5"]]);
}

pub(crate) async fn rates_are_exact_and_stay_with_their_readings(home: &Home<'_>) {
    let store = home.open().await;
    let key = conntrack("nat-gw-1");
    let rates = |n: i64| match n % 4 {
        0 => (None, None),
        1 => (Some(0.1 + f64::from(i32::try_from(n).unwrap()) / 3.0), None),
        2 => (None, Some(123_456.789_012_345_67)),
        _ => (Some(f64::MIN_POSITIVE), Some(0.0)),
    };
    let polls = (0..40).map(|n| {
        let (setup_rate, teardown_rate) = rates(n);
        let table = TableObservation { setup_rate, teardown_rate, ..reading(&key, at(n * 10), 100) };
        observation("nat-gw-1", u64::try_from(n).unwrap() + 1, at(n * 10), vec![table])
    });
    store.commit(&batch(polls)).await.unwrap();
    let points = points(&*store, None, 7).await;
    let read: Vec<_> = points.iter().map(|point| (point.setup_rate, point.teardown_rate)).collect();
    assert_eq!(read, (0..40).map(rates).collect::<Vec<_>>());
}

pub(crate) async fn steps_keep_peaks_last_limits_and_sums(home: &Home<'_>) {
    let store = home.open().await;
    let key = conntrack("nat-gw-1");
    let polls = (0..30).map(|n| {
        let used = 100 + u64::try_from(n % 7).unwrap();
        let table = TableObservation {
            capacity: Ok(Capacity::reported(1_000 + u64::try_from(n).unwrap()).unwrap()),
            setup_rate: Some(f64::from(i32::try_from(n).unwrap())),
            increases: if n % 10 == 3 { vec![refused(4)] } else { Vec::new() },
            ..reading(&key, at(n * 10), used)
        };
        observation("nat-gw-1", u64::try_from(n).unwrap() + 1, at(n * 10), vec![table])
    });
    store.commit(&batch(polls)).await.unwrap();

    assert_eq!(points(&*store, None, 7).await.len(), 30);
    let minutes = points(&*store, Some(60), 100).await;
    assert_eq!(points(&*store, Some(60), 2).await, minutes, "pages change nothing");
    let starts: Vec<_> = minutes.iter().map(|p| (p.observed_at, p.readings)).collect();
    assert_eq!(starts, [0, 60, 120, 180, 240].map(|start| (at(start), 6)));
    let second = &minutes[1];
    // Readings 6 to 11: 106, 100, 101, 102, 103, 104 of 1006 to 1011.
    assert_eq!(second.used, Some(106));
    assert_eq!(second.capacity, Ok(Capacity::reported(1_011).unwrap()));
    assert!((second.utilization.unwrap() - 106.0 / 1_006.0).abs() < 1e-12);
    assert_eq!(second.setup_rate, Some(11.0));
    let sums: Vec<u64> = minutes.iter().map(|p| p.increases.values().map(|(_, sum)| sum).sum()).collect();
    assert_eq!(sums, [4, 0, 4, 4, 0].map(|sum: u64| sum), "readings 3, 13 and 23 rose by 4");
    let part = SampleQuery { table: key.id(), from: Some(at(60)), to: Some(at(90)), step: None };
    assert_eq!(points_of(&*store, &part, 2).await.len(), 3);
    let unknown = SampleQuery { table: conntrack("other").id(), from: None, to: None, step: None };
    assert_eq!(points_of(&*store, &unknown, 10).await, []);
}

pub(crate) async fn the_latest_reading_is_the_newest_and_goes_with_its_table(home: &Home<'_>) {
    let store = home.open().await;
    let (host, pod) = (conntrack("nat-gw-1"), table("nat-gw-1", "pod"));
    let late =
        TableObservation { marks: Marks { late: true, ..Marks::default() }, ..reading(&host, at(5), 9) };
    let polls = [
        observation("nat-gw-1", 1, at(10), vec![reading(&host, at(10), 1), reading(&pod, at(10), 2)]),
        observation("nat-gw-1", 2, at(20), vec![late]),
    ];
    store.commit(&batch(polls)).await.unwrap();
    store.commit(&batch([tick("other", 1, 7)])).await.unwrap();
    let now = |device: Option<&'static str>| {
        let store = Arc::clone(&store);
        async move {
            let device = device.map(name);
            let mut tables = Vec::new();
            let mut page = PageRequest { cursor: None, limit: Some(1) };
            loop {
                let got = store.tables(device.as_ref(), &page).await.unwrap();
                tables.extend(got.items.into_iter().map(|t| {
                    assert_eq!(t.platform.as_str(), "linux");
                    (t.latest.table.device.as_str().to_owned(), t.latest.observed_at, t.latest.used.unwrap())
                }));
                match got.next {
                    Some(next) => page.cursor = Some(next),
                    None => break tables,
                }
            }
        }
    };
    let mut both = [("nat-gw-1".to_owned(), at(10), 1), ("nat-gw-1".to_owned(), at(10), 2)];
    both.sort_by_key(|(_, _, used)| if *used == 1 { host.id() } else { pod.id() });
    assert_eq!(now(Some("nat-gw-1")).await, both);
    assert_eq!(now(None).await.len(), 3);

    let mut gone = observation("nat-gw-1", 3, at(30), vec![reading(&host, at(30), 3)]);
    gone.gone = vec![Arc::clone(&pod)];
    store.commit(&batch([gone.clone()])).await.unwrap();
    assert_eq!(now(Some("nat-gw-1")).await, [("nat-gw-1".to_owned(), at(30), 3)]);
    // Gone and back within one batch.
    gone.header.seq = 4;
    gone.tables = vec![];
    gone.gone = vec![Arc::clone(&host)];
    let back = observation("nat-gw-1", 5, at(50), vec![reading(&host, at(50), 5)]);
    store.commit(&batch([gone, back])).await.unwrap();
    assert_eq!(now(Some("nat-gw-1")).await, [("nat-gw-1".to_owned(), at(50), 5)]);
    let (_, rows) = home.rows("SELECT device, used FROM session_tables_now ORDER BY device").await;
    assert_eq!(rows, [["nat-gw-1", "5"], ["other", "7"]]);
}
