use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    DeviceName, IngestMemory, Load, Observation, Outcome, Platform, PollHeader, PollerName, Reachability,
    TableId, Timestamp, Trigger,
};
use cliffwatch_store::RuleStateChange;

use super::event;
use crate::backlog::{BACKLOG_BYTES_MAX, Backlog, Entry, to_batch};
use crate::stats::Stats;

fn observation(seq: u64) -> Arc<Observation> {
    let at = Timestamp::from_secs(10);
    Arc::new(Observation {
        header: PollHeader {
            device: DeviceName::new("gw").unwrap(),
            platform: Platform::new("linux").unwrap(),
            poller: PollerName::new("p").unwrap(),
            seq,
            trigger: Trigger::Tick,
            started_at: at,
            finished_at: at,
            interval: Duration::from_secs(10),
            late: false,
            lag: Duration::ZERO,
        },
        outcome: Outcome::Ok,
        error: None,
        epoch: None,
        tables: Vec::new(),
        gone: Vec::new(),
        complete: Vec::new(),
        load: Load::default(),
        device_settings: Arc::default(),
        reachability: Reachability::default(),
        evidence: Vec::new(),
        faults: Vec::new(),
    })
}

fn entry(seq: u64) -> Entry {
    Entry { observation: Some(observation(seq)), memory: Some(IngestMemory::default()), ..Entry::default() }
}

#[test]
fn a_store_that_is_away_for_long_costs_the_oldest_observations_and_no_event() {
    let (backlog, stats) = (Backlog::default(), Stats::default());
    let mut pushed = 0;
    while Stats::read(&stats.observations_dropped_total) == 0 {
        pushed += 1;
        let events =
            if pushed % 1_000 == 1 { vec![event("a", u32::try_from(pushed).unwrap())] } else { Vec::new() };
        backlog.push(Entry { events, ..entry(pushed) }, &stats);
        assert!(Stats::read(&stats.backlog_bytes) <= BACKLOG_BYTES_MAX as u64);
    }
    let dropped = Stats::read(&stats.observations_dropped_total);
    let (mut events, mut seqs) = (0, Vec::new());
    while !backlog.is_empty() {
        for entry in backlog.take_batch(&stats) {
            events += entry.events.len() as u64;
            seqs.extend(entry.observation.map(|o| o.header.seq));
        }
    }
    assert_eq!(events, pushed.div_ceil(1_000), "every event is kept");
    assert_eq!(seqs.len() as u64, pushed - dropped, "what is dropped is counted");
    assert!(
        seqs.windows(2).all(|pair| pair[0] < pair[1]) && seqs.last() == Some(&pushed),
        "the newest are kept"
    );
    assert_eq!(Stats::read(&stats.backlog_bytes), 0);
}

#[test]
fn a_batch_that_failed_comes_first_again() {
    let (backlog, stats) = (Backlog::default(), Stats::default());
    (1..=3).for_each(|seq| backlog.push(entry(seq), &stats));
    let batch = backlog.take_batch(&stats);
    backlog.push(entry(4), &stats);
    backlog.put_back(batch, &stats);
    let seqs: Vec<u64> =
        backlog.take_batch(&stats).iter().map(|e| e.observation.as_ref().unwrap().header.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4]);
}

#[test]
fn of_state_and_memory_only_the_newest_is_written() {
    let gw = DeviceName::new("gw").unwrap();
    let table = TableId::parse("42b78ed1f4fb22ed");
    let rows = |through_seq, rows| Some(RuleStateChange { device: gw.clone(), through_seq, rows });
    let first =
        Entry { rules: rows(1, vec![(None, Some("d1".into())), (table, Some("t1".into()))]), ..entry(1) };
    let second = Entry { rules: rows(2, vec![(table, None)]), ..entry(2) };
    let batch = to_batch(&PollerName::new("p").unwrap(), &[first, second]);
    assert_eq!(batch.observations.len(), 2);
    assert_eq!(batch.memories.iter().map(|memory| memory.through_seq).collect::<Vec<_>>(), [2]);
    let [state] = &batch.rule_states[..] else { panic!("one change per device: {:?}", batch.rule_states) };
    assert_eq!((state.through_seq, &state.rows), (2, &vec![(None, Some("d1".into())), (table, None)]));
}
