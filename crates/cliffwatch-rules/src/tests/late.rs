use cliffwatch_model::CounterClass::Refused;

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
