use cliffwatch_model::{CounterClass::Refused, Trigger};

use super::lab::Lab;

/// 20 minutes of history that we asked for after an outage of ours, then live polls.
fn after_outage(history: &str, live: &str) -> (Vec<String>, Vec<String>) {
    let mut lab = Lab::new();
    lab.run("500x10", &[]);
    lab.trigger = Trigger::Backfill;
    lab.run(history, &[]);
    let stored = lab.news();
    lab.trigger = Trigger::Tick;
    lab.run(live, &[]);
    (stored, lab.news())
}

#[test]
fn what_still_fires_is_told_once_with_its_true_onset() {
    let mut lab = Lab::new();
    lab.run("500x10", &[]);
    lab.trigger = Trigger::Backfill;
    lab.run("950x20", &[]);
    assert_eq!(
        lab.news(),
        [
            "110 utilization-critical pending critical (untold)",
            "110 utilization-high pending warning (untold)",
            "170 utilization-critical firing critical (untold)"
        ]
    );
    assert!(lab.asks.is_empty(), "nobody is asked about the past");
    lab.trigger = Trigger::Tick;
    lab.run("950x3", &[]);
    assert_eq!(lab.events[0].onset, lab.at(110));
    assert_eq!(lab.events[0].seq, 3);
    assert_eq!(lab.news(), ["320 utilization-critical firing critical"]);
    assert_eq!(lab.evidence_asks(), 1);
}

#[test]
fn what_ended_in_the_gap_is_never_told() {
    let (stored, told) = after_outage("950x10 500x40", "500x10");
    assert!(stored.iter().any(|line| line.contains("utilization-critical resolved")), "{stored:?}");
    assert!(stored.iter().all(|line| line.ends_with("(untold)")), "{stored:?}");
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn what_ends_just_after_the_gap_is_not_told_either() {
    let (_, after) = after_outage("950x10", "500x40");
    assert!(after.iter().all(|line| line.ends_with("(untold)")), "{after:?}");
    assert!(after.iter().any(|line| line.contains("utilization-critical resolved")), "{after:?}");
}

#[test]
fn the_end_of_what_people_know_is_told() {
    let mut lab = Lab::new();
    lab.run("950x6", &[]);
    lab.trigger = Trigger::Backfill;
    lab.run("500x40", &[]);
    let news = lab.news();
    assert!(news.contains(&"70 utilization-critical recovering critical (untold)".to_owned()), "{news:?}");
    assert!(news.contains(&"370 utilization-critical resolved critical".to_owned()), "{news:?}");
}

#[test]
fn a_severity_that_rose_in_the_gap_is_told() {
    let mut lab = Lab::new();
    lab.run("500x2", &[("drop", Refused, "0 0 5")]);
    assert_eq!(lab.news(), ["20 refusing firing warning"]);
    lab.trigger = Trigger::Backfill;
    lab.run("990x2", &[("drop", Refused, "9 20 40")]);
    assert!(lab.news().contains(&"30 refusing firing critical (untold)".to_owned()));
    lab.trigger = Trigger::Tick;
    lab.run("990", &[("drop", Refused, "50")]);
    assert!(lab.news().contains(&"60 refusing firing critical".to_owned()));
}
