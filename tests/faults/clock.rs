//! Our own clock, stepped by an hour either way while we run.

use std::time::Duration;

use cliffwatch_tests::truths::{
    assert_all_told, assert_events_whole, assert_polls_whole, assert_replays, assert_told_once, longest_gap,
};
use cliffwatch_tests::{FakeClock, History, Inventory, Scene, Service, Setup, Sshd, Staged, needs};

use crate::RULES;

const HOUR: i64 = 3_600;
/// How often Cliffwatch looks at itself, and some.
const GAP_MAX: Duration = Duration::from_secs(4);

#[test]
fn a_step_of_our_clock_is_told_and_changes_nothing() {
    if !needs(&[Sshd::NEEDS, FakeClock::NEEDS, History::NEEDS]) {
        return;
    }
    let device = Staged::start();
    device.show(Scene::filled(95));
    let rules = format!("{RULES}- {{ id: patient, kind: utilization-high, for: 10m }}\n");
    let mut service = Service::start(Setup {
        inventory: Inventory::new().with("gw", device.sshd()).to_string(),
        rules,
        fake_clock: true,
        ..Setup::default()
    });
    let firing = service.wait_alert("gw", "utilization-critical", "firing");
    let pending = service.wait_alert("gw", "patient", "pending");
    for step in [HOUR, -HOUR] {
        service.clock().step(step);
        service.wait_polled("cliffwatch");
        service.wait_alert("cliffwatch", "clock-step", "firing");
        service.wait_polled("gw");
        assert_eq!(service.alert("gw", "utilization-critical"), Some(firing.clone()), "after {step} s");
        assert_eq!(service.alert("gw", "patient"), Some(pending.clone()), "ten minutes have not passed");
    }
    service.clock().step(0);
    service.wait_closed("cliffwatch", "clock-step");
    assert!(service.terminate().success());
    let history = service.history();
    let polls = assert_polls_whole(&history, "gw");
    let times = history.times("select finished_at from polls where device = 'gw' order by seq");
    let lasted = times[times.len() - 1].since(times[0]);
    assert!(longest_gap(&history, "gw") < GAP_MAX && lasted < Duration::from_secs(300), "{times:?}");
    assert!(polls as u64 <= lasted.as_secs() + 3, "a burst: {polls} polls in {lasted:?}");
    assert_events_whole(&history);
    assert_told_once(&service);
    assert_all_told(&service);
    assert_replays(&service);
    assert_eq!(device.sshd().logins(), 1, "the session was held");
}
