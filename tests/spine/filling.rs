//! One table fills until it refuses, drains, fills again over a restart; two services write it down, each in its own way.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use cliffwatch_tests::truths::{
    assert_all_told, assert_events_whole, assert_replays, assert_told_once, events,
};
use cliffwatch_tests::{
    Alert, ConntrackLock, Flows, History, Inventory, Kind, Netns, Plan, Postgres, Rules, Service, Setup,
    Sshd, eventually, needs,
};

use crate::examples::assert_alike;
use crate::record::{assert_unbroken, at};

const DEVICE: &str = "nat-gw-1";
const LIMIT: u64 = 400;
const MANY_BUCKETS: u64 = 262_144;
const HOLD: Duration = Duration::from_secs(4);
/// Between the steps of one session: the kernel's answer to a refused SYN is silence.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
const SOON: Duration = Duration::from_secs(20);

/// The built-in rules in a hurry.
pub(crate) const RULES: &str = "
- { id: utilization-critical, for: 2s, hold: 4s }
- { id: utilization-high, for: 2s, hold: 4s }
- { id: refusing, hold: 4s }
- { id: shedding, hold: 4s }
";
/// One that a restart finds half way to firing, and one that never gets beyond pending.
const SLOW_RULES: &str = "
- { id: halfway, kind: utilization-high, for: 9s, hold: 4s }
- { id: patient, kind: utilization-high, for: 10m, hold: 4s }
";

#[test]
fn a_table_fills_refuses_and_drains_and_both_stores_tell_alike() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, Postgres::NEEDS, History::NEEDS]) {
        return;
    }
    let Some(mut run) = Run::start() else { return };
    let flows = run.fill_until_it_refuses();
    run.show_it_everywhere();
    run.drain_and_resolve(flows);
    assert_eq!(run.sshd.logins(), run.services.len(), "one login for each service, all the time");
    let flows = run.fill_to(92);
    run.restart_while_alerts_are_open();
    run.drain_again(flows);
    for service in &run.services {
        assert_events_whole(&service.history());
        assert_told_once(service);
        assert_all_told(service);
        assert_replays(service);
    }
    let [sqlite, postgres] = run.services.each_ref().map(Service::history);
    assert_alike(&sqlite, &postgres);
    for service in &mut run.services {
        assert!(service.terminate().success(), "{}", service.log());
    }
}

/// Dropped in this order: the watchers, then what they watch.
struct Run {
    services: [Service; 2],
    sshd: Sshd,
    netns: Netns,
    _lock: ConntrackLock,
    _postgres: Postgres,
}

impl Run {
    fn start() -> Option<Self> {
        let netns = Netns::new(Rules { silent_peer: true, ..Rules::default() });
        netns.sysctl("net/netfilter/nf_conntrack_udp_timeout", 300); // flows stay until they are drained
        let lock = ConntrackLock::lower(LIMIT, Some(MANY_BUCKETS))?;
        let sshd = Sshd::inside(&netns);
        let postgres = Postgres::start();
        let service = |poller: &str, store: Option<String>| {
            Service::start(Setup {
                inventory: Inventory::new().with(DEVICE, &sshd).to_string(),
                config: format!("poller: {poller}"),
                rules: format!("{RULES}{SLOW_RULES}"),
                store,
                ..Setup::default()
            })
        };
        let in_postgres = postgres.create_database("cliffwatch");
        let services = [service("with-sqlite", None), service("with-postgres", Some(in_postgres))];
        services.iter().for_each(|service| service.wait_polled(DEVICE));
        Some(Self { services, sshd, netns, _lock: lock, _postgres: postgres })
    }

    fn fill_until_it_refuses(&self) -> Flows {
        let before = self.netns.conntrack();
        // 120 a second: full after three, and refused without a pause for a dozen more.
        let flows =
            self.netns.open_flows(Plan { udp: 1_000, tcp: 1_000, per_second: Some(60), ..Plan::default() });
        for service in &self.services {
            assert_eq!(service.wait_alert(DEVICE, "refusing", "firing").severity, "critical");
            service.wait_alert(DEVICE, "utilization-critical", "firing");
            service.wait_alert(DEVICE, "patient", "pending");
            let history = service.history();
            let polls = service.wait("the history of the alert", || {
                let fired = events(&history, DEVICE, "refusing").first()?.at;
                let query = format!("select observed_at from counter_increases where device = '{DEVICE}' and class = 'refused'");
                let rose = history.times(&query).into_iter().min()?;
                let samples = history.times(&format!("select observed_at from samples where device = '{DEVICE}'"));
                Some(samples.into_iter().filter(|sample| (rose..=fired).contains(sample)).count())
            });
            assert!((1..=2).contains(&polls), "it took {polls} polls from the first drop to the alert");
        }
        let full = self.netns.conntrack();
        let refused = full.drop > before.drop && full.insert_failed == before.insert_failed;
        assert!(refused, "{before:?} then {full:?}");
        flows
    }

    /// What the operator sees while a new connection cannot be made and the held one goes on.
    fn show_it_everywhere(&self) {
        let address = SocketAddr::from((self.netns.address(), 22));
        eventually(SOON, "a new connection to be refused", || {
            TcpStream::connect_timeout(&address, CONNECT_PATIENCE).err()
        });
        for service in &self.services {
            service.wait_polled(DEVICE);
            service.wait_alert(DEVICE, "refusing", "firing");
            let tables = service.http().get(&format!("/api/v1/tables?device={DEVICE}")).json();
            let table = &tables["items"][0];
            assert!(table["utilization"].as_f64().expect("a share") > 0.9, "{table}");
            assert_eq!(table["capacity"]["limit"], LIMIT);
            let firing = service.http().get("/api/v1/alerts?state=firing&severity=critical").json();
            assert!(firing.to_string().contains("refusing"), "{firing}");
            let series = |name: &str| service.metric(&format!("cliffwatch_{name}{{"));
            assert!(series("table_utilization_ratio").expect("a series") > 0.9);
            assert!(series("counter_total").is_some() && series("poll_success").is_some());
            let metrics = service.http().get("/metrics").body;
            let refusing = metrics.lines().find(|line| line.contains("rule=\"refusing\""));
            assert!(refusing.is_some_and(|line| line.starts_with("cliffwatch_alert_firing{")), "{metrics}");
            assert_diagnosed(service, table["table_id"].as_str().expect("an id"));
        }
    }

    /// Resolved means: measured clear, and for as long as the rule holds.
    fn drain_and_resolve(&self, flows: Flows) {
        drop(flows);
        self.netns.drain();
        for service in &self.services {
            for rule in ["refusing", "utilization-critical", "utilization-high", "halfway", "patient"] {
                service.wait_closed(DEVICE, rule);
            }
            let history = service.history();
            for rule in ["refusing", "utilization-critical"] {
                let events = service.wait("the end in the store", || {
                    Some(events(&history, DEVICE, rule))
                        .filter(|events| events.last().is_some_and(|event| event.state == "resolved"))
                });
                let (recovering, resolved) = (at(&events, "recovering"), at(&events, "resolved"));
                let held = resolved.since(recovering);
                assert!(held >= HOLD && held < HOLD * 3, "{rule} held {held:?}: {events:?}");
                let drained = history.times(&format!(
                    "select observed_at from samples where device = '{DEVICE}' and utilization < 0.85"
                ));
                assert!(drained.contains(&recovering) && drained.contains(&resolved), "{rule}: {events:?}");
            }
            assert_unbroken(&history, DEVICE);
        }
    }

    fn fill_to(&self, percent: u64) -> Flows {
        let udp = u32::try_from(LIMIT * percent / 100 - self.netns.conntrack().count).expect("room");
        let flows = self.netns.open_flows(Plan { udp, kind: Kind::Unassured, ..Plan::default() });
        for service in &self.services {
            service.wait_alert(DEVICE, "utilization-critical", "firing");
            service.wait_alert(DEVICE, "patient", "pending");
        }
        flows
    }

    /// A service that ends in good order and starts again goes on with the same alerts, and tells nobody twice.
    fn restart_while_alerts_are_open(&mut self) {
        for service in &mut self.services {
            let open = |service: &Service| -> Vec<Alert> {
                let mine = |alert: &Alert| alert.device == DEVICE && alert.rule != "halfway";
                service.alerts().into_iter().filter(mine).collect()
            };
            let before = open(service);
            assert!(service.terminate().success(), "{}", service.log());
            service.launch();
            service.wait_ready();
            assert_eq!(open(service), before, "restored from the store");
            service.wait_polled(DEVICE);
            assert_eq!(open(service), before, "and continued");
            let opened = service.history().numbers(&format!(
                "select count(*) from alert_events where device = '{DEVICE}' and rule = 'utilization-critical' and seq = 1"
            ));
            assert_eq!(opened, [2], "once in each filling");
        }
        for service in &self.services {
            // What it had waited before counts: the replay, which knows of no restart, must fire at the same poll.
            service.wait_alert(DEVICE, "halfway", "firing");
        }
        assert_eq!(self.sshd.logins(), 2 * self.services.len());
    }

    fn drain_again(&self, flows: Flows) {
        drop(flows);
        self.netns.drain();
        for service in &self.services {
            for rule in ["utilization-critical", "utilization-high", "halfway", "patient"] {
                service.wait_closed(DEVICE, rule);
            }
            service.wait("every event to be stored", || {
                let open = "select count(*) from alerts where is_open and device = 'nat-gw-1'";
                (service.history().numbers(open) == [0]).then_some(())
            });
        }
    }
}

/// The diagnosis names what the kernel does, with its own figures and what would help.
fn assert_diagnosed(service: &Service, table: &str) {
    let diagnosis = service.wait("the diagnosis of a full table", || {
        let diagnosis = service.http().get(&format!("/api/v1/tables/{table}/diagnosis")).json();
        (diagnosis["pattern"] == "hard_full").then_some(diagnosis)
    });
    assert_eq!((&diagnosis["confidence"], &diagnosis["severity"]), (&"high".into(), &"critical".into()));
    let full = &diagnosis["findings"][0];
    let figure = |name: &str| {
        let figures = full["figures"].as_array().expect("figures").iter();
        figures.clone().find(|figure| figure["name"] == name).and_then(|figure| figure["value"].as_f64())
    };
    assert_eq!(figure("limit"), Some(400.0), "{full}");
    assert!(figure("used").is_some_and(|used| used > 390.0), "{full}");
    assert!(figure("drop").is_some_and(|drop| drop > 0.0), "{full}");
    assert!(diagnosis.to_string().contains("sysctl -w net.netfilter.nf_conntrack_max="), "{diagnosis}");
}
