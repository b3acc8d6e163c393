use std::sync::Arc;

use cliffwatch_engine::{Options, Service};
use cliffwatch_model::{
    AlertEvent, AlertState, ErrorKind, NewConnection, PollerName, Reachability, Severity, Trigger,
};
use cliffwatch_rules::{RuleEntry, RuleSet};

use crate::device::{Behaviour, Fleet};
use crate::{PATIENCE, eventually, opener, plan, polls};

const RULE: &str = "new-connections-refused";

fn refused() -> Reachability {
    let new = NewConnection { connect_ms: None, error: Some(ErrorKind::Timeout), waited_ms: Some(5_000.0) };
    Reachability { held_ms: Some(0.4), new: Some(new), canary: None }
}

fn passes() -> Reachability {
    let new = NewConnection { connect_ms: Some(0.5), error: None, waited_ms: Some(0.9) };
    Reachability { held_ms: Some(0.4), new: Some(new), canary: None }
}

async fn next_of_rule(released: &mut tokio::sync::broadcast::Receiver<Arc<AlertEvent>>) -> AlertEvent {
    let wait = async {
        loop {
            let event = released.recv().await.unwrap();
            if event.rule == RULE {
                return (*event).clone();
            }
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap()
}

#[tokio::test]
async fn new_connections_are_tried_until_they_get_in_and_the_answers_are_polls() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let rule: Vec<RuleEntry> =
        serde_json::from_str(r#"[{"id":"new-connections-refused","every":"10s","hold":"0s"}]"#).unwrap();
    let mut plan = plan(vec![fleet.target("gw", "gw")]);
    plan.rules = Arc::new(RuleSet::customised(rule).unwrap());
    let options = Options {
        poller: PollerName::new("test").unwrap(),
        journal: folder.path().join("events.journal"),
        store: opener(folder.path()),
        factories: vec![fleet.factory()],
        dial: |to| panic!("a connection to {to}"),
        plan,
    };
    let service = Service::start(options).await.unwrap();
    let mut released = service.handle().released();
    fleet.set("gw", |state| state.beside = Some(refused()));
    eventually("a first reading", async || (fleet.state("gw").polled >= 2).then_some(())).await;
    assert_eq!(fleet.state("gw").tried, 0, "nothing gives a reason to");
    fleet.set("gw", |state| state.dropped = 7);
    let fired = next_of_rule(&mut released).await;
    assert_eq!((fired.state, fired.severity), (AlertState::Firing, Severity::Critical));
    assert_eq!(fired.evidence["held_ms"], 0.4);
    assert_eq!(fleet.state("gw").tried, 2, "a second time at once, and no third");

    // Ten seconds on it is tried again. The answer needs no poll that succeeds.
    fleet.set("gw", |state| (state.beside, state.behaviour) = (Some(passes()), Behaviour::Refuse));
    let resolved = next_of_rule(&mut released).await;
    assert_eq!((resolved.state, &resolved.alert_id), (AlertState::Resolved, &fired.alert_id));
    assert_eq!(fleet.state("gw").tried, 3);
    service.stop().await;
    let store = opener(folder.path())().await.unwrap();
    let polls = polls(&*store, "gw").await;
    let answers: Vec<_> = polls.iter().filter(|poll| poll.reachability.new.is_some()).collect();
    assert_eq!(answers.len(), 3);
    assert_eq!(answers.iter().filter(|poll| poll.header.trigger == Trigger::Answer).count(), 1);
    store.close().await;
}
