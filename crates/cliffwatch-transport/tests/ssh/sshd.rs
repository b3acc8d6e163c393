//! A real sshd on loopback, started and stopped by the test.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_source::Secret;
use cliffwatch_transport::ssh::{
    Auth, Credential, HostKeyPolicy, KeySource, Login, Script, SshHub, SshSession, SshTarget,
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

const SSHD: &str = "/usr/sbin/sshd";

pub(crate) const HELLO: Script = Script::new("hello", "echo hello; echo trouble >&2");

pub(crate) fn soon() -> Instant {
    within(10)
}

pub(crate) fn within(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

/// Whether a real sshd can be started here; says so aloud where not.
pub(crate) fn available() -> bool {
    if Path::new(SSHD).exists() {
        return true;
    }
    assert!(
        std::env::var_os("CLIFFWATCH_NO_SKIP").is_none(),
        "{SSHD} is missing and CLIFFWATCH_NO_SKIP is set"
    );
    println!("SKIPPED: {SSHD} is missing (Debian: apt-get install openssh-server)");
    false
}

/// Starts a server with the defaults below, or ends the test where there is none.
macro_rules! sshd {
    () => {
        sshd!(|_| {})
    };
    ($change:expr) => {{
        if !crate::sshd::available() {
            return;
        }
        let mut config = crate::sshd::SshdConfig::default();
        let change: fn(&mut crate::sshd::SshdConfig) = $change;
        change(&mut config);
        crate::sshd::Sshd::start(config).await
    }};
}
pub(crate) use sshd;

pub(crate) struct SshdConfig {
    pub(crate) listen: &'static str,
    pub(crate) host_keys: Vec<&'static str>,
    /// Options before the key in authorized_keys.
    pub(crate) key_options: String,
    /// Further lines of sshd_config; the first value of a keyword wins.
    pub(crate) lines: String,
}

impl Default for SshdConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1",
            host_keys: vec!["ed25519"],
            key_options: String::new(),
            lines: String::new(),
        }
    }
}

pub(crate) struct Sshd {
    child: Child,
    dir: TempDir,
    address: String,
    key: PathBuf,
}

impl Sshd {
    pub(crate) async fn start(config: SshdConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let key = keygen(&path("user_key"), &["-t", "ed25519"]);
        authorize(dir.path(), &config.key_options, &[&key]);
        let port = free_port(config.listen);
        let mut text = format!(
            "{}\nListenAddress {}:{port}\nPidFile {}\nAuthorizedKeysFile {}\nPermitRootLogin yes\n\
             StrictModes no\nUsePAM no\nLogLevel VERBOSE\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\n",
            config.lines,
            config.listen,
            path("pid").display(),
            path("authorized_keys").display(),
        );
        for kind in &config.host_keys {
            let file = keygen(&path(&format!("host_{kind}")), &["-t", kind]);
            text.push_str(&format!("HostKey {}\n", file.display()));
        }
        fs::write(path("config"), text).unwrap();
        // Debian's unit makes it; without it sshd does not start as root. It may belong to root only.
        if !Path::new("/run/sshd").exists() {
            fs::create_dir("/run/sshd").ok();
        }
        let log = fs::File::create(path("log")).unwrap();
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(path("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let address = format!("{}:{port}", config.listen);
        let sshd = Self { child, dir, address, key };
        sshd.wait_until_it_listens().await;
        sshd
    }

    async fn wait_until_it_listens(&self) {
        for _ in 0..500 {
            if self.log().contains("Server listening") {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("sshd does not listen: {}", self.log());
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn key(&self) -> &Path {
        &self.key
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Lets these keys in, instead of those before.
    pub(crate) fn authorize(&self, options: &str, keys: &[&Path]) {
        authorize(self.dir.path(), options, keys);
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Lines of the log with this in them.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn logins(&self) -> usize {
        self.count("Accepted publickey")
    }

    pub(crate) fn rejections(&self) -> usize {
        self.count("Failed publickey")
    }

    pub(crate) fn pin(&self, kind: &str) -> String {
        fingerprint(&self.dir.path().join(format!("host_{kind}.pub")))
    }

    pub(crate) fn pinned(&self) -> HostKeyPolicy {
        HostKeyPolicy::Pinned(vec![self.pin("ed25519").parse().unwrap()])
    }

    /// A target with the server's own user key and pin.
    pub(crate) fn target(&self, device: &str) -> SshTarget {
        let login = login("nat-ssh", key_file(&self.key));
        SshTarget::new(device, self.address.parse().unwrap(), login, self.pinned())
    }

    pub(crate) fn session(&self, hub: &Arc<SshHub>, device: &str) -> SshSession {
        hub.session(self.target(device))
    }

    /// The server's processes that serve a connection: one each.
    pub(crate) fn sessions(&self) -> Vec<u32> {
        children(self.child.id())
    }

    /// The same, with the processes that OpenSSH splits off for a user who is not root.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let sessions = self.sessions();
        let split = sessions.iter().flat_map(|pid| children(*pid));
        let is_sshd = |pid: &u32| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("sshd"))
        };
        split.filter(is_sshd).chain(sessions.iter().copied()).collect()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Stops accepting; connections go on.
    pub(crate) fn stop_listening(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        for pid in self.processes() {
            signal("KILL", pid);
        }
        self.stop_listening();
    }
}

fn children(parent: u32) -> Vec<u32> {
    let wanted = format!("PPid:\t{parent}\n");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|text| text.contains(&wanted))
        })
        .collect()
}

pub(crate) fn signal(name: &str, pid: u32) {
    let status =
        Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null()).status();
    assert!(status.is_ok(), "kill is missing");
}

pub(crate) fn login(name: &str, auth: Auth) -> Login {
    Login { username: user(), credential: Credential { name: name.into(), auth } }
}

pub(crate) fn key_file(path: &Path) -> Auth {
    Auth::Key { key: KeySource::File(path.to_owned()), passphrase: None }
}

pub(crate) fn key_text(path: &Path) -> Auth {
    let text = Secret::new(fs::read_to_string(path).unwrap());
    Auth::Key { key: KeySource::Text(text), passphrase: None }
}

/// Makes a key pair and gives the private key's path.
pub(crate) fn keygen(path: &Path, options: &[&str]) -> PathBuf {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-C", "test"]).args(options).arg("-f").arg(path);
    if !options.contains(&"-N") {
        command.args(["-N", ""]);
    }
    assert!(command.status().unwrap().success());
    path.to_owned()
}

pub(crate) fn fingerprint(public_key: &Path) -> String {
    let output = Command::new("ssh-keygen").arg("-lf").arg(public_key).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

pub(crate) fn free_port(address: &str) -> u16 {
    TcpListener::bind((address.trim_matches(['[', ']']), 0)).unwrap().local_addr().unwrap().port()
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn authorize(dir: &Path, options: &str, keys: &[&Path]) {
    let line = |key: &&Path| {
        let public = fs::read_to_string(key.with_extension("pub")).unwrap();
        if options.is_empty() { public } else { format!("{options} {public}") }
    };
    fs::write(dir.join("authorized_keys"), keys.iter().map(line).collect::<String>()).unwrap();
}
