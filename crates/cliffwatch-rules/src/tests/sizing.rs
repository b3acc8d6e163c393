//! Rules that compare: set-ups with ends, limits with peaks, load with sessions.

use std::time::Duration;

use cliffwatch_model::{AlertState, Bound, Counter, CounterClass, CounterName, CounterReading, Setting};

use super::lab::Lab;

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.limit(100_000);
    lab
}

fn of(rule: &str, lab: &mut Lab) -> Vec<String> {
    lab.news().into_iter().filter(|line| line.split(' ').nth(1) == Some(rule)).collect()
}

/// Half an hour of growth of 10 % of the limit an hour, with rates that differ by chance as well.
fn churn(setup: f64, teardown: f64, step: u64) -> Lab {
    let mut lab = lab();
    lab.interval = 30;
    for n in 0..400u64 {
        let chance = [-2.0, 3.0, 0.0, -1.0, 1.5][(n % 5) as usize];
        lab.table().used = Some(41_000 + n * step);
        (lab.table().setup_rate, lab.table().teardown_rate) = (Some(setup + chance), Some(teardown));
        lab.poll();
    }
    lab
}

#[test]
fn more_set_up_than_ended_warns_hours_ahead() {
    let mut lab = churn(105.0, 100.0, 83);
    let news = of("churn-imbalance", &mut lab);
    assert_eq!(news.len(), 1, "{news:?}");
    assert!(news[0].ends_with("firing warning"));
    // Half an hour of the count shows that the rates are true; no three hours are needed for that.
    let at: i64 = news[0].split(' ').next().unwrap().parse().unwrap();
    assert!(at < 2_400, "{news:?}");
}

#[test]
fn the_churn_event_says_both_rates() {
    let lab = churn(105.0, 100.0, 83);
    let event = lab.events.iter().find(|e| e.rule == "churn-imbalance").unwrap();
    assert!(event.summary.contains("105 set up and 100 ended a second over 5 min"), "{}", event.summary);
    assert!((event.value.unwrap() - 5.3).abs() < 0.5);
}

#[test]
fn rates_that_balance_or_that_are_not_both_measured_say_nothing() {
    assert!(of("churn-imbalance", &mut churn(100.0, 100.0, 0)).is_empty());
    assert!(of("churn-imbalance", &mut churn(105.0, 100.0, 0)).is_empty(), "the count does not rise");
    let mut one = lab();
    one.table().setup_rate = Some(500.0);
    one.run("41000+100x200", &[]);
    assert!(of("churn-imbalance", &mut one).is_empty());
}

/// A gateway of which a provider counts attempts and what came of them, one minute after the other.
fn opened(used: u64, attempts: u64, established: impl Fn(i64) -> u64) -> Lab {
    let mut lab = Lab::on("prod-natgw", "somebodys", &[]);
    lab.limit(55_000);
    lab.bound(Bound::PerDestination);
    lab.interval = 60;
    lab.table().used = Some(used);
    for minute in 0..40i64 {
        let sum = |value| Counter {
            class: CounterClass::Pressure,
            reading: CounterReading::Period { value, period: Duration::from_secs(60), provisional: false },
        };
        let named = |name| CounterName::new(name).unwrap();
        lab.table().counters = [
            (named("ConnectionAttemptCount"), sum(attempts)),
            (named("ConnectionEstablishedCount"), sum(established(minute))),
        ]
        .into();
        lab.poll();
    }
    lab
}

#[test]
fn attempts_that_are_not_established_warn_where_ports_may_run_out() {
    let lab = opened(30_000, 3_000, |minute| if minute < 20 { 2_970 } else { 2_850 });
    let told: Vec<_> = lab.events.iter().filter(|e| e.rule == "churn-imbalance").collect();
    let [event] = told[..] else { panic!("{told:?}") };
    assert!(event.summary.contains("of 5 min were established (9"), "{}", event.summary);
    assert_eq!((event.threshold, event.unit.as_str()), (Some(98.0), "%"));
    assert_eq!(event.evidence["attempts_5m"], 15_000, "{:?}", event.evidence);
    let mut over = opened(30_000, 3_000, |minute| if minute < 10 { 2_850 } else { 3_000 });
    let told = of("churn-imbalance", &mut over);
    assert!(told.iter().any(|line| line.contains("resolved")), "{told:?}");
}

#[test]
fn attempts_fail_for_other_reasons_as_well() {
    assert!(of("churn-imbalance", &mut opened(3_000, 3_000, |_| 2_000)).is_empty(), "hardly used");
    assert!(of("churn-imbalance", &mut opened(50_000, 3_000, |_| 2_970)).is_empty(), "the everyday share");
    assert!(of("churn-imbalance", &mut opened(50_000, 10, |_| 5)).is_empty(), "too few");
    let now_and_then = opened(50_000, 3_000, |minute| if minute % 5 == 0 { 2_600 } else { 3_000 });
    assert!(of("churn-imbalance", &mut { now_and_then }).is_empty(), "not in each minute");
}

#[test]
fn a_day_shows_whether_there_is_headroom() {
    for (peak, reported) in [(20_000, false), (30_000, true)] {
        let mut lab = lab();
        lab.interval = 600;
        lab.run(&format!("10000x80 {peak}x10 10000x80"), &[]);
        let told = lab.events.iter().find(|e| e.rule == "headroom").cloned();
        assert_eq!(told.is_some(), reported, "{peak}");
        let Some(event) = told else { continue };
        assert_eq!(event.evidence["advised_limit"], 120_000, "{:?}", event.evidence);
        assert!(event.summary.contains("the peak of the week was 30,000 of 100,000"), "{}", event.summary);
        assert!((event.value.unwrap() - 3.33).abs() < 0.01);
    }
}

#[test]
fn too_few_buckets_are_reported_at_once() {
    let mut lab = lab();
    lab.settings.insert("nf_conntrack_buckets".into(), Setting::Number(8_192));
    lab.run("1000x3", &[]);
    assert_eq!(of("headroom", &mut lab), ["0 headroom firing info"]);
    lab.settings.insert("nf_conntrack_buckets".into(), Setting::Number(25_000));
    lab.interval = 600;
    lab.run("1000x160", &[]);
    assert!(of("headroom", &mut lab).last().unwrap().ends_with("resolved info"));
}

#[test]
fn a_long_timeout_matters_where_the_table_is_used() {
    for (used, reported) in [(1_000, false), (15_000, true)] {
        let mut lab = lab();
        lab.interval = 600;
        let name = "nf_conntrack_tcp_timeout_established_seconds";
        lab.settings.insert(name.into(), Setting::Number(432_000));
        lab.run(&format!("{used}x150"), &[]);
        assert_eq!(!of("headroom", &mut lab).is_empty(), reported, "{used}");
    }
}

#[test]
fn load_that_rises_with_the_sessions_is_told_with_the_alert() {
    for (per_session, told) in [(0.000_6, true), (0.0, false)] {
        let mut lab = lab();
        for n in 0..120u64 {
            let used = 20_000 + 1_333 * n.saturating_sub(60);
            lab.table().used = Some(used);
            lab.load.figures.insert("softirq_percent".into(), 5.0 + per_session * (used as f64));
            lab.poll();
        }
        let fires =
            |e: &&cliffwatch_model::AlertEvent| e.rule == "growth-fast" && e.state == AlertState::Firing;
        let event = lab.events.iter().find(fires).unwrap();
        assert_eq!(
            event.summary.contains("; softirq rose with it from 17 % to 3"),
            told,
            "{}",
            event.summary
        );
        assert_eq!(event.evidence.contains_key("load_with_sessions"), told);
    }
}

#[test]
fn more_than_one_destination_may_have_is_reported_and_no_more() {
    let mut lab = lab();
    lab.bound(Bound::PerDestination);
    lab.run("40000x60", &[]);
    assert!(of("headroom", &mut lab).is_empty());
    lab.run("109000x60 95000x60", &[]);
    assert_eq!(of("headroom", &mut lab), ["610 headroom firing info"]);
    lab.run("89000x60", &[]);
    assert!(of("headroom", &mut lab).last().unwrap().ends_with("resolved info"));
}
