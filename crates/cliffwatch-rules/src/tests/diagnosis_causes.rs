//! Why a table is as full as it is: a scenario for each cause.

use cliffwatch_model::CounterClass::Refused;
use cliffwatch_model::{Confidence, Pattern, Remedy, Role, Setting, Severity};
use serde_json::{Value, json};

use super::diagnosis::{found, value};
use super::lab::Lab;

fn lab() -> Lab {
    let mut lab = Lab::new();
    lab.limit(100_000);
    lab
}

/// A table of which 100 entries were listed.
fn listing(sources: Value, destination: f64, unreplied: f64) -> [(&'static str, Value); 4] {
    [
        ("listing", json!({"entries_listed": 100})),
        ("top_sources", json!({"addresses": sources, "distinct_addresses": 40})),
        (
            "top_destinations",
            json!([{"address": "203.0.113.5", "port": 443, "protocol": "tcp", "entries": 60, "share": destination}]),
        ),
        ("shares", json!({"unreplied": unreplied, "closing": 0.1})),
    ]
}

fn one_source() -> Value {
    json!([{"address": "192.0.2.7", "entries": 90, "share": 0.9}])
}

fn many_sources() -> Value {
    json!([{"address": "192.0.2.7", "entries": 6, "share": 0.06}])
}

/// From 20 % to full in 4 minutes.
fn surged() -> Lab {
    let mut lab = lab();
    lab.run("20000x90 20000+3300x24 100000x6", &[("drop", Refused, "0x114 0+40x7")]);
    lab
}

#[test]
fn a_surge_is_sudden_and_its_kind_is_not_guessed() {
    let mut lab = surged();
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.cause), (Pattern::HardFull, Some(Pattern::Surge)));
    let surge = found(&diagnosis, Pattern::Surge);
    assert_eq!(surge.confidence, Confidence::Medium);
    assert!(value(surge, "within") <= 300.0 && value(surge, "growth") > 50.0, "{surge:?}");
    assert!((value(surge, "from") - 20_000.0).abs() < 2_000.0, "{surge:?}");
    assert!(diagnosis.unjudged.iter().any(|missing| missing.what.starts_with("who fills the table")));
    assert!(diagnosis.summary.contains("Cause (medium confidence): surge"), "{}", diagnosis.summary);
    assert!(!diagnosis.findings.iter().any(|it| it.pattern == Pattern::Leak));
}

#[test]
fn one_source_that_nobody_answers_is_an_attack() {
    let mut lab = surged();
    lab.gathered(&listing(one_source(), 0.1, 0.8));
    lab.poll();
    let diagnosis = lab.diagnosis();
    assert_eq!(diagnosis.cause, Some(Pattern::Attack));
    let attack = found(&diagnosis, Pattern::Attack);
    assert_eq!((attack.confidence, value(attack, "unreplied")), (Confidence::High, 80.0));
    let limit = Remedy::LimitRate { sources: vec![("192.0.2.7".parse().unwrap(), 90)] };
    assert_eq!(lab.remedies()[0], (Pattern::Attack, limit));
}

#[test]
fn many_connections_to_one_service_that_answers_are_a_malfunction() {
    let mut lab = surged();
    lab.gathered(&listing(many_sources(), 0.8, 0.1));
    lab.poll();
    let diagnosis = lab.diagnosis();
    assert_eq!(diagnosis.cause, Some(Pattern::Malfunction));
    assert!(diagnosis.summary.contains("80 % lead to 203.0.113.5 port 443"), "{}", diagnosis.summary);
}

#[test]
fn ordinary_traffic_is_only_more_of_it() {
    let mut lab = surged();
    lab.gathered(&listing(many_sources(), 0.1, 0.1));
    lab.poll();
    assert_eq!(lab.diagnosis().cause, Some(Pattern::Surge));
}

#[test]
fn a_step_that_stands_may_be_a_neighbours_traffic() {
    let mut lab = lab();
    lab.run("30000x360 30000+5000x6 60000x60", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Failover, Confidence::Low));
    assert!(diagnosis.is_fine(), "60 % harms nobody");
}

#[test]
fn a_standby_that_serves_now_is_a_failover() {
    let mut lab = lab();
    lab.table().role = Role::Standby;
    lab.run("10000x60", &[("drop", Refused, "0")]);
    lab.table().role = Role::Whole;
    lab.run("10000+10000x7 80000x30", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Failover, Confidence::High));
    assert_eq!(diagnosis.severity, Some(Severity::Warning));
}

#[test]
fn a_leak_rises_for_hours_and_does_not_go_back() {
    let mut lab = lab();
    lab.interval = 60;
    // A day on the level, then ten hours of growth to 92 %.
    lab.run("20000x1440 20000+120x600", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.severity), (Pattern::Leak, Some(Severity::Critical)));
    assert_eq!(diagnosis.confidence, Confidence::Medium);
    let leak = found(&diagnosis, Pattern::Leak);
    assert!((9.0..=11.0).contains(&value(leak, "rising_for")), "{leak:?}");
    assert!((value(leak, "from") - 20_000.0).abs() < 1_000.0 && value(leak, "to") == 92_000.0, "{leak:?}");
    assert!(!diagnosis.findings.iter().any(|it| it.pattern == Pattern::Undersized), "{diagnosis:#?}");
    // Both rates prove it; the sources say where to look.
    (lab.table().setup_rate, lab.table().teardown_rate) = (Some(30.0), Some(28.0));
    lab.gathered(&listing(one_source(), 0.1, 0.1));
    lab.run("92000+120x8", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Leak, Confidence::High));
    let sources = vec![("192.0.2.7".parse().unwrap(), 90)];
    assert_eq!(lab.remedies()[0], (Pattern::Leak, Remedy::FindSources { sources }));
}

#[test]
fn a_leak_over_days_shows_in_its_lows() {
    let mut lab = lab();
    lab.interval = 600;
    for day in 0..6u64 {
        let night = 20_000 + day * 9_000;
        lab.run(&format!("{night}x71 {}x71", night + 10_000), &[("drop", Refused, "0")]);
    }
    let diagnosis = lab.diagnosis();
    let leak = found(&diagnosis, Pattern::Leak);
    assert_eq!(leak.confidence, Confidence::High);
    assert!(value(leak, "days_with_higher_lows") >= 3.0, "{leak:?}");
}

#[test]
fn peaks_that_come_back_each_day_are_a_table_too_small() {
    let mut lab = lab();
    lab.interval = 600;
    for _ in 0..5 {
        lab.run("30000x71 94000x71", &[("drop", Refused, "0")]);
    }
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Undersized, Confidence::High));
    let small = found(&diagnosis, Pattern::Undersized);
    assert_eq!((value(small, "peak_of_the_week"), value(small, "limit")), (94_000.0, 100_000.0));
    assert!(diagnosis.findings.iter().all(|it| it.pattern != Pattern::Leak), "{diagnosis:#?}");
    let raise = (Pattern::Undersized, Remedy::RaiseLimit { peak: 94_000, entries: 376_000 });
    assert!(lab.remedies().contains(&raise), "{:?}", lab.remedies());
}

#[test]
fn the_wave_of_the_day_is_no_leak() {
    let mut lab = lab();
    lab.interval = 600;
    let day = "20000+500x71 55500-500x71";
    lab.run(day, &[("drop", Refused, "0")]);
    lab.run(day, &[("drop", Refused, "0")]);
    lab.run("20000+500x65", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!(diagnosis.pattern, Pattern::Calm, "{diagnosis:#?}");
}

#[test]
fn a_plateau_under_a_long_timeout_may_be_idle_entries() {
    let mut lab = lab();
    lab.interval = 60;
    let name = "nf_conntrack_tcp_timeout_established_seconds".to_owned();
    lab.settings = [(name, Setting::Number(432_000))].into();
    lab.run("20000x300 20000+70x700 69000x2000", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::StaleTimeouts, Confidence::Low));
    assert!(diagnosis.summary.contains("how many are idle is not known"), "{}", diagnosis.summary);
    let setting = "nf_conntrack_tcp_timeout_established".to_owned();
    let review =
        (Pattern::StaleTimeouts, Remedy::ReviewTimeout { setting: setting.clone(), seconds: 432_000 });
    assert!(lab.remedies().contains(&review), "{:?}", lab.remedies());
    // Their idle times prove it, and say what a lower one frees.
    let lower = json!([{"setting": setting, "timeout_seconds": 432_000, "to_seconds": 86_400,
                        "entries_idle_longer": 42, "share_idle_longer": 0.42}]);
    lab.gathered(&[("listing", json!({"entries_listed": 100})), ("lower_timeouts", lower)]);
    lab.poll();
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::StaleTimeouts, Confidence::High));
    assert_eq!(value(found(&diagnosis, Pattern::StaleTimeouts), "idle_share"), 42.0);
    let lower = Remedy::LowerTimeout {
        setting,
        from_seconds: 432_000,
        to_seconds: 86_400,
        idle_entries: 42,
        share: 0.42,
    };
    assert_eq!(lab.remedies()[0], (Pattern::StaleTimeouts, lower));
}

#[test]
fn entries_that_live_for_hours_on_average_are_idle() {
    let mut lab = lab();
    (lab.table().setup_rate, lab.table().teardown_rate) = (Some(5.0), Some(5.0));
    lab.run("75000x60", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::StaleTimeouts, Confidence::Medium));
    assert_eq!(value(found(&diagnosis, Pattern::StaleTimeouts), "mean_lifetime"), 15_000.0);
}

#[test]
fn full_for_as_long_as_is_known_is_called_too_small_with_little_confidence() {
    let mut lab = lab();
    lab.run("80000x60", &[("drop", Refused, "0")]);
    let diagnosis = lab.diagnosis();
    assert_eq!((diagnosis.pattern, diagnosis.confidence), (Pattern::Undersized, Confidence::Low));
}

#[test]
fn what_is_cut_off_at_the_limit_does_not_stand_by_itself() {
    let mut lab = lab();
    lab.run("20000x360 20000+3333x24 100000x150", &[("drop", Refused, "0x384 0+20x150")]);
    let diagnosis = lab.diagnosis();
    assert_eq!(
        (diagnosis.pattern, diagnosis.cause),
        (Pattern::HardFull, Some(Pattern::Surge)),
        "{diagnosis:#?}"
    );
    let surge = found(&diagnosis, Pattern::Surge);
    assert!(
        (value(surge, "from") - 20_000.0).abs() < 1_000.0 && value(surge, "within") <= 600.0,
        "{surge:?}"
    );
}

#[test]
fn a_rise_of_two_hours_that_both_rates_prove_leaks() {
    let mut lab = lab();
    lab.interval = 30;
    (lab.table().setup_rate, lab.table().teardown_rate) = (Some(100.0), Some(100.0));
    lab.run("40000x90", &[]);
    (lab.table().setup_rate, lab.table().teardown_rate) = (Some(105.0), Some(100.0));
    lab.run("40000+150x220", &[]);
    let diagnosis = lab.diagnosis();
    assert_eq!(
        (diagnosis.pattern, diagnosis.confidence),
        (Pattern::Leak, Confidence::Medium),
        "{diagnosis:#?}"
    );
    let leak = found(&diagnosis, Pattern::Leak);
    assert!((1.2..=2.0).contains(&value(leak, "rising_for")), "{leak:?}");
    assert!(lab.remedies().contains(&(Pattern::Leak, Remedy::FindSources { sources: Vec::new() })));
}

#[test]
fn a_plateau_is_one_whatever_its_noise_and_a_days_peak_is_none() {
    let settings =
        || [("nf_conntrack_tcp_timeout_established_seconds".to_owned(), Setting::Number(432_000))].into();
    let mut plateau = lab();
    plateau.interval = 300;
    plateau.settings = settings();
    plateau.run("20000x60 20000+400x140", &[("drop", Refused, "0")]);
    for n in 0u64..300 {
        plateau.run(&format!("{}", 76_000 + n * 7_919 % 800), &[("drop", Refused, "0")]);
    }
    assert_eq!(plateau.diagnosis().pattern, Pattern::StaleTimeouts, "{:#?}", plateau.diagnosis());
    let mut wave = lab();
    wave.interval = 300;
    wave.settings = settings();
    for day in 0..4 {
        wave.run("20000x95 20000+1000x60", &[("drop", Refused, "0")]);
        wave.run(if day < 3 { "80000x59 80000-1000x60" } else { "80000x50" }, &[("drop", Refused, "0")]);
    }
    let diagnosis = wave.diagnosis();
    assert_eq!(diagnosis.pattern, Pattern::Undersized);
    assert!(diagnosis.findings.iter().all(|it| it.pattern != Pattern::StaleTimeouts), "{diagnosis:#?}");
}

#[test]
fn a_climb_goes_on_at_the_beginning_of_an_hour_as_well() {
    let mut lab = lab();
    lab.interval = 30;
    lab.run("40000x120 40000+80x490", &[("drop", Refused, "0")]);
    assert_eq!(lab.diagnosis().pattern, Pattern::Leak, "{:#?}", lab.diagnosis());
}
