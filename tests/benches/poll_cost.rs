//! What a poll of a real sshd costs, in CPU time of ours and of the device, and what a held device costs in memory.
//!
//! `cargo bench -p cliffwatch-tests --bench poll_cost [-- polls | devices]`. Wants root, sshd, ssh.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench, run by hand"
)]

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU64;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_engine::{Options, Plan, Service};
use cliffwatch_model::{
    CapacityOverrides, Device, DeviceName, Ingest, IngestMemory, Platform, Poll, PollHeader, PollerName,
    Timestamp, Trigger,
};
use cliffwatch_rules::{Engine, RuleSet};
use cliffwatch_source::{
    Clock, Credential, HostKey, PollContext, SecretRef, Settings, SourceFactory, SshOptions, Target,
};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_store::{Batch, MemoryChange, OpenOptions, Retention, Store};
use cliffwatch_tests::Sshd;
use cliffwatch_transport::ssh::SshHub;

const POLLS: usize = 5_000;
/// Polls of one transaction: a thousand devices at ten seconds, a second's worth for ten seconds.
const COMMIT_EVERY: usize = 1_000;
const SSH_PROCESSES: usize = 30;
/// Unless `DEVICES` in the environment says otherwise.
const DEVICES: usize = 1_000;
const INTERVAL: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() {
    let only: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let wanted = |name: &str| only.is_empty() || only.iter().any(|word| word == name);
    if wanted("polls") {
        polls().await;
    }
    if wanted("devices") {
        devices().await;
    }
}

/// One held session, polled again and again, with everything that follows a poll.
async fn polls() {
    let sshd = Sshd::local();
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(&folder.path().join("bench.db")).await;
    let target = target(&sshd, "gw");
    let source = LinuxFactory::new(SshHub::new()).open(&target).unwrap().source;
    let clock = SystemClock::new();
    let mut ingest = Ingest::new(CapacityOverrides::default(), IngestMemory::default());
    let mut rules = Engine::new(Arc::new(RuleSet::builtin()));
    let mut batch = Batch::new(PollerName::new("bench").unwrap());
    batch.devices.push(cliffwatch_store::DeviceChange::Active(Arc::clone(&target.device)));
    let cx = PollContext { clock: &clock, deadline: Duration::from_secs(10) };
    source.poll(&cx).await.unwrap();
    let (ours, device, started) = (our_cpu(), device_cpu(), tokio::time::Instant::now());
    for n in 1..=POLLS {
        let started_at = clock.now();
        let result = source.poll(&cx).await;
        let header = header(&target.device, n as u64, started_at, clock.now());
        let observation = Arc::new(ingest.ingest(Poll { header, result }));
        assert!(observation.outcome.is_success(), "{:?}", observation.error);
        let _healthy = rules.observe(&observation);
        batch.observations.push(observation);
        if n % COMMIT_EVERY == 0 {
            let memory = serde_json::to_string(ingest.memory()).unwrap();
            let through_seq = n as u64;
            batch.memories.push(MemoryChange { device: target.device.name.clone(), through_seq, memory });
            store.commit(&batch).await.unwrap();
            batch = Batch::new(PollerName::new("bench").unwrap());
        }
    }
    let (ours, device) = (our_cpu() - ours, device_cpu() - device);
    let wall = started.elapsed();
    println!(
        "fast-line poll over a held session, {POLLS} polls, everything included (parse, ingest, rules, SQLite):"
    );
    println!("  our CPU {:.3} ms a poll", ms(ours) / POLLS as f64);
    println!("  device CPU {:.3} ms a poll", ms(device) / POLLS as f64);
    println!("  wall {:.3} ms a poll", wall.as_secs_f64() * 1e3 / POLLS as f64);
    assert_eq!(sshd.logins(), 1);
    let process = ssh_process_cpu(&sshd);
    println!("one `ssh` process a poll, {SSH_PROCESSES} polls: its CPU {:.1} ms a poll", ms(process));
    println!("  {:.0} times ours", ms(process) / (ms(ours) / POLLS as f64));
    source.close().await;
    store.close().await;
}

/// A thousand devices in the running service: memory a held device.
async fn devices() {
    let count = std::env::var("DEVICES").map_or(DEVICES, |text| text.parse().unwrap());
    let sshd = Sshd::local();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bench.db");
    let targets: Vec<Target> = (0..count).map(|n| target(&sshd, &format!("gw-{n}"))).collect();
    let before = resident();
    let day = Duration::from_secs(86_400);
    let options = Options {
        poller: PollerName::new("bench").unwrap(),
        journal: folder.path().join("events.journal"),
        store: Arc::new(move || {
            let path = path.clone();
            Box::pin(async move { Ok(open_store(&path).await) })
        }),
        factories: vec![Arc::new(LinuxFactory::new(SshHub::new()))],
        dial: cliffwatch_transport::dial,
        plan: Plan {
            targets,
            rules: Arc::new(RuleSet::builtin()),
            maintenance: Arc::default(),
            retention: Retention { samples: day, rollups: day, polls: day, events: day },
        },
    };
    let service = Service::start(options).await.unwrap();
    let polled = || {
        let seen = service.handle().live().devices();
        seen.iter().filter(|status| status.last_success_at.is_some()).count() > count
    };
    let started = tokio::time::Instant::now();
    while !polled() && started.elapsed() < Duration::from_secs(600) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("{count} devices held after {:.0} s, {} logins", started.elapsed().as_secs_f64(), sshd.logins());
    tokio::time::sleep(INTERVAL * 3).await;
    let (cpu, began) = (our_cpu(), tokio::time::Instant::now());
    tokio::time::sleep(INTERVAL * 3).await;
    let share = (our_cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let failures: u64 = service
        .handle()
        .live()
        .devices()
        .iter()
        .map(|status| status.failures_total.values().sum::<u64>())
        .sum();
    println!("  {:.0} KB of memory a device", (resident() - before) as f64 / count as f64);
    println!(
        "  {:.1} % of a core for {count} devices each {INTERVAL:?}; {failures} failed polls",
        share * 100.0
    );
    service.stop().await;
}

fn target(sshd: &Sshd, name: &str) -> Target {
    let device = Device {
        name: DeviceName::new(name).unwrap(),
        platform: Platform::new("linux").unwrap(),
        address: Some(sshd.address().to_string().into()),
        labels: BTreeMap::new(),
        interval: INTERVAL,
        timeout: Duration::from_secs(9),
        ha_peer: None,
        depends_on: Vec::new(),
        capacity: CapacityOverrides::new(BTreeMap::<String, NonZeroU64>::new()),
    };
    let credential = Credential {
        name: "bench".into(),
        username: Some(sshd.user().to_owned()),
        private_key: Some(SecretRef::File(sshd.key())),
        ..Credential::default()
    };
    Target {
        device: Arc::new(device),
        credential: Some(Arc::new(credential)),
        ssh: SshOptions { host_key: Some(HostKey::Pinned(vec![sshd.host_key()])), legacy: false },
        jump: None,
        source_address: None,
        settings: Settings::default(),
        canary: None,
    }
}

async fn open_store(path: &std::path::Path) -> Arc<dyn Store> {
    let url = format!("sqlite:{}", path.display()).parse().unwrap();
    cliffwatch_store::open(&url, OpenOptions::default()).await.unwrap()
}

fn header(device: &Device, seq: u64, started_at: Timestamp, finished_at: Timestamp) -> PollHeader {
    PollHeader {
        device: device.name.clone(),
        platform: device.platform.clone(),
        poller: PollerName::new("bench").unwrap(),
        seq,
        trigger: Trigger::Tick,
        started_at,
        finished_at,
        interval: device.interval,
        late: false,
        lag: Duration::ZERO,
    }
}

/// What check_by_ssh and its kin do: one process, one login, the same three files.
fn ssh_process_cpu(sshd: &Sshd) -> Duration {
    let before = children_cpu();
    for _ in 0..SSH_PROCESSES {
        let address = sshd.address();
        let read = "cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max \
                    /proc/net/stat/nf_conntrack";
        let status = Command::new("ssh")
            .args(["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "BatchMode=yes", "-p", &address.port().to_string(), "-i"])
            .arg(sshd.key())
            .arg(format!("{}@{}", sshd.user(), address.ip()))
            .arg(read)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success());
    }
    (children_cpu() - before) / u32::try_from(SSH_PROCESSES).unwrap()
}

/// CPU time of our threads, to the nanosecond.
fn our_cpu() -> Duration {
    task_cpu("/proc/self/task")
}

/// CPU time of the processes that serve our logins.
fn device_cpu() -> Duration {
    let mut sum = Duration::ZERO;
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let command = fs::read(path.join("cmdline")).unwrap_or_default();
        let serves = command.starts_with(b"sshd: cwlab") || command.starts_with(b"sh\0") || command == b"sh";
        if serves && path.join("task").exists() {
            sum += task_cpu(&path.join("task").to_string_lossy());
        }
    }
    sum
}

fn task_cpu(folder: &str) -> Duration {
    let tasks = fs::read_dir(folder).unwrap().flatten();
    let run = |path: std::path::PathBuf| -> Option<u64> {
        fs::read_to_string(path.join("schedstat")).ok()?.split_whitespace().next()?.parse().ok()
    };
    Duration::from_nanos(tasks.filter_map(|task| run(task.path())).sum())
}

/// CPU time of our children that have ended, in clock ticks of 10 ms.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = |field: usize| fields[field].parse::<u64>().unwrap();
    Duration::from_millis((ticks(13) + ticks(14)) * 10)
}

/// Our own resident memory in KB, without the pages of the binary itself.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
