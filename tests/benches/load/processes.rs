//! The service and the devices, each on a core of its own.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use cliffwatch_sim::Share;
use cliffwatch_tests::{Daemon, Http, binary, built, command, run};

use crate::scrape::Scrape;

const PRODUCT_CORE: usize = 0;
pub(crate) const DEVICES_CORE: usize = 1;
/// USER_HZ.
const TICKS_PER_SECOND: u64 = 100;
/// Of the service's log, where it failed.
const LOG_LINES: usize = 30;

/// The simulated devices.
pub(crate) struct Fleet {
    _process: Daemon,
    orders: ChildStdin,
    names: Vec<String>,
}

/// The service.
pub(crate) struct Product {
    process: Daemon,
    http: Http,
    folder: PathBuf,
}

/// Keeps the bench itself out of the service's way.
pub(crate) fn stay_on(core: usize) {
    let pid = std::process::id().to_string();
    run(command("taskset").args(["-pc", &core.to_string(), &pid]));
}

fn pinned(core: usize, program: &Path) -> Command {
    let mut pinned = command("taskset");
    pinned.args(["-c", &core.to_string()]).arg(program);
    pinned
}

impl Fleet {
    pub(crate) fn start(folder: &Path, devices: usize, interval: Duration) -> Self {
        let inventory = folder.join("sim.yaml");
        let mut start = pinned(DEVICES_CORE, &built("cliffwatch-sim"));
        start.args(["--scenario", "calm", "--port", "0", "--devices", &devices.to_string()]);
        start.args(["--interval", &interval.as_secs().to_string(), "--inventory"]).arg(&inventory);
        let mut process = Daemon::spawn(start.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let mut said = String::new();
        let stdout = process.child().stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut said).expect("a line of the devices");
        let inventory = fs::read_to_string(inventory).expect("an inventory");
        let named = inventory.lines().filter_map(|line| line.strip_prefix("  - { name: ")?.split(',').next());
        let names: Vec<String> = named.map(str::to_owned).collect();
        assert_eq!(names.len(), devices, "{said}");
        let orders = process.child().stdin.take().expect("a pipe");
        Self { _process: process, orders, names }
    }

    /// Lets a part of the devices hang from now on: which.
    pub(crate) fn hang(&mut self, share: &Share, devices: usize) -> BTreeSet<String> {
        let order = match share {
            Share::All => "all".to_owned(),
            Share::Percent(percent) => format!("{percent}%"),
            Share::Named(name) => name.clone(),
        };
        writeln!(self.orders, "hung {order}").expect("the devices listen");
        let numbered = self.names.iter().enumerate().take(devices);
        numbered.filter(|(number, name)| share.holds(*number, name)).map(|(_, name)| name.clone()).collect()
    }
}

impl Product {
    pub(crate) fn start(folder: &Path) -> Self {
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address: SocketAddr = any.local_addr().expect("its address");
        drop(any);
        let log = File::create(folder.join("log")).expect("a log");
        let mut start = pinned(PRODUCT_CORE, &binary());
        start.current_dir(folder).args(["serve", "--inventory", "sim.yaml", "--store", "sqlite:load.db"]);
        start.args(["--listen", &address.to_string()]);
        start.stdout(log.try_clone().expect("a log")).stderr(log);
        Self { process: Daemon::spawn(&mut start), http: Http::new(address), folder: folder.to_owned() }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    pub(crate) fn scrape(&self) -> Option<Scrape> {
        self.http
            .try_get("/metrics")
            .filter(|answer| answer.status == 200)
            .map(|answer| Scrape::new(answer.body))
    }

    /// CPU time so far, its own and the kernel's for it.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = self.proc("stat");
        let fields = stat.rsplit(')').next().expect("fields").split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }

    /// Resident memory without the pages of files.
    pub(crate) fn memory_mb(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("RssAnon");
        line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).expect("a size") / 1_024
    }

    /// The files that are open, and how many may be.
    pub(crate) fn files(&self) -> String {
        let open = fs::read_dir(format!("/proc/{}/fd", self.process.pid())).expect("its files").count();
        let limits = self.proc("limits");
        let limit = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
        format!("{open} files open, {}", limit.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    pub(crate) fn store_mb(&self) -> u64 {
        let size = |name: &str| fs::metadata(self.folder.join(name)).map_or(0, |file| file.len());
        (size("load.db") + size("load.db-wal")) >> 20
    }

    pub(crate) fn log_end(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let from = log.lines().count().saturating_sub(LOG_LINES);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.pid())).expect("a running service")
    }
}
