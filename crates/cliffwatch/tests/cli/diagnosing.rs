//! `diagnose`: of a file, of the store, of a running service.

use std::fmt::Write as _;

use serde_json::Value;

use super::serving::Service;
use super::{THIS_HOST, cliffwatch, folder, said, status, stderr, stdout};

/// A table that fills in four minutes and then refuses; beside it one that is calm.
fn surge() -> String {
    let mut lines = String::new();
    for n in 0_u64..120 {
        let used = if n < 90 { 20_000 } else { (20_000 + (n - 90) * 3_400).min(100_000) };
        let drop = n.saturating_sub(114) * 40;
        let table = |scope: &str, used: u64, drop: u64| {
            format!(
                "{{\"scope\":{{\"kind\":\"netns\",\"name\":\"{scope}\"}},\"kind\":\"conntrack\",\"name\":\"nf_conntrack\",\
                 \"used\":{used},\"capacity\":{{\"limit\":100000,\"origin\":\"reported\"}},\
                 \"counters\":{{\"drop\":{{\"class\":\"refused\",\"total\":{drop}}}}}}}"
            )
        };
        let (minute, second) = (n * 10 / 60, n * 10 % 60);
        writeln!(
            lines,
            "{{\"device\":\"nat-gw-1\",\"platform\":\"linux\",\"finished_at\":\"2026-03-01T10:{minute:02}:{second:02}Z\",\
             \"outcome\":\"ok\",\"tables\":[{},{}]}}",
            table("host", used, drop),
            table("pod-1", 500, 0)
        )
        .unwrap();
    }
    lines
}

#[test]
fn a_file_is_diagnosed_as_a_person_reads_it() {
    let folder = folder(&[("samples.jsonl", &surge())]);
    let output = cliffwatch(folder.path(), &["diagnose", "nat-gw-1", "--samples", "samples.jsonl"]);
    assert_eq!(status(&output), 1, "{}", said(&output));
    let text = stdout(&output);
    for part in [
        "nat-gw-1  netns/host/conntrack/nf_conntrack  (42b78ed1f4fb22ed)",
        "HARD FULL, by surge (high confidence)",
        "100,000 of 100,000 entries (100.0 %)",
        "1. [?]    Do new connections fail while existing ones work?",
        "3. [look]",
        "4. [BAD]",
        "would refute it:",
        "raise the limit to 400000 entries, 4 times the 100000 that were seen",
        "sysctl -w net.netfilter.nf_conntrack_max=400000",
        "who fills the table",
        "nat-gw-1 has 1 other table",
    ] {
        assert!(text.contains(part), "`{part}` is not in\n{text}");
    }
}

#[test]
fn json_says_the_same() {
    let folder = folder(&[("samples.jsonl", &surge())]);
    let arguments = ["diagnose", "nat-gw-1", "pod-1", "--samples", "samples.jsonl", "--format", "json"];
    let output = cliffwatch(folder.path(), &arguments);
    assert_eq!(status(&output), 0, "{}", said(&output));
    let diagnosis: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&diagnosis["pattern"], &diagnosis["severity"]), (&"calm".into(), &Value::Null));
    assert_eq!(diagnosis["table"], "netns/pod-1/conntrack/nf_conntrack");
    assert_eq!(diagnosis["steps"].as_array().unwrap().len(), 6);
    assert_eq!(diagnosis["at"], "2026-03-01T10:19:50Z");
}

#[test]
fn a_table_that_is_not_there_or_meant_twice_is_told() {
    let folder = folder(&[("samples.jsonl", &surge())]);
    let ask = |device: &str, table: &str| {
        cliffwatch(folder.path(), &["diagnose", device, table, "--samples", "samples.jsonl"])
    };
    for (device, table, problem, code) in [
        ("nat-gw-1", "pod-7", "nat-gw-1 has no table `pod-7`; it has netns/", 2),
        ("nat-gw-1", "netns", "`netns` is a part of 2 tables of nat-gw-1", 2),
        ("nat-gw-2", "host", "`samples.jsonl` holds no poll of nat-gw-2 in that time", 1),
        ("not a name!", "host", "is no device's name", 2),
    ] {
        let output = ask(device, table);
        assert!(stderr(&output).contains(problem), "{}", said(&output));
        assert_eq!(status(&output), code, "{}", said(&output));
    }
}

#[test]
fn a_running_service_is_asked_and_without_one_the_store() {
    let folder = folder(&[
        ("inventory.yaml", &THIS_HOST.replace("local", "local, interval: 1s")),
        ("token", "hunter2\n"),
        ("cliffwatch.yaml", "auth: { tokens: [ { name: t, scope: read, secret: { file: token } } ] }\n"),
    ]);
    let mut service = Service::start(folder.path());
    let diagnose = |listen: &str, more: &[&str]| {
        let arguments = [&["diagnose", "this-host", "--listen", listen, "--format", "json"], more].concat();
        cliffwatch(folder.path(), &arguments)
    };
    let address = service.address.clone();
    let diagnosis: Value = service.patiently(|| {
        let output = diagnose(&address, &[]);
        serde_json::from_str(&stdout(&output)).ok()
    });
    assert_eq!((&diagnosis["device"], &diagnosis["platform"]), (&"this-host".into(), &"linux".into()));
    assert!(diagnosis["at"].is_string(), "{diagnosis}");
    let unknown = cliffwatch(folder.path(), &["diagnose", "that-host", "--listen", &address]);
    assert!(stderr(&unknown).contains("knows no device `that-host`"), "{}", said(&unknown));
    assert_eq!(status(&unknown), 2);

    service.signal("TERM");
    service.logged("Stopped.");
    let output = diagnose(&address, &["netns/host"]);
    let from_store: Value =
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(from_store["table"], "netns/host/conntrack/nf_conntrack");
}
