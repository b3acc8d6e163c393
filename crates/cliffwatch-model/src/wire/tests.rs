use std::time::Duration;

use super::PollLine;
use crate::{Outcome, Poll};

/// The example of the contract, with its ellipses filled in.
const EXAMPLE: &str = r#"{"device":"nat-gw-1","platform":"linux","poller":"ams1","seq":812,"trigger":"tick",
"started_at":"2026-03-01T10:00:00Z","finished_at":"2026-03-01T10:00:00.001Z","interval_seconds":10,"late":false,
"lag_seconds":0,"outcome":"partial","epoch":"boot:6f1c","complete":["conntrack"],
"tables":[{"table_id":"42b78ed1f4fb22ed","scope":{"kind":"netns","name":"host"},"kind":"conntrack",
"name":"nf_conntrack","protocol":null,"part":null,"unit":"entries","group":"conntrack","state":"tracking",
"role":"whole","epoch":null,"observed_at":"2026-03-01T10:00:00.001Z","used":1234,
"capacity":{"limit":262144,"origin":"reported","bound":"hard"},"capacity_reason":null,"utilization":0.0047,
"sheds_at":null,"setup_rate":null,"teardown_rate":null,
"counters":{"drop":{"class":"refused","kind":"cumulative","bits":32,"total":7,"parts":[3,4],"delta":null}}}],
"load":{"cpu_percent":3.1,"memory_percent":41.0,"softirq_percent":0.4,"tcp_states":{"established":900}},
"device_settings":{"nf_conntrack_tcp_timeout_established_seconds":432000,"nf_conntrack_buckets":65536},
"reachability":{"held_ms":0.6,"new":null},"evidence":[],
"faults":[{"what":"per-namespace counts","kind":"denied","message":"no","hint":"yes"}]}"#;

fn read(text: &str) -> Poll {
    let line: PollLine = serde_json::from_str(text).unwrap();
    line.into_poll(1, Duration::from_secs(10)).unwrap()
}

#[test]
fn the_contract_example_goes_both_ways() {
    let poll = read(EXAMPLE);
    assert_eq!(poll.outcome(), Outcome::Partial);
    let reading = poll.result.as_ref().unwrap();
    assert_eq!(reading.samples[0].counters.values().next().unwrap().value(), 7);
    assert_eq!(reading.load.tcp_states["established"], 900);
    let text = serde_json::to_string(&PollLine::from(&poll)).unwrap();
    assert_eq!(read(&text), poll);
    assert!(text.contains(r#""table_id":"42b78ed1f4fb22ed""#), "{text}");
}

#[test]
fn a_minimal_line_takes_the_natural_defaults() {
    let poll = read(
        r#"{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"ok","tables":[
        {"scope":{"kind":"netns","name":"host"},"kind":"conntrack","name":"nf_conntrack",
        "observed_at":"2026-03-01T10:00:00Z","used":5,"capacity":{"limit":10},
        "counters":{"drop":{"class":"refused","total":3}}}]}"#,
    );
    let sample = &poll.result.as_ref().unwrap().samples[0];
    assert_eq!(sample.capacity.unwrap().limit.get(), 10);
    assert_eq!(sample.unit.as_str(), "entries");
    assert_eq!(poll.header.seq, 1);
}

#[test]
fn a_failed_poll_goes_both_ways() {
    let poll = read(
        r#"{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"timeout",
        "error":{"kind":"timeout","message":"no answer within 10 s","hint":null}}"#,
    );
    let text = serde_json::to_string(&PollLine::from(&poll)).unwrap();
    assert_eq!(read(&text), poll);
}

#[test]
fn wrong_values_are_named() {
    let error = |text: &str| {
        let line: PollLine = serde_json::from_str(text).unwrap();
        line.into_poll(1, Duration::from_secs(10)).unwrap_err().to_string()
    };
    assert_eq!(
        error(r#"{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"fine"}"#),
        "outcome: `fine` is not one of the known values"
    );
    let table = |counter: &str| {
        error(&format!(
            r#"{{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"ok","tables":[
            {{"scope":{{"kind":"netns","name":"host"}},"kind":"conntrack","name":"t","counters":{{"drop":{counter}}}}}]}}"#
        ))
    };
    assert_eq!(table(r#"{"class":"refused"}"#), "counter `drop`: a cumulative counter has a `total`");
    assert_eq!(
        table(r#"{"class":"refused","kind":"period","value":1,"period_seconds":-1}"#),
        "period_seconds: -1 is not a duration in seconds"
    );
}

#[test]
fn a_limit_of_zero_is_no_capacity() {
    let poll = read(
        r#"{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"ok","tables":[
        {"scope":{"kind":"vsys","name":"vsys1"},"kind":"sessions","name":"s","used":5,"capacity":{"limit":0}}]}"#,
    );
    assert_eq!(poll.result.unwrap().samples[0].capacity, Err(crate::CapacityReason::NotTold));
}

#[test]
fn what_is_not_known_is_null_or_absent() {
    let absent = read(
        r#"{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"ok","tables":[
        {"scope":{"kind":"netns","name":"host"},"kind":"conntrack","name":"nf_conntrack"}]}"#,
    );
    let null = read(
        r#"{"device":"a","platform":null,"poller":null,"seq":null,"trigger":null,"started_at":null,"interval_seconds":null,
        "late":null,"lag_seconds":null,"outcome":"ok","error":null,"epoch":null,"complete":null,
        "finished_at":"2026-03-01T10:00:00Z","load":{"cpu_percent":null,"tcp_states":null,"clock_skew_seconds":null},
        "device_settings":{"nf_conntrack_buckets":null},"reachability":null,"evidence":null,"faults":null,"tables":[
        {"scope":{"kind":"netns","name":"host"},"kind":"conntrack","name":"nf_conntrack","used":null,"capacity":null,
        "counters":{"drop":null}}]}"#,
    );
    assert_eq!(null, absent);
    let load = r#"{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"ok","load":null,"tables":null,
        "device_settings":null}"#;
    assert!(read(load).result.unwrap().samples.is_empty());
}

#[test]
fn a_conntrack_table_is_linuxs() {
    let platform = |kind: &str| {
        let line = format!(
            r#"{{"device":"a","finished_at":"2026-03-01T10:00:00Z","outcome":"ok",
            "tables":[{{"scope":{{"kind":"netns","name":"host"}},"kind":"{kind}","name":"x"}}]}}"#
        );
        read(&line).header.platform.to_string()
    };
    assert_eq!((platform("conntrack").as_str(), platform("sessions").as_str()), ("linux", "unknown"));
}

#[test]
fn a_wrong_capacity_says_what_it_should_be() {
    let line =
        r#"{"scope":{"kind":"netns","name":"host"},"kind":"conntrack","name":"x","capacity":{"limit":-1}}"#;
    let error = serde_json::from_str::<super::TableLine>(line).unwrap_err().to_string();
    assert!(error.contains("capacity is `{\"limit\": N}`"), "{error}");
}
