//! The service itself, as an operator runs it: the real binary, with files, flags and signals.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::time::Duration;

use tempfile::TempDir;

use crate::daemon::{Daemon, Signal};
use crate::eventually::eventually;
use crate::fake_clock::FakeClock;
use crate::history::History;
use crate::http::Http;

/// The slowest start: an empty Postgres to migrate on a loaded machine.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Of the log of a failed test.
const LOG_LINES_SHOWN: usize = 100;

/// How to run it.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The inventory, YAML.
    pub inventory: String,
    /// `cliffwatch.yaml`; empty for none.
    pub config: String,
    /// `rules.yaml`, which the configuration then names; empty for the built-in rules alone.
    pub rules: String,
    /// `--store`; where not given, SQLite in the service's folder.
    pub store: Option<String>,
    /// More arguments for `serve`.
    pub args: Vec<String>,
    /// More environment.
    pub env: Vec<(String, String)>,
    /// Its wall clock can be moved, see [`Service::clock`].
    pub fake_clock: bool,
}

/// A service in a folder of its own, which also is its working folder. It goes at drop or with this process.
#[derive(Debug)]
pub struct Service {
    setup: Setup,
    folder: TempDir,
    address: SocketAddr,
    clock: Option<FakeClock>,
    process: Option<Daemon>,
}

impl Service {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it ends or stays silent; with its log.
    pub fn start(setup: Setup) -> Self {
        let folder = TempDir::with_prefix("cliffwatch-service-").expect("a folder");
        let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = any.local_addr().expect("its address");
        drop(any);
        let clock = setup.fake_clock.then(|| FakeClock::new(folder.path()));
        let mut service = Self { setup, folder, address, clock, process: None };
        service.set_inventory(&service.setup.inventory);
        service.set_config(&service.setup.config);
        service.launch();
        service
    }

    /// Starts it again in the same folder, after it was killed or ended.
    ///
    /// # Panics
    ///
    /// As [`Service::start`].
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "it still runs");
        self.process = Some(Daemon::spawn(&mut self.command()));
        let http = self.http();
        eventually(READY_WITHIN, "the service to answer", || {
            assert!(self.is_running(), "the service ended: {}", self.log());
            http.try_get("/healthz")
        });
    }

    /// Waits until `/readyz` says yes: the store is there and the state of before is adopted.
    ///
    /// # Panics
    ///
    /// When it does not within 30 s; with its log.
    pub fn wait_ready(&mut self) {
        let http = self.http();
        eventually(READY_WITHIN, "the service to be ready", || {
            assert!(self.is_running(), "the service ended: {}", self.log());
            http.try_get("/readyz").filter(|answer| answer.status == 200)
        });
    }

    /// A client for its API, without a token.
    pub fn http(&self) -> Http {
        Http::new(self.address)
    }

    /// Its folder: `inventory.yaml`, `cliffwatch.yaml`, `log`, and whatever it keeps.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it wrote to standard output and standard error, over all its starts.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its process id.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running service").pid()
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Daemon::is_running)
    }

    /// SIGKILL: no chance to save anything.
    pub fn kill9(&mut self) {
        self.process = None; // which kills it
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn terminate(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("a running service");
        process.signal(Signal::TERM);
        process.wait()
    }

    /// SIGHUP: reads its files again.
    pub fn hangup(&mut self) {
        self.process.as_mut().expect("a running service").signal(Signal::HUP);
    }

    /// Writes another inventory; it counts from the next reload or start.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn set_inventory(&self, yaml: &str) {
        fs::write(self.folder.path().join("inventory.yaml"), yaml).expect("an inventory");
    }

    /// Writes other rules; they count from the next reload or start.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn set_rules(&self, yaml: &str) {
        fs::write(self.folder.path().join("rules.yaml"), yaml).expect("rules");
    }

    fn set_config(&self, yaml: &str) {
        let rules = if self.setup.rules.is_empty() { "" } else { "rules: [rules.yaml]\n" };
        self.set_rules(&self.setup.rules);
        fs::write(self.folder.path().join("cliffwatch.yaml"), format!("{rules}{yaml}"))
            .expect("a configuration");
    }

    /// Runs another command of the binary in the service's folder, with the same configuration and store.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn ask(&self, subcommand: &str, args: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.current_dir(self.folder.path()).arg(subcommand).args(["-c", "cliffwatch.yaml"]);
        command.args(["--inventory", "inventory.yaml", "--store", self.store()]).args(args);
        command.output().expect("the binary starts")
    }

    /// The store, read from outside.
    pub fn history(&self) -> History {
        History::new(self.store(), self.folder.path())
    }

    fn store(&self) -> &str {
        self.setup.store.as_deref().unwrap_or("sqlite:cliffwatch.db")
    }

    /// Its wall clock.
    ///
    /// # Panics
    ///
    /// When the setup has no fake one.
    pub fn clock(&self) -> &FakeClock {
        self.clock.as_ref().expect("a setup with fake_clock")
    }

    fn command(&self) -> Command {
        let log =
            File::options().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let mut command = Command::new(binary());
        command.current_dir(self.folder.path()).stdout(log.try_clone().expect("a log")).stderr(log);
        command.args(["serve", "-c", "cliffwatch.yaml", "--inventory", "inventory.yaml"]);
        command.arg("--listen").arg(self.address.to_string());
        command.args(["--store", self.store()]);
        command.args(&self.setup.args).envs(self.setup.env.iter().cloned());
        if let Some(clock) = &self.clock {
            clock.give_to(&mut command);
        }
        command
    }
}

/// What a failed test needs to be understood.
impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let from = log.lines().count().saturating_sub(LOG_LINES_SHOWN);
            eprintln!("{}", log.lines().skip(from).collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The service's binary of the profile that the tests were built in. It is built first where it is missing or older than
/// its sources: a test of yesterday's binary would prove nothing.
///
/// # Panics
///
/// When it cannot be built.
pub fn binary() -> PathBuf {
    built("cliffwatch")
}

/// Another binary of the workspace, as [`binary`].
///
/// # Panics
///
/// When it cannot be built.
pub fn built(name: &str) -> PathBuf {
    let binary = profile_folder().join(name);
    if !is_fresh(&binary) {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let profile = match profile_folder().file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev".to_owned(),
            Some(name) => name.to_owned(),
        };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let mut build = Command::new(cargo);
        build.current_dir(workspace).args(["build", "--workspace", "--bins", "--profile", &profile]);
        crate::command::run(&mut build);
    }
    binary
}

/// `target/PROFILE` of the running test.
pub(crate) fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("our own path");
    test.parent().and_then(Path::parent).expect("target/PROFILE/deps").to_owned()
}

/// Whether it is newer than every file that cargo says it is made of.
fn is_fresh(binary: &Path) -> bool {
    let changed = |file: &Path| file.metadata().and_then(|metadata| metadata.modified()).ok();
    let (Some(built), Ok(rule)) = (changed(binary), fs::read_to_string(binary.with_extension("d"))) else {
        return false;
    };
    let sources = rule.split_once(": ").map_or("", |(_, sources)| sources);
    sources
        .split_whitespace()
        .all(|source| changed(Path::new(source)).is_some_and(|changed| changed <= built))
}
