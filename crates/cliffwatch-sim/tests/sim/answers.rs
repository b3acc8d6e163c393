//! What a host answers is what its series say.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{CounterName, CounterReading, TableState};
use cliffwatch_sim::linux::{Documented, LinuxHost};
use cliffwatch_sim::{Polling, Track};

use crate::lab::{Lab, poll};

const STEP: Duration = Duration::from_secs(3_600);

fn host() -> LinuxHost {
    let track = |text: &str| Track::parse(text, STEP).unwrap();
    LinuxHost {
        used: track("200000+100x9"),
        max: track("250000"),
        buckets: 1_024,
        cpus: 3,
        // Beyond what a CPU can count: three times 2^32, and 5 more.
        counters: BTreeMap::from([
            ("drop".to_owned(), track("12884901893")),
            ("early_drop".to_owned(), track("7")),
        ]),
        ..LinuxHost::calm(Arc::new(Documented::by_adapter().unwrap()))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_adapter_reads_what_the_series_say() {
    let lab = Lab::with(vec![(host(), Vec::new())], true);
    let source = lab.open("gw-1");
    let first = poll(&*source).await.unwrap();
    assert!(first.faults.is_empty(), "{:?}", first.faults);
    let sample = &first.samples[0];
    assert_eq!((sample.used, sample.state), (Some(200_000), TableState::Tracking));
    assert_eq!(sample.capacity.unwrap().limit.get(), 250_000);
    let parts = |name: &str| match &sample.counters[&CounterName::new(name).unwrap()].reading {
        CounterReading::Cumulative { parts, .. } => parts.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(parts("drop"), [1, 2, 2], "each CPU counts modulo 2^32");
    assert_eq!(parts("early_drop"), [2, 2, 3]);
    assert_eq!(first.device_settings["nf_conntrack_buckets"], cliffwatch_model::Setting::Number(1_024));
    assert!(first.device_settings.len() > 14, "{:?}", first.device_settings);
    // Right to a second, whichever side of one our clock stands on.
    assert!(first.load.clock_skew_seconds.unwrap().abs() <= 1.0);
    assert!(first.load.figures["uptime_seconds"] > 86_400.0);

    let second = poll(&*source).await.unwrap();
    assert!(second.device_settings.is_empty() && second.epoch == first.epoch && first.epoch.is_some());
    assert_eq!(second.samples[0].used, Some(200_000));
    assert_eq!((lab.fleet.logins(), lab.fleet.undocumented()), (1, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_count_follows_its_series() {
    let step = Duration::from_millis(50);
    let moving = LinuxHost { used: Track::parse("1000+1x9000", step).unwrap(), ..host() };
    let lab = Lab::with(vec![(moving, Vec::new())], true);
    let source = lab.open("gw-1");
    let mut before = 999;
    for _ in 0..5 {
        let used = poll(&*source).await.unwrap().samples[0].used.unwrap();
        assert!(used > before, "{used} after {before}");
        before = used;
        tokio::time::sleep(step * 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_hosts_answer_each_for_itself() {
    let one = |number: u64| (LinuxHost { used: Track::constant(number), ..host() }, Vec::new());
    let lab = Lab::with((1..=30).map(one).collect(), true);
    let polls = (1..=30_u64).map(|number| {
        let source = lab.open(&format!("gw-{number}"));
        async move { (number, poll(&*source).await.unwrap()) }
    });
    let mut polls: tokio::task::JoinSet<_> = polls.collect();
    let mut epochs = std::collections::HashSet::new();
    while let Some(polled) = polls.join_next().await {
        let (number, reading) = polled.unwrap();
        assert_eq!(reading.samples[0].used, Some(number));
        epochs.insert(format!("{:?}", reading.epoch));
    }
    assert_eq!((epochs.len(), lab.fleet.logins()), (30, 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_names_every_device_with_its_pin() {
    let lab = Lab::of(&[&[], &[]]);
    let polling = Polling {
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(9),
        key: "/tmp/sim_key".into(),
        settings: Some("{ namespaces: true }".to_owned()),
    };
    let inventory = lab.fleet.inventory(&polling);
    for name in ["gw-1", "gw-2"] {
        let line = inventory.lines().find(|line| line.contains(&format!("name: {name},"))).unwrap();
        for part in [
            lab.fleet.address(name).unwrap().to_string(),
            lab.fleet.pin(name).unwrap(),
            "settings: { namespaces: true }".to_owned(),
        ] {
            assert!(line.contains(&part), "{part} in {line}");
        }
    }
}
