//! A real Postgres on a private Unix socket, run as a user who is not root, with fsync on.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};
use tempfile::TempDir;

/// The password of the only user. Tests look for it where it must not be.
pub const PASSWORD: &str = "canary-hunter2";
/// How long the server may take to start or to recover.
const START_MAX: Duration = Duration::from_secs(60);

pub struct Server {
    home: TempDir,
    programs: PathBuf,
    run_as: Option<(u32, u32)>,
    child: Option<Child>,
    databases: AtomicU32,
}

impl Server {
    /// Starts a server with settings such as `shared_buffers=256MB`, or says what is lacking.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            super::lacking("the programs of a Postgres server (initdb, postgres)");
            return None;
        };
        let home = TempDir::new().unwrap();
        let run_as = is_root().then(unprivileged_user);
        let mut server = Self { home, programs, run_as, child: None, databases: AtomicU32::new(0) };
        server.initialise(settings);
        server.launch().await;
        Some(server)
    }

    fn initialise(&self, settings: &[&str]) {
        fs::set_permissions(self.home.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let password_file = self.home.path().join("password");
        fs::write(&password_file, PASSWORD).unwrap();
        fs::create_dir(self.socket_dir()).unwrap();
        fs::create_dir(self.data_dir()).unwrap();
        if let Some((uid, gid)) = self.run_as {
            for path in [&password_file, &self.socket_dir(), &self.data_dir()] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
        }
        let done = self
            .command("initdb")
            .args([
                "--username=cliffwatch",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C",
                "--no-sync",
            ])
            .arg(format!("--pwfile={}", password_file.display()))
            .arg("-D")
            .arg(self.data_dir())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "initdb failed");
        let socket = self.socket_dir();
        let mut lines = vec![
            "listen_addresses = ''".to_owned(),
            format!("unix_socket_directories = '{}'", socket.display()),
            "fsync = on".to_owned(),
            "max_connections = 30".to_owned(),
            "log_min_messages = fatal".to_owned(),
        ];
        lines.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let conf = self.data_dir().join("postgresql.conf");
        let text = fs::read_to_string(&conf).unwrap() + "\n" + &lines.join("\n") + "\n";
        fs::write(&conf, text).unwrap();
    }

    /// Starts the server (again) and waits until it answers.
    pub async fn launch(&mut self) {
        let deadline = tokio::time::Instant::now() + START_MAX;
        let mut child = self.spawn();
        while self.options("postgres").connect().await.is_err() {
            let log = || fs::read_to_string(self.home.path().join("log")).unwrap_or_default();
            assert!(tokio::time::Instant::now() < deadline, "Postgres did not start: {}", log());
            tokio::time::sleep(Duration::from_millis(50)).await;
            if child.try_wait().unwrap().is_some() {
                // A process of the killed server still held the shared memory.
                child = self.spawn();
            }
        }
        self.child = Some(child);
    }

    fn spawn(&self) -> Child {
        let log = fs::File::create(self.home.path().join("log")).unwrap();
        self.command("postgres").arg("-D").arg(self.data_dir()).stderr(log).spawn().unwrap()
    }

    /// Kills every process of the server at once, as a power cut would.
    pub fn kill(&mut self) {
        self.signal("KILL");
        if let Some(mut child) = self.child.take() {
            child.wait().unwrap();
        }
    }

    /// Sends a signal to every process of the server.
    pub fn signal(&self, signal: &str) {
        let Some(postmaster) = self.postmaster() else { return };
        let mut pids = vec![postmaster];
        pids.extend(children_of(postmaster));
        let mut kill = Command::new("kill");
        kill.arg(format!("-{signal}")).args(pids.iter().map(u32::to_string));
        // A backend may be gone before the signal reaches it.
        kill.stderr(Stdio::null()).status().unwrap();
    }

    /// A new database, as a store URL.
    pub async fn database(&self) -> String {
        let name = format!("db{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let mut admin = self.options("postgres").connect().await.unwrap();
        admin.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        format!("postgres://cliffwatch@/{name}?host={}", self.socket_dir().display())
    }

    /// A connection of the test's own to a database that [`Server::database`] made.
    pub async fn connect(&self, url: &str) -> PgConnection {
        let name = url.rsplit_once('/').unwrap().0;
        let database = url.split("@/").nth(1).unwrap().split('?').next().unwrap();
        assert!(!name.is_empty());
        self.options(database).connect().await.unwrap()
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.socket_dir())
            .username("cliffwatch")
            .password(PASSWORD)
            .database(database)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        if let Some((uid, gid)) = self.run_as {
            command.uid(uid).gid(gid);
        }
        command.current_dir("/");
        command
    }

    fn postmaster(&self) -> Option<u32> {
        let text = fs::read_to_string(self.data_dir().join("postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn socket_dir(&self) -> PathBuf {
        self.home.path().join("socket")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.signal("CONT");
            self.kill();
        }
    }
}

fn programs() -> Option<PathBuf> {
    let has = |dir: &Path| dir.join("initdb").exists() && dir.join("postgres").exists();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
        folders.extend(versions.flatten().map(|version| version.path().join("bin")));
    }
    folders.into_iter().find(|dir| has(dir))
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Postgres refuses to run as root.
fn unprivileged_user() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let ids_of = |user: &str| {
        let line = passwd.lines().find(|line| line.starts_with(&format!("{user}:")))?;
        let fields: Vec<&str> = line.split(':').collect();
        Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    ids_of("postgres").or_else(|| ids_of("nobody")).unwrap()
}

fn children_of(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}
