//! A real Postgres of its own: started by the test as a non-root user, on a private socket, and killed at will.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::command::{command, run};
use crate::daemon::{Daemon, Signal};
use crate::eventually::eventually;
use crate::skip::{Need, is_root};

const USER: &str = "cliffwatch";
const START_WITHIN: Duration = Duration::from_secs(30);

/// A running server with durable commits (`fsync` on). It goes, with its data, at drop or with this process.
#[derive(Debug)]
pub struct Postgres {
    daemon: Option<Daemon>,
    folder: TempDir,
    account: Option<Account>,
}

/// Whom it runs as where we are root, which it refuses to run as.
#[derive(Clone, Copy, Debug)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// What a machine must have for it.
    pub const NEEDS: &[Need] = &[
        Need::Program("initdb"),
        Need::Program("postgres"),
        Need::Program("psql"),
        Need::Program("pg_isready"),
    ];

    /// Makes a cluster and starts it.
    ///
    /// # Panics
    ///
    /// When that fails.
    pub fn start() -> Self {
        let folder = TempDir::with_prefix("cliffwatch-pg-").expect("a folder");
        let account = is_root().then(Account::unprivileged);
        if let Some(Account { uid, gid }) = account {
            chown(folder.path(), Some(uid), Some(gid)).expect("to hand the folder over");
        }
        let mut postgres = Self { daemon: None, folder, account };
        let mut initdb = postgres.as_account("initdb");
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "-U", USER, "-D", "data"]);
        run(&mut initdb);
        postgres.restart();
        postgres
    }

    /// Starts it again on the same data, after [`Postgres::kill9`] or to cut every connection.
    ///
    /// # Panics
    ///
    /// When it does not accept connections within 30 s.
    pub fn restart(&mut self) {
        self.kill9();
        let mut start = self.as_account("postgres");
        start.args(["-D", "data", "-k"]).arg(self.folder.path());
        start.args(["-c", "listen_addresses=", "-c", "fsync=on", "-c", "max_connections=50"]);
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        start.stdout(log.try_clone().expect("a log")).stderr(log);
        self.daemon = Some(Daemon::spawn(&mut start));
        eventually(START_WITHIN, "Postgres to accept connections", || {
            assert!(self.daemon.as_mut().is_some_and(Daemon::is_running), "Postgres ended: {}", self.log());
            let ready = command("pg_isready").arg("-q").arg("-h").arg(self.folder.path()).status();
            ready.expect("pg_isready runs").success().then_some(())
        });
    }

    /// SIGKILL to all of it, as when the power fails.
    pub fn kill9(&mut self) {
        self.daemon = None; // which kills it
    }

    /// SIGSTOP to all of it: connections stay open and nothing answers.
    pub fn stop(&mut self) {
        self.signal_all(Signal::STOP);
    }

    /// Ends [`Postgres::stop`].
    pub fn cont(&mut self) {
        self.signal_all(Signal::CONT);
    }

    /// An empty database of this name; gives its [`Postgres::url`].
    ///
    /// # Panics
    ///
    /// When the name is taken.
    pub fn create_database(&self, name: &str) -> String {
        self.sql("postgres", &format!("create database {name}"));
        self.url(name)
    }

    /// Where a client finds the database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@localhost/{database}?host={}", self.folder.path().display())
    }

    /// Runs a statement as `psql` does: one row a line, columns separated by `|`, NULL as nothing.
    ///
    /// # Panics
    ///
    /// When it fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = command("psql");
        psql.args(["-AtXq", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-c", statement, "-h"]);
        run(psql.arg(self.folder.path())).trim_end().to_owned()
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn signal_all(&mut self, signal: Signal) {
        self.daemon.as_mut().expect("a running Postgres").signal_all(signal);
    }

    fn as_account(&self, program: &str) -> Command {
        let mut command = command(program);
        command.current_dir(self.folder.path()).env_remove("PGDATA").env("LC_ALL", "C");
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Account {
    /// The package's own account, or the one that owns nothing.
    fn unprivileged() -> Self {
        let accounts = fs::read_to_string(Path::new("/etc/passwd")).expect("/etc/passwd");
        let find = |name: &str| {
            let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut ids = line.split(':').skip(2).map_while(|id| id.parse().ok());
            Some(Self { uid: ids.next()?, gid: ids.next()? })
        };
        find("postgres").or_else(|| find("nobody")).expect("an account that is not root")
    }
}
