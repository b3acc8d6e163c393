use cliffwatch_model::CounterClass::Refused;
use cliffwatch_model::{AskKind, CanaryReading, ErrorKind, HeldState, NewConnection, Reachability, Trigger};

use super::lab::Lab;

const RULE: &str = "new-connections-refused";

impl Lab {
    /// A poll that carries the answer of an attempt.
    fn tried(&mut self, held_ms: Option<f64>, new: NewConnection) {
        self.reachability = Reachability { held_ms, new: Some(new), canary: None };
        self.poll();
        self.reachability = Reachability::default();
    }

    /// A poll that carries what the canary saw.
    fn canary(&mut self, held: Option<HeldState>, held_ms: Option<f64>, new: NewConnection) {
        let attempts = if new.error.is_some() { 2 } else { 1 };
        let (from, target) = ("app-host-1".into(), "203.0.113.10:443".into());
        let canary = CanaryReading { from, target, held, held_ms, attempts, new };
        self.reachability = Reachability { canary: Some(canary), ..Reachability::default() };
        self.poll();
        self.reachability = Reachability::default();
    }

    fn times_of_attempts(&self) -> usize {
        self.asks.iter().filter(|ask| ask.kind == AskKind::TryNewConnection).count()
    }

    /// The news of this rule alone.
    fn told(&mut self) -> Vec<String> {
        self.news().into_iter().filter(|line| line.contains(RULE)).collect()
    }
}

fn silent() -> NewConnection {
    NewConnection { connect_ms: None, error: Some(ErrorKind::Timeout), waited_ms: Some(5_000.0) }
}

fn made() -> NewConnection {
    NewConnection { connect_ms: Some(0.4), error: None, waited_ms: Some(3.0) }
}

#[test]
fn held_answers_and_new_does_not_is_critical_at_the_second_time() {
    let mut lab = Lab::new();
    lab.tried(Some(0.3), silent());
    assert_eq!(lab.told(), [""; 0], "one may be a restart of the service");
    lab.tried(Some(0.4), silent());
    let event = lab.events.last().unwrap().clone();
    assert_eq!(
        event.summary,
        "nat-gw-1: the held session answers in 0.4 ms, and a new connection does not get in: timeout after 5.0 s, \
         2 times in a row"
    );
    assert_eq!((event.table_id, event.value, event.threshold), (None, Some(2.0), Some(2.0)));
    assert_eq!(
        (event.evidence["held_ms"].as_f64(), event.evidence["new_waited_ms"].as_f64()),
        (Some(0.4), Some(5_000.0))
    );
    assert_eq!(event.evidence["new_error"], "timeout");
    assert_eq!(lab.told(), ["10 new-connections-refused firing critical"]);
}

#[test]
fn both_fail_is_not_this() {
    let mut lab = Lab::new();
    for _ in 0..5 {
        lab.tried(None, silent());
        lab.tried(Some(4_000.0), silent());
        lab.tried(Some(f64::NAN), silent());
    }
    lab.fail(ErrorKind::Timeout);
    assert_eq!(lab.told(), [""; 0]);
}

#[test]
fn a_service_that_hangs_up_was_reached() {
    let mut lab = Lab::new();
    for error in [ErrorKind::Unreachable, ErrorKind::Parse, ErrorKind::Unreachable] {
        lab.tried(Some(0.3), NewConnection { error: Some(error), ..made() });
    }
    assert_eq!(lab.told(), [""; 0]);
    // A connection that is made and then silent was lost on the way: its entry was thrown out.
    for _ in 0..2 {
        lab.tried(Some(0.3), NewConnection { error: Some(ErrorKind::Timeout), ..made() });
    }
    assert_eq!(lab.told(), ["40 new-connections-refused firing critical"]);
}

/// A reset, or a router's word that the host is not there, came back: so the first packet passed the table.
#[test]
fn whatever_is_answered_was_not_lost() {
    let mut lab = Lab::new();
    for error in [ErrorKind::ConnectionRefused, ErrorKind::Unreachable] {
        for _ in 0..3 {
            lab.tried(Some(0.3), NewConnection { error: Some(error), ..silent() });
            lab.canary(Some(HeldState::Open), Some(0.6), NewConnection { error: Some(error), ..silent() });
        }
    }
    assert_eq!(lab.told(), [""; 0]);
}

/// Its held connection is used up by one finding: a second one in a row is not to be had.
#[test]
fn the_canary_needs_no_second_look_whatever_the_rule_says() {
    let mut lab = Lab::new();
    lab.rules(r#"[{"id":"new-connections-refused","failures":3}]"#);
    lab.canary(Some(HeldState::Open), None, made());
    lab.canary(Some(HeldState::Open), Some(0.8), silent());
    assert_eq!(lab.told(), ["10 new-connections-refused firing critical"]);
}

#[test]
fn only_an_answer_ends_it() {
    let mut lab = Lab::new();
    lab.tried(Some(0.3), silent());
    lab.tried(Some(0.3), silent());
    lab.run("10x60", &[]);
    lab.tried(None, silent());
    assert_eq!(lab.told().len(), 1, "ten minutes without an answer are no end");
    lab.trigger = Trigger::Answer;
    lab.tried(Some(0.3), made());
    assert!(lab.events.last().unwrap().summary.contains("a new connection gets in again in 0.4 ms"));
    lab.tried(Some(0.3), silent());
    lab.trigger = Trigger::Tick;
    lab.run("10x40", &[]);
    assert_eq!(lab.told(), ["640 new-connections-refused recovering critical"]);
    for _ in 0..31 {
        lab.tried(Some(0.3), made());
    }
    assert_eq!(
        lab.told(),
        ["1370 new-connections-refused resolved critical"],
        "held for five minutes of answers"
    );
}

#[test]
fn failures_far_apart_are_not_in_a_row() {
    let mut lab = Lab::new();
    lab.tried(Some(0.3), silent());
    lab.run("10x31", &[]);
    lab.tried(Some(0.3), silent());
    lab.tried(Some(0.3), made());
    lab.tried(Some(0.3), silent());
    lab.tried(None, silent());
    lab.tried(Some(0.3), silent());
    assert_eq!(lab.told(), [""; 0]);
}

#[test]
fn it_is_tried_each_minute_while_a_table_is_in_trouble() {
    let mut calm = Lab::new();
    calm.run("850x60", &[]);
    assert_eq!(calm.times_of_attempts(), 0);
    let mut lab = Lab::new();
    lab.run("990x5", &[]);
    assert_eq!(lab.times_of_attempts(), 0, "pending");
    lab.run("990x24", &[]);
    assert_eq!(lab.times_of_attempts(), 5, "at 60, 120, 180, 240 and 300 s");
    lab.run("10x100", &[]);
    let until_resolved = lab.times_of_attempts();
    lab.run("10x100", &[]);
    assert_eq!(lab.times_of_attempts(), until_resolved, "nothing is wrong any more");
}

#[test]
fn a_first_failure_is_tried_again_at_once_and_a_refusal_until_it_ends() {
    let mut lab = Lab::new();
    lab.run("500x2", &[("drop", Refused, "7 9")]);
    assert_eq!(lab.times_of_attempts(), 1);
    lab.tried(Some(0.3), silent());
    assert_eq!(lab.times_of_attempts(), 2, "at once");
    lab.tried(Some(0.3), silent());
    assert_eq!(lab.times_of_attempts(), 2, "and then at its pace");
    lab.run("500x200", &[]);
    assert!(lab.times_of_attempts() >= 34, "long after the refusals are over: {}", lab.times_of_attempts());
    for _ in 0..32 {
        lab.tried(Some(0.3), made());
    }
    let ended = lab.times_of_attempts();
    lab.run("500x60", &[]);
    assert_eq!(lab.times_of_attempts(), ended);
}

#[test]
fn an_unanswered_question_is_not_repeated_at_every_poll() {
    let mut lab = Lab::new();
    lab.run("500x2", &[("drop", Refused, "7 9")]);
    lab.tried(Some(0.3), silent());
    let asked = lab.times_of_attempts();
    lab.run("500x4", &[]);
    assert_eq!(lab.times_of_attempts(), asked);
}

#[test]
fn no_rule_asks_for_nothing_and_its_pace_can_be_set() {
    let mut lab = Lab::new();
    lab.rules(r#"[{"id":"new-connections-refused","enabled":false}]"#);
    lab.run("990x60", &[]);
    assert_eq!(lab.times_of_attempts(), 0);
    lab.rules(r#"[{"id":"new-connections-refused","every":"20s","failures":1}]"#);
    lab.run("990x5", &[]);
    assert_eq!(lab.times_of_attempts(), 3);
    let entry: Vec<crate::RuleEntry> =
        serde_json::from_str(r#"[{"id":"new-connections-refused","every":"1s"}]"#).unwrap();
    assert!(crate::RuleSet::customised(entry).unwrap_err().to_string().contains("at least 10 s"));
}

#[test]
fn what_the_canary_sees_decides_as_well() {
    let mut lab = Lab::new();
    lab.canary(Some(HeldState::Open), None, made());
    lab.canary(Some(HeldState::Open), Some(0.8), silent());
    let event = lab.events.last().unwrap().clone();
    assert_eq!(
        event.summary,
        "nat-gw-1: the connection that app-host-1 holds to 203.0.113.10:443 answers in 0.8 ms, and no new one gets \
         through: timeout after 5.0 s, 2 attempts"
    );
    assert_eq!(
        (event.evidence["decided_by"].as_str(), event.evidence["held_ms"].as_f64()),
        (Some("canary"), Some(0.8))
    );
    assert_eq!(event.evidence["from"], "app-host-1");
    // Its held connection is used up: nothing is known until a new one is made.
    lab.canary(None, None, silent());
    lab.canary(Some(HeldState::Closed), None, silent());
    assert_eq!(lab.told(), ["10 new-connections-refused firing critical"]);
    lab.canary(None, None, made());
    assert!(
        lab.events.last().unwrap().summary.contains("from app-host-1 to 203.0.113.10:443 gets through again")
    );
    assert_eq!(lab.told(), ["40 new-connections-refused recovering critical"]);
}

#[test]
fn a_canary_whose_target_is_down_says_nothing() {
    let mut lab = Lab::new();
    for held in [None, Some(HeldState::Closed), Some(HeldState::Open)] {
        for _ in 0..3 {
            lab.canary(held, None, silent());
        }
    }
    assert_eq!(lab.told(), [""; 0]);
}

#[test]
fn one_way_that_passes_does_not_end_what_the_other_refuses() {
    let mut lab = Lab::new();
    lab.tried(Some(0.3), silent());
    lab.tried(Some(0.3), silent());
    assert_eq!(lab.told().len(), 1);
    for _ in 0..10 {
        lab.canary(Some(HeldState::Open), None, made());
    }
    assert_eq!(lab.told(), [""; 0], "the device itself still lets nobody in");
    lab.tried(Some(0.3), made());
    assert_eq!(lab.told(), ["120 new-connections-refused recovering critical"]);
}
