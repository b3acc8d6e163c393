use std::sync::Arc;

use cliffwatch_model::CounterClass::{Collision, Evicted, PolicyLimit, Refused};
use cliffwatch_model::{AlertState, AskKind, Counter, CounterBits, CounterName, CounterReading, TableKind};

use super::lab::Lab;

#[test]
fn history_since_boot_is_no_event() {
    let mut lab = Lab::new();
    lab.run("500x30", &[("drop", Refused, "7000"), ("early_drop", Evicted, "90000")]);
    assert!(lab.news().is_empty());
}

#[test]
fn a_refusal_warns_at_once_and_is_critical_when_seen_again() {
    let mut lab = Lab::new();
    lab.run("500x4", &[("drop", Refused, "7 7 9 9 12")]);
    assert_eq!(
        lab.news(),
        ["20 refusing firing warning", "30 refusing recovering warning", "40 refusing firing critical"]
    );
    lab.run("500x31", &[("drop", Refused, "12")]);
    assert_eq!(lab.news(), ["50 refusing recovering critical", "350 refusing resolved critical"]);
}

#[test]
fn a_full_table_that_refuses_is_critical_at_once() {
    let mut lab = Lab::new();
    lab.run("1000x2", &[("drop", Refused, "0 0 12")]);
    let event = lab.events.iter().find(|event| event.rule == "refusing").unwrap();
    assert_eq!(
        event.summary,
        "nat-gw-1 netns/host/conntrack/nf_conntrack: 12 new connections refused in 10 s (drop +12) at 1,000 of \
         1,000 entries (100.0 %, limit reported by the device)"
    );
    assert_eq!(event.evidence["since_onset"], 12);
    assert_eq!(event.evidence["increases"]["drop"]["by"], 12);
    assert!(lab.news().contains(&"20 refusing firing critical".to_owned()));
}

#[test]
fn a_swept_table_has_not_recovered() {
    let mut lab = Lab::new();
    // Full, swept to 94 % for half a minute, full again: for an hour.
    let used = "1000x2 945x2 ".repeat(60);
    let drops: Vec<String> =
        (0..60).map(|n| format!("{0} {0} {1} {1} {1} {1}", n * 10, n * 10 + 10)).collect();
    lab.run(&used, &[("drop", Refused, &drops.join(" "))]);
    let news = lab.news();
    assert!(news.iter().all(|line| !line.contains("recovering")), "{news:?}");
    for rule in ["utilization-critical", "refusing"] {
        assert_eq!(news.iter().filter(|line| line.contains(&format!("{rule} firing"))).count(), 1, "{rule}");
    }
}

#[test]
fn what_refused_and_shed_ends_below_nine_tenths() {
    let mut lab = Lab::new();
    let counters = [("drop", Refused, "0 9x100"), ("early_drop", Evicted, "0 9x100")];
    // Quiet for ten minutes and as full as the sweep leaves it, then drained.
    lab.run("1000 949x60 890x40", &counters);
    let news: Vec<String> = lab.news().into_iter().filter(|line| !line.contains("utilization")).collect();
    assert_eq!(
        news,
        [
            "10 shedding firing warning",
            "10 refusing firing critical",
            "620 shedding recovering warning",
            "620 refusing recovering critical",
            "920 shedding resolved warning",
            "920 refusing resolved critical",
        ]
    );
}

#[test]
fn shedding_at_94_percent_warns() {
    let mut lab = Lab::new();
    lab.run("944x60", &[("early_drop", Evicted, "0+400x60"), ("drop", Refused, "0")]);
    let news = lab.news();
    assert!(news.contains(&"10 shedding firing warning".to_owned()), "{news:?}");
    assert!(news.iter().all(|line| !line.contains("refusing")));
}

#[test]
fn a_small_source_port_pool_refuses_at_a_tiny_fill() {
    let mut lab = Lab::new();
    lab.limit(5_000);
    // 100 connects through 20 ports: 80 hang and try again after 1, 2, 4, … seconds.
    let clashes = "0 240x1 720x2 960x3 1200";
    lab.run("0 20x9", &[("drop", Refused, clashes), ("insert_failed", Refused, clashes)]);
    assert_eq!(lab.events[0].evidence["lost"], 240, "the pair is one loss");
    assert_eq!(
        lab.events[0].summary,
        "nat-gw-1 netns/host/conntrack/nf_conntrack: 240 new connections lost to clashes or missing source ports in \
         10 s (drop +240, insert_failed +240) at 20 of 5,000 entries (0.4 %, limit reported by the device)"
    );
    let news = lab.news();
    assert_eq!(news[0], "10 refusing firing warning", "{news:?}");
    assert_eq!(
        news.last().unwrap(),
        "100 refusing firing critical",
        "kept up for more than a minute: {news:?}"
    );
    assert!(news.iter().all(|line| line.contains("refusing")));
}

#[test]
fn one_clash_is_info_and_ten_in_five_minutes_a_warning() {
    let mut lab = Lab::new();
    lab.run("500x20", &[("insert_failed", Refused, "0x1 1+1x18"), ("drop", Refused, "0x1 1+1x18")]);
    let firing: Vec<String> = lab.news().into_iter().filter(|line| line.contains("firing")).collect();
    assert_eq!(firing, ["20 refusing firing info", "110 refusing firing warning"]);
    assert_eq!(lab.evidence_asks(), 1, "asked when it became a warning");
}

#[test]
fn what_a_slow_poll_counts_is_no_burst() {
    let mut lab = Lab::new();
    lab.interval = 300;
    lab.run("500x2", &[("drop", Refused, "0 0 150"), ("insert_failed", Refused, "0 0 150")]);
    assert_eq!(lab.news(), ["600 refusing firing warning"], "one in two seconds");
}

#[test]
fn a_failed_insert_without_a_drop_is_no_refusal() {
    let mut lab = Lab::new();
    lab.run("500x2", &[("insert_failed", Refused, "0 0 3"), ("drop", Refused, "0")]);
    assert_eq!(lab.news(), ["20 refusing firing info"]);
}

#[test]
fn a_reboot_is_measured_as_over_and_its_first_drops_count() {
    let mut lab = Lab::new();
    lab.run("1000x6 reset 5x40", &[("drop", Refused, "100x6 3x40")]);
    let news = lab.news();
    assert!(news.contains(&"70 refusing firing warning".to_owned()), "3 drops since the boot: {news:?}");
    assert!(news.contains(&"370 utilization-critical resolved critical".to_owned()), "{news:?}");
    assert_eq!(lab.engine.open_alerts().count(), 0);
}

#[test]
fn a_wrapped_counter_rises_and_a_decreased_one_says_nothing() {
    let mut lab = Lab::new();
    let top = u64::from(u32::MAX);
    let mut read = |total| {
        let reading = CounterReading::Cumulative { bits: CounterBits::B32, parts: vec![total] };
        lab.table().counters.insert(CounterName::new("drop").unwrap(), Counter { class: Refused, reading });
        lab.table().used = Some(5);
        lab.poll();
        lab.news()
    };
    assert!(read(top - 3).is_empty());
    assert_eq!(read(4), ["10 refusing firing warning"]);
    assert!(read(2).is_empty(), "it went back: neither a refusal nor an end");
    assert_eq!(read(2), ["30 refusing recovering warning"]);
}

#[test]
fn a_quota_that_does_its_job_is_a_warning() {
    let mut lab = Lab::new();
    lab.run("500x2", &[("per-host limit", PolicyLimit, "5 5 35")]);
    assert_eq!(lab.events[0].evidence["per_second"], 3.0);
    assert_eq!(lab.news(), ["20 quota-reached firing warning"]);
}

#[test]
fn collisions_count_where_they_are_unusual() {
    let mut everyday = Lab::new();
    everyday.run("500x1500", &[("clash", Collision, "0+3x1500")]);
    assert!(everyday.news().is_empty(), "90 in 5 minutes is what it always has");
    let mut sudden = Lab::new();
    sudden.run("500x400", &[("clash", Collision, "0x400")]);
    sudden.run("500x30", &[("clash", Collision, "0+6x30")]);
    assert_eq!(sudden.news(), ["4100 colliding firing warning"]);
    let mut large = Lab::new();
    large.table().setup_rate = Some(1_000.0);
    large.run("500x400", &[("clash", Collision, "0x400")]);
    large.run("500x30", &[("clash", Collision, "0+6x30")]);
    assert!(large.news().is_empty(), "180 of 300,000 set-ups");
}

#[test]
fn the_device_is_asked_once_for_evidence_of_an_alert() {
    let mut lab = Lab::new();
    lab.run("500x2", &[("drop", Refused, "7 7 9")]);
    assert_eq!(
        lab.asks.iter().map(|ask| &ask.kind).collect::<Vec<_>>(),
        [&AskKind::Evidence, &AskKind::TryNewConnection]
    );
    assert_eq!(lab.asks[0].table.as_ref().unwrap().path(), "netns/host/conntrack/nf_conntrack");
    assert_eq!(lab.asks[1].table, None, "the device as a whole is tried");
    lab.run("950x60", &[("drop", Refused, "9 9 9 20 20 30")]);
    let critical = lab.events.iter().filter(|event| event.rule == "utilization-critical");
    assert!(critical.clone().any(|event| event.state == AlertState::Firing));
    assert_eq!(lab.evidence_asks(), 1, "the second alert came within five minutes of the question");
}

#[test]
fn what_is_pushed_of_high_ports_is_critical_at_once() {
    for (tier, severity) in
        [(None, "critical"), (Some("1024-65535"), "critical"), (Some("512-1023"), "warning")]
    {
        let mut lab = Lab::new();
        tiered(&mut lab, tier);
        push(&mut lab, 0);
        push(&mut lab, 1);
        assert_eq!(lab.news(), [format!("10 refusing firing {severity}")]);
    }
}

#[test]
fn ten_in_a_minute_on_low_ports_are_critical_and_one_alert() {
    let mut lab = Lab::new();
    tiered(&mut lab, Some("1-511"));
    for pushed in [4, 0, 0, 0, 0, 0, 0, 0, 5, 4, 1, 3] {
        push(&mut lab, pushed);
    }
    let firing: Vec<String> = lab.news().into_iter().filter(|line| line.contains("firing")).collect();
    assert_eq!(
        firing,
        ["0 refusing firing warning", "80 refusing firing warning", "100 refusing firing critical"]
    );
    for _ in 0..31 {
        push(&mut lab, 0);
    }
    assert_eq!(lab.news(), ["120 refusing recovering critical", "420 refusing resolved critical"]);
}

fn tiered(lab: &mut Lab, tier: Option<&str>) {
    let mut key = (*lab.table().table).clone();
    (key.kind, key.name) = (TableKind::NatPool, "outside".into());
    key.part = tier.into_iter().map(|tier| ("tier".into(), tier.into())).collect();
    lab.table().table = Arc::new(key);
    lab.table().used = Some(5);
}

fn push(lab: &mut Lab, value: u64) {
    let counter = Counter { class: Refused, reading: CounterReading::Event { value } };
    lab.table().counters = [(CounterName::new("202010").unwrap(), counter)].into();
    lab.poll();
}

#[test]
fn what_is_refused_between_two_polls_of_one_instant_is_not_lost() {
    let mut lab = Lab::new();
    lab.run("500x10", &[("drop", Refused, "5")]);
    lab.now -= lab.interval;
    lab.run("500x1", &[("drop", Refused, "9")]);
    assert!(lab.events.iter().any(|event| event.rule == "refusing"), "{:?}", lab.events);
}
