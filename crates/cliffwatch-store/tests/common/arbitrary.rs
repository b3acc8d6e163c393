//! Observations of every shape that the model allows.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::*;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use super::fixtures::{at, header};

/// Text of any characters but NUL, which no store keeps.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>().prop_filter("NUL", |c| *c != '\0'), 0..12).prop_map(String::from_iter)
}

/// Text that a checked name may be.
fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9_.-]{1,12}"
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("not a number", |number| number.is_finite())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        finite().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(text(), inner, 0..3).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn capacity() -> impl Strategy<Value = Result<Capacity, CapacityReason>> {
    let known =
        (1..=u64::MAX, select(CapacityOrigin::ALL), select(Bound::ALL)).prop_map(|(limit, origin, bound)| {
            Ok(Capacity { limit: NonZeroU64::new(limit).unwrap(), origin, bound })
        });
    prop_oneof![known, select(CapacityReason::ALL).prop_map(Err)]
}

fn key(device: &'static str) -> impl Strategy<Value = Arc<TableKey>> {
    (text(), text(), select(TableKind::ALL), text(), option::of(text()), btree_map(text(), text(), 0..3))
        .prop_map(move |(scope_kind, scope_name, kind, name, protocol, part)| {
            Arc::new(TableKey {
                protocol: protocol.map(Into::into),
                part: part.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
                ..TableKey::new(
                    DeviceName::new(device).unwrap(),
                    Scope::new(&scope_kind, &scope_name),
                    kind,
                    &name,
                )
            })
        })
}

fn counters() -> impl Strategy<Value = BTreeMap<CounterName, CounterTotal>> {
    let total = (select(CounterClass::ALL), select(CounterKind::ALL), any::<u64>())
        .prop_map(|(class, kind, value)| CounterTotal { class, kind, value });
    btree_map(word().prop_map(|name| CounterName::new(&name).unwrap()), total, 0..4)
}

fn increase() -> impl Strategy<Value = Increase> {
    let what = (word(), select(CounterClass::ALL), select(CounterKind::ALL));
    (what, 1..=u64::MAX, any::<u64>(), any::<u32>()).prop_map(
        |((counter, class, kind), amount, paired, over_seconds)| Increase {
            counter: CounterName::new(&counter).unwrap(),
            class,
            kind,
            amount,
            paired,
            over_seconds,
        },
    )
}

fn table(device: &'static str) -> impl Strategy<Value = TableObservation> {
    let numbers = (
        option::of(any::<u64>()),
        capacity(),
        option::of(any::<u64>()),
        option::of(finite()),
        option::of(finite()),
    );
    let words =
        (select(Unit::ALL), word(), select(TableState::ALL), select(Role::ALL), option::of(word()), 0..16_u8);
    (key(device), words, numbers, counters(), vec(increase(), 0..3), 0..1_000_u32).prop_map(
        |(table, words, numbers, counters, increases, revision)| {
            let (unit, group, state, role, epoch, marks) = words;
            let (used, capacity, sheds_at, setup_rate, teardown_rate) = numbers;
            TableObservation {
                id: table.id(),
                table,
                unit,
                group: GroupName::new(&group).unwrap(),
                state,
                role,
                epoch: epoch.map(|epoch| Epoch::new(&epoch).unwrap()),
                observed_at: at(0),
                revision,
                marks: Marks::from_bits(marks),
                used,
                capacity,
                sheds_at,
                setup_rate,
                teardown_rate,
                counters,
                increases,
            }
        },
    )
}

fn load() -> impl Strategy<Value = Load> {
    let figures = btree_map("[a-z]{1,8}_percent", finite(), 0..3);
    (
        option::of(select(MemoryState::ALL)),
        option::of(finite()),
        btree_map(text(), any::<u64>(), 0..3),
        figures,
    )
        .prop_map(|(memory_state, clock_skew_seconds, tcp_states, figures)| Load {
            memory_state,
            clock_skew_seconds,
            tcp_states,
            figures,
        })
}

fn reachability() -> impl Strategy<Value = Reachability> {
    let new = || {
        (option::of(finite()), option::of(select(ErrorKind::ALL.to_vec())))
            .prop_map(|(connect_ms, error)| NewConnection { connect_ms, error, waited_ms: connect_ms })
    };
    let canary = (text(), option::of(select(HeldState::ALL.to_vec())), option::of(finite()), 0u32..9, new())
        .prop_map(|(from, held, held_ms, attempts, new)| CanaryReading {
            target: from.clone(),
            from,
            held,
            held_ms,
            attempts,
            new,
        });
    (option::of(finite()), option::of(new()), option::of(canary))
        .prop_map(|(held_ms, new, canary)| Reachability { held_ms, new, canary })
}

fn fault() -> impl Strategy<Value = Fault> {
    (text(), text(), option::of(text())).prop_map(|(what, message, hint)| Fault {
        what,
        kind: FaultKind::Limit,
        message,
        hint,
    })
}

fn outcome() -> impl Strategy<Value = (Outcome, Option<SourceError>)> {
    let failed = (select(&ErrorKind::ALL[..]), text(), option::of(text()))
        .prop_map(|(kind, message, hint)| (Outcome::Failed(kind), Some(SourceError { kind, message, hint })));
    prop_oneof![Just((Outcome::Ok, None)), Just((Outcome::Partial, None)), failed]
}

fn item((what, table, value): (String, Option<Arc<TableKey>>, Value)) -> EvidenceItem {
    EvidenceItem { what, table_id: table.map(|table| table.id()), value }
}

fn observation() -> impl Strategy<Value = Observation> {
    select(&["a", "b"][..]).prop_flat_map(|device| {
        let tables = (vec(table(device), 0..3), vec(key(device), 0..2), vec(word(), 0..3));
        let setting = prop_oneof![any::<i64>().prop_map(Setting::Number), text().prop_map(Setting::Text)];
        let said = (load(), btree_map(text(), setting, 0..3), reachability());
        let evidence = vec((text(), option::of(key(device)), json()).prop_map(item), 0..2);
        let more = (outcome(), option::of(word()), evidence, vec(fault(), 0..2));
        let timing =
            (0..10_u64.pow(18), 0..10_u64.pow(18), any::<bool>(), select(Trigger::ALL), 0..600_000_000_i64);
        (tables, said, more, timing).prop_map(move |(tables, said, more, timing)| {
            let (interval, lag, late, trigger, took_us) = timing;
            let plain = header(device, 0, at(0));
            Observation {
                header: PollHeader {
                    trigger,
                    started_at: Timestamp::from_micros(took_us),
                    interval: Duration::from_nanos(interval),
                    lag: Duration::from_nanos(lag),
                    late,
                    ..plain
                },
                outcome: more.0.0,
                error: more.0.1,
                epoch: more.1.map(|epoch| Epoch::new(&epoch).unwrap()),
                tables: tables.0,
                gone: tables.1,
                complete: tables.2.iter().map(|group| GroupName::new(group).unwrap()).collect(),
                load: said.0,
                device_settings: said.1.into(),
                reachability: said.2,
                evidence: more.2,
                faults: more.3,
            }
        })
    })
}

/// A history in which no two readings of a table are of the same instant.
pub fn history() -> impl Strategy<Value = Vec<Observation>> {
    vec(observation(), 1..5).prop_map(|mut history| {
        let mut instant = at(0).as_micros();
        for (seq, o) in (1..).zip(&mut history) {
            o.header.seq = seq;
            for table in &mut o.tables {
                instant += 1;
                table.observed_at = Timestamp::from_micros(instant);
            }
            // Every third poll ends at the same microsecond as the one before it.
            instant += i64::from(seq % 3 != 0);
            o.header.finished_at = Timestamp::from_micros(instant);
            o.header.started_at = Timestamp::from_micros(instant - o.header.started_at.as_micros());
        }
        history
    })
}
