//! Another inventory while the service runs: bad, then good.

use cliffwatch_tests::truths::{
    assert_all_told, assert_events_whole, assert_polls_whole, assert_replays, assert_told_once,
};
use cliffwatch_tests::{History, Inventory, Scene, Service, Setup, Sshd, Staged, needs};
use serde_json::{Value, json};

use crate::RULES;

#[test]
fn a_bad_reload_changes_nothing_and_a_good_one_only_what_differs() {
    if !needs(&[Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let devices = [(); 4].map(|()| Staged::start());
    let [kept, changed, leaving, coming] = devices.each_ref().map(Staged::sshd);
    devices[2].show(Scene::filled(95));
    let start = || Inventory::new().with("kept", kept).with("changed", changed);
    let first = start().with("leaving", leaving).to_string();
    let mut service =
        Service::start(Setup { inventory: first.clone(), rules: RULES.to_owned(), ..Setup::default() });
    service.wait_all_polled(&["kept", "changed", "leaving"]);
    let leaver = service.wait_alert("leaving", "utilization-critical", "firing");

    refuse(&mut service, &first);

    // A definition that cannot be reached is kept waiting, and the session that works goes on.
    let wrong = start().pinned_to(&kept.host_key()).with("leaving", leaving).to_string();
    assert_eq!(reload(&service, &wrong), json!({"added": 0, "retired": 0, "changed": 1, "unchanged": 3}));
    let history = service.history();
    let shown = "select count(*) from polls where device = 'changed' and faults like '%new definition%'";
    service.wait("the fault to be shown", || (history.numbers(shown)[0] > 0).then_some(()));
    service.wait_polled("changed");
    assert_eq!(changed.logins(), 1, "the key that it shows is not the one that is trusted now");

    // Labels need no new session, and another definition of the way to a device needs one.
    let labelled = Inventory::new().with("kept", kept).and("labels: { role: nat }");
    let good = labelled.with("changed", changed).with("coming", coming).to_string();
    service.set_inventory(&good);
    service.hangup();
    service.wait_polled("coming");
    let states =
        format!("select state from alert_events where alert_id = '{}' order by seq", leaver.alert_id);
    service.wait("the end of what left", || (history.texts(&states) == ["firing", "gone"]).then_some(()));
    assert!(service.alert("leaving", "utilization-critical").is_none());
    assert_eq!(service.http().get("/api/v1/devices/leaving").status, 404);
    service.wait("the new session", || (changed.logins() == 2).then_some(()));
    service.wait_polled("changed");
    assert_eq!((kept.logins(), leaving.logins(), coming.logins()), (1, 1, 1));
    assert_replays(&service);
    switch_the_rule_off(&service, &devices[0]);
    assert!(service.terminate().success());
    for name in ["kept", "changed", "leaving", "coming"] {
        assert_polls_whole(&history, name);
    }
    let retired = "select outcome from polls where device = 'leaving' order by seq desc limit 1";
    assert_eq!(history.texts(retired), ["retired"]);
    assert_events_whole(&history);
    assert_told_once(&service);
    assert_all_told(&service);
}

/// What is open when its rule goes does not stay open for ever.
fn switch_the_rule_off(service: &Service, device: &Staged) {
    device.show(Scene::filled(95));
    let alert = service.wait_alert("kept", "utilization-critical", "firing");
    service.set_rules(&RULES.replace("utilization-critical,", "utilization-critical, enabled: false,"));
    assert_eq!(service.http().post("/-/reload", &Value::Null).status, 200);
    service.wait_closed("kept", "utilization-critical");
    let states = format!("select state from alert_events where alert_id = '{}' order by seq", alert.alert_id);
    service.wait("its end", || (service.history().texts(&states) == ["firing", "gone"]).then_some(()));
}

/// By signal and by request: the old inventory stays in force, and the answer names the line.
fn refuse(service: &mut Service, first: &str) {
    let lines = first.lines().count();
    service.set_inventory(&format!("{first}  - {{ name: kept, platfrom: linux }}\n"));
    let answer = service.http().post("/-/reload", &Value::Null);
    let line = format!("inventory.yaml:{}:", lines + 1);
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.body.contains(&line) && answer.body.contains("platfrom"), "{}", answer.body);
    let told = service.log().matches(&line).count();
    service.hangup();
    service.wait("the refusal in the log", || (service.log().matches(&line).count() > told).then_some(()));
    assert_eq!(service.metric("cliffwatch_config_last_reload_successful"), Some(0.0));
    service.wait_all_polled(&["kept", "changed", "leaving"]);
}

fn reload(service: &Service, inventory: &str) -> Value {
    service.set_inventory(inventory);
    let answer = service.http().post("/-/reload", &Value::Null);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(service.metric("cliffwatch_config_last_reload_successful"), Some(1.0));
    answer.json()
}
