//! What `deploy/linux` gives an operator, done for real.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{Scope, TableKey, TableKind, Timestamp};
use cliffwatch_source::testkit::FixedClock;
use cliffwatch_source::{AccessWhen, Credential, PollContext, Settings, SourceFactory as _};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

use crate::shells::script;
use crate::skip::has;
use crate::sshd::Sshd;

const NEEDS: &[&str] = &[
    "root",
    "useradd",
    "sudo",
    "visudo",
    "setpriv",
    "conntrack",
    "sshd",
    "ssh-keygen",
    "conntrack in the kernel",
];

/// A key that nobody has.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA nobody";

/// What stands before the script.
const HEAD: &str = "#!/bin/sh
# All that Cliffwatch reads of this host, for a key that can do nothing else:
#   restrict,command=\"/usr/local/lib/cliffwatch-linux\" ssh-ed25519 AAAA... cliffwatch
";

fn recipe(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/linux")).join(name)
}

/// The login's name is one that no machine has; it goes with the test.
struct Login(String);

impl Login {
    fn named(test: &str) -> Self {
        Self(format!("cwtest{}{test}", std::process::id()))
    }

    fn make(key: &str, rights: &[&str]) -> Self {
        let login = Self::named("");
        login.change(key, rights);
        login
    }

    fn change(&self, key: &str, rights: &[&str]) -> String {
        let output = self.recipe(&[&["--key", key], rights].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn recipe(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(recipe("create-user.sh"));
        command.args(["--user", &self.0]).args(words);
        command
    }

    fn sudoers(&self) -> PathBuf {
        PathBuf::from("/etc/sudoers.d").join(&self.0)
    }

    /// As the login itself, without a terminal.
    fn run(&self, command: &str) -> Output {
        let mut setpriv = Command::new("setpriv");
        setpriv.args([
            &format!("--reuid={}", self.0),
            &format!("--regid={}", self.0),
            "--init-groups",
            "sh",
            "-c",
        ]);
        setpriv.arg(command).stdin(Stdio::null()).output().unwrap()
    }
}

impl Drop for Login {
    fn drop(&mut self) {
        let removed = self.recipe(&["--remove"]);
        if !std::thread::panicking() {
            assert!(removed.status.success(), "{removed:?}");
        }
    }
}

#[test]
fn the_bound_command_is_the_minutes_script() {
    let wanted = format!("{HEAD}{}\n", script(AccessWhen::Minute));
    let path = recipe("cliffwatch-linux");
    if std::env::var_os("CLIFFWATCH_BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), wanted, "CLIFFWATCH_BLESS=1 writes it");
}

#[tokio::test]
async fn a_login_that_the_recipe_made_is_polled_and_lists_the_table_and_can_do_no_more() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| "no-pty".to_owned()).await;
    let public = fs::read_to_string(sshd.key("user_key.pub")).unwrap();
    let login = Login::make(public.trim(), &["--counters", "--evidence"]);
    let said = login.change(public.trim(), &["--counters", "--evidence", "--journal"]);
    assert!(said.contains("settings: { conntrack_stats: sudo, evidence: true, namespaces: true }"), "{said}");
    for (command, allowed) in [
        ("sudo -n /usr/sbin/conntrack -S", true),
        ("sudo -n /usr/sbin/conntrack -L -o extended", true),
        ("sudo -n /usr/sbin/conntrack -L", false),
        ("sudo -n /usr/sbin/conntrack -F", false),
        ("sudo -n /usr/sbin/conntrack -S -F", false),
        ("sudo -n id", false),
        ("echo x >>~/.ssh/authorized_keys", false),
        ("rm -r ~/.ssh", false),
    ] {
        let output = login.run(command);
        assert_eq!(output.status.success(), allowed, "{command}: {output:?}");
    }
    let statistics = login.run("sudo -n /usr/sbin/conntrack -S");
    assert!(String::from_utf8_lossy(&statistics.stdout).starts_with("cpu=0"), "{statistics:?}");

    let mut target = sshd.target();
    let credential = target.credential.as_deref().unwrap().clone();
    target.credential = Some(Arc::new(Credential { username: Some(login.0.clone()), ..credential }));
    let settings = r#"{"conntrack_stats":"sudo","evidence":true}"#;
    target.settings = Settings::new(serde_json::from_str(settings).unwrap());
    let source = LinuxFactory::new(SshHub::new()).open(&target).unwrap().source;
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    let cx = PollContext { clock: &clock, deadline: Duration::from_secs(20) };
    let reading = source.poll(&cx).await.unwrap();
    assert!(reading.faults.is_empty() && reading.samples[0].used.is_some(), "{reading:?}");
    let table = TableKey::new(
        target.device.name.clone(),
        Scope::new("netns", "host"),
        TableKind::Conntrack,
        "nf_conntrack",
    );
    let evidence = source.evidence(&cx, &table).await.unwrap();
    let listing = evidence.iter().find(|item| item.what == "listing").unwrap();
    assert_eq!((&listing.value["by"], &listing.value["complete"]), (&"sudo".into(), &true.into()));

    login.change(public.trim(), &["--counters"]);
    let error = source.evidence(&cx, &table).await.unwrap_err();
    let line = format!("`{} ALL=(root) NOPASSWD: /usr/sbin/conntrack -L -o extended`", login.0);
    assert!(error.hint.as_ref().unwrap().contains(&line), "{error:?}");
    assert!(source.poll(&cx).await.unwrap().faults.is_empty(), "the held session is not harmed");
    source.close().await;
}

#[test]
fn removing_ends_a_session_that_is_open() {
    if !has(NEEDS) {
        return;
    }
    let login = Login::named("open");
    login.change(KEY, &["--counters"]);
    let ids = [format!("--reuid={}", login.0), format!("--regid={}", login.0), "--init-groups".into()];
    let mut setpriv = Command::new("setpriv");
    setpriv.args(ids).args(["sh", "-c", "echo ready; exec sleep 60"]).stdout(Stdio::piped());
    let mut session = setpriv.spawn().unwrap();
    BufReader::new(session.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let ended = std::thread::spawn(move || session.wait().unwrap());
    let removed = login.recipe(&["--remove"]);
    assert!(removed.status.success(), "{removed:?}");
    assert!(!ended.join().unwrap().success());
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains(&login.0));
    assert!(!login.sudoers().exists());
}

#[test]
fn rules_of_somebody_else_are_left_alone_and_refused_ones_change_nothing() {
    if !has(NEEDS) {
        return;
    }
    let login = Login::named("theirs");
    let theirs = "# rules of somebody else\n";
    fs::write(login.sudoers(), theirs).unwrap();
    let refused = login.recipe(&["--key", KEY, "--evidence"]);
    assert!(!refused.status.success() && refused.stderr.ends_with(b"nothing was changed\n"), "{refused:?}");
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains(&login.0), "{refused:?}");
    login.change(KEY, &[]);
    assert!(login.recipe(&["--remove"]).status.success());
    assert_eq!(fs::read_to_string(login.sudoers()).unwrap(), theirs);
    fs::remove_file(login.sudoers()).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let visudo = folder.path().join("visudo");
    fs::write(&visudo, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&visudo, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", folder.path().display());
    let refused = login.command(&["--key", KEY, "--evidence"]).env("PATH", path).output().unwrap();
    assert!(!refused.status.success() && refused.stderr.ends_with(b"nothing was changed\n"), "{refused:?}");
    assert!(!fs::read_to_string("/etc/passwd").unwrap().contains(&login.0), "{refused:?}");
}

#[test]
fn an_account_of_somebody_else_is_left_alone() {
    if !has(NEEDS) {
        return;
    }
    let nobodys =
        Command::new(recipe("create-user.sh")).args(["--user", "daemon", "--remove"]).output().unwrap();
    assert!(!nobodys.status.success() && String::from_utf8_lossy(&nobodys.stderr).contains("not made by"));
    assert!(fs::read_to_string("/etc/passwd").unwrap().contains("\ndaemon:"));
}
