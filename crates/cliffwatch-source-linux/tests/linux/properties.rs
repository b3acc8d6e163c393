//! What holds for every reply.

use cliffwatch_model::{CounterName, CounterReading, Reading, SourceError, Timestamp};
use cliffwatch_source::SourceFactory as _;
use cliffwatch_source::testkit::plain_target;
use cliffwatch_source_linux::{Decoder, LinuxFactory};
use cliffwatch_transport::ssh::SshHub;
use proptest::prelude::*;

const SYSCTL: &str = "/proc/sys/net/netfilter/nf_conntrack";

fn decode(replies: &[Vec<u8>]) -> Vec<Result<Reading, SourceError>> {
    let factory = LinuxFactory::new(SshHub::new());
    let mut decoder = Decoder::new(&plain_target("device", &factory.platform(), None)).unwrap();
    let at = Timestamp::from_secs(1_700_000_000);
    replies.iter().map(|reply| decoder.decode(reply, at, None)).collect()
}

/// Text that is close enough to a reply to get far into the parser.
fn reply_like() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec![
        "/proc/sys/kernel/random/boot_id",
        "/proc/sys/net/netfilter/nf_conntrack_count",
        "/proc/sys/net/netfilter/nf_conntrack_max",
        "/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_established",
        "/proc/net/stat/nf_conntrack",
        "conntrack -S",
        "/proc/sys/kernel/osrelease",
        "/proc/uptime",
        "/proc/stat",
        "/proc/meminfo",
        "/proc/net/softnet_stat",
        "/proc/net/dev",
        "/proc/net/snmp",
        "/proc/net/sockstat",
        "date +%s",
        "namespaces",
        "namespaces",
        "cliffwatch-netns",
        "namespace readers",
    ]);
    let body = prop_oneof![
        "[0-9]{0,22}",
        "[0-9a-f-]{36}",
        "entries drop early_drop\n([0-9a-f]{1,17} ?){0,9}\n([0-9a-f]{8} ){3}",
        "(cpu=[0-9] (drop|found|entries)=[0-9]{0,21}\n){0,3}",
        "cpu  ([0-9]{1,20} ){0,10}",
        "MemTotal: [0-9]{0,21} kB\nMemAvailable: [0-9]{0,21} kB",
        "([0-9a-f]{8} ){0,4}\n",
        "[0-9]{1,20}(\\.[0-9]{0,20})? 1",
        "a\nb\n eth0: ([0-9]{1,20} ){0,16}\n",
        "TCP: (inuse|tw|mem) [0-9]{0,21}",
        "walk net/(dev|stat/nf_conntrack) [0-9]{1,3} [0-9]{1,20}\\.[0-9]{2} 9.99 (-|time) [0-9]{0,21} [0-9]{0,21}\nnow [0-9]{1,21}\n\
         (run [0-9]{1,3}\t[a-c]{1,2}\n){0,3}columns entries drop early_drop\n\
         (ns [0-9]{1,3}\t[0-9]{1,2}\t[0-9]{0,21}\t[0-9]{0,3}\t[a-c]{0,2}\t[0-9a-f]{1,17} [0-9]{1,4}( [0-9].[0-9]=[0-9a-f]{0,17}){0,3}\t(/lxc/[a-c])?\t\n){0,6}",
        "columns entries drop\n([0-9]{1,3}\t[0-9]{1,2}\t[0-9a-f]{1,17} [0-9]( [0-9].[0-9]=[0-9a-f]{0,9}){0,3}\n){0,4}",
        any::<String>(),
    ];
    let state = prop::sample::select(vec!["", " missing", " denied", " later"]);
    prop::collection::vec((name, body, state), 0..16).prop_map(|sections| {
        let shown = |(name, body, state): &(&str, String, &str)| format!("==> {name} <=={state}\n{body}\n");
        let text: String = sections.iter().map(shown).collect();
        format!("{text}==> end <==\n").into_bytes()
    })
}

/// What no reading may hold, whatever it was made of.
fn check(reading: &Reading) {
    assert!(reading.load.figures.values().all(|figure| figure.is_finite() && *figure >= 0.0), "{reading:?}");
    for name in ["cpu_percent", "softirq_percent", "memory_percent"] {
        assert!(reading.load.figures.get(name).is_none_or(|share| *share <= 100.0), "{reading:?}");
    }
    assert!(reading.load.clock_skew_seconds.is_none_or(f64::is_finite));
    let tables: std::collections::BTreeSet<_> =
        reading.samples.iter().map(|sample| sample.table.id()).collect();
    assert_eq!(tables.len(), reading.samples.len(), "each table once: {reading:?}");
    for sample in &reading.samples {
        assert!(sample.setup_rate.is_none() && sample.counters.keys().all(|name| name.as_str() != "new"));
        let floor = sample.capacity.ok().map(|capacity| capacity.limit.get() / 100 * 95);
        assert_eq!(sample.sheds_at, floor.filter(|floor| *floor > 0));
        assert!(sample.used.is_none_or(|used| used <= u64::from(u32::MAX)), "{reading:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_panic(replies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..4)) {
        decode(&replies).iter().flatten().for_each(check);
    }

    #[test]
    fn nothing_that_looks_like_a_reply_panics(replies in prop::collection::vec(reply_like(), 1..4)) {
        decode(&replies).iter().flatten().for_each(check);
    }

    #[test]
    fn numbers_survive(
        count in 1..=u64::from(u32::MAX),
        max in 1..=u64::from(u32::MAX),
        rows in prop::collection::vec([any::<u32>(), any::<u32>(), any::<u32>()], 1..130),
        blanks in 1..3_usize,
    ) {
        let gap = " ".repeat(blanks);
        let lines: String = rows
            .iter()
            .map(|[a, b, c]| format!("{count:08x}{gap}{a:08x} {b:08x}{gap}{c:08x} \n"))
            .collect();
        let reply = format!(
            "==> {SYSCTL}_count <==\n{count}\n\n==> {SYSCTL}_max <==\n{max}\n\n\
             ==> /proc/net/stat/nf_conntrack <==\nentries{gap}drop early_drop{gap}chainlength \n{lines}==> end <==\n"
        );
        let readings = decode(&[reply.into_bytes()]);
        let sample = &readings[0].as_ref().unwrap().samples[0];
        prop_assert_eq!(sample.used, Some(count));
        prop_assert_eq!(sample.capacity.unwrap().limit.get(), max);
        for (column, name) in ["drop", "early_drop", "chaintoolong"].into_iter().enumerate() {
            let CounterReading::Cumulative { parts, .. } = &sample.counters[&CounterName::new(name).unwrap()].reading
            else { panic!() };
            prop_assert_eq!(parts, &rows.iter().map(|row| u64::from(row[column])).collect::<Vec<_>>());
        }
    }
}

/// Numbers that a reading of so many tables of many CPUs holds, made of a reply that leaves out what is zero.
fn parts_of(tables: usize, cpus: usize) -> (usize, Reading) {
    let columns = "columns entries drop early_drop found clashres invalid insert_failed search_restart chainlength icmp_error\n";
    let line = |n: usize| format!("ns {}\t{}\t5\t\t\t5 {cpus}\t\n", n + 100, n + 100);
    let walk = "walk net/stat/nf_conntrack 11 1.00 1.01 - 9 0\nnow 9\n";
    let lines: String = (0..tables).map(line).collect();
    let host = format!("==> {SYSCTL}_count <==\n5\n==> {SYSCTL}_max <==\n1000\n");
    let reply = format!("{host}==> namespaces <==\n{walk}{columns}{lines}==> end <==\n");
    let reading = decode(&[reply.into_bytes()]).remove(0).unwrap();
    let counters = reading.samples.iter().flat_map(|sample| sample.counters.values());
    let parts = counters.map(|counter| match &counter.reading {
        CounterReading::Cumulative { parts, .. } => parts.len(),
        _ => 1,
    });
    (parts.sum(), reading)
}

/// A reply of 60 kB that speaks of 1,900 tables on 2,046 CPUs is not 280 MB of zeros.
#[test]
fn what_a_reply_leaves_out_does_not_fill_the_memory() {
    let (parts, reading) = parts_of(1_900, 2_046);
    assert!(parts <= 1 << 22, "{parts}");
    assert_eq!(reading.samples.len(), 1 + 1_900, "counts of all of them");
    assert!(
        reading.faults.iter().any(|fault| fault.message.contains("too many CPUs")),
        "{:?}",
        reading.faults
    );
    let (parts, reading) = parts_of(1_900, 128);
    assert_eq!(parts, 1_900 * 128 * 9);
    assert!(!reading.faults.iter().any(|fault| fault.message.contains("CPUs")), "{:?}", reading.faults);
}

/// Text that is close enough to an answer about who fills a table.
fn evidence_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        "by (sudo|procfs|conntrack)",
        "(exit|count|limit) -?[0-9]{0,21}",
        "rows [0-9]{1,6} [0-9]{1,3}",
        "(distinct [0-9]{1,5} [0-9]{1,5}|flags [0-9]{1,5} [0-9]{1,5} [0-9]{1,5} [0-9]{1,5})",
        "(family|state) [0-9]{1,21} (ipv4|tcp ESTABLISHED|udp|a b c)",
        "source [0-9]{1,7} ([0-9]{1,3}\\.){3}[0-9]{1,3}",
        "network [0-9]{1,7} [0-9a-f:.]{1,20}/(24|64|8)",
        "(destination|snat) [0-9]{1,7} tcp 192.0.2.1 (-|[0-9]{1,6}|192.0.2.9 443 [0-9]{1,6} [0-9]{1,6})",
        "idle [0-9]{1,7} tcp ESTABLISHED [0-9]{1,7} [0-9]( [0-9]{1,21}){6,9}",
        any::<String>(),
    ];
    prop::collection::vec(line, 0..24)
        .prop_map(|lines| format!("==> listing host <==\n{}\n==> end <==\n", lines.join("\n")))
}

/// Every figure of a finding is a number, no share is more than the whole, and no count more than the listing.
fn check_evidence(value: &serde_json::Value, listed: u64) {
    match value {
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                let share =
                    name.contains("share") || ["unreplied", "assured", "closing"].contains(&name.as_str());
                let is_share = value.as_f64().is_none_or(|share| (0.0..=1.02).contains(&share));
                assert!(!share || value.is_u64() || value.is_object() || is_share, "{name}: {value}");
                if name == "entries" {
                    assert!(value.as_u64().is_some_and(|entries| entries <= listed), "{name}: {value}");
                }
                check_evidence(value, listed);
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| check_evidence(item, listed)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn evidence_of_any_text_is_sane_or_none(text in evidence_like()) {
        let factory = LinuxFactory::new(SshHub::new());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("evidence.txt"), text).unwrap();
        let target = plain_target("device", &factory.platform(), None);
        if let Ok(readings) = factory.decode(folder.path(), &target, Timestamp::from_secs(0)) {
            let evidence = &readings[0].evidence;
            let listing = evidence.iter().find(|item| item.what == "listing").unwrap();
            let listed = listing.value["entries_listed"].as_u64().unwrap();
            evidence.iter().for_each(|item| check_evidence(&item.value, listed));
        }
    }
}
