//! A full table seen from outside: the session that is held goes on, and a new connection does not get in.

use std::time::Duration;

use cliffwatch_tests::truths::{assert_events_whole, assert_replays, events};
use cliffwatch_tests::{
    ConntrackLock, Flows, History, Inventory, Kind, Netns, Plan, Rules, Service, Setup, Sshd, needs,
};
use serde_json::Value;

const DEVICE: &str = "nat-gw-3";
const RULE: &str = "new-connections-refused";
const LIMIT: u64 = 300;
/// An attempt takes 5 s, and as long again at most for the held session.
const AN_ATTEMPT: Duration = Duration::from_secs(11);
const RULES: &str = "
- { id: refusing, hold: 4s }
- { id: new-connections-refused, every: 10s, hold: 2s }
";

#[test]
fn a_full_table_lets_the_held_session_answer_and_nobody_new_in() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let Some(run) = Run::start() else { return };
    let flows = run.fill();
    let alert = run.service.wait_alert(DEVICE, RULE, "firing");
    assert_eq!(alert.severity, "critical");
    let history = run.service.history();
    let fired = run.service.wait("the alert in the store", || run.event(&history, "firing"));
    let evidence = &fired["evidence"];
    assert_eq!(evidence["new_error"], "timeout", "{fired}");
    assert!(evidence["new_waited_ms"].as_f64().expect("a time") >= 4_900.0, "{fired}");
    let summary = fired["summary"].as_str().expect("a sentence");
    assert!(summary.contains("the held session answers in") && summary.contains("after 5.0 s"), "{summary}");
    assert!(fired["table_id"].is_null(), "it is about the device: {fired}");
    run.drain_and_resolve(flows, &history);

    let held = history.rows(&format!(
        "select min(held_ms) as held_ms from polls where device = '{DEVICE}' and new_error = 'timeout'"
    ));
    let held_ms = held[0]["held_ms"].as_f64().expect("both timings in one poll");
    eprintln!("held answered in {held_ms} ms while a new connection timed out");
    assert!(held_ms < 5.0, "{held_ms} ms");
    let passed = history.rows(&format!(
        "select new_connect_ms from polls where device = '{DEVICE}' and new_connect_ms is not null and new_error is null"
    ));
    assert!(passed.len() >= 2, "measured as over for the hold time: {passed:?}");
    assert_eq!(run.sshd.logins(), 1, "nobody logged in anew");
    assert_events_whole(&history);
    assert_replays(&run.service);
}

/// Both fail: that is unreachable, whatever the table says.
#[test]
fn a_full_table_on_a_hung_machine_is_not_said_to_refuse() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let Some(mut run) = Run::start() else { return };
    let flows = run.fill();
    run.service.wait_alert(DEVICE, "refusing", "firing");
    // The first attempt has begun, and takes 5 s.
    run.sshd.stop();
    run.service.wait_outcome(DEVICE, "timeout");
    wait_an_attempt();
    run.sshd.cont();
    drop(flows);
    run.netns.drain();
    run.service.wait_polled(DEVICE);
    wait_an_attempt();
    assert_eq!(run.service.alert(DEVICE, RULE), None);
    assert!(events(&run.service.history(), DEVICE, RULE).is_empty());
}

#[expect(clippy::disallowed_methods, reason = "no runtime: nothing happens, and that takes its time")]
fn wait_an_attempt() {
    std::thread::sleep(AN_ATTEMPT);
}

/// Dropped in this order: the watcher, then what it watches.
struct Run {
    service: Service,
    sshd: Sshd,
    netns: Netns,
    _lock: ConntrackLock,
}

impl Run {
    fn start() -> Option<Self> {
        let netns = Netns::new(Rules::default());
        let lock = ConntrackLock::lower(LIMIT, None)?;
        let sshd = Sshd::inside(&netns);
        let service = Service::start(Setup {
            inventory: Inventory::new().with(DEVICE, &sshd).to_string(),
            rules: RULES.to_owned(),
            ..Setup::default()
        });
        service.wait_polled(DEVICE);
        Some(Self { service, sshd, netns, _lock: lock })
    }

    /// Flows that the kernel never evicts, and more that it refuses for as long as they try.
    fn fill(&self) -> Flows {
        let tcp = u32::try_from(LIMIT).expect("a small number") * 2;
        self.netns.open_flows(Plan { tcp, kind: Kind::Assured, per_second: Some(100), ..Plan::default() })
    }

    fn drain_and_resolve(&self, flows: Flows, history: &History) {
        drop(flows);
        self.netns.drain();
        self.service.wait_alert(DEVICE, RULE, "recovering");
        self.service.wait_closed(DEVICE, RULE);
        let over = self.service.wait("the end in the store", || self.event(history, "resolved"));
        assert!(over["summary"].as_str().expect("a sentence").contains("gets in again"), "{over}");
        let states: Vec<String> =
            events(history, DEVICE, RULE).into_iter().map(|event| event.state).collect();
        assert_eq!(states, ["firing", "recovering", "resolved"]);
    }

    fn event(&self, history: &History, state: &str) -> Option<Value> {
        let query = format!("select * from alert_events where device = '{DEVICE}' and rule = '{RULE}'");
        history.rows(&query).into_iter().find(|row| row["state"] == state)
    }
}

/// What a canary sees: nothing is wrong with the device's own table or its own port.
mod canary {
    use super::*;
    use cliffwatch_tests::{Staged, eventually};

    /// The canary looks each 30 s, and its finding takes 12 s.
    const A_LOOK: Duration = Duration::from_secs(60);
    const RULES: &str = "- { id: new-connections-refused, hold: 1s }";

    #[test]
    fn hosts_behind_a_device_see_that_only_new_connections_are_lost() {
        if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS]) {
            return;
        }
        let netns = Netns::new(Rules::default());
        let Some(_lock) = ConntrackLock::lower(LIMIT, None) else { return };
        let target = Sshd::inside(&netns);
        let app_host = Sshd::local();
        let (near, far) = (Staged::start(), Staged::start());
        let canary = |from: &str| format!("canary: {{ target: \"{}\", from: {from} }}", target.address());
        let inventory = Inventory::new()
            .with("app-host-1", &app_host)
            .with("fw-local", near.sshd())
            .and(&canary("local"))
            .with("fw-behind", far.sshd())
            .and(&canary("app-host-1"));
        let service = Service::start(Setup {
            inventory: inventory.to_string(),
            rules: RULES.to_owned(),
            ..Setup::default()
        });
        let history = service.history();
        let seen = [("fw-local", "local"), ("fw-behind", "app-host-1")];
        for (device, from) in seen {
            let query = format!(
                "select canary_held from polls where device = '{device}' and canary_from = '{from}' and canary_connect_ms is not null and canary_error is null"
            );
            eventually(A_LOOK, "a new connection to pass", || {
                (!history.rows(&query).is_empty()).then_some(())
            });
        }
        let tcp = u32::try_from(LIMIT).expect("a small number") * 2;
        let flows =
            netns.open_flows(Plan { tcp, kind: Kind::Assured, per_second: Some(100), ..Plan::default() });
        for (device, from) in seen {
            let query = format!(
                "select * from alert_events where device = '{device}' and rule = '{RULE}' and seq = 1"
            );
            let fired = eventually(A_LOOK, "the canary's finding", || history.rows(&query).pop());
            assert_eq!((&fired["state"], &fired["severity"]), (&"firing".into(), &"critical".into()));
            let evidence = &fired["evidence"];
            assert_eq!((&evidence["decided_by"], &evidence["from"]), (&"canary".into(), &from.into()));
            assert!(evidence["held_ms"].as_f64().expect("an answer") < 2_000.0, "{fired}");
            eprintln!("{}", fired["summary"]);
        }
        drop(flows);
        netns.drain();
        for (device, _) in seen {
            eventually(A_LOOK, "the recovery", || {
                events(&history, device, RULE).into_iter().find(|event| event.state == "recovering")
            });
        }
        assert_eq!(app_host.logins(), 1, "the canary needs no login of its own");
    }
}
