use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{ErrorKind, Outcome, Trigger};
use cliffwatch_rules::{Maintenance, Zone};

use crate::device::Fleet;
use crate::{eventually, opener, plan, polls, start};

#[tokio::test]
async fn a_device_that_is_worked_on_is_left_alone_and_every_tick_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let fleet = Fleet::default();
    let targets = vec![fleet.target("gw", "gw"), fleet.target("other", "other")];
    let service = start(folder.path(), &fleet, opener(folder.path()), targets.clone()).await;
    eventually("first readings", async || (fleet.state("gw").polled >= 2).then_some(())).await;

    let mut paused = plan(targets.clone());
    paused.maintenance = Arc::new([Maintenance {
        labels: BTreeMap::new(),
        device: Some(targets[0].device.name.clone()),
        start: service.handle().clock().now(),
        duration: Duration::from_secs(3_600),
        every: None,
        zone: Zone::default(),
        pause_polling: true,
    }]);
    service.apply(paused).await;
    let busy = |device: &str| {
        let failures = service
            .handle()
            .live()
            .device(&crate::ParseName::parse_name(device))
            .unwrap()
            .failures_total
            .clone();
        failures.get(&ErrorKind::Busy).copied().unwrap_or(0)
    };
    eventually("a tick that is paused", async || (busy("gw") >= 1).then_some(())).await;
    let polled = fleet.state("gw").polled;
    eventually("more of them", async || (busy("gw") >= 4).then_some(())).await;
    assert_eq!(fleet.state("gw").polled, polled, "it is left alone");
    assert_eq!(busy("other"), 0);

    service.apply(plan(targets)).await;
    eventually("a reading after it", async || (fleet.state("gw").polled > polled).then_some(())).await;
    service.stop().await;
    let store = opener(folder.path())().await.unwrap();
    let polls = polls(&*store, "gw").await;
    let is_paused = |outcome| outcome == Outcome::Failed(ErrorKind::Busy);
    let paused: Vec<_> = polls.iter().filter(|poll| is_paused(poll.outcome)).collect();
    assert!(paused.len() >= 4 && paused.iter().all(|poll| poll.header.trigger == Trigger::Tick));
    let why = &paused[0].error.as_ref().unwrap().message;
    assert!(why.starts_with("not polled during maintenance, until "), "{why}");
    store.close().await;
}
