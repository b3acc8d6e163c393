//! How long the last 24 hours of one table among 10,000 take (a sample a minute: 14.4 million in all), and the
//! state of all tables now. The history is written by SQL in the order of time, as commits would leave it.
//!
//! `cargo bench -p cliffwatch-store --bench read [-- sqlite|postgres]`

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench prints its figures and fails by panicking"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::Duration;

use cliffwatch_model::Timestamp;
use cliffwatch_store::{PageRequest, SampleQuery, Store};
use common::fixtures::{at, batch, conntrack, tick};
use common::home::Home;
use common::postgres::Server;
use tokio::time::Instant;

const TABLES: u64 = 10_000;
const MINUTES: u64 = 1_440;
/// The last minutes, to which autovacuum has not come yet: 2 % of a day.
const UNVACUUMED: u64 = MINUTES / 50;
/// Questions of each kind.
const QUESTIONS: u64 = 300;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if wanted("sqlite") {
        measure(&Home::sqlite()).await;
    }
    if !wanted("postgres") {
        return;
    }
    let settings = ["shared_buffers = '1GB'", "max_wal_size = '8GB'"];
    let Some(server) = Server::start(&settings).await else { return };
    measure(&Home::postgres(&server).await).await;
}

/// Whether an engine is asked for: all are, where none is named on the command line.
fn wanted(engine: &str) -> bool {
    let mut named = std::env::args().filter(|arg| ["sqlite", "postgres"].contains(&arg.as_str())).peekable();
    named.peek().is_none() || named.any(|arg| arg == engine)
}

fn device(number: u64) -> String {
    format!("nat-gw-{number:05}")
}

async fn measure(home: &Home<'_>) {
    let store = home.open().await;
    for first in (0..TABLES).step_by(5_000) {
        let polls = (first..first + 5_000).map(|number| tick(&device(number), 1, number));
        store.commit(&batch(polls)).await.unwrap();
    }
    let began = Instant::now();
    home.execute(&history(home, 1..=MINUTES - UNVACUUMED)).await;
    if let Home::Postgres(..) = home {
        home.execute("VACUUM sample").await;
    }
    home.execute(&history(home, MINUTES - UNVACUUMED + 1..=MINUTES)).await;
    println!("{}: {} samples loaded in {:?}", store.kind().as_str(), TABLES * MINUTES, began.elapsed());
    let step = Some(Duration::from_secs(300));
    ask(&*store, "24 h of one table, every reading, first touch", None).await;
    ask(&*store, "24 h of one table, every reading, again", None).await;
    ask(&*store, "24 h of one table, a point per 5 min", step).await;
    let mut took = Vec::new();
    for _ in 0..10 {
        let began = Instant::now();
        let mut page = PageRequest::default();
        while let Some(next) = store.tables(None, &page).await.unwrap().next {
            page.cursor = Some(next);
        }
        took.push(began.elapsed());
    }
    print(&*store, "all tables now", &mut took);
    commit_beside_history(&*store).await;
    store.close().await;
}

/// What a commit of one poll of each device costs when each table's rows fill many blocks.
async fn commit_beside_history(store: &dyn Store) {
    let mut took = Vec::new();
    for seq in 0..10 {
        let seq = MINUTES * 6 + 1 + seq;
        let batch = batch((0..TABLES).map(|number| tick(&device(number), seq, number)));
        let began = Instant::now();
        store.commit(&batch).await.unwrap();
        took.push(began.elapsed());
    }
    print(store, "commit of 10,000 polls beside a day of samples", &mut took);
}

/// One row per table and minute, a copy of the table's first, in the order of time.
fn history(home: &Home<'_>, minutes: std::ops::RangeInclusive<u64>) -> String {
    let (first, last) = (minutes.start(), minutes.end());
    let minutes = match home {
        Home::Sqlite(_) => format!(
            "(WITH RECURSIVE m(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM m WHERE n < {last}) SELECT n FROM m)"
        ),
        Home::Postgres(..) => format!("(SELECT n FROM generate_series({first}, {last}) AS n)"),
    };
    format!(
        "INSERT INTO sample (observed_at, seq, used, capacity_limit, table_ref, revision, poller_ref, context_ref, \
         marks, increases, counter_values) \
         SELECT {} + m.n * CAST(60000000 AS bigint) + s.table_ref, m.n + 1, s.used + m.n, s.capacity_limit, \
         s.table_ref, 0, s.poller_ref, s.context_ref, 0, 0, s.counter_values \
         FROM {minutes} AS m CROSS JOIN (SELECT * FROM sample WHERE seq = 1) AS s ORDER BY m.n, s.table_ref",
        at(0).as_micros()
    )
}

async fn ask(store: &dyn Store, what: &str, step: Option<Duration>) {
    let mut took = Vec::new();
    for question in 0..QUESTIONS {
        // Far apart, so that no question warms the cache for the next.
        let table = conntrack(&device(question * 7_919 % TABLES)).id();
        let to = at(86_400);
        let query = SampleQuery {
            table,
            from: Some(Timestamp::minus(to, Duration::from_secs(86_400))),
            to: Some(to),
            step,
        };
        let began = Instant::now();
        let page = store.samples(&query, &PageRequest::default()).await.unwrap();
        took.push(began.elapsed());
        let readings: u32 = page.items.iter().map(|point| point.readings).sum();
        assert!(readings >= 1_439, "{readings}");
    }
    print(store, what, &mut took);
}

fn print(store: &dyn Store, what: &str, took: &mut [Duration]) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    println!("{:8} {what}: p50 {:?} p95 {:?} max {:?}", store.kind().as_str(), at(50), at(95), at(100));
}
