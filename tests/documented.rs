//! The product against devices that answer nothing but what `cliffwatch access` lists, with everything switched on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests, too")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_sim::linux::{Documented, LinuxHost};
use cliffwatch_sim::{Device, Fleet, LoginKey, Options, Platform, Polling, Track};
use cliffwatch_source::SourceFactory as _;
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_tests::{Service, Setup, eventually};
use cliffwatch_transport::ssh::SshHub;

/// From the start to a critical alert and what follows it.
const PATIENCE: Duration = Duration::from_secs(90);
/// After the alert: time for questions.
const MORE_POLLS: u64 = 20;

/// Settings of the devices, one each.
const SETTINGS: [&str; 3] = [
    "{ namespaces: true, evidence: true }",
    "{ conntrack_stats: sudo, namespaces: true, evidence: true }",
    "{ conntrack_stats: command, evidence: false }",
];

fn track(text: &str) -> Track {
    Track::parse(text, Duration::from_secs(1)).unwrap()
}

/// A table that is full from the fifth second on and refuses, so that every rule has something to ask.
fn refusing() -> LinuxHost {
    LinuxHost {
        used: track("200000x4 262144x9"),
        counters: BTreeMap::from([("drop".to_owned(), track("0x5 0+200x9000"))]),
        ..LinuxHost::calm(Arc::new(Documented::by_adapter().unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_device_is_ever_asked_what_the_list_for_change_control_does_not_hold() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let device = |name: usize| Device {
        name: format!("gw-{name}"),
        platform: Platform::Linux(refusing()),
        faults: Vec::new(),
    };
    let options = Options {
        port: 0,
        clock: Arc::new(SystemClock::new()),
        login: LoginKey::in_file(&key).unwrap(),
        strict: true,
    };
    let fleet = Fleet::start((0..SETTINGS.len()).map(device).collect(), options).unwrap();
    let polling = Polling {
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(950),
        key,
        settings: None,
    };
    let mut inventory = fleet.inventory(&polling);
    for (number, settings) in SETTINGS.iter().enumerate() {
        let device = format!("name: gw-{number},");
        inventory = inventory.replace(&device, &format!("{device} settings: {settings},"));
    }
    let service = Service::start(Setup { inventory, ..Setup::default() });
    let http = service.http();
    eventually(PATIENCE, "every device to be critical", || {
        assert_eq!(fleet.undocumented(), Vec::new());
        let alerts = http.get("/api/v1/alerts?severity=critical&state=firing").json();
        let critical = |number: usize| alerts["items"].to_string().contains(&format!("gw-{number}"));
        (0..SETTINGS.len()).all(critical).then_some(())
    });
    tokio::time::sleep(Duration::from_secs(MORE_POLLS)).await;
    assert_eq!(fleet.undocumented(), Vec::new());

    // And each device was asked what the list says that every device is asked.
    let listed = LinuxFactory::new(SshHub::new()).access();
    let scripts = listed.iter().filter(|access| access.name.starts_with("script linux_"));
    let asked: Vec<(&str, u64)> = scripts.map(|it| (it.name.as_str(), fleet.answered(&it.action))).collect();
    assert!(asked.len() >= 2 && asked.iter().take(2).all(|(_, times)| *times > 0), "{asked:?}");
}
