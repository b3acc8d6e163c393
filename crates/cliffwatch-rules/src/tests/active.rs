use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::CounterClass::Refused;
use cliffwatch_model::{AlertState, ErrorKind, Timestamp};

use super::lab::Lab;
use crate::{Maintenance, Zone};

/// What happens at 95 %, by the rule that is critical there.
fn critical(lab: &mut Lab) -> Vec<String> {
    lab.news().into_iter().filter(|line| line.contains("utilization-critical")).collect()
}

/// From the third to the tenth minute of every scenario, which begins at 10:00 on a Sunday.
const ACTIVE: &str = r#"[{"id":"utilization-critical","active_time":"sun 10:03-10:10"}]"#;

#[test]
fn a_rule_raises_in_its_active_time_only() {
    let mut lab = Lab::new();
    lab.rules(ACTIVE);
    lab.run("950x24", &[]);
    assert_eq!(
        critical(&mut lab),
        ["180 utilization-critical pending critical (untold)", "240 utilization-critical firing critical"]
    );
}

#[test]
fn what_fires_at_the_end_of_the_active_time_goes_on_until_it_is_over() {
    let mut lab = Lab::new();
    lab.rules(ACTIVE);
    lab.run("950x90 400x31", &[]);
    let news = critical(&mut lab);
    assert_eq!(
        news[1..],
        [
            "240 utilization-critical firing critical",
            "910 utilization-critical recovering critical (untold)",
            "1210 utilization-critical resolved critical"
        ]
    );
    lab.run("950x90", &[]);
    assert!(critical(&mut lab).is_empty(), "it is after ten past ten");
}

#[test]
fn what_is_pending_at_the_end_of_the_active_time_never_fires() {
    let mut lab = Lab::new();
    lab.rules(r#"[{"id":"utilization-critical","active_time":"10:00-10:03","for":"2m"}]"#);
    lab.run("400x10 950x60", &[]);
    assert_eq!(
        critical(&mut lab),
        [
            "110 utilization-critical pending critical (untold)",
            "300 utilization-critical resolved critical (untold)"
        ]
    );
}

#[test]
fn outside_of_it_nothing_becomes_worse() {
    let mut lab = Lab::new();
    lab.rules(r#"[{"id":"refusing","active_time":"10:00-10:01"}]"#);
    lab.run("500x12", &[("drop", Refused, "0x3 7x3 9 12 20 30 40")]);
    let worst = lab.events.iter().filter(|event| event.rule == "refusing").map(|event| event.severity).max();
    assert_eq!(worst.unwrap().as_str(), "warning");
    assert_eq!(lab.engine.open_alerts().find(|open| open.rule == "refusing").unwrap().seq, 2);
}

#[test]
fn a_rule_keeps_firing_for_as_long_as_it_says() {
    let with = |keep: &str, hold: &str| {
        let mut lab = Lab::new();
        lab.rules(&format!(r#"[{{"id":"refusing","keep_firing_for":"{keep}","hold":"{hold}"}}]"#));
        lab.run("500x62", &[("drop", Refused, "0 7 7 7 7 8 8")]);
        lab.news()
    };
    let first = "10 refusing firing warning";
    assert_eq!(with("2m", "5m"), [first, "180 refusing recovering warning", "360 refusing resolved warning"]);
    assert_eq!(with("6m", "5m"), [first, "420 refusing resolved warning"]);
    assert_eq!(with("1m", "0s"), [first, "120 refusing resolved warning"]);
}

fn maintain(lab: &mut Lab, from: i64, minutes: u64, pause_polling: bool) {
    let maintenance = Maintenance {
        labels: BTreeMap::new(),
        device: None,
        start: lab.at(from),
        duration: Duration::from_secs(minutes * 60),
        every: None,
        zone: Zone::default(),
        pause_polling,
    };
    lab.engine.maintain(Arc::new([maintenance]));
}

#[test]
fn what_lasts_beyond_maintenance_is_told_at_its_end() {
    let mut lab = Lab::new();
    maintain(&mut lab, 0, 10, false);
    lab.run("950x60", &[]);
    assert_eq!(
        critical(&mut lab),
        [
            "0 utilization-critical pending critical (untold)",
            "60 utilization-critical firing critical (untold)",
            "600 utilization-critical firing critical"
        ]
    );
}

#[test]
fn what_ends_in_maintenance_is_never_told_unless_it_was_known() {
    let mut lab = Lab::new();
    maintain(&mut lab, 0, 20, false);
    lab.run("950x20 400x40", &[]);
    assert!(critical(&mut lab).iter().all(|line| line.ends_with("(untold)")));
    let mut known = Lab::new();
    maintain(&mut known, 120, 20, false);
    known.run("950x20 400x40", &[]);
    assert_eq!(critical(&mut known).last().unwrap(), "510 utilization-critical resolved critical");
}

#[test]
fn polls_that_are_paused_are_not_missed_and_prove_nothing() {
    let mut lab = Lab::new();
    maintain(&mut lab, 300, 30, true);
    lab.run("950x29", &[]);
    lab.news();
    for _ in 0..180 {
        lab.fail(ErrorKind::Busy);
    }
    let news = lab.news();
    assert!(
        news.iter().all(|line| line.ends_with("(untold)") && !line.contains(" stale firing")),
        "{news:?}"
    );
    assert!(news.contains(&"890 utilization-critical stale critical (untold)".to_owned()), "{news:?}");
    lab.run("950", &[]);
    assert!(critical(&mut lab).contains(&"2100 utilization-critical firing critical".to_owned()));
    for _ in 0..40 {
        lab.fail(ErrorKind::Busy);
    }
    assert!(lab.news().iter().any(|line| line.contains(" stale firing")), "busy without a reason is missed");
}

/// Firing for ten minutes, then every `nth` poll is clear and the others fail.
fn thinned(nth: usize, polls: usize) -> Lab {
    let mut lab = Lab::new();
    lab.run("950x60", &[]);
    lab.news();
    for n in 0..polls {
        if n % nth == 0 {
            lab.run("400", &[]);
        } else {
            lab.fail(ErrorKind::Timeout);
        }
    }
    lab
}

#[test]
fn too_few_readings_resolve_nothing() {
    let mut lab = thinned(3, 360);
    let news = critical(&mut lab);
    assert_eq!(news[0], "610 utilization-critical recovering critical");
    assert!(news[1].ends_with("utilization-critical stale critical"), "{news:?}");
    assert_eq!(news.len(), 2, "an hour of too few readings: {news:?}");
    let stale = lab.events.iter().find(|event| event.state == AlertState::Stale);
    assert!(stale.is_none(), "they were taken");
    // What comes back is measured for the hold time.
    lab.run("400x60", &[]);
    let news = critical(&mut lab);
    assert_eq!(news.len(), 2, "{news:?}");
    assert!(news[0].contains("recovering") && news[1].contains("resolved"), "{news:?}");
}

#[test]
fn half_of_the_readings_are_enough() {
    let mut lab = thinned(2, 60);
    let news = critical(&mut lab);
    assert!(news.iter().all(|line| !line.contains("stale")), "{news:?}");
    assert!(news.last().unwrap().contains("resolved"), "{news:?}");
}

#[test]
fn an_alert_in_doubt_says_how_little_came() {
    let mut lab = Lab::new();
    lab.run("950x60", &[]);
    for _ in 0..20 {
        lab.fail(ErrorKind::Timeout);
    }
    lab.run("400", &[]);
    let stale = lab.events.iter().rfind(|event| event.rule == "utilization-critical").unwrap();
    assert_eq!((stale.state, &stale.evidence["readings_came"]), (AlertState::Stale, &10.into()));
    assert_eq!(
        stale.summary,
        "nat-gw-1 netns/host/conntrack/nf_conntrack: 10 of 30 readings came: 400 of 1,000 entries (40.0 %, limit \
         reported by the device); neither confirmed nor over"
    );
}

#[test]
fn readings_that_do_not_say_put_an_alert_in_doubt() {
    let mut lab = Lab::new();
    lab.run("950x60", &[]);
    lab.news();
    lab.table().used = None;
    for _ in 0..120 {
        lab.poll();
    }
    assert_eq!(critical(&mut lab), ["1210 utilization-critical stale critical"]);
    lab.run("950", &[]);
    assert_eq!(critical(&mut lab), ["1810 utilization-critical firing critical"]);
}

#[test]
fn an_alert_is_in_doubt_even_where_nobody_watches_the_device() {
    let mut lab = Lab::new();
    lab.rules(r#"[{"id":"stale","enabled":false}]"#);
    lab.run("950x60", &[]);
    lab.news();
    for _ in 0..120 {
        lab.fail(ErrorKind::Timeout);
    }
    assert_eq!(critical(&mut lab), ["1200 utilization-critical stale critical"]);
}

#[test]
fn growth_rests_after_a_change_of_role_epoch_or_limit() {
    use cliffwatch_model::Role;
    for change in ["none", "limit", "role", "epoch"] {
        let mut lab = Lab::new();
        lab.limit(100_000);
        lab.run("20000x60", &[]);
        match change {
            "limit" => lab.limit(99_000),
            "role" => lab.table().role = Role::Member,
            _ => {}
        }
        let reset = if change == "epoch" { "reset " } else { "" };
        lab.run(&format!("{reset}20000 26000+600x50"), &[]);
        let first = lab.events.iter().find(|e| e.rule == "growth-fast" && e.state == AlertState::Pending);
        let after =
            first.map(|event| event.at.since(Timestamp::from_micros(lab.at(610).as_micros())).as_secs());
        match change {
            "none" => assert!(after.is_some_and(|after| after < 600), "{after:?}"),
            _ => assert!(after.is_none_or(|after| after >= 590), "{change}: {after:?}"),
        }
    }
}
