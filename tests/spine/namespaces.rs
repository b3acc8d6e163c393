//! One login without any right sees every namespace of the machine, and which of them fills.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use cliffwatch_tests::{
    ConntrackLock, Daemon, Flows, History, Inventory, Kind, Netns, Plan, Rules, Service, Setup, Sshd,
    eventually, needs,
};
use serde_json::Value;

use crate::filling::RULES;

const DEVICE: &str = "docker-host-1";
const LIMIT: u64 = 400;
/// A census comes each minute.
const NEXT_CENSUS: Duration = Duration::from_secs(80);
/// What a container does to have its connections tracked, and ten of them that nobody answers.
const TRACKED: &str = "ip link set lo up
nft add table inet t
nft 'add chain inet t c { type filter hook output priority 0 ; }'
nft add rule inet t c ct state new counter
echo 300 > /proc/sys/net/netfilter/nf_conntrack_udp_timeout
bash -c 'for p in $(seq 20001 20010); do echo x >/dev/udp/127.0.0.1/$p; done' 2>/dev/null
echo ready
exec sleep 600";

#[test]
fn the_namespace_that_fills_is_the_one_that_alerts() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let [gate, blue, red] = [(); 3].map(|()| Netns::new(Rules { silent_peer: true, ..Rules::default() }));
    let Some(_lock) = ConntrackLock::lower(LIMIT, Some(262_144)) else { return };
    let _few: [Flows; 2] = [&blue, &red].map(few_flows);
    let (container, inode) = container();
    let mut sshd = Sshd::inside(&gate);
    let service = Service::start(Setup {
        inventory: Inventory::new().with(DEVICE, &sshd).and("settings: { namespaces: true }").to_string(),
        rules: RULES.to_owned(),
        ..Setup::default()
    });
    service.wait_polled(DEVICE);
    let (blue_name, red_name) = (blue.name().to_owned(), red.name().to_owned());
    let nameless = format!("inode-{inode}");
    for name in ["host", &blue_name, &red_name, &nameless] {
        let table = service.wait(&format!("the table of {name}"), || table(&service, name));
        assert_eq!(table["capacity"]["limit"], LIMIT, "one limit for each: {table}");
    }
    let _many = blue.open_flows(Plan { tcp: 600, kind: Kind::Assured, ..Plan::default() });
    for (rule, severity) in [("utilization-critical", "critical"), ("refusing", "critical")] {
        let alert = service.wait(rule, || {
            alerts(&service).into_iter().find(|alert| alert["rule"] == rule && alert["severity"] == severity)
        });
        assert_eq!(alert["table"], format!("netns/{blue_name}/conntrack/nf_conntrack"), "{alert}");
    }
    for calm in ["host", &red_name, &nameless] {
        let used = table(&service, calm).expect("its table")["used"].as_u64().expect("a count");
        assert!(used < LIMIT / 4, "{calm} has {used}");
        assert!(alerts_of(&service, calm).is_empty(), "{:?}", alerts_of(&service, calm));
    }
    assert!(table(&service, &blue_name).expect("its table")["used"].as_u64() >= Some(LIMIT * 9 / 10));
    assert_eq!(sshd.logins(), 1);
    // The list of whom to read is lost with the shell that kept it, and made anew with the next one.
    sshd.cut_sessions();
    service.wait("another login", || (sshd.logins() == 2).then_some(()));
    let seen = || table(&service, &red_name).map(|table| table["observed_at"].clone());
    let before = seen();
    service.wait("the namespaces over the new session", || (seen() != before).then_some(()));
    // A container that ends takes its table with it, and nobody is told.
    drop(container);
    eventually(NEXT_CENSUS, "the container's table to go", || {
        table(&service, &nameless).is_none().then_some(())
    });
    let told = service.history().texts("select table_path from alert_events where told");
    assert!(!told.is_empty() && told.iter().all(|path| path.contains(&blue_name)), "{told:?}");
    assert!(table(&service, &red_name).is_some() && table(&service, "host").is_some());
}

fn few_flows(netns: &Netns) -> Flows {
    netns.sysctl("net/netfilter/nf_conntrack_udp_timeout", 300);
    let mut flows = netns.open_flows(Plan { udp: 10, ..Plan::default() });
    flows.wait_opened();
    flows
}

/// A process in a network namespace that has no name, and the inode by which it is known.
fn container() -> (Daemon, u64) {
    let mut command = Command::new("unshare");
    command.args(["--net", "sh", "-c", TRACKED]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut daemon = Daemon::spawn(&mut command);
    let mut line = String::new();
    let output = daemon.child().stdout.take().expect("a pipe");
    BufReader::new(output).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    let file = format!("/proc/{}/net/stat/nf_conntrack", daemon.pid());
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(file).expect("its statistics"));
    (daemon, inode)
}

fn table(service: &Service, scope: &str) -> Option<Value> {
    let answer = service.http().get(&format!("/api/v1/tables?limit=200&scope_name={scope}")).json();
    answer["items"].as_array().expect("items").first().cloned()
}

fn alerts(service: &Service) -> Vec<Value> {
    let answer = service.http().get("/api/v1/alerts?state=open&limit=200").json();
    answer["items"].as_array().expect("items").clone()
}

fn alerts_of(service: &Service, scope: &str) -> Vec<Value> {
    let path = format!("netns/{scope}/conntrack/nf_conntrack");
    alerts(service).into_iter().filter(|alert| alert["table"] == path).collect()
}
