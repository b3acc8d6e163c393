//! Debian's own sshd, inside a namespace or on a loopback address, with an unprivileged account to log in to.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::command::{command, program, run};
use crate::daemon::{Daemon, Signal};
use crate::eventually::eventually;
use crate::netns::Netns;
use crate::skip::{Need, is_root};

/// The account that exists only in the daemon's own view of `/etc/passwd`, so that the machine keeps its accounts.
const LAB_USER: &str = "cwlab";
const LAB_UID: u32 = 64_973;
const LISTENING: &str = "Server listening on";
const START_WITHIN: Duration = Duration::from_secs(10);

/// A running sshd with a host key and keys of its own. It goes with its sessions at drop or with this process.
#[derive(Debug)]
pub struct Sshd {
    daemon: Daemon,
    address: SocketAddr,
    user: String,
    folder: TempDir,
}

impl Sshd {
    /// What a machine must have for it. Inside a namespace: also [`Netns::NEEDS`].
    pub const NEEDS: &[Need] = &[Need::Program("sshd"), Need::Program("ssh-keygen")];

    /// On port 22 inside the namespace.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn inside(netns: &Netns) -> Self {
        Self::start(SocketAddr::from((netns.address(), 22)), Some(netns), Options::default())
    }

    /// As [`Sshd::inside`], where one may also run this with sudo and without a password, as root.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn inside_with_sudo(netns: &Netns, allowed: &str) -> Self {
        let options = Options { sudo: Some(allowed), ..Options::default() };
        Self::start(SocketAddr::from((netns.address(), 22)), Some(netns), options)
    }

    /// On a free port of 127.0.0.1: the limits it shows are this machine's own. Without root one logs in as oneself.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn local() -> Self {
        Self::local_with("")
    }

    /// As [`Sshd::local`], with options before the public key in `authorized_keys`, such as `command="yes",restrict`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn local_with(key_options: &str) -> Self {
        Self::start(free_port(), None, Options { key: key_options, sudo: None })
    }

    fn start(address: SocketAddr, netns: Option<&Netns>, options: Options<'_>) -> Self {
        let folder = TempDir::with_prefix("cliffwatch-sshd-").expect("a folder");
        let path = folder.path();
        // The account must be able to read its authorized_keys.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("to open the folder");
        for key in ["host_key", "client_key", "stranger_key"] {
            make_key(&path.join(key));
        }
        let public = fs::read_to_string(path.join("client_key.pub")).expect("a public key");
        fs::write(path.join("authorized_keys"), format!("{} {public}", options.key))
            .expect("authorized_keys");
        fs::write(path.join("sshd_config"), config(path, address)).expect("sshd_config");
        let user =
            if is_root() { LAB_USER.to_owned() } else { run(command("id").arg("-un")).trim().to_owned() };
        let mut start = if is_root() { with_lab_user(path, netns, options.sudo) } else { sshd() };
        start.arg("-D").arg("-f").arg(path.join("sshd_config")).arg("-E").arg(path.join("log"));
        let mut started = Self { daemon: Daemon::spawn(&mut start), address, user, folder };
        started.wait_listening(1);
        started
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The account to log in to.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The private key that opens the account (OpenSSH format, ed25519).
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("client_key")
    }

    /// A private key that does not.
    pub fn stranger_key(&self) -> PathBuf {
        self.folder.path().join("stranger_key")
    }

    /// Fingerprint of the host key, `SHA256:…`.
    pub fn host_key(&self) -> String {
        let line = run(command("ssh-keygen").arg("-lf").arg(self.folder.path().join("host_key.pub")));
        line.split_whitespace().nth(1).expect("a fingerprint").to_owned()
    }

    /// What it wrote to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How many connections came, whatever became of them.
    pub fn connections(&self) -> usize {
        self.log().matches("Connection from ").count()
    }

    /// How many logins succeeded.
    pub fn logins(&self) -> usize {
        self.log().matches("Accepted publickey for ").count()
    }

    /// How many keys were refused.
    pub fn rejections(&self) -> usize {
        self.log().matches("Failed publickey for ").count()
    }

    /// SIGSTOP to the listener and every session: the machine hangs, its kernel still answers with TCP.
    pub fn stop(&mut self) {
        self.daemon.signal_all(Signal::STOP);
    }

    /// Ends [`Sshd::stop`].
    pub fn cont(&mut self) {
        self.daemon.signal_all(Signal::CONT);
    }

    /// Cuts every session and listens on, as after a reload of a firewall.
    pub fn cut_sessions(&mut self) {
        self.daemon.signal_below(Signal::KILL);
    }

    /// Another host key from now on. Sessions that are open go on.
    ///
    /// # Panics
    ///
    /// When it does not start again.
    pub fn change_host_key(&mut self) {
        make_key(&self.folder.path().join("host_key"));
        let before = self.log().matches(LISTENING).count();
        self.daemon.signal(Signal::HUP);
        self.wait_listening(before + 1);
    }

    /// From now on the account's key opens nothing. Sessions that are open go on.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn revoke_key(&self) {
        fs::write(self.folder.path().join("authorized_keys"), "").expect("authorized_keys");
    }

    fn wait_listening(&mut self, times: usize) {
        eventually(START_WITHIN, "sshd to listen", || {
            let log = self.log();
            assert!(self.daemon.is_running(), "sshd ended: {log}");
            (log.matches(LISTENING).count() >= times).then_some(())
        });
    }
}

fn make_key(file: &Path) {
    fs::remove_file(file).ok();
    run(command("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "cliffwatch lab", "-f"])
        .arg(file));
}

fn config(folder: &Path, address: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "ListenAddress {address}
         HostKey {folder}/host_key
         PidFile none
         AuthorizedKeysFile {folder}/authorized_keys
         StrictModes no
         UsePAM no
         PasswordAuthentication no
         KbdInteractiveAuthentication no
         UseDNS no
         PrintMotd no
         PrintLastLog no
         MaxStartups 1000
         MaxSessions 100
         LogLevel VERBOSE
         {}\n",
        penalties()
    )
}

/// OpenSSH 9.8 makes an address wait after refused keys, and earlier versions do not know the word.
fn penalties() -> &'static str {
    let known =
        sshd().args(["-T", "-f", "/dev/null", "-o", "PerSourcePenalties=no"]).output().expect("sshd runs");
    let unknown = String::from_utf8_lossy(&known.stderr).contains("Bad configuration option");
    if unknown { "" } else { "PerSourcePenalties no" }
}

fn sshd() -> Command {
    command("sshd")
}

/// What the account may do.
#[derive(Clone, Copy, Debug, Default)]
struct Options<'a> {
    /// Before its public key.
    key: &'a str,
    /// With sudo.
    sudo: Option<&'a str>,
}

/// A command that runs sshd with one more account than the machine has, inside the namespace where one is given.
fn with_lab_user(folder: &Path, netns: Option<&Netns>, sudo: Option<&str>) -> Command {
    let accounts = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let line = format!("{LAB_USER}:*:{LAB_UID}:{LAB_UID}::/:/bin/sh");
    fs::write(folder.join("passwd"), format!("{}\n{line}\n", accounts.trim_end())).expect("an account");
    // Where sshd separates its privileges; the package's service makes it, and here no service runs.
    fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd").expect("/run/sshd");
    let mut command = netns.map_or_else(|| command("unshare"), |netns| netns.exec("unshare"));
    let mut files = vec![("passwd", "/etc/passwd")];
    if let Some(allowed) = sudo {
        let rules = folder.join("sudoers");
        fs::write(&rules, format!("{LAB_USER} ALL=(root) NOPASSWD: {allowed}\n")).expect("sudoers");
        fs::set_permissions(&rules, fs::Permissions::from_mode(0o440)).expect("sudoers of root");
        files.push(("sudoers", "/etc/sudoers"));
    }
    let mount =
        |(ours, its): &(&str, &str)| format!("mount --bind '{}' {its} && ", folder.join(ours).display());
    let mounts: String = files.iter().map(mount).collect();
    command.args(["--mount", "sh", "-c", &format!("{mounts}exec \"$0\" \"$@\"")]);
    command.arg(program("sshd").expect("sshd"));
    command
}

fn free_port() -> SocketAddr {
    let any = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    any.local_addr().expect("its address")
}
