use std::time::Duration;

use cliffwatch_model::CounterClass::{Pressure, Refused};
use cliffwatch_model::{Counter, CounterName, CounterReading};

use super::lab::Lab;

fn gateway() -> Lab {
    let mut lab = Lab::on("prod-natgw", "cloud", &[]);
    lab.interval = 60;
    lab.table().used = Some(10);
    lab
}

#[test]
fn any_refusal_in_a_period_warns() {
    let mut lab = gateway();
    for (ends, refused) in [(0, 0), (60, 3), (120, 0), (180, 0)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    assert_eq!(lab.news(), ["60 refusing firing warning", "120 refusing recovering warning"]);
}

#[test]
fn a_late_point_opens_an_alert_with_its_own_onset() {
    let mut lab = gateway();
    for (ends, refused) in [(0, 0), (60, 0), (180, 0), (120, 4)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    let onset = lab.at(120);
    assert_eq!(lab.events[0].onset, onset);
    assert_eq!(lab.news(), ["180 refusing firing warning"], "time does not go back");
}

#[test]
fn a_late_point_resolves_nothing_and_moves_no_onset() {
    let mut lab = gateway();
    for (ends, refused) in [(0, 0), (60, 5), (240, 0)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    lab.news();
    for (ends, refused) in [(180, 0), (120, 6)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    assert!(lab.news().is_empty(), "it refused before it began to recover, as was known");
    let open = lab.engine.open_alerts().next().unwrap();
    assert_eq!((open.onset, open.seq), (lab.at(60), 2));
}

#[test]
fn a_late_point_within_the_recovery_fires_again() {
    let mut lab = gateway();
    for (ends, refused) in [(0, 0), (60, 5), (120, 0), (240, 0), (180, 2)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    assert_eq!(lab.news().last().unwrap(), "240 refusing firing warning");
}

#[test]
fn a_corrected_point_counts_what_it_adds() {
    let mut lab = gateway();
    for (ends, refused) in [(0, 0), (60, 0), (60, 2), (60, 2)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    assert_eq!(lab.events[0].evidence["lost"], 2);
    assert_eq!(lab.news(), ["60 refusing firing warning"]);
}

#[test]
fn an_old_point_does_not_reopen_what_was_closed_after_it() {
    let mut lab = gateway();
    for ends in (0..=600).step_by(60).filter(|ends| *ends != 120) {
        lab.period("ErrorPortAllocation", Refused, ends, u64::from(ends == 180));
    }
    assert_eq!(lab.news().last().unwrap(), "540 refusing resolved warning");
    lab.period("ErrorPortAllocation", Refused, 120, 9);
    assert!(lab.news().is_empty(), "an alert with a later onset has been told and closed");
}

#[test]
fn three_buckets_in_a_row_are_critical_even_where_one_is_known_late() {
    let mut lab = gateway();
    // Points of 10:02, 10:07 and 10:12; that of 10:07 comes last.
    for (ends, refused) in [(120, 1), (720, 1), (780, 0)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    lab.news();
    lab.period("ErrorPortAllocation", Refused, 420, 1);
    assert_eq!(lab.news(), ["780 refusing firing critical"]);
    assert_eq!(lab.engine.open_alerts().next().unwrap().onset, lab.at(120));
}

#[test]
fn a_bucket_that_was_corrected_to_zero_is_none() {
    let mut lab = gateway();
    for (ends, refused) in [(120, 1), (420, 1), (420, 0), (720, 1)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    assert!(lab.news().iter().all(|line| !line.contains("critical")));
    lab.period("ErrorPortAllocation", Refused, 420, 1);
    assert!(lab.news().is_empty(), "it was counted already; what comes next finds the run");
    lab.period("ErrorPortAllocation", Refused, 780, 1);
    let event = lab.events.last().unwrap();
    assert_eq!((&event.evidence["since_onset"], &event.evidence["buckets_in_a_row"]), (&4.into(), &3.into()));
}

#[test]
fn the_point_that_began_a_recovery_is_corrected_up() {
    let mut lab = gateway();
    for (ends, refused) in [(0, 0), (60, 5), (120, 0), (120, 2)] {
        lab.period("ErrorPortAllocation", Refused, ends, refused);
    }
    let news = lab.news();
    assert_eq!(news[1..], ["120 refusing recovering warning", "120 refusing firing warning"]);
}

#[test]
fn a_hundredth_of_the_attempts_is_critical() {
    let severity = |attempts_per_s, refused| {
        let mut lab = gateway();
        lab.table().setup_rate = attempts_per_s;
        lab.period("ErrorPortAllocation", Refused, 60, refused);
        lab.news().pop().unwrap()
    };
    let (critical, warning) = ("60 refusing firing critical", "60 refusing firing warning");
    assert_eq!(severity(Some(33.0), 20), critical, "20 of 1,980");
    assert_eq!(severity(Some(34.0), 20), warning, "20 of 2,040");
    assert_eq!(severity(Some(1.0), 19), warning, "too few");
    assert_eq!(severity(None, 5_000), warning, "of how many is not known");
    assert_eq!(severity(Some(0.0), 50), critical, "nothing but failures");
}

#[test]
fn attempts_may_be_a_sum_beside_the_failures() {
    let mut lab = gateway();
    let sum = |class, value| Counter {
        class,
        reading: CounterReading::Period { value, period: Duration::from_secs(60), provisional: false },
    };
    for (attempts, severity) in [(3_100, "warning"), (3_000, "critical")] {
        lab.table().counters = [
            (CounterName::new("SNATConnectionCount.Attempted").unwrap(), sum(Pressure, attempts)),
            (CounterName::new("SNATConnectionCount.Failed").unwrap(), sum(Refused, 30)),
        ]
        .into();
        lab.poll();
        assert!(lab.news().pop().unwrap().ends_with(severity), "30 of {attempts}");
    }
}

#[test]
fn a_correction_makes_the_share() {
    let mut lab = gateway();
    lab.table().setup_rate = Some(10.0);
    lab.period("ErrorPortAllocation", Refused, 60, 15);
    lab.period("ErrorPortAllocation", Refused, 60, 25);
    let event = lab.events.last().unwrap();
    assert_eq!(
        event.summary,
        "prod-natgw netns/host/conntrack/nf_conntrack: 10 new connections refused in 1 min (ErrorPortAllocation \
         +10), 4.2 % of 600 attempts at 10 of 1,000 entries (1.0 %, limit reported by the device)"
    );
    assert_eq!(lab.news(), ["60 refusing firing warning", "60 refusing firing critical"]);
}
