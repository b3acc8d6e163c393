//! A host with 400 containers of which 50 come and go each minute: its replies through the adapter, the model and the
//! rules, an hour in a moment.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    AlertEvent, CapacityOverrides, Device, DeviceName, Ingest, IngestMemory, Observation, Platform, Poll,
    PollHeader, PollerName, Timestamp, Trigger,
};
use cliffwatch_rules::{Engine, RuleSet};
use cliffwatch_source::{Settings, SshOptions, Target};
use cliffwatch_source_linux::Decoder;

const CONTAINERS: usize = 400;
const REPLACED: usize = 50;
const MINUTES: u64 = 60;
const POLLS_A_MINUTE: u64 = 6;
const COLUMNS: &str = "columns entries clashres found invalid insert_failed drop early_drop search_restart\n";

/// A container as the kernel shows it: the inode of its namespace, which is given to another when it ends.
struct Container {
    number: u64,
    inode: u64,
    start: u64,
    drop: u64,
}

struct Host {
    device: Arc<Device>,
    decoder: Decoder,
    ingest: Ingest,
    rules: Engine,
    seconds: u64,
    polls: u64,
    made: u64,
    containers: VecDeque<Container>,
    free: Vec<u64>,
}

impl Host {
    fn new() -> Self {
        let target = target();
        let mut host = Self {
            decoder: Decoder::new(&target).expect("good settings"),
            ingest: Ingest::new(CapacityOverrides::default(), IngestMemory::default()),
            rules: Engine::new(Arc::new(RuleSet::builtin())),
            device: target.device,
            seconds: 1_000,
            polls: 0,
            made: 0,
            containers: VecDeque::new(),
            free: Vec::new(),
        };
        (0..CONTAINERS).for_each(|_| host.run(0));
        host
    }

    /// Starts a container that has lost so many connections since it was born.
    fn run(&mut self, drop: u64) {
        self.made += 1;
        let inode = self.free.pop().unwrap_or(4_026_532_000 + self.made);
        // Between two censuses.
        let start = self.seconds * 100 - 1_000;
        self.containers.push_back(Container { number: self.made, inode, start, drop });
    }

    /// The oldest end, and as many others begin.
    fn replace(&mut self) {
        for _ in 0..REPLACED {
            let ended = self.containers.pop_front().expect("400 of them");
            self.free.push(ended.inode);
        }
        (0..REPLACED).for_each(|_| self.run(0));
    }

    fn reply(&self, is_census: bool) -> String {
        let mut reply = String::from(
            "==> /proc/sys/kernel/random/boot_id <==\n6f1c2a34-0000-4000-8000-00000000c11f\n\
             ==> /proc/sys/net/netfilter/nf_conntrack_count <==\n1000\n\
             ==> /proc/sys/net/netfilter/nf_conntrack_max <==\n262144\n\
             ==> /proc/net/stat/nf_conntrack <==\nentries drop early_drop\n3e8 0 0\n",
        );
        let heading = if is_census { "namespaces" } else { "namespace readers" };
        let now = self.seconds * 100;
        writeln!(reply, "==> {heading} <==").expect("text");
        if is_census {
            let to = self.seconds + 1;
            writeln!(reply, "walk net/stat/nf_conntrack 11 {}.90 {to}.00 - 900 0\nnow {now}", self.seconds)
                .expect("text");
        }
        reply.push_str(COLUMNS);
        for Container { number, inode, start, drop } in &self.containers {
            // Up and down, each in its own time.
            let used = 200 + (number * 37 + self.seconds) % 100;
            let (pid, row) =
                (number + 100, format!("{used:x} 2 5.0={drop:x} 7.1={number:x}").replace(" 5.0=0", ""));
            let line = if is_census {
                format!("ns {inode}\t{pid}\t{start}\t\t\t{row}\t/docker/{number:012x}{:052}\t", 0)
            } else {
                format!("{inode}\t{pid}\t{row}")
            };
            writeln!(reply, "{line}").expect("text");
        }
        reply.push_str("==> end <==\n");
        reply
    }

    fn poll(&mut self, is_census: bool) -> (Observation, Vec<AlertEvent>) {
        let at = Timestamp::from_secs(1_700_000_000).plus(Duration::from_secs(self.seconds));
        let result = self.decoder.decode(self.reply(is_census).as_bytes(), at, None);
        self.polls += 1;
        let header = PollHeader {
            device: self.device.name.clone(),
            platform: self.device.platform.clone(),
            poller: PollerName::new("test").expect("a name"),
            seq: self.polls,
            trigger: Trigger::Tick,
            started_at: at,
            finished_at: at,
            interval: self.device.interval,
            late: false,
            lag: Duration::ZERO,
        };
        let observation = self.ingest.ingest(Poll { header, result });
        assert!(observation.faults.is_empty(), "{:?}", observation.faults);
        let events = self.rules.observe(&observation).events;
        self.seconds += 60 / POLLS_A_MINUTE;
        (observation, events)
    }

    /// One census and the polls up to the next: how many tables went, and what the rules said.
    fn minute(&mut self) -> (usize, Vec<AlertEvent>) {
        let (mut gone, mut events) = (0, Vec::new());
        for poll in 0..POLLS_A_MINUTE {
            let (observation, said) = self.poll(poll == 0);
            assert_eq!(observation.tables.len(), CONTAINERS + 1);
            gone += observation.gone.len();
            events.extend(said);
        }
        (gone, events)
    }
}

#[test]
fn containers_that_come_and_go_stay_within_bounds_and_page_nobody() {
    let mut host = Host::new();
    let mut bytes = Vec::new();
    for minute in 0..MINUTES {
        let (gone, events) = host.minute();
        assert_eq!(gone, if minute == 0 { 0 } else { REPLACED }, "in minute {minute}");
        assert!(events.is_empty(), "in minute {minute}: {events:?}");
        bytes.push(host.ingest.memory().bytes());
        host.replace();
    }
    let (early, late) = (bytes[5], bytes[bytes.len() - 1]);
    assert!(late <= early + early / 20, "memory grows: {bytes:?}");
}

/// Truth 3: its counters began after our last look, so that all they hold is new.
#[test]
fn a_container_that_is_born_and_refuses_is_an_event() {
    let mut host = Host::new();
    host.minute();
    host.run(7);
    host.containers.pop_front();
    let (_, events) = host.minute();
    let refusing: Vec<&AlertEvent> = events.iter().filter(|event| event.rule == "refusing").collect();
    let path = format!("netns/docker-{:012x}/conntrack/nf_conntrack", host.made);
    assert!(
        !refusing.is_empty() && refusing.iter().all(|event| event.table.as_deref() == Some(&*path)),
        "{events:?}"
    );
}

fn target() -> Target {
    let device = Device {
        name: DeviceName::new("docker-host-1").expect("a name"),
        platform: Platform::new("linux").expect("a name"),
        address: None,
        labels: BTreeMap::new(),
        interval: Duration::from_secs(60 / POLLS_A_MINUTE),
        timeout: Duration::from_secs(9),
        ha_peer: None,
        depends_on: Vec::new(),
        capacity: CapacityOverrides::new(BTreeMap::<String, NonZeroU64>::new()),
    };
    Target {
        device: Arc::new(device),
        credential: None,
        ssh: SshOptions::default(),
        jump: None,
        source_address: None,
        settings: Settings::default(),
        canary: None,
    }
}
