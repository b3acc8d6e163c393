//! Observations that no ingest would make.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    Bound, Capacity, CapacityOrigin, CapacityReason, CounterClass, CounterKind, CounterName, ErrorKind,
    GroupName, Increase, Load, Marks, Observation, Outcome, PollHeader, Role, Setting, TableObservation,
    TableState, Timestamp, Trigger,
};
use proptest::prelude::*;

use super::lab::table;
use super::made_up::{COUNTERS, header, name, reachability};

pub(super) fn raw_observation() -> impl Strategy<Value = Observation> {
    let time = prop_oneof![any::<i64>(), 1_772_359_200_000_000i64..1_772_360_200_000_000];
    let trigger = prop::sample::select(Trigger::ALL.to_vec());
    let figures = prop::collection::btree_map(
        prop::sample::select(vec!["store_unavailable_seconds", "memory_percent"]).prop_map(str::to_owned),
        any::<f64>(),
        0..2,
    );
    let skew = prop::option::of(any::<f64>());
    let outcome = prop_oneof![
        3 => Just(Outcome::Ok),
        1 => prop::sample::select(ErrorKind::ALL.to_vec()).prop_map(Outcome::Failed)
    ];
    let tables = prop::collection::vec(raw_table(), 0..4);
    (time, trigger, 0u64..100, outcome, tables, figures, skew, any::<i64>(), reachability()).prop_map(
        |(at, trigger, interval, outcome, tables, figures, skew, buckets, reachability)| Observation {
            header: PollHeader { interval: Duration::from_secs(interval), ..header(0, at, trigger) },
            outcome,
            error: None,
            epoch: None,
            gone: tables.iter().filter(|t| t.used == Some(7)).map(|t| Arc::clone(&t.table)).collect(),
            tables,
            complete: Vec::new(),
            load: Load { clock_skew_seconds: skew, figures, ..Load::default() },
            device_settings: Arc::new([("x_buckets".to_owned(), Setting::Number(buckets))].into()),
            reachability,
            evidence: Vec::new(),
            faults: Vec::new(),
        },
    )
}

fn raw_table() -> impl Strategy<Value = TableObservation> {
    let time = prop_oneof![any::<i64>(), 1_772_359_200_000_000i64..1_772_360_200_000_000];
    let number = prop_oneof![Just(7u64), Just(u64::MAX), any::<u64>()];
    let class = prop::sample::select(CounterClass::ALL.to_vec());
    let kind = prop::sample::select(CounterKind::ALL.to_vec());
    let increase =
        (prop::sample::select(COUNTERS.to_vec()), class, kind, number.clone(), number.clone(), any::<u32>());
    let increases = prop::collection::vec(increase, 0..5);
    let bound = prop::sample::select(Bound::ALL.to_vec());
    (
        0u8..3,
        time,
        any::<u8>(),
        prop::option::of(number.clone()),
        number,
        bound,
        increases,
        prop::option::of(any::<f64>()),
    )
        .prop_map(|(n, at, marks, used, limit, bound, increases, rate)| {
            let plain = table(&name(), &format!("ns{n}"), 1);
            let capacity = |limit| Capacity { limit, origin: CapacityOrigin::Reported, bound };
            TableObservation {
                id: plain.table.id(),
                table: plain.table,
                unit: plain.unit,
                group: GroupName::new("g").unwrap(),
                state: TableState::Tracking,
                role: Role::Whole,
                epoch: None,
                observed_at: Timestamp::from_micros(at),
                revision: 0,
                marks: Marks::from_bits(marks),
                used,
                capacity: NonZeroU64::new(limit).map(capacity).ok_or(CapacityReason::NotTold),
                sheds_at: None,
                setup_rate: rate,
                teardown_rate: None,
                counters: BTreeMap::new(),
                increases: increases
                    .into_iter()
                    .map(|((name, _), class, kind, amount, paired, over_seconds)| {
                        let counter = CounterName::new(name).unwrap();
                        Increase { counter, class, kind, amount, paired, over_seconds }
                    })
                    .collect(),
            }
        })
}
