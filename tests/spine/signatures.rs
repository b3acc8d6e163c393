//! What the kernel does to a table that is nearly, just, or more than full, and that each is told for what it is. The
//! rest of the signatures: `filling.rs` (full, unassured), `kinds.rs` (few buckets; a small pool of source ports).

use std::time::Duration;

use cliffwatch_tests::truths::events;
use cliffwatch_tests::{
    ConntrackLock, Flows, History, Inventory, Kind, Netns, Plan, Rules, Service, Setup, Sshd, eventually,
    needs,
};

use crate::filling::RULES;
use crate::record::assert_unbroken;

const DEVICE: &str = "nat-gw-3";
/// A connection of our own, beside the held one, would be an entry more in a table that is counted here to the last.
const NOT_TRIED: &str = "- { id: new-connections-refused, enabled: false }";
/// Entries of the lab's own, such as its first look at the sshd.
const ENDS_MEANWHILE: u64 = 10;
const MANY_BUCKETS: u64 = 262_144;
/// The kernel's sweep comes up to 60 s after the first refusal (`nf_conntrack_core.c`, `gc_worker`).
const SWEEP: Duration = Duration::from_secs(90);
/// A sweep that an earlier test's refusals have armed makes room for fifty connections first, one a second.
const REFUSED: Duration = Duration::from_secs(90);

#[test]
fn half_full_with_unanswered_flows_says_nothing() {
    let Some(run) = Run::start(2_000) else { return };
    let mut flows = run.netns.open_flows(Plan { udp: 500, tcp: 500, ..Plan::default() });
    flows.wait_opened();
    run.see(1_000);
    let alerts = run.alerts();
    assert!(alerts.is_empty(), "{alerts:?}");
    run.finish();
}

/// The limit is a number of entries that may exist, not one that may not: nothing is lost yet.
#[test]
fn full_to_the_last_entry_is_critical_and_refuses_nothing() {
    let Some(run) = Run::start(1_000) else { return };
    let _flows = run.keep_full(1_000);
    run.service.wait_alert(DEVICE, "utilization-critical", "firing");
    assert_eq!(run.alerts(), ["utilization-critical", "utilization-high"]);
    run.finish();
}

/// Established connections are never thrown out: what is over the limit is refused, and nothing is shed.
#[test]
fn full_of_established_connections_refuses_and_sheds_nothing() {
    let Some(run) = Run::start(600) else { return };
    let mut flows = run.netns.open_flows(Plan { tcp: 700, kind: Kind::Assured, ..Plan::default() });
    let alert = run.service.wait_alert(DEVICE, "refusing", "firing");
    assert_eq!(alert.severity, "critical");
    let opened = flows.wait_opened();
    assert!(opened.tcp_pending >= 100, "{opened:?}");
    let kernel = run.netns.conntrack();
    assert_eq!((kernel.early_drop, kernel.insert_failed), (0, 0), "{kernel:?}");
    run.service.wait_polled(DEVICE);
    assert_eq!(run.alerts(), ["refusing", "utilization-critical", "utilization-high"]);
    run.finish();
}

/// The background sweep takes closing connections down to 95 %, which no counter counts; then it fills again. That is
/// one alert all along, and no recovery.
#[test]
fn swept_back_to_95_percent_is_no_recovery() {
    let Some(run) = Run::start(1_000) else { return };
    let mut established = run.netns.open_flows(Plan { tcp: 290, kind: Kind::Assured, ..Plan::default() });
    established.wait_opened();
    let mut closed = run.netns.open_flows(Plan { tcp: 700, kind: Kind::Closed, ..Plan::default() });
    closed.wait_opened();
    let _more =
        run.netns.open_flows(Plan { tcp: 150, kind: Kind::Assured, per_second: Some(1), ..Plan::default() });
    eventually(REFUSED, "a refusal", || run.alerts().contains(&"refusing".to_owned()).then_some(()));
    eventually(SWEEP, "the sweep", || (run.netns.conntrack().count <= 950).then_some(()));
    let history = run.service.history();
    let swept = "select count(*) from samples where device = 'nat-gw-3' and used <= 960 and observed_at > \
                 (select min(observed_at) from counter_increases where counter = 'drop')";
    run.service.wait("a poll of the swept table", || (history.numbers(swept)[0] > 0).then_some(()));
    // More polls than the rule holds: had it been taken for an end, it would be told as one by now.
    (0..6).for_each(|_| run.service.wait_polled(DEVICE));
    let states: Vec<String> =
        events(&history, DEVICE, "refusing").into_iter().map(|event| event.state).collect();
    assert!(states.iter().all(|state| state == "firing"), "{states:?}");
    assert_eq!(run.netns.conntrack().early_drop, 0, "no counter counts what the sweep takes");
    assert_eq!(run.alerts(), ["refusing", "utilization-critical", "utilization-high"]);
    run.finish();
}

/// Dropped in this order: the watcher, then what it watches.
struct Run {
    service: Service,
    sshd: Sshd,
    netns: Netns,
    _lock: ConntrackLock,
}

impl Run {
    fn start(limit: u64) -> Option<Self> {
        if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS, Sshd::NEEDS, History::NEEDS]) {
            return None;
        }
        let silent_peer = limit == 2_000;
        let netns = Netns::new(Rules { silent_peer, ..Rules::default() });
        netns.sysctl("net/netfilter/nf_conntrack_udp_timeout", 300);
        let lock = ConntrackLock::lower(limit, Some(MANY_BUCKETS))?;
        let sshd = Sshd::inside(&netns);
        let service = Service::start(Setup {
            inventory: Inventory::new().with(DEVICE, &sshd).to_string(),
            rules: format!("{RULES}{NOT_TRIED}\n"),
            ..Setup::default()
        });
        service.wait_polled(DEVICE);
        Some(Self { service, sshd, netns, _lock: lock })
    }

    /// Waits until the store has a few polls with at least so many entries.
    fn see(&self, entries: u64) {
        let history = self.service.history();
        self.service.wait("polls of it", || Self::saw(&history, entries).then_some(()));
    }

    fn saw(history: &History, entries: u64) -> bool {
        let polls = format!("select count(*) from samples where device = '{DEVICE}' and used >= {entries}");
        history.numbers(&polls)[0] >= 5
    }

    /// Fills the table to its last entry, with none refused, until a few polls have seen that. What an earlier test was
    /// refused has armed the kernel's sweep, which is one for all namespaces: it may still come, and takes a few of ours.
    fn keep_full(&self, limit: u64) -> Vec<Flows> {
        let history = self.service.history();
        let mut held = Vec::new();
        let enough = limit - ENDS_MEANWHILE;
        eventually(SWEEP, "polls of a full table", || {
            let missing = limit - self.netns.conntrack().count;
            if missing > ENDS_MEANWHILE {
                let udp = u32::try_from(missing).expect("a small number");
                let mut flows = self.netns.open_flows(Plan { udp, ..Plan::default() });
                flows.wait_opened();
                held.push(flows);
                let kernel = self.netns.conntrack();
                assert_eq!((kernel.count, kernel.drop, kernel.early_drop), (limit, 0, 0));
            }
            Self::saw(&history, enough).then_some(())
        });
        held
    }

    /// The rules that fire now.
    fn alerts(&self) -> Vec<String> {
        let open = self.service.alerts().into_iter().filter(|alert| alert.device == DEVICE);
        open.map(|alert| alert.rule).collect()
    }

    fn finish(&self) {
        assert_unbroken(&self.service.history(), DEVICE);
        assert_eq!(self.sshd.logins(), 1, "the session is held through it all");
    }
}
