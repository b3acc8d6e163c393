//! The other two ways in which a kernel loses connections.

use cliffwatch_tests::{
    ConntrackLock, History, Inventory, Kind, Netns, Plan, Rules, Service, Setup, Sshd, needs,
};

use crate::filling::RULES;
use crate::record::assert_unbroken;

const DEVICE: &str = "nat-gw-2";

/// 20 source ports in a table of 5,000: everything new to one destination is lost, at 0.4 % of the limit.
#[test]
fn a_pool_of_20_ports_refuses_in_an_empty_table() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let netns = Netns::new(Rules { snat_ports: Some(20), ..Rules::default() });
    let Some(_lock) = ConntrackLock::lower(5_000, None) else { return };
    let sshd = Sshd::inside(&netns);
    let service = watch(&sshd);
    let mut flows = netns.open_flows(Plan { tcp: 100, kind: Kind::Assured, ..Plan::default() });
    let alert = service.wait_alert(DEVICE, "refusing", "firing");
    let opened = flows.wait_opened();
    assert_eq!((opened.tcp, opened.tcp_pending), (20, 80));
    service.wait("a warning", || service.alert(DEVICE, "refusing").filter(|alert| alert.severity != "info"));
    let history = service.history();
    let fullest = service.wait("samples in the store", || {
        let shares = history.rows("select max(utilization) as share from samples where device = 'nat-gw-2'");
        shares[0]["share"].as_f64()
    });
    assert!(fullest < 0.01, "it never was full: {fullest}");
    let others: Vec<_> = service
        .alerts()
        .into_iter()
        .filter(|other| other.device == DEVICE && other.rule != "refusing")
        .collect();
    assert!(others.is_empty(), "nothing but {alert:?}: {others:?}");
    let lost = "select sum(delta) as lost from counter_increases where counter = 'insert_failed'";
    assert!(history.numbers(lost)[0] >= 80);
    let twice = "select sum(delta - paired) as once, max(delta) as most from counter_increases where class = 'refused'";
    let counted = service
        .wait("the pairs", || Some(history.rows(twice)[0].clone()).filter(|row| row["once"].is_number()));
    assert!(counted["once"].as_i64().expect("a sum") > 0, "{counted}");
    assert_unbroken(&history, DEVICE);
    assert_eq!(sshd.logins(), 1);
}

/// With few buckets the kernel finds something to evict, and nothing new is lost.
#[test]
fn a_table_with_few_buckets_sheds() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let netns = Netns::new(Rules { silent_peer: true, ..Rules::default() });
    let Some(_lock) = ConntrackLock::lower(1_000, Some(1_024)) else { return };
    let sshd = Sshd::inside(&netns);
    let service = watch(&sshd);
    let mut flows = netns.open_flows(Plan { udp: 1_500, tcp: 500, ..Plan::default() });
    let alert = service.wait_alert(DEVICE, "shedding", "firing");
    assert_eq!(alert.severity, "warning");
    flows.wait_opened();
    let told = netns.conntrack();
    assert!(told.early_drop > 100, "{told:?}");
    service.wait_polled(DEVICE);
    assert_eq!(sshd.logins(), 1, "the session is held though others are evicted");
}

fn watch(sshd: &Sshd) -> Service {
    let service = Service::start(Setup {
        inventory: Inventory::new().with(DEVICE, sshd).to_string(),
        rules: RULES.to_owned(),
        ..Setup::default()
    });
    service.wait_polled(DEVICE);
    service
}
