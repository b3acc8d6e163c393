//! How many polls a second go through `Store::commit` with everything that a poll writes: its row, one sample
//! with eight counters, increases of one poll in ten, the latest reading, Ingest's memory, and rule state every
//! 60 seconds. Durable on both engines: SQLite with synchronous=FULL, Postgres with fsync.
//!
//! `cargo bench -p cliffwatch-store --bench commit [-- sqlite|postgres]`

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

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::*;
use cliffwatch_store::{Batch, MemoryChange, RuleStateChange, Store};
use common::fixtures::{at, header, name, poller};
use common::home::Home;
use common::postgres::Server;
use tokio::time::Instant;

/// Devices with one table each, polled every ten seconds.
const DEVICES: u64 = 10_000;
const INTERVAL_S: u64 = 10;
/// Polls of each device.
const ROUNDS: u64 = 20;
/// What the rules keep of a table: windows of five minutes.
const RULE_STATE_BYTES: usize = 600;
const COUNTERS: [(&str, CounterClass); 8] = [
    ("drop", CounterClass::Refused),
    ("insert_failed", CounterClass::Refused),
    ("early_drop", CounterClass::Evicted),
    ("chaintoolong", CounterClass::Pressure),
    ("clash_resolve", CounterClass::Pressure),
    ("found", CounterClass::Pressure),
    ("invalid", CounterClass::Pressure),
    ("search_restart", CounterClass::Pressure),
];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    for batch in [1_000, 10_000] {
        if wanted("sqlite") {
            measure(&*Home::sqlite().open().await, batch).await;
        }
        if !wanted("postgres") {
            continue;
        }
        let settings = ["shared_buffers = '1GB'", "max_wal_size = '4GB'"];
        let Some(server) = Server::start(&settings).await else { return };
        measure(&*Home::postgres(&server).await.open().await, batch).await;
    }
}

/// Whether an engine is asked for: all are, where none is named on the command line.
fn wanted(engine: &str) -> bool {
    let mut named = std::env::args().filter(|arg| ["sqlite", "postgres"].contains(&arg.as_str())).peekable();
    named.peek().is_none() || named.any(|arg| arg == engine)
}

async fn measure(store: &dyn Store, batch_polls: usize) {
    let mut fleet: Vec<Ingest> =
        (0..DEVICES).map(|_| Ingest::new(CapacityOverrides::default(), IngestMemory::default())).collect();
    let mut took = Vec::new();
    let mut rows = 0;
    for round in 1..=ROUNDS {
        let mut polls: Vec<_> = fleet.iter_mut().zip(0..).collect();
        for part in polls.chunks_mut(batch_polls) {
            let batch = batch(part, round);
            let began = Instant::now();
            let committed = store.commit(&batch).await.unwrap();
            // The first round also writes every name and context: it is a start, not the steady state.
            if round > 1 {
                took.push(began.elapsed());
            }
            rows += committed.polls + committed.samples + committed.increases;
        }
    }
    store.close().await;
    took.sort_unstable();
    let total: Duration = took.iter().sum();
    let polls = (ROUNDS - 1) * DEVICES;
    let at = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)];
    println!(
        "{:8} batch {batch_polls:6}: {:7.0} polls/s, commit p50 {:?} p95 {:?}, {rows} rows of history",
        store.kind().as_str(),
        f64::from(u32::try_from(polls).unwrap()) / total.as_secs_f64(),
        at(50),
        at(95),
    );
}

fn batch(part: &mut [(&mut Ingest, u64)], round: u64) -> Batch {
    let mut batch = Batch::new(poller());
    for (ingest, device) in part {
        let device_name = format!("nat-gw-{device:05}");
        let observation = ingest.ingest(poll(&device_name, *device, round));
        batch.memories.push(MemoryChange {
            device: name(&device_name),
            through_seq: round,
            memory: serde_json::to_string(ingest.memory()).unwrap(),
        });
        if (*device + round).is_multiple_of(60 / INTERVAL_S) {
            let table = observation.tables.first().map(|table| table.id);
            batch.rule_states.push(RuleStateChange {
                device: name(&device_name),
                through_seq: round,
                rows: vec![(table, Some("x".repeat(RULE_STATE_BYTES)))],
            });
        }
        batch.observations.push(Arc::new(observation));
    }
    batch
}

fn poll(device: &str, number: u64, round: u64) -> Poll {
    let finished_at =
        at(i64::try_from(round * INTERVAL_S).unwrap()).plus(Duration::from_micros(number * 1_000));
    let counter = |(counter, class): (&str, CounterClass)| {
        let rising = matches!(counter, "drop" | "found") && number.is_multiple_of(10);
        let parts = vec![u64::from(rising) * round * 7, number, 0, 12_345];
        let reading = CounterReading::Cumulative { bits: CounterBits::B32, parts };
        (CounterName::new(counter).unwrap(), Counter { class, reading })
    };
    let sample = Sample {
        table: common::fixtures::conntrack(device),
        unit: Unit::Entries,
        group: GroupName::new("conntrack").unwrap(),
        state: TableState::Tracking,
        role: Role::Whole,
        epoch: None,
        observed_at: finished_at,
        used: Some(100_000 + number + round),
        capacity: Ok(Capacity::reported(262_144).unwrap()),
        sheds_at: None,
        setup_rate: None,
        teardown_rate: None,
        counters: COUNTERS.into_iter().map(counter).collect(),
    };
    let reading = Reading {
        epoch: Some(Epoch::new(&format!("boot:6f1c-{number}")).unwrap()),
        samples: vec![sample],
        complete: vec![GroupName::new("conntrack").unwrap()],
        device_settings: [("nf_conntrack_buckets".to_owned(), Setting::Number(65_536))].into(),
        reachability: Reachability { held_ms: Some(0.6), ..Reachability::default() },
        ..Reading::default()
    };
    Poll { header: header(device, round, finished_at), result: Ok(reading) }
}
