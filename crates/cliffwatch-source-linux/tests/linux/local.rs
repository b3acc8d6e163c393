//! The machine that the test runs on.

use std::time::Duration;

use cliffwatch_model::Timestamp;
use cliffwatch_source::testkit::{FixedClock, plain_target};
use cliffwatch_source::{PollContext, SourceFactory as _};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

use crate::skip::has;

#[tokio::test]
async fn this_machine_is_read_without_ssh() {
    if !has(&["conntrack in the kernel"]) {
        return;
    }
    let factory = LinuxFactory::new(SshHub::new());
    let opened = factory.open(&plain_target("here", &factory.platform(), Some("local"))).unwrap();
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    let cx = PollContext { clock: &clock, deadline: Duration::from_secs(10) };
    let (first, second) = (opened.source.poll(&cx).await.unwrap(), opened.source.poll(&cx).await.unwrap());
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for reading in [&first, &second] {
        assert_eq!(reading.epoch.as_ref().unwrap().as_str(), format!("boot:{}", boot.trim()));
        assert_eq!(reading.samples[0].observed_at, clock.0);
        assert_eq!(reading.samples[0].table.path(), "netns/host/conntrack/nf_conntrack");
        assert!(reading.samples[0].used.is_some() && reading.samples[0].capacity.is_ok(), "{reading:?}");
        assert_eq!(reading.reachability.held_ms, None);
    }
    assert!(
        first.device_settings.len() > 15 && second.device_settings.is_empty(),
        "the minute, then the poll"
    );
    assert!(first.load.figures.contains_key("memory_percent") && second.load.figures.is_empty());
    assert!(first.load.clock_skew_seconds.is_none(), "its clock is ours");
    assert!(opened.source.warnings().is_empty());
    opened.source.close().await;
}
