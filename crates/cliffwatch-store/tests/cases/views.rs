//! What users query: the same columns, types and answers in both engines.

use cliffwatch_model::*;
use cliffwatch_store::DeviceChange;

use crate::common::fixtures::*;
use crate::common::home::Home;

/// Every view with its columns, as `view.column type`; the types are those of Postgres.
const COLUMNS: &str = include_str!("../views.txt");

pub(crate) async fn the_views_have_their_columns(home: &Home<'_>) {
    home.open().await.close().await;
    let views =
        ["devices", "session_tables_now", "samples", "counter_increases", "polls", "alerts", "alert_events"];
    let mut found = String::new();
    for view in views {
        let sql = match home {
            Home::Sqlite(_) => format!("SELECT name FROM pragma_table_info('{view}')"),
            Home::Postgres(..) => format!(
                "SELECT column_name::text || ' ' || data_type::text AS name FROM information_schema.columns \
                 WHERE table_name = '{view}' ORDER BY ordinal_position"
            ),
        };
        for row in home.rows(&sql).await.1 {
            found.push_str(&format!("{view}.{}\n", row[0]));
        }
    }
    let expected: String = match home {
        Home::Postgres(..) => COLUMNS.to_owned(),
        // SQLite's views have no types: times are text, truth is 0 or 1, lists and maps are JSON text.
        Home::Sqlite(_) => {
            COLUMNS.lines().map(|line| line.split(' ').next().unwrap().to_owned() + "\n").collect()
        }
    };
    assert_eq!(found, expected, "tests/views.txt is the contract");
}

/// A history with all that the README's examples ask about.
async fn seeded(home: &Home<'_>) {
    let store = home.open().await;
    let (full, idle) = (conntrack("nat-gw-1"), table("nat-gw-1", "pod"));
    let mut clash = refused(4);
    clash.counter = CounterName::new("insert_failed").unwrap();
    clash.paired = 3;
    let second = TableObservation { increases: vec![refused(3), clash], ..reading(&full, at(20), 262_143) };
    let polls = [
        observation("nat-gw-1", 1, at(10), vec![reading(&full, at(10), 200_000), reading(&idle, at(10), 5)]),
        observation("nat-gw-1", 2, at(20), vec![second]),
        failure("asa-9", 1, at(25), ErrorKind::Auth),
        rich(),
    ];
    let mut batch = batch(polls);
    batch.devices = vec![DeviceChange::Active(device("nat-gw-1"))];
    batch.events = vec![
        event("a1", 1, at(20), AlertState::Firing),
        AlertEvent {
            severity: Severity::Critical,
            previous_severity: Some(Severity::Warning),
            ..event("a1", 2, at(30), AlertState::Firing)
        },
        event("a1", 3, at(90), AlertState::Resolved),
    ];
    store.commit(&batch).await.unwrap();
    store.close().await;
}

/// The beginning of an hour that ends with the fixtures' time, in each engine's SQL. Users write
/// `now() - interval '1 hour'` and `strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-1 hour')`.
fn an_hour_ago(home: &Home<'_>) -> &'static str {
    match home {
        Home::Postgres(..) => "timestamptz '2026-03-01 00:01:00Z' - interval '1 hour'",
        Home::Sqlite(_) => "strftime('%Y-%m-%dT%H:%M:%SZ', '2026-03-01 00:01:00', '-1 hour')",
    }
}

pub(crate) async fn the_readme_examples_have_one_answer(home: &Home<'_>) {
    seeded(home).await;
    let fullest = "SELECT device, scope_name, name, used, capacity_limit, utilization FROM session_tables_now \
         WHERE capacity_bound = 'hard' ORDER BY utilization DESC LIMIT 10";
    let (columns, rows) = home.rows(fullest).await;
    assert_eq!(columns, ["device", "scope_name", "name", "used", "capacity_limit", "utilization"]);
    assert_eq!(
        rows,
        [
            ["nat-gw-1", "host", "nf_conntrack", "262143", "262144", "0.9999961853027344"],
            ["nat-gw-1", "pod", "nf_conntrack", "5", "262144", "0.000019073486328125"],
        ]
    );
    let refused = format!(
        "SELECT device, counter, CAST(sum(delta - paired) AS bigint) AS refused FROM counter_increases \
         WHERE class = 'refused' AND observed_at > {} GROUP BY device, counter ORDER BY refused DESC",
        an_hour_ago(home)
    );
    let (_, rows) = home.rows(&refused).await;
    assert_eq!(rows, [["nat-gw-1", "drop", "3"], ["nat-gw-1", "insert_failed", "1"]]);
    let history = "SELECT at, state, severity, value, threshold, unit, summary \
         FROM alert_events WHERE alert_id = 'a1' ORDER BY seq";
    let (_, rows) = home.rows(history).await;
    let told = ["7.9", "5", "connections", "nat-gw-1 refuses new connections"];
    let expected = [
        ["2026-03-01T00:00:20.000000Z", "firing", "warning"],
        ["2026-03-01T00:00:30.000000Z", "firing", "critical"],
        ["2026-03-01T00:01:30.000000Z", "resolved", "warning"],
    ];
    assert_eq!(rows, expected.map(|row| row.into_iter().chain(told).collect::<Vec<_>>()));
}

pub(crate) async fn polls_show_all_that_was_told(home: &Home<'_>) {
    seeded(home).await;
    let (_, rows) = home.rows("SELECT * FROM polls WHERE device = 'asa-1'").await;
    let expected = [
        "asa-1",
        "asa",
        "ams1",
        "812",
        "backfill",
        "2026-03-01T00:00:05.998000Z",
        "2026-03-01T00:00:06.000000Z",
        "10.000000001",
        "1",
        "90.5",
        "partial",
        "∅",
        "∅",
        "boot:6f1c",
        r#"["conntrack"]"#,
        r#"{"clock_skew_seconds":-0.25,"cpu_percent":3.1,"memory_percent":41.0,"memory_state":"red","tcp_states":{"established":18446744073709551615}}"#,
        r#"{"nf_conntrack_buckets":65536,"offset_seconds":-9223372036854775808,"version":"9.18(4) \"x\""}"#,
        "0.6",
        "∅",
        "connection_refused",
        "0.2",
        "app-host-1",
        "203.0.113.10:443",
        "open",
        "0.8",
        "∅",
        "timeout",
        "10000.5",
    ];
    let (shown, rest) = rows[0].split_at(expected.len());
    assert_eq!(shown, expected);
    assert!(rest[0].contains("top_sources") && rest[1].contains("CAP_NET_ADMIN"), "{rows:?}");
    let (_, rows) = home
        .rows("SELECT outcome, error_message, error_hint, complete FROM polls WHERE device = 'asa-9'")
        .await;
    assert_eq!(rows, [["auth", "no answer within 10 s", "is it up?", r#"["conntrack"]"#]]);
}

pub(crate) async fn samples_show_identity_limit_and_counters(home: &Home<'_>) {
    seeded(home).await;
    let (_, rows) = home
        .rows(
            "SELECT table_id, scope_kind, scope_name, name, protocol, part, unit, role, epoch, observed_at, revision, \
             used, capacity_limit, capacity_origin, capacity_bound, capacity_reason, utilization, sheds_at, counters \
             FROM samples WHERE device = 'asa-1' AND kind = 'nat-pool'",
        )
        .await;
    let id = rich().tables[0].id.to_string();
    let top = "9223372036854775807";
    let expected = [
        id.as_str(),
        "context",
        "blue/dmz",
        "outside päöl",
        "tcp",
        "address=198.51.100.7;tier=a=b;c",
        "addresses",
        "member",
        "ns:4026531840",
        "2026-02-28T23:00:00.000000Z",
        "3",
        top,
        top,
        "documented",
        "per_destination",
        "∅",
        "1",
        top,
    ];
    assert_eq!(&rows[0][..expected.len()], expected);
    let (_, rows) = home.rows("SELECT counters FROM samples WHERE device = 'nat-gw-1' AND used = 5").await;
    assert_eq!(rows, [[r#"{"drop":7}"#]]);
    let (_, rows) = home.rows("SELECT counters, capacity_reason, used FROM samples WHERE device = 'asa-1' AND kind = 'conntrack'").await;
    assert_eq!(rows, [["{}", "denied", "∅"]]);
}

pub(crate) async fn devices_and_alerts_show_where_they_stand(home: &Home<'_>) {
    seeded(home).await;
    let (_, rows) = home.rows("SELECT * FROM devices ORDER BY device").await;
    assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["asa-1", "asa-9", "nat-gw-1"]);
    assert_eq!(
        rows[2],
        [
            "nat-gw-1",
            "linux",
            "192.0.2.10:22",
            r#"{"site":"ams1"}"#,
            "10",
            "5",
            "∅",
            r#"["core-sw-1"]"#,
            "∅",
            "2026-03-01T00:00:20.000000Z",
            "ok",
            "2026-03-01T00:00:20.000000Z",
        ]
    );
    let (_, rows) = home
        .rows("SELECT alert_id, seq, state, is_open, told, table_path, labels, evidence FROM alerts")
        .await;
    let path = "netns/host/conntrack/nf_conntrack";
    let evidence = r#"{"at":[1.5,null],"drop":7}"#;
    assert_eq!(rows, [["a1", "3", "resolved", "0", "1", path, r#"{"site":"ams1"}"#, evidence]]);
}
