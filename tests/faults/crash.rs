//! `kill -9` of Cliffwatch itself, in the middle of whatever it is doing.

use std::thread::sleep;
use std::time::Duration;

use cliffwatch_tests::truths::{assert_events_whole, assert_polls_whole, assert_replays, assert_told_once};
use cliffwatch_tests::{History, Inventory, Postgres, Scene, Service, Setup, Sshd, Staged, needs};

const ROUNDS: u32 = 15;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Every poll is a transition: as much to write, and to get wrong, as there can be.
const RULES: &str = "
- { id: utilization-critical, for: 0s, hold: 0s }
- { id: utilization-high, enabled: false }
- { id: refusing, hold: 0s }
- { id: poll-lag, enabled: false }
";

#[test]
fn sqlite_is_whole_after_kills_at_random_points() {
    if needs(&[Sshd::NEEDS, History::NEEDS]) {
        kill_at_random(None, 1);
    }
}

#[test]
fn postgres_is_whole_after_kills_at_random_points() {
    if needs(&[Sshd::NEEDS, Postgres::NEEDS]) {
        let postgres = Postgres::start();
        kill_at_random(Some(postgres.create_database("cliffwatch")), 2);
    }
}

fn kill_at_random(store: Option<String>, seed: u64) {
    let devices = NAMES.map(|_| Staged::start());
    let inventory = NAMES
        .iter()
        .zip(&devices)
        .fold(Inventory::new(), |inventory, (name, device)| inventory.with(name, device.sshd()));
    let mut service = Service::start(Setup {
        inventory: inventory.to_string(),
        rules: RULES.to_owned(),
        store,
        ..Setup::default()
    });
    let mut chance = Chance(seed);
    let mut stored = NAMES.map(|_| 0);
    for round in 0..ROUNDS {
        service.wait_polled(NAMES[0]);
        let steps = chance.below(12);
        for step in 0..=steps {
            let full = (round + step) % 2 == 0;
            devices.iter().for_each(|device| device.show(Scene::filled(if full { 95 } else { 10 })));
            pause(Duration::from_micros(u64::from(chance.below(200_000))));
        }
        service.kill9();
        for (name, stored) in NAMES.iter().zip(&mut stored) {
            let polls = assert_polls_whole(&service.history(), name);
            assert!(polls >= *stored, "polls of {name} that were stored are gone");
            *stored = polls;
        }
        assert_events_whole(&service.history());
        service.launch();
        service.wait_ready();
    }
    devices.iter().for_each(|device| device.show(Scene::default()));
    NAMES.iter().for_each(|name| service.wait_closed(name, "utilization-critical"));
    assert!(service.terminate().success(), "{}", service.log());
    let polls: usize = NAMES.iter().map(|name| assert_polls_whole(&service.history(), name)).sum();
    assert_events_whole(&service.history());
    assert_told_once(&service);
    assert_replays(&service);
    let events = service.history().numbers("select count(*) from alert_events")[0];
    println!("{ROUNDS} kills, {polls} polls, {events} events");
    assert!(events > i64::from(ROUNDS), "too little happened: {events} events");
}

#[test]
fn a_second_process_is_refused_the_same_file() {
    if !needs(&[History::NEEDS]) {
        return;
    }
    let service = Service::start(Setup {
        inventory: "devices: [{ name: here, platform: linux, address: local, interval: 1s }]".to_owned(),
        ..Setup::default()
    });
    let second = service.ask("serve", &["--listen", "127.0.0.1:0"]);
    let said =
        String::from_utf8_lossy(&second.stderr).into_owned() + &String::from_utf8_lossy(&second.stdout);
    assert!(!second.status.success() && said.contains("cliffwatch.db") && said.contains("in use"), "{said}");
    service.wait_polled("here");
}

/// The same chances in every run (a linear congruential generator, Numerical Recipes).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

#[expect(clippy::disallowed_methods, reason = "the moment of the kill is chosen in real time")]
fn pause(time: Duration) {
    sleep(time);
}
