//! What a poller goes on from.

use std::sync::Arc;

use cliffwatch_model::*;
use cliffwatch_store::{DeviceChange, PageRequest, RuleStateChange, RuleStateRow};

use crate::common::fixtures::*;
use crate::common::home::Home;

fn rules(through_seq: u64, rows: &[(Option<TableId>, Option<&str>)]) -> RuleStateChange {
    let rows = rows.iter().map(|(table, state)| (*table, state.map(str::to_owned))).collect();
    RuleStateChange { device: name("nat-gw-1"), through_seq, rows }
}

fn state(table: Option<TableId>, state: &str) -> RuleStateRow {
    RuleStateRow { table, state: state.to_owned() }
}

pub(crate) async fn a_poller_goes_on_where_it_stopped(home: &Home<'_>) {
    let store = home.open().await;
    assert_eq!(store.resume(&poller()).await.unwrap(), cliffwatch_store::Resume::default());
    let host = conntrack("nat-gw-1").id();
    let mut first = batch([tick("nat-gw-1", 1, 10), tick("nat-gw-1", 2, 20), tick("nat-gw-2", 9, 90)]);
    first.memories = vec![memory("nat-gw-1", 2, "{\"through\":2}"), memory("nat-gw-2", 9, "{}")];
    first.rule_states = vec![rules(2, &[(None, Some("device")), (Some(host), Some("table"))])];
    first.events = vec![event("a1", 1, at(10), AlertState::Pending)];
    store.commit(&first).await.unwrap();
    store.close().await;

    let store = home.open().await;
    let resume = store.resume(&poller()).await.unwrap();
    assert_eq!(resume.devices.keys().map(DeviceName::as_str).collect::<Vec<_>>(), ["nat-gw-1", "nat-gw-2"]);
    let device = &resume.devices[&name("nat-gw-1")];
    assert_eq!(device.last_seq, 2);
    assert_eq!(device.memory.as_deref(), Some("{\"through\":2}"));
    assert_eq!(device.rules.through_seq, 2);
    assert_eq!(device.rules.rows, [state(None, "device"), state(Some(host), "table")]);
    assert_eq!(device.latest, tick("nat-gw-1", 2, 20).tables);
    assert_eq!(resume.devices[&name("nat-gw-2")].rules, cliffwatch_store::RuleState::default());
    assert_eq!(resume.open_alerts, [event("a1", 1, at(10), AlertState::Pending)]);
    let stranger = store.resume(&PollerName::new("other").unwrap()).await.unwrap();
    assert!(stranger.devices.is_empty());
}

pub(crate) async fn state_moves_forward_only(home: &Home<'_>) {
    let store = home.open().await;
    let host = conntrack("nat-gw-1").id();
    let mut newer = batch([tick("nat-gw-1", 5, 50)]);
    newer.memories = vec![memory("nat-gw-1", 5, "five")];
    newer.rule_states = vec![rules(5, &[(None, Some("five")), (Some(host), Some("five"))])];
    newer.events =
        vec![event("a1", 1, at(10), AlertState::Firing), event("a1", 2, at(20), AlertState::Resolved)];
    store.commit(&newer).await.unwrap();
    let mut older = batch([tick("nat-gw-1", 4, 40)]);
    older.memories = vec![memory("nat-gw-1", 4, "four")];
    older.rule_states = vec![rules(4, &[(None, Some("four")), (Some(host), None)])];
    older.events = vec![event("a1", 1, at(10), AlertState::Firing)];
    store.commit(&older).await.unwrap();
    let resume = store.resume(&poller()).await.unwrap();
    let device = &resume.devices[&name("nat-gw-1")];
    assert_eq!((device.last_seq, device.memory.as_deref(), device.rules.through_seq), (5, Some("five"), 5));
    assert_eq!(device.rules.rows, [state(None, "five"), state(Some(host), "five")]);
    assert_eq!(device.latest[0].used, Some(50));
    assert!(resume.open_alerts.is_empty());

    // At the same poll the last word counts, and a deletion is one.
    let mut later = batch([]);
    later.rule_states = vec![rules(5, &[(None, Some("last")), (Some(host), None)])];
    store.commit(&later).await.unwrap();
    let rules = store.resume(&poller()).await.unwrap().devices.remove(&name("nat-gw-1")).unwrap().rules;
    assert_eq!(rules.rows, [state(None, "last")]);
}

pub(crate) async fn a_table_that_goes_takes_its_rule_state(home: &Home<'_>) {
    let store = home.open().await;
    let (host, pod) = (conntrack("nat-gw-1"), table("nat-gw-1", "pod"));
    let both = vec![reading(&host, at(10), 1), reading(&pod, at(10), 2)];
    let mut first = batch([observation("nat-gw-1", 1, at(10), both)]);
    let saved = [(None, Some("d")), (Some(host.id()), Some("h")), (Some(pod.id()), Some("p"))];
    first.rule_states = vec![rules(1, &saved)];
    store.commit(&first).await.unwrap();
    let mut gone = observation("nat-gw-1", 2, at(20), vec![reading(&host, at(20), 1)]);
    gone.gone = vec![Arc::clone(&pod)];
    let mut second = batch([gone]);
    // Saved before the poll that missed the table: it must not come back by this.
    second.rule_states = vec![rules(1, &saved)];
    store.commit(&second).await.unwrap();
    let resume = store.resume(&poller()).await.unwrap();
    let device = &resume.devices[&name("nat-gw-1")];
    let mut expected = vec![state(None, "d"), state(Some(host.id()), "h")];
    expected.sort_by_key(|row| row.table);
    assert_eq!(device.rules.rows, expected);
    assert_eq!(device.latest.len(), 1);
}

pub(crate) async fn devices_are_described_and_retired(home: &Home<'_>) {
    let store = home.open().await;
    let mut first = batch([
        tick("nat-gw-1", 1, 10),
        failure("nat-gw-1", 2, at(20), ErrorKind::Timeout),
        tick("undescribed", 1, 1),
    ]);
    first.devices = vec![DeviceChange::Active(device("nat-gw-1")), DeviceChange::Active(device("silent"))];
    first.memories = vec![memory("nat-gw-1", 2, "{}")];
    store.commit(&first).await.unwrap();
    let devices = store.devices(&PageRequest { cursor: None, limit: Some(2) }).await.unwrap();
    let rest = store.devices(&PageRequest { cursor: devices.next, limit: Some(2) }).await.unwrap();
    assert_eq!(rest.next, None);
    let all: Vec<_> = devices.items.into_iter().chain(rest.items).collect();
    let names: Vec<_> = all.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["nat-gw-1", "silent", "undescribed"]);
    assert_eq!(all[0].address.as_deref(), Some("192.0.2.10:22"));
    assert_eq!(all[0].labels["site"], "ams1");
    assert_eq!(all[0].last_outcome, Some(Outcome::Failed(ErrorKind::Timeout)));
    assert_eq!((all[0].last_poll_at, all[0].last_success_at), (Some(at(20)), Some(at(10))));
    assert_eq!((all[1].last_poll_at, all[1].retired_at), (None, None));

    let mut retire = batch([failure("nat-gw-1", 3, at(30), ErrorKind::Retired)]);
    retire.devices = vec![DeviceChange::Retired { device: name("nat-gw-1"), at: at(30) }];
    store.commit(&retire).await.unwrap();
    assert!(store.tables(Some(&name("nat-gw-1")), &PageRequest::default()).await.unwrap().items.is_empty());
    let listed = store.devices(&PageRequest::default()).await.unwrap().items;
    assert_eq!(listed[0].retired_at, Some(at(30)));
    // Its sequence numbers go on should it come back; nothing else does.
    let kept = store.resume(&poller()).await.unwrap().devices.remove(&name("nat-gw-1")).unwrap();
    assert_eq!((kept.last_seq, kept.memory, kept.latest.len()), (3, None, 0));
    let mut back = batch([]);
    back.devices = vec![DeviceChange::Active(device("nat-gw-1"))];
    store.commit(&back).await.unwrap();
    assert_eq!(store.devices(&PageRequest::default()).await.unwrap().items[0].retired_at, None);
}
