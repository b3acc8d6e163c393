use cliffwatch_model::{CapacityOrigin, DeviceName, ErrorKind, MemoryState, Setting, Trigger};

use super::lab::Lab;
use crate::figures;

#[test]
fn stale_needs_five_polls_and_five_minutes() {
    let mut fast = Lab::new();
    fast.run("500 _x29", &[]);
    assert!(fast.news().is_empty(), "29 polls, but not 5 minutes");
    fast.run("_", &[]);
    assert_eq!(fast.news(), ["300 stale firing warning"]);
    assert_eq!(fast.engine.open_alerts().next().unwrap().table_id, None);
    let mut slow = Lab::new();
    slow.interval = 120;
    slow.run("500 _x4", &[]);
    assert!(slow.news().is_empty(), "8 minutes, but not 5 polls");
    slow.run("_ 500", &[]);
    assert_eq!(slow.news(), ["600 stale firing warning", "720 stale resolved warning"]);
}

#[test]
fn our_own_outage_is_not_the_devices() {
    let mut lab = Lab::new();
    lab.run("500", &[]);
    lab.now += 7_200;
    lab.run("_x20", &[]);
    assert!(lab.news().is_empty(), "it failed for less than five minutes of our polls");
    lab.run("_x10", &[]);
    assert_eq!(lab.news().len(), 1);
}

#[test]
fn only_ticks_are_missed() {
    let mut lab = Lab::new();
    lab.run("500", &[]);
    lab.trigger = Trigger::Urgent;
    lab.run("_x60", &[]);
    assert!(lab.news().is_empty());
}

#[test]
fn a_rejected_credential_is_told_at_once() {
    let mut lab = Lab::new();
    lab.fail(ErrorKind::Breaker);
    lab.fail(ErrorKind::Auth);
    lab.fail(ErrorKind::Breaker);
    lab.fail(ErrorKind::Timeout);
    assert_eq!(lab.news(), ["10 credential-rejected firing warning"]);
    lab.run("500", &[]);
    assert_eq!(lab.news(), ["40 credential-rejected resolved warning"]);
}

#[test]
fn a_lowered_limit_warns_for_an_hour() {
    let mut lab = Lab::new();
    lab.run("10x3", &[]);
    lab.limit(500);
    lab.run("10x3", &[]);
    assert_eq!(
        lab.events[0].summary,
        "nat-gw-1 netns/host/conntrack/nf_conntrack: limit lowered from 1,000 to 500, reported by the device"
    );
    assert_eq!(lab.news(), ["40 limit-changed firing warning"]);
    lab.run("10x400", &[]);
    assert_eq!(lab.news(), ["3640 limit-changed resolved warning"]);
    lab.limit(2_000);
    lab.run("10x3", &[]);
    assert_eq!(lab.news(), ["4090 limit-changed firing info"]);
    lab.limit(500);
    lab.run("10", &[]);
    assert_eq!(lab.news(), ["4130 limit-changed resolved info"], "taken back");
}

#[test]
fn another_origin_is_not_another_limit() {
    let mut lab = Lab::new();
    lab.run("10x3", &[]);
    let capacity = lab.table().capacity.as_mut().unwrap();
    capacity.origin = CapacityOrigin::Configured;
    capacity.limit = std::num::NonZeroU64::MIN.saturating_add(700);
    lab.run("10x3", &[]);
    assert!(lab.news().is_empty());
}

#[test]
fn fewer_buckets_are_a_warning_on_the_device() {
    let mut lab = Lab::new();
    let mut read = |buckets| {
        lab.settings.insert("nf_conntrack_buckets".into(), Setting::Number(buckets));
        lab.run("10", &[]);
        lab.news()
    };
    assert!(read(65_536).is_empty());
    assert_eq!(read(1_024), ["10 limit-changed firing warning"]);
    assert_eq!(read(65_536), ["20 limit-changed resolved warning"]);
}

#[test]
fn a_clock_that_is_off_is_told() {
    let mut lab = Lab::new();
    for skew in [Some(-75.0), None, Some(f64::NAN), Some(45.0)] {
        lab.load.clock_skew_seconds = skew;
        lab.run("10", &[]);
    }
    assert_eq!(lab.events[0].summary, "nat-gw-1: its clock is 75 s behind ours");
    assert_eq!(lab.news(), ["0 clock-skew firing warning"]);
}

#[test]
fn memory_pressure_has_two_steps() {
    let mut lab = Lab::new();
    for state in [MemoryState::Red, MemoryState::Extreme, MemoryState::Red, MemoryState::Normal] {
        lab.load.memory_state = Some(state);
        lab.run("10", &[]);
    }
    let event = &lab.events[1];
    assert_eq!(event.previous_severity, Some(cliffwatch_model::Severity::Warning));
    assert_eq!(
        lab.news(),
        [
            "0 memory-pressure firing warning",
            "10 memory-pressure firing critical",
            "30 memory-pressure recovering critical"
        ]
    );
}

#[test]
fn we_are_a_device_too() {
    let mut lab = Lab::on(DeviceName::SELF, "self", &[]);
    lab.tables.clear();
    let mut read = |figures: &[(&str, f64)]| {
        lab.load.figures = figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        lab.poll();
        lab.news()
    };
    assert!(read(&[(figures::STORE_UNAVAILABLE_SECONDS, 29.0), (figures::POLLS_MISSED, 0.0)]).is_empty());
    assert_eq!(read(&[(figures::STORE_UNAVAILABLE_SECONDS, 39.0)]), ["10 store-down firing warning"]);
    assert_eq!(read(&[(figures::STORE_UNAVAILABLE_SECONDS, 0.0)]), ["20 store-down recovering warning"]);
    assert_eq!(read(&[(figures::CLOCK_STEP_SECONDS, -3600.0)]), ["30 clock-step firing warning"]);
    assert_eq!(read(&[(figures::DELIVERIES_FAILING, 2.0)]), ["40 notifier-failing firing warning"]);
    for _ in 0..6 {
        read(&[(figures::POLL_SLIP_SECONDS, 12.0)]);
    }
    assert_eq!(read(&[(figures::POLLS_MISSED, 3.0)]), ["110 poll-lag firing warning"]);
}

#[test]
fn figures_about_ourselves_mean_nothing_elsewhere() {
    let mut lab = Lab::new();
    lab.load.figures.insert(figures::STORE_UNAVAILABLE_SECONDS.into(), 900.0);
    lab.run("10x3", &[]);
    assert!(lab.news().is_empty());
}

#[test]
fn what_a_device_said_of_itself_is_in_doubt_when_it_is_stale() {
    let mut lab = Lab::new();
    lab.load.memory_state = Some(MemoryState::Red);
    lab.run("10 _x40", &[]);
    assert_eq!(lab.news()[1..], ["300 stale firing warning", "300 memory-pressure stale warning"]);
}

#[test]
fn a_rule_that_is_switched_off_closes_its_alert_and_others_go_on() {
    let mut lab = Lab::new();
    lab.run("950x6", &[]);
    lab.news();
    lab.rules(
        r#"[{"id":"utilization-critical","enabled":false},{"id":"utilization-high","raise":60,"clear":50}]"#,
    );
    lab.run("950x30", &[]);
    assert_eq!(lab.news(), ["70 utilization-critical gone critical", "300 utilization-high firing warning"]);
}

#[test]
fn another_rule_may_take_the_place_of_a_built_in_one() {
    let mut lab = Lab::on("dns-1", "linux", &[("role", "dns")]);
    lab.rules(
        r#"[{"id":"utilization-high","except":{"labels":{"role":"dns"}}},
            {"id":"dns-high","kind":"utilization-high","raise":50,"clear":40,"for":"0s","match":{"labels":{"role":"dns"}}}]"#,
    );
    lab.run("720x60", &[]);
    assert_eq!(lab.news(), ["0 dns-high firing warning"]);
}
