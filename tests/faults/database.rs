//! A database that dies, hangs and returns while alerts fire.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use cliffwatch_tests::truths::{
    assert_all_told, assert_events_whole, assert_polls_whole, assert_replays, assert_told_once, longest_gap,
};
use cliffwatch_tests::{
    History, Inventory, Postgres, Scene, Service, Setup, Sshd, Staged, eventually, needs,
};

use crate::RULES;

/// Longer than the deadline of a commit, the pauses between attempts, and what an alert waits for the store.
const OUTAGE: Duration = Duration::from_secs(15);
/// An alert waits half a second for a store that hangs. Far below the 5 s after which a commit is given up.
const RELEASED_WITHIN: Duration = Duration::from_secs(2);
/// A start waits a minute for the memory of its store.
const BLIND: Duration = Duration::from_secs(80);
const SOON: Duration = Duration::from_secs(20);
const RULE: &str = "utilization-critical";
/// It is pending first, which nobody is told of.
const SLOW: &str = "slow";
const FULL: Scene = Scene { used: 950, drop: 0, early_drop: 0 };
const CALM: Scene = Scene { used: 100, drop: 0, early_drop: 0 };

#[test]
fn nothing_is_lost_when_postgres_is_killed_and_then_everything() {
    if !needs(&[Postgres::NEEDS, Sshd::NEEDS]) {
        return;
    }
    let mut lab = Lab::start();
    lab.kill_postgres_while_an_alert_fires();
    lab.kill_both_while_conditions_change();
    assert!(lab.service.terminate().success(), "{}", lab.service.log());
}

#[test]
fn a_start_without_the_store_evaluates_after_a_minute_and_continues_what_was_open() {
    if !needs(&[Postgres::NEEDS, Sshd::NEEDS]) {
        return;
    }
    let mut lab = Lab::start();
    lab.devices[0].show(FULL);
    let known = lab.service.wait_alert("a", RULE, "firing");
    lab.service.wait("the alert to be told", || lab.told(&known.alert_id));
    lab.postgres.kill9();
    lab.service.kill9();
    lab.devices[1].show(FULL);
    lab.service.launch();
    let told = lab.service.told().len();
    let evaluated = || lab.service.alert("b", RULE);
    let unknown = eventually(BLIND, "an alert without the store's memory", evaluated);
    lab.service.wait("it to be told", || lab.told(&unknown.alert_id));
    lab.postgres.restart();
    lab.service.wait_ready();
    lab.service.wait_polled("a");
    let open = lab.service.alerts().into_iter().filter(|alert| alert.rule == RULE);
    let ids: Vec<String> = open.map(|alert| alert.alert_id).collect();
    assert_eq!(ids, [known.alert_id, unknown.alert_id], "the alert of before goes on, and the new one");
    let history = lab.service.history();
    let stored =
        format!("select state from alert_events where device = 'a' and rule = '{RULE}' order by onset, seq");
    lab.service.wait("the end of the double", || {
        // Opened without knowing of the first, and closed in it without a word.
        (history.texts(&stored) == ["firing", "firing", "gone"]).then_some(())
    });
    assert!(lab.service.told().len() >= told + 2, "the doubt was told, under the same fingerprint");
    assert_events_whole(&history);
    assert_told_once(&lab.service);
}

#[test]
fn a_stop_without_the_store_loses_no_event_and_says_what_it_lost() {
    if !needs(&[Postgres::NEEDS, Sshd::NEEDS]) {
        return;
    }
    let mut lab = Lab::start();
    lab.postgres.kill9();
    lab.devices[0].show(FULL);
    lab.service.wait_alert("a", RULE, "firing");
    lab.service.wait_alert("a", SLOW, "pending");
    assert!(lab.service.terminate().success(), "{}", lab.service.log());
    let said = lab.service.log().matches("these polls are lost").count();
    assert_eq!(said, 1);
    lab.postgres.restart();
    lab.service.launch();
    lab.service.wait_ready();
    for rule in [RULE, SLOW] {
        lab.service.wait_alert("a", rule, "firing");
        let opened =
            format!("select seq from alert_events where device = 'a' and rule = '{rule}' and seq = 1");
        lab.service.wait("its beginning in the store", || {
            (lab.service.history().numbers(&opened) == [1]).then_some(())
        });
    }
    assert_events_whole(&lab.service.history());
    assert_told_once(&lab.service);
}

#[test]
fn an_alert_does_not_wait_for_a_postgres_that_hangs() {
    if !needs(&[Postgres::NEEDS, Sshd::NEEDS]) {
        return;
    }
    let mut lab = Lab::start();
    lab.postgres.stop();
    lab.devices[0].show(FULL);
    let alert = lab.service.wait_alert("a", RULE, "firing");
    let told = lab.service.wait("the alert to be told", || lab.told(&alert.alert_id));
    lab.service.wait_polled("b");
    let not_ready = || (lab.service.http().get("/readyz").status == 503).then_some(());
    lab.service.wait("the writer to give up", not_ready);
    let history = lab.service.http().get("/api/v1/polls?device=a");
    assert_eq!(history.status, 503, "whoever asks for history is told, and need not wait: {history:?}");
    lab.postgres.cont();
    let history = lab.service.history();
    let at = lab.service.wait("the alert to be stored", || {
        history.times(&format!("select at from alert_events where id = '{}/1'", alert.alert_id)).pop()
    });
    let waited = told.since(at);
    assert!(waited < RELEASED_WITHIN, "told {waited:?} after the poll that showed it");
    println!("told {waited:?} after the poll that showed it, with Postgres stopped");
    lab.assert_whole();
}

/// Dropped in this order: the watcher, then what it watches.
struct Lab {
    service: Service,
    devices: [Staged; 3],
    postgres: Postgres,
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Lab {
    fn start() -> Self {
        let postgres = Postgres::start();
        let devices = [(); 3].map(|()| Staged::start());
        devices.iter().for_each(|device| device.show(CALM));
        let inventory = NAMES
            .iter()
            .zip(&devices)
            .fold(Inventory::new(), |inventory, (name, device)| inventory.with(name, device.sshd()));
        let service = Service::start(Setup {
            inventory: inventory.to_string(),
            rules: format!("{RULES}- {{ id: {SLOW}, kind: utilization-high, for: 2s, hold: 2s }}\n"),
            store: Some(postgres.create_database("cliffwatch")),
            ..Setup::default()
        });
        service.wait_all_polled(&NAMES);
        Self { service, devices, postgres }
    }

    fn told(&self, alert_id: &str) -> Option<cliffwatch_model::Timestamp> {
        let id = format!("{alert_id}/");
        self.service.told().into_iter().find(|told| told.id.starts_with(&id)).map(|told| told.at)
    }

    fn kill_postgres_while_an_alert_fires(&mut self) {
        self.devices[1].show(FULL);
        self.service.wait_alert("b", SLOW, "firing");
        self.postgres.kill9();
        self.devices[0].show(FULL);
        let alert = self.service.wait_alert("a", RULE, "firing");
        self.service.wait("the alert to be told without a store", || self.told(&alert.alert_id));
        #[expect(clippy::disallowed_methods, reason = "the outage takes real time")]
        sleep(OUTAGE);
        let status = |path: &str| self.service.http().get(path).status;
        assert_eq!((status("/healthz"), status("/readyz"), status("/api/v1/tables")), (200, 503, 200));
        let journal = self.service.folder().join("events.journal");
        let journaled = || fs::metadata(&journal).expect("a journal").len();
        assert!(journaled() > 0, "what was told is durable");
        self.postgres.restart();
        let history = self.service.history();
        self.service.wait("the alert to be stored", || {
            let stored = history
                .texts(&format!("select state from alert_events where alert_id = '{}'", alert.alert_id));
            (stored == ["firing"]).then_some(())
        });
        self.service.wait_ready();
        self.service.wait("the journal to be emptied", || (journaled() == 0).then_some(()));
        self.assert_whole();
    }

    /// `a` goes on, `b` ends while nobody looks, `c` begins when only the journal can take it.
    fn kill_both_while_conditions_change(&mut self) {
        self.postgres.kill9();
        self.devices[2].show(FULL);
        let c = self.service.wait_alert("c", SLOW, "firing");
        self.service.wait("the third alert to be told", || self.told(&c.alert_id));
        let before = self.service.alerts();
        let logins = self.logins();
        self.service.kill9();
        self.devices[1].show(CALM);
        self.service.launch();
        eventually(SOON, "sessions without a store", || {
            (self.logins() == logins + NAMES.len()).then_some(())
        });
        self.postgres.restart();
        self.service.wait_ready();
        self.service.wait_closed("b", RULE);
        self.service.wait_closed("b", SLOW);
        let goes_on: Vec<_> = before.iter().filter(|alert| alert.device != "b").cloned().collect();
        assert_eq!(self.service.alerts(), goes_on, "the same alerts, under the same ids");
        let b = before.iter().find(|alert| alert.device == "b" && alert.rule == RULE).expect("b's alert");
        let history = self.service.history();
        self.service.wait("b's end to be stored", || {
            let query =
                format!("select state from alert_events where alert_id = '{}' order by seq", b.alert_id);
            (history.texts(&query) == ["firing", "recovering", "resolved"]).then_some(())
        });
        let opened = history.texts(&format!(
            "select device from alert_events where rule = '{RULE}' and seq = 1 order by device"
        ));
        assert_eq!(opened, NAMES, "opened once each");
        assert_events_whole(&history);
        assert_told_once(&self.service);
    }

    fn logins(&self) -> usize {
        self.devices.iter().map(|device| device.sshd().logins()).sum()
    }

    /// As long as we live, a poll each second is in the store in the end, and every event.
    fn assert_whole(&self) {
        let history: History = self.service.history();
        for name in NAMES {
            let ready = || {
                self.service.metric("cliffwatch_backlog_observations").is_some_and(|waiting| waiting < 5.0)
            };
            self.service.wait("the backlog to be written", || ready().then_some(()));
            assert_polls_whole(&history, name);
            let gap = longest_gap(&history, name);
            assert!(gap < Duration::from_secs(4), "a gap of {gap:?} in the polls of {name}");
        }
        assert_events_whole(&history);
        assert_told_once(&self.service);
        assert_all_told(&self.service);
        assert_replays(&self.service);
    }
}
