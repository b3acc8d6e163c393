use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::{
    Capacity, Counter, CounterBits, CounterClass, CounterName, CounterReading, DeviceName, Epoch, ErrorKind,
    GroupName, Outcome, Platform, PollerName, Reading, Role, Sample, Scope, SourceError, TableKey, TableKind,
    TableState, Timestamp, Trigger, Unit,
};

fn header(at: i64) -> PollHeader {
    PollHeader {
        device: DeviceName::new("gw").unwrap(),
        platform: Platform::new("linux").unwrap(),
        poller: PollerName::new("p").unwrap(),
        seq: at.unsigned_abs(),
        trigger: Trigger::Tick,
        started_at: Timestamp::from_secs(at),
        finished_at: Timestamp::from_secs(at),
        interval: Duration::from_secs(10),
        late: false,
        lag: Duration::ZERO,
    }
}

fn sample(name: &str, at: i64, used: u64, counters: &[(&str, Counter)]) -> Sample {
    let device = DeviceName::new("gw").unwrap();
    Sample {
        table: Arc::new(TableKey::new(
            device,
            Scope::new("netns", name),
            TableKind::Conntrack,
            "nf_conntrack",
        )),
        unit: Unit::Entries,
        group: GroupName::new("conntrack").unwrap(),
        state: TableState::Tracking,
        role: Role::Whole,
        epoch: None,
        observed_at: Timestamp::from_secs(at),
        used: Some(used),
        capacity: Capacity::reported(1000).ok_or(CapacityReason::NotTold),
        sheds_at: None,
        setup_rate: None,
        teardown_rate: None,
        counters: counters.iter().map(|(n, c)| (CounterName::new(n).unwrap(), c.clone())).collect(),
    }
}

fn poll(at: i64, epoch: &str, samples: Vec<Sample>) -> Poll {
    let complete = vec![GroupName::new("conntrack").unwrap()];
    let epoch = Some(Epoch::new(epoch).unwrap());
    Poll { header: header(at), result: Ok(Reading { epoch, samples, complete, ..Reading::default() }) }
}

fn drops(parts: &[u64]) -> Counter {
    let reading = CounterReading::Cumulative { bits: CounterBits::B32, parts: parts.to_vec() };
    Counter { class: CounterClass::Refused, reading }
}

fn ingest() -> Ingest {
    Ingest::new(CapacityOverrides::default(), IngestMemory::default())
}

fn amounts(observation: &Observation) -> Vec<(String, u64, u64)> {
    let all = observation.tables.iter().flat_map(|t| &t.increases);
    all.map(|i| (i.counter.to_string(), i.amount, i.paired)).collect()
}

#[test]
fn an_increase_spreads_over_the_nearest_whole_seconds() {
    let over = |micros: i64| {
        let mut ingest = ingest();
        drop_moves(&mut ingest, 100, "a", &[0]);
        let mut sample = sample("host", 100, 5, &[("drop", drops(&[7]))]);
        sample.observed_at = Timestamp::from_micros(100_000_000 + micros);
        ingest.ingest(poll(101, "a", vec![sample])).tables[0].increases[0].over_seconds
    };
    assert_eq!([300, 998_000, 1_400_000, 9_998_000].map(over), [1, 1, 1, 10]);
}

fn drop_moves(ingest: &mut Ingest, at: i64, epoch: &str, parts: &[u64]) -> Vec<u64> {
    let observation = ingest.ingest(poll(at, epoch, vec![sample("host", at, 5, &[("drop", drops(parts))])]));
    amounts(&observation).into_iter().map(|(_, amount, _)| amount).collect()
}

#[test]
fn the_first_total_is_history() {
    let mut ingest = ingest();
    assert!(drop_moves(&mut ingest, 10, "a", &[900, 100]).is_empty());
    assert!(drop_moves(&mut ingest, 20, "a", &[900, 100]).is_empty());
    assert_eq!(drop_moves(&mut ingest, 30, "a", &[903, 104]), [7]);
}

#[test]
fn parts_wrap_on_their_own() {
    let mut ingest = ingest();
    drop_moves(&mut ingest, 10, "a", &[u64::from(u32::MAX) - 1, 10]);
    assert_eq!(drop_moves(&mut ingest, 20, "a", &[2, 11]), [5]);
}

#[test]
fn a_decrease_is_flagged_and_rebased() {
    let mut ingest = ingest();
    drop_moves(&mut ingest, 10, "a", &[100]);
    let observation = ingest.ingest(poll(20, "a", vec![sample("host", 20, 5, &[("drop", drops(&[90]))])]));
    assert!(observation.tables[0].marks.decreased && amounts(&observation).is_empty());
    assert_eq!(drop_moves(&mut ingest, 30, "a", &[95]), [5]);
}

#[test]
fn a_reboot_starts_from_zero() {
    let mut ingest = ingest();
    drop_moves(&mut ingest, 10, "a", &[100]);
    let observation = ingest.ingest(poll(20, "b", vec![sample("host", 20, 5, &[("drop", drops(&[3]))])]));
    assert!(observation.tables[0].marks.new_epoch && !observation.tables[0].marks.decreased);
    assert_eq!(amounts(&observation), [("drop".into(), 3, 0)]);
}

#[test]
fn a_container_that_is_born_and_refuses_is_counted_from_zero() {
    let mut ingest = ingest();
    drop_moves(&mut ingest, 10, "a", &[100]);
    let born = sample("pod-1", 20, 5, &[("drop", drops(&[4]))]);
    let host = sample("host", 20, 5, &[("drop", drops(&[100]))]);
    let observation = ingest.ingest(poll(20, "a", vec![host, born]));
    assert_eq!(amounts(&observation), [("drop".into(), 4, 0)]);
    let observation = ingest.ingest(poll(30, "a", vec![sample("host", 30, 5, &[])]));
    assert_eq!(observation.gone.iter().map(|t| &*t.scope.name).collect::<Vec<_>>(), ["pod-1"]);
}

#[test]
fn a_clash_is_not_counted_twice() {
    let mut ingest = ingest();
    let counters = |drop, failed| [("drop", drops(&[drop])), ("insert_failed", drops(&[failed]))];
    ingest.ingest(poll(10, "a", vec![sample("host", 10, 5, &counters(0, 0))]));
    let observation = ingest.ingest(poll(20, "a", vec![sample("host", 20, 5, &counters(250, 240))]));
    assert_eq!(amounts(&observation), [("drop".into(), 250, 0), ("insert_failed".into(), 240, 240)]);
}

#[test]
fn identical_rereads_are_dropped_and_corrections_counted_once() {
    let mut ingest = ingest();
    let period = |value| Counter {
        class: CounterClass::Refused,
        reading: CounterReading::Period { value, period: Duration::from_secs(60), provisional: true },
    };
    let read = |ingest: &mut Ingest, at, value| {
        let observation =
            ingest.ingest(poll(at, "a", vec![sample("gw", at, 5, &[("errors", period(value))])]));
        (observation.tables.first().map(|t| (t.revision, t.marks.late)), amounts(&observation))
    };
    assert_eq!(read(&mut ingest, 60, 4), (Some((0, false)), vec![("errors".into(), 4, 0)]));
    assert_eq!(read(&mut ingest, 60, 4), (None, vec![]));
    assert_eq!(read(&mut ingest, 60, 9), (Some((1, false)), vec![("errors".into(), 5, 0)]));
    assert_eq!(read(&mut ingest, 180, 0), (Some((0, false)), vec![]));
    assert_eq!(read(&mut ingest, 120, 2), (Some((0, true)), vec![("errors".into(), 2, 0)]));
    assert_eq!(read(&mut ingest, 120, 0), (Some((1, true)), vec![]));
    assert_eq!(
        read(&mut ingest, 120, 3),
        (Some((2, true)), vec![("errors".into(), 1, 0)]),
        "two were counted"
    );
}

#[test]
fn the_order_inside_a_poll_makes_nothing_late() {
    let mut ingest = ingest();
    let newest_first = vec![sample("gw", 180, 7, &[]), sample("gw", 60, 5, &[]), sample("gw", 120, 6, &[])];
    let seen = ingest.ingest(poll(180, "a", newest_first)).tables;
    let read: Vec<_> = seen.iter().map(|table| (table.used, table.marks.late)).collect();
    assert_eq!(read, [(Some(5), false), (Some(6), false), (Some(7), false)]);
}

#[test]
fn limits_are_carried_and_the_inventory_outranks_the_device() {
    let mut ingest = ingest();
    let mut slow = sample("host", 10, 5, &[]);
    ingest.ingest(poll(10, "a", vec![slow.clone()]));
    slow.observed_at = Timestamp::from_secs(20);
    slow.capacity = Err(CapacityReason::NotRead);
    let carried = ingest.ingest(poll(20, "a", vec![slow.clone()])).tables[0].capacity;
    assert_eq!(carried, Capacity::reported(1000).ok_or(CapacityReason::NotTold));
    ingest.configure(CapacityOverrides::new(BTreeMap::from([(
        "conntrack".into(),
        NonZeroU64::new(50).unwrap(),
    )])));
    slow.observed_at = Timestamp::from_secs(30);
    assert_eq!(ingest.ingest(poll(30, "a", vec![slow])).tables[0].capacity.unwrap().limit.get(), 50);
}

#[test]
fn a_failed_poll_forgets_nothing() {
    let mut ingest = ingest();
    drop_moves(&mut ingest, 10, "a", &[100]);
    let failed = Poll { header: header(20), result: Err(SourceError::new(ErrorKind::Timeout, "no answer")) };
    let observation = ingest.ingest(failed);
    assert_eq!(observation.outcome, Outcome::Failed(ErrorKind::Timeout));
    assert!(observation.gone.is_empty() && observation.tables.is_empty());
    assert_eq!(drop_moves(&mut ingest, 30, "a", &[101]), [1]);
}

#[test]
fn a_runaway_device_is_bounded_and_says_so() {
    let mut ingest = ingest();
    let many = (0..LIVE_TABLES_MAX + 50).map(|n| sample(&format!("ns{n}"), 10, n as u64, &[])).collect();
    let observation = ingest.ingest(poll(10, "a", many));
    assert_eq!(observation.tables.len(), LIVE_TABLES_MAX);
    assert!(observation.tables.iter().all(|t| t.used >= Some(50)), "the fullest are kept");
    assert_eq!(observation.faults[0].message, "50 tables beyond the 2000 fullest were left out");
    assert_eq!(observation.outcome, Outcome::Partial);
}

proptest::proptest! {
    /// Saving and restoring the memory anywhere changes nothing, whatever the counters do.
    #[test]
    fn memory_survives_a_cut_anywhere(
        steps in proptest::collection::vec((0u64..=u64::from(u32::MAX), 0u8..4, 0u64..2000), 1..30),
        cut in 0usize..30,
    ) {
        let polls: Vec<Poll> = steps.iter().enumerate().map(|(n, (total, epoch, used))| {
            let at = 10 + 10 * i64::try_from(n).unwrap();
            poll(at, &format!("boot{epoch}"), vec![sample("host", at, *used, &[("drop", drops(&[*total]))])])
        }).collect();
        let mut whole = ingest();
        let mut parts = ingest();
        for (n, poll) in polls.into_iter().enumerate() {
            if n == cut {
                let saved = serde_json::to_string(parts.memory()).unwrap();
                parts = Ingest::new(CapacityOverrides::default(), serde_json::from_str(&saved).unwrap());
            }
            proptest::prop_assert_eq!(whole.ingest(poll.clone()), parts.ingest(poll));
        }
    }
}
