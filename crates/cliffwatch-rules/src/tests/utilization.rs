use cliffwatch_model::{AlertState, Bound, CapacityReason, ErrorKind, Role, TableKind, TableState, Unit};

use super::lab::{Lab, table};

#[test]
fn a_healthy_table_says_nothing() {
    let mut lab = Lab::new();
    lab.run("300+1x200 500-1x200", &[]);
    assert!(lab.news().is_empty());
    assert_eq!(lab.engine.open_alerts().count(), 0);
}

#[test]
fn seventy_percent_for_five_minutes_warns() {
    let mut lab = Lab::new();
    lab.run("690x5 700x30", &[]);
    assert_eq!(
        lab.news(),
        ["60 utilization-high pending warning (untold)", "360 utilization-high firing warning"]
    );
}

#[test]
fn the_event_says_it_in_numbers() {
    let mut lab = Lab::new();
    lab.limit(262_144);
    lab.run("236001x6", &[]);
    let event = lab.events.iter().find(|e| e.state == AlertState::Firing).unwrap();
    assert_eq!(
        event.summary,
        "nat-gw-1 netns/host/conntrack/nf_conntrack: 236,001 of 262,144 entries (90.0 %, limit reported by the \
         device) for 1 min"
    );
    assert_eq!((event.threshold, &*event.unit), (Some(90.0), "%"));
    assert!((event.value.unwrap() - 90.027).abs() < 0.001);
    assert_eq!(event.evidence["limit"], 262_144);
    assert_eq!(event.table_id.unwrap().to_string(), "42b78ed1f4fb22ed");
    assert_eq!(event.id, format!("{}-{}/2", event.fingerprint, event.onset.as_micros()));
    assert_eq!(event.fingerprint.len(), 16);
}

#[test]
fn flapping_around_the_line_is_one_alert_at_most() {
    let mut lab = Lab::new();
    lab.run(&"710 690 ".repeat(60), &[]);
    let news = lab.news();
    assert_eq!(news, ["0 utilization-high pending warning (untold)"], "below the line as often as above");
    lab.run(&"710 720 690 ".repeat(60), &[]);
    assert_eq!(lab.news().len(), 1, "above it for five minutes in all");
    lab.run(&"710 640 ".repeat(60), &[]);
    let states: Vec<String> = lab.news();
    assert!(states.iter().all(|s| s.contains("recovering") || s.contains("firing")), "{states:?}");
}

#[test]
fn a_dip_as_long_as_the_rule_ends_what_is_pending() {
    let mut lab = Lab::new();
    lab.run("710x10 690x40 710x10", &[]);
    assert_eq!(
        lab.news(),
        [
            "0 utilization-high pending warning (untold)",
            "410 utilization-high resolved warning (untold)",
            "520 utilization-high pending warning (untold)"
        ]
    );
}

#[test]
fn it_is_over_below_the_clear_line_for_the_hold_time() {
    let mut lab = Lab::new();
    lab.run("910x6 880x60 849x29", &[]);
    assert_eq!(
        lab.news(),
        [
            "0 utilization-critical pending critical (untold)",
            "0 utilization-high pending warning (untold)",
            "60 utilization-critical firing critical",
            "300 utilization-high firing warning",
            "680 utilization-critical recovering critical"
        ]
    );
    lab.run("860 849x29", &[]);
    assert!(lab.news().is_empty(), "above the clear line once, the hold time starts again");
    lab.run("849", &[]);
    assert_eq!(lab.news(), ["1290 utilization-critical resolved critical"]);
}

#[test]
fn a_gap_neither_resets_what_is_pending_nor_counts_as_over() {
    let mut lab = Lab::new();
    lab.run("710x10", &[]);
    lab.now += 3_600;
    lab.run("710x1", &[]);
    let news = lab.news();
    assert_eq!(news[1], "3710 utilization-high firing warning", "it held at both ends of the gap: {news:?}");
}

#[test]
fn an_outage_of_the_device_leaves_the_alert_in_doubt() {
    let mut lab = Lab::new();
    lab.run("950x6", &[]);
    lab.news();
    lab.run("_x120", &[]);
    assert_eq!(
        lab.news(),
        ["360 stale firing warning", "360 utilization-critical stale critical"],
        "said once; what is pending goes on waiting"
    );
    lab.run("950x1", &[]);
    assert_eq!(
        lab.news(),
        [
            "1270 stale resolved warning",
            "1270 utilization-critical firing critical",
            "1270 utilization-high firing warning"
        ]
    );
    lab.run("_x40 500x33", &[]);
    let news = lab.news();
    assert_eq!(news[4], "1710 utilization-critical recovering critical", "three readings in a row: {news:?}");
    assert_eq!(news[6], "2010 utilization-critical resolved critical", "{news:?}");
}

#[test]
fn what_is_not_measured_is_no_verdict() {
    let mut lab = Lab::new();
    lab.run("950x10", &[]);
    lab.news();
    lab.table().state = TableState::NotTracking;
    lab.run("0x60", &[]);
    assert_eq!(
        lab.news(),
        ["110 limit-changed firing warning", "710 utilization-critical stale critical"],
        "not tracking is neither 0 % nor over"
    );
    lab.table().state = TableState::Tracking;
    lab.table().capacity = Err(CapacityReason::NotTold);
    lab.run("10x60", &[]);
    assert_eq!(
        lab.news(),
        ["720 limit-changed resolved warning"],
        "a limit that is not known clears nothing"
    );
}

#[test]
fn what_is_full_by_design_never_warns() {
    let mut standby = Lab::new();
    standby.table().role = Role::Standby;
    let mut first_address = Lab::new();
    pool(&mut first_address, 64_512);
    first_address.table().role = Role::Member;
    let mut low_tier = Lab::new();
    pool(&mut low_tier, 512);
    for mut lab in [standby, first_address, low_tier] {
        let limit = lab.table().capacity.unwrap().limit.get();
        lab.run(&format!("{}x60", limit + limit / 11), &[]);
        assert!(lab.news().is_empty());
    }
    let mut spread = Lab::new();
    spread.bound(Bound::PerDestination);
    spread.run("1090x60", &[]);
    assert_eq!(spread.news(), ["0 headroom firing info"]);
}

fn pool(lab: &mut Lab, ports: u64) {
    let mut key = (*lab.table().table).clone();
    key.kind = TableKind::SnatPorts;
    key.part.insert("address".into(), "198.51.100.7".into());
    lab.table().table = key.into();
    lab.table().unit = Unit::Ports;
    lab.limit(ports);
}

#[test]
fn a_table_that_becomes_the_standby_closes_its_alert() {
    let mut lab = Lab::new();
    lab.run("950x6", &[]);
    lab.news();
    lab.table().role = Role::Standby;
    lab.run("950x31", &[]);
    let news = lab.news();
    assert_eq!(news[0], "70 utilization-critical recovering critical");
    assert!(news.contains(&"370 utilization-critical resolved critical".to_owned()), "{news:?}");
}

#[test]
fn carriers_run_fuller() {
    let mut lab = Lab::on("cgn-1", "linux", &[("cgn", "true")]);
    lab.run("830x60", &[]);
    assert!(lab.news().is_empty());
    lab.run("950x30", &[]);
    let news = lab.news();
    assert_eq!(news.last().unwrap(), "910 utilization-high firing warning", "{news:?}");
    assert!(news.contains(&"670 utilization-critical firing critical".to_owned()), "{news:?}");
}

#[test]
fn a_container_that_is_gone_closes_its_alert() {
    let mut lab = Lab::new();
    let pod = table(&lab.table().table.device.clone(), "pod-1", 1_000);
    lab.tables.push(pod);
    lab.tables[1].used = Some(950);
    lab.run("100x6", &[]);
    assert_eq!(lab.news()[2], "60 utilization-critical firing critical");
    let gone = lab.tables.pop().unwrap().table;
    lab.run("100", &[]);
    assert_eq!(
        lab.news(),
        ["70 utilization-critical gone critical", "70 utilization-high gone warning (untold)"]
    );
    let rows = lab.engine.save(&gone.device);
    assert_eq!(rows.iter().find(|(id, _)| *id == Some(gone.id())).unwrap().1, None);
    assert_eq!(lab.engine.open_alerts().count(), 0);
}

#[test]
fn a_table_that_is_not_seen_any_more_is_in_doubt() {
    let mut lab = Lab::new();
    lab.complete = false;
    let pod = table(&lab.table().table.device.clone(), "pod-1", 1_000);
    lab.tables.push(pod);
    lab.tables[1].used = Some(950);
    lab.run("100x6", &[]);
    lab.news();
    lab.tables.truncate(1);
    lab.run("100x80", &[]);
    assert_eq!(lab.news(), ["660 utilization-critical stale critical"]);
    lab.run("100x300", &[]);
    assert_eq!(
        lab.news(),
        ["3660 utilization-critical gone critical", "3660 utilization-high gone warning (untold)"]
    );
}

#[test]
fn a_device_that_leaves_the_inventory_closes_everything() {
    let mut lab = Lab::new();
    lab.run("950x6", &[]);
    lab.run("_x40", &[]);
    lab.news();
    lab.fail(ErrorKind::Retired);
    assert_eq!(
        lab.news(),
        [
            "470 stale gone warning",
            "470 utilization-critical gone critical",
            "470 utilization-high gone warning (untold)"
        ]
    );
    let device = lab.table().table.device.clone();
    assert_eq!(lab.engine.open_alerts().count(), 0);
    assert!(lab.engine.save(&device).iter().all(|(_, text)| text.is_none()));
    assert!(lab.engine.save(&device).is_empty());
}
