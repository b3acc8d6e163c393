use std::fmt::Write as _;

use serde_json::Value;

use super::{cliffwatch, folder, said, status, stdout};

/// A table that fills in an hour, refuses for a minute at the end, and is then half empty.
fn filling() -> String {
    let mut lines = String::new();
    for n in 0_u64..480 {
        let used = if n < 360 { 40_000 + n * 170 } else { 50_000 };
        let drop = n.clamp(350, 356) - 350;
        let (minute, second) = (n * 10 / 60 % 60, n * 10 % 60);
        let hour = n * 10 / 3600;
        writeln!(
            lines,
            "{{\"device\":\"nat-gw-1\",\"finished_at\":\"2026-03-01T{hour:02}:{minute:02}:{second:02}Z\",\"outcome\":\"ok\",\
             \"tables\":[{{\"scope\":{{\"kind\":\"netns\",\"name\":\"host\"}},\"kind\":\"conntrack\",\"name\":\"nf_conntrack\",\
             \"used\":{used},\"capacity\":{{\"limit\":100000,\"origin\":\"reported\"}},\
             \"counters\":{{\"drop\":{{\"class\":\"refused\",\"total\":{drop}}}}}}}]}}"
        )
        .unwrap();
    }
    lines
}

#[test]
fn rules_run_over_a_file() {
    let folder = folder(&[("samples.jsonl", &filling())]);
    let output = cliffwatch(folder.path(), &["replay", "--samples", "samples.jsonl", "--format", "json"]);
    assert_eq!(status(&output), 0, "{}", said(&output));
    let mut lines: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    let summary = &summary["summary"];
    assert_eq!(summary["polls"], 480);
    assert_eq!(summary["events"], lines.len());
    assert_eq!(summary["first_refusal_at"], "2026-03-01T00:58:30Z");
    let at = |line: &Value| line["at"].as_str().unwrap().to_owned();
    assert!(lines.iter().map(at).is_sorted(), "{lines:?}");
    let fired = lines.iter().find(|line| line["state"] == "firing").unwrap();
    assert_eq!((&fired["rule"], &fired["table_id"]), (&"time-to-full".into(), &"42b78ed1f4fb22ed".into()));
    let seconds = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
    let lead = seconds("2026-03-01T00:58:30Z") - seconds(&at(fired));
    assert_eq!(summary["lead_time_seconds"].as_f64().unwrap(), f64::from(i32::try_from(lead).unwrap()));
    assert!(summary["pages"].as_u64().unwrap() >= 1, "{summary}");
    assert!(lines.iter().any(|line| line["rule"] == "refusing" && line["state"] == "firing"));
}

/// The same history pages nobody where its device was worked on all the while, and all of it is in the history.
#[test]
fn nobody_is_paged_for_what_began_and_ended_in_maintenance() {
    let maintenance = "timezone: Europe/Amsterdam\n\
        maintenance: { match: { device: nat-gw-1 }, start: 2026-03-01T01:00, duration: 3h, every: week }\n";
    let folder = folder(&[("samples.jsonl", &filling()), ("cliffwatch.yaml", maintenance)]);
    let replay = &["replay", "--samples", "samples.jsonl", "--format", "json"];
    let output = cliffwatch(folder.path(), replay);
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (summary, events) = lines.split_last().unwrap();
    assert_eq!(summary["summary"]["pages"], 0);
    let fired = events.iter().filter(|event| event["state"] == "firing" && event["severity"] == "critical");
    assert!(fired.count() >= 1 && events.iter().all(|event| event["told"] == false), "{events:?}");

    let over = maintenance.replace("01T01:00", "01T00:00").replace("3h", "30m");
    std::fs::write(folder.path().join("cliffwatch.yaml"), over).unwrap();
    let output = cliffwatch(folder.path(), replay);
    let summary: Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    assert!(
        summary["summary"]["pages"].as_u64().unwrap() >= 1,
        "by the clocks of Amsterdam it was over: {summary}"
    );
}

#[test]
fn other_rules_are_compared_with_those_in_force() {
    let folder = folder(&[
        ("samples.jsonl", &filling()),
        (
            "quiet.yaml",
            "- { id: utilization-high, enabled: false }\n- { id: time-to-full, enabled: false }\n",
        ),
    ]);
    let output =
        cliffwatch(folder.path(), &["replay", "--samples", "samples.jsonl", "--rules", "quiet.yaml"]);
    let text = stdout(&output);
    let differences = text.lines().filter(|line| line.starts_with("difference: ")).collect::<Vec<_>>();
    assert!(
        differences.len() == 2
            && differences.iter().all(|line| line.contains("only with the rules in force")),
        "{text}"
    );
    for rule in ["utilization-high", "time-to-full"] {
        assert_eq!(text.matches(rule).count(), 1, "{rule} in {text}");
    }
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let lead = |line: &str| line.split("; ").nth(1).unwrap().to_owned();
    assert!(of("replayed: ").starts_with("480 polls, "), "{text}");
    assert_ne!(lead(&of("replayed: ")), lead(&of("rules in force: ")), "{text}");
}

#[test]
fn the_difference_is_in_the_summary_line() {
    let folder = folder(&[
        ("samples.jsonl", &filling()),
        ("slower.yaml", "- { id: utilization-critical, for: 10m }\n"),
    ]);
    let asked = ["replay", "--samples", "samples.jsonl", "--rules", "slower.yaml", "--format", "json"];
    let output = cliffwatch(folder.path(), &asked);
    let last: Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    let summary = &last["summary"];
    assert_eq!((&summary["polls"], &summary["in_force"]["polls"]), (&480.into(), &480.into()), "{summary}");
    let moved = &summary["difference"][0];
    assert_eq!((&moved["rule"], &moved["change"]), (&"utilization-critical".into(), &"changed".into()));
    let at = |of: &str| moved[of]["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(at("replayed") - at("in_force"), 540);
}

/// What a person types: a file that holds, one that does not, one that cannot be read.
#[test]
fn scenarios_are_played() {
    let scenario = |pages: &str| {
        format!(
            "devices:\n  - name: gw\n    tables:\n      - {{ table: netns/host/conntrack/t, capacity: 100, used: 95x12 }}\n\
             expect:\n  pages: {pages}\n  events: [{{ at: 1m, rule: utilization-critical }}]\n"
        )
    };
    let folder = folder(&[
        ("good.yaml", &scenario("1")),
        ("bad.yaml", &scenario("2")),
        ("odd.yaml", &scenario("two")),
    ]);
    let good = cliffwatch(folder.path(), &["test-rules", "good.yaml"]);
    assert_eq!(said(&good), "ok    good: 13 polls, 3 events, 1 page\n1 scenario, 0 failed\nexit status 0\n");
    let bad = cliffwatch(folder.path(), &["test-rules", "good.yaml", "bad.yaml"]);
    assert!(
        said(&bad).contains(
            "FAIL  bad: 13 polls, 3 events, 1 page\n  bad.yaml:6:10\n    expected: 2 pages\n    got: 1: at 1m for gw netns/host\n"
        ),
        "{}",
        said(&bad)
    );
    assert_eq!(status(&bad), 1);
    let odd = cliffwatch(folder.path(), &["test-rules", "--format", "json", "good.yaml", "odd.yaml"]);
    assert!(
        said(&odd).contains("error: expected a whole number, found text\n --> odd.yaml:6:10"),
        "{}",
        said(&odd)
    );
    assert_eq!(status(&odd), 2);
    let first: Value = serde_json::from_str(stdout(&odd).lines().next().unwrap()).unwrap();
    assert_eq!((&first["ok"], &first["summary"]["pages"]), (&true.into(), &1.into()));
}

#[test]
fn a_bad_line_is_named() {
    let folder =
        folder(&[("samples.jsonl", "{\"device\":\"a\",\"finished_at\":\"yesterday\",\"outcome\":\"ok\"}\n")]);
    let output = cliffwatch(folder.path(), &["replay", "--samples", "samples.jsonl"]);
    assert_eq!(
        said(&output),
        "error: `samples.jsonl`, line 1: `yesterday` is not an RFC 3339 time (column 39)\nexit status 1\n"
    );
}

#[test]
fn a_store_that_is_not_there_is_named() {
    let folder = folder(&[]);
    let output = cliffwatch(folder.path(), &["replay"]);
    assert!(said(&output).starts_with("error: store `sqlite:cliffwatch.db`: "), "{}", said(&output));
    assert_eq!(status(&output), 1);
    assert!(!folder.path().join("cliffwatch.db").exists(), "reading must not make a store");
}

/// What was refused first may be told last.
#[test]
fn the_first_refusal_is_the_earliest_whenever_it_is_told() {
    let line = |seconds: u32, ended: &str, failed: u64| {
        format!(
            r#"{{"device":"gw","finished_at":"2026-03-01T00:0{seconds}:30Z","outcome":"ok","tables":[{{"scope":{{"kind":"gateway","name":"n"}},
            "kind":"snat-ports","name":"n","observed_at":"2026-03-01T00:0{ended}:00Z","used":5,"counters":{{"failed":
            {{"class":"refused","kind":"period","value":{failed}}}}}}}]}}"#
        )
        .replace('\n', "")
    };
    let samples = [line(1, "1", 0), line(3, "3", 4), line(4, "2", 4)].join("\n");
    let folder = folder(&[("samples.jsonl", &samples)]);
    let output = cliffwatch(folder.path(), &["replay", "--samples", "samples.jsonl", "--format", "json"]);
    let summary: Value = serde_json::from_str(stdout(&output).lines().last().unwrap()).unwrap();
    assert_eq!(summary["summary"]["first_refusal_at"], "2026-03-01T00:02:00Z", "{summary}");
}
