use cliffwatch_model::{AlertState, Bound, CapacityReason, ErrorKind, Role, TableKind};

use super::lab::Lab;

/// 20 % for ten minutes, then full ten minutes later, read every 10 s.
const SURGE: &str = "20000x60 20000+1333x60";

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.limit(100_000);
    lab
}

/// What one rule did, without those that wait.
fn growth(lab: &mut Lab) -> Vec<String> {
    let of_rule = |line: &String| line.contains(" growth-fast ") && !line.contains("(untold)");
    lab.news().into_iter().filter(of_rule).collect()
}

#[test]
fn a_surge_warns_minutes_before_and_pages_before_it_is_full() {
    let mut lab = lab();
    lab.run(SURGE, &[]);
    assert_eq!(growth(&mut lab), ["780 growth-fast firing warning", "1040 growth-fast firing critical"]);
}

#[test]
fn data_of_one_minute_tells_the_same() {
    let mut lab = lab();
    lab.interval = 60;
    lab.run("20000x10 20000+8000x10", &[]);
    let news = growth(&mut lab);
    assert_eq!(news[0], "900 growth-fast firing warning", "full at 1260: {news:?}");
}

#[test]
fn readings_at_odd_times_and_missed_ones_tell_the_same() {
    let mut lab = lab();
    for n in 0..140u32 {
        lab.now += i64::from(n * 7919 % 7);
        let risen = (lab.now - 600).clamp(0, 600).unsigned_abs();
        lab.table().used = Some(20_000 + 133 * risen);
        if n % 4 == 3 { lab.fail(ErrorKind::Timeout) } else { lab.poll() }
    }
    let first: i64 = growth(&mut lab)[0].split(' ').next().unwrap().parse().unwrap();
    assert!((720..=830).contains(&first), "{first}");
}

#[test]
fn the_event_says_it_in_numbers() {
    let mut lab = lab();
    lab.run(SURGE, &[]);
    let firing = |e: &&cliffwatch_model::AlertEvent| e.rule == "growth-fast" && e.state == AlertState::Firing;
    let event = lab.events.iter().find(firing).unwrap();
    assert!(
        event.summary.contains(" % a minute over 5 min to 42,661 of 100,000 entries"),
        "{}",
        event.summary
    );
    assert!(event.summary.contains("full in about 7 min"), "{}", event.summary);
    assert_eq!((event.threshold, &*event.unit), (Some(5.0), "%/min"));
    assert!(event.value.unwrap() > 5.0);
    let full = event.evidence["time_to_full_seconds"].as_f64().unwrap();
    assert!((full - 430.0).abs() < 30.0, "{full}");
    assert!(event.evidence["seconds_to_90_percent"].as_f64().unwrap() < full);
    assert_eq!(event.evidence["growth_points"], 12);
}

#[test]
fn a_step_is_no_growth() {
    let mut lab = lab();
    lab.run("30000x60 45000x60 65000x60 45000x90", &[]);
    assert_eq!(growth(&mut lab), [""; 0]);
}

#[test]
fn use_that_doubles_within_a_minute_and_stands_is_growth() {
    for interval in [5u32, 10, 30, 60] {
        let mut lab = lab();
        lab.interval = interval.into();
        let (hour, minute) = (3_600 / interval, 60 / interval);
        lab.run(&format!("30000x{hour} 30000+{}x{minute} 60000x{hour}", 30_000 / minute), &[]);
        let event = lab.events.iter().find(|event| event.state == AlertState::Firing).unwrap().clone();
        assert!(event.summary.contains("2.0 times what it was within"), "{}", event.summary);
        let news = growth(&mut lab);
        let first: i64 = news[0].split(' ').next().unwrap().parse().unwrap();
        assert!((3_660..=3_960).contains(&first), "every {interval} s: {news:?}");
        assert!(news[0].ends_with("firing warning") && news[2].ends_with("resolved warning"), "{news:?}");
        assert_eq!(news.len(), 3, "firing, recovering, resolved: {news:?}");
    }
}

#[test]
fn a_burst_to_twice_the_use_that_falls_at_once_is_no_growth() {
    let mut lab = lab();
    lab.run("30000x360 30000+5000x6 60000-1000x30 30000x60", &[]);
    assert_eq!(growth(&mut lab), [""; 0]);
}

#[test]
fn a_dip_that_comes_back_is_no_growth() {
    let mut lab = lab();
    lab.run("60000x180 25000+2000x18 60000x60", &[]);
    assert_eq!(growth(&mut lab), [""; 0], "a deploy dropped connections, and they returned");
}

#[test]
fn a_table_that_is_nearly_empty_may_grow() {
    let mut lab = lab();
    lab.run("1000x60 1000+300x90 28000x60", &[]);
    assert_eq!(growth(&mut lab), [""; 0]);
}

#[test]
fn a_rise_that_ends_is_over_after_the_hold_time() {
    let mut lab = lab();
    lab.run("20000x60 20000+1333x30 60000x90", &[]);
    let news = growth(&mut lab);
    assert_eq!(news[0], "780 growth-fast firing warning");
    assert!(news.last().unwrap().ends_with("resolved warning"), "{news:?}");
    assert!(news.iter().all(|line| !line.contains("critical")), "{news:?}");
}

#[test]
fn without_a_limit_only_what_is_large_counts() {
    for (start, step, warns) in [(2_000, 60, false), (20_000, 600, true)] {
        let mut lab = lab();
        lab.table().capacity = Err(CapacityReason::NotTold);
        lab.run(&format!("{start}x60 {start}+{step}x40"), &[]);
        assert_eq!(!growth(&mut lab).is_empty(), warns, "{start}");
    }
}

#[test]
fn a_bound_per_destination_is_no_cliff() {
    let mut lab = lab();
    lab.bound(Bound::PerDestination);
    lab.run(SURGE, &[]);
    let news = lab.news();
    assert!(news.iter().any(|line| line.contains("growth-fast firing warning")), "{news:?}");
    assert!(news.iter().all(|line| !line.contains("critical") && !line.contains("time-to-full")), "{news:?}");
}

#[test]
fn what_does_not_stand_for_itself_says_nothing() {
    let mut standby = lab();
    standby.table().role = Role::Standby;
    let mut member = lab();
    let mut key = (*member.table().table).clone();
    key.kind = TableKind::SnatPorts;
    member.table().table = key.into();
    member.table().role = Role::Member;
    for mut lab in [standby, member] {
        lab.run(SURGE, &[]);
        assert!(lab.news().is_empty());
    }
}

#[test]
fn a_failover_fills_a_table_anew_and_that_is_no_growth() {
    let mut lab = lab();
    lab.table().role = Role::Standby;
    lab.run("100x60", &[]);
    lab.table().role = Role::Whole;
    lab.run("1000+3000x20 61000x120", &[]);
    assert!(lab.news().is_empty());
    lab.run("61000+700x40", &[]);
    assert!(!growth(&mut lab).is_empty(), "after the pause growth counts again");
}

#[test]
fn a_reboot_is_no_growth_either() {
    let mut lab = lab();
    lab.run("60000x60 reset 0+3000x20 60000x60", &[]);
    assert!(lab.news().is_empty());
}

#[test]
fn a_gap_neither_warns_nor_resolves() {
    let mut lab = lab();
    lab.run("20000x60 20000+1333x20", &[]);
    assert_eq!(growth(&mut lab), ["780 growth-fast firing warning"]);
    lab.now += 1_200;
    lab.run("48000x12", &[]);
    assert_eq!(growth(&mut lab), [""; 0], "two minutes say nothing about five");
    lab.run("48000x90", &[]);
    assert!(growth(&mut lab).last().unwrap().ends_with("resolved warning"));
}

#[test]
fn what_grows_like_this_every_day_does_not_warn() {
    let mut lab = lab();
    lab.interval = 60;
    // A backup at noon: from 20 % to 65 % in nine minutes, for half an hour.
    let day = "20000x719 20000+5000x9 65000x29 20000x679 ";
    lab.run(day, &[]);
    assert!(!growth(&mut lab).is_empty(), "the first time nobody knows it");
    lab.run(&day.repeat(4), &[]);
    assert_eq!(growth(&mut lab), [""; 0]);
    lab.run("20000x719 20000+8000x10", &[]);
    assert!(!growth(&mut lab).is_empty(), "it goes on where it used to stop");
}

#[test]
fn a_table_that_is_swept_has_not_recovered() {
    let mut lab = lab();
    lab.run(SURGE, &[]);
    lab.run(&"95000+1666x3 ".repeat(60), &[]);
    let news = growth(&mut lab);
    assert!(news.iter().all(|line| !line.contains("recovering") && !line.contains("resolved")), "{news:?}");
}
