//! Over a real sshd.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{ErrorKind, Reading, SourceError, Timestamp};
use cliffwatch_source::testkit::FixedClock;
use cliffwatch_source::{
    AccessWhen, Credential, PollContext, SecretRef, SessionSource, Settings, SourceFactory as _, Target,
};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

use crate::shells::script;
use crate::skip::has;
use crate::sshd::Sshd;

const NEEDS: &[&str] = &["sshd", "ssh-keygen", "conntrack in the kernel"];

fn open(target: &Target) -> Arc<dyn SessionSource> {
    LinuxFactory::new(SshHub::new()).open(target).unwrap().source
}

async fn poll(source: &dyn SessionSource) -> Result<Reading, SourceError> {
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    source.poll(&PollContext { clock: &clock, deadline: Duration::from_secs(10) }).await
}

fn is_whole(reading: &Reading) -> bool {
    let sample = &reading.samples[0];
    reading.faults.is_empty() && sample.used.is_some() && sample.counters.len() > 5 && reading.epoch.is_some()
}

/// A program that the key is bound to.
fn forced(folder: &Path, text: &str) -> String {
    let file = folder.join("forced");
    fs::write(&file, text).unwrap();
    format!("restrict,command=\"sh {}\"", file.display())
}

#[tokio::test]
async fn a_new_connection_beside_the_held_one_is_no_login() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let source = open(&sshd.target());
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    let cx = PollContext { clock: &clock, deadline: Duration::from_secs(10) };
    assert_eq!(
        source.try_new_connection(&cx).await.unwrap_err().kind,
        ErrorKind::Busy,
        "nothing is held yet"
    );
    poll(&*source).await.unwrap();
    let beside = source.try_new_connection(&cx).await.unwrap().unwrap();
    let new = beside.new.unwrap();
    assert!(beside.held_ms.is_some() && new.connect_ms.is_some() && new.error.is_none(), "{new:?}");
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test]
async fn one_login_serves_all_polls() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let source = open(&sshd.target());
    let first = poll(&*source).await.unwrap();
    assert!(is_whole(&first) && first.samples[0].capacity.is_ok(), "{first:?}");
    assert!(first.device_settings.len() > 15 && first.load.clock_skew_seconds.is_some());
    for _ in 0..20 {
        let next = poll(&*source).await.unwrap();
        assert!(
            is_whole(&next) && next.device_settings.is_empty() && next.load.figures.is_empty(),
            "{next:?}"
        );
        assert!(next.reachability.held_ms.is_some_and(|ms| ms > 0.0));
        assert_eq!(next.epoch, first.epoch);
    }
    assert_eq!(sshd.logins(), 1);
    assert_eq!(source.warnings(), Vec::<String>::new());
    source.close().await;
    assert_eq!(poll(&*source).await.unwrap_err().kind, ErrorKind::Retired);
}

/// A census that is late ends its shell, and a shell that has gone takes the census's list with it: the connection
/// stays, and the next census comes at once.
#[tokio::test]
async fn a_late_census_and_a_shell_that_ends_cost_no_login() {
    if !has(&[NEEDS, &["awk"]].concat()) {
        return;
    }
    let slow = |folder: &Path| folder.join("slow");
    let sshd = Sshd::start(|folder| {
        let awk = folder.join("awk");
        let text =
            format!("#!/bin/sh\n[ ! -e {} ] || sleep 5\nexec /usr/bin/awk \"$@\"\n", slow(folder).display());
        fs::write(&awk, text).unwrap();
        fs::set_permissions(&awk, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(slow(folder), "").unwrap();
        let folder = folder.display();
        format!("restrict,command=\"echo $$ >{folder}/pid; PATH={folder}:$PATH exec sh\"")
    })
    .await;
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    let cx = PollContext { clock: &clock, deadline: Duration::from_secs(2) };
    let target = Target { settings: Settings::new(serde_json::Map::new()), ..sshd.target() };
    let late = open(&target);
    let reading = late.poll(&cx).await.unwrap();
    assert!(reading.samples[0].used.is_some(), "{reading:?}");
    assert!(reading.faults.iter().any(|fault| fault.message.contains("the census failed")), "{reading:?}");
    assert!(late.poll(&cx).await.unwrap().samples[0].used.is_some());
    assert_eq!(sshd.logins(), 1, "{}", sshd.log());
    late.close().await;

    fs::remove_file(sshd.key("slow")).unwrap();
    let source = open(&target);
    let is_all = |reading: Reading| !reading.device_settings.is_empty();
    assert!(is_all(poll(&*source).await.unwrap()) && !is_all(poll(&*source).await.unwrap()));
    let pid = fs::read_to_string(sshd.key("pid")).unwrap();
    assert!(std::process::Command::new("kill").args(["-KILL", pid.trim()]).status().unwrap().success());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let next = [poll(&*source).await.unwrap(), poll(&*source).await.unwrap()];
    assert!(next.into_iter().any(is_all), "the next census comes at once");
    assert!(!is_all(poll(&*source).await.unwrap()));
    assert_eq!(sshd.logins(), 2, "{}", sshd.log());
}

#[tokio::test]
async fn a_forced_command_that_runs_our_script_is_enough() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|folder| forced(folder, &script(AccessWhen::Minute))).await;
    let source = open(&sshd.target());
    for _ in 0..3 {
        let reading = poll(&*source).await.unwrap();
        assert!(is_whole(&reading) && reading.samples[0].capacity.is_ok(), "{reading:?}");
        assert!(reading.device_settings.len() > 15);
    }
    assert_eq!(source.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn a_forced_command_that_prints_something_else_is_a_parse_error() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|folder| forced(folder, "echo This account is currently not available.")).await;
    let error = poll(&*open(&sshd.target())).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Parse);
    assert!(
        error.message.contains("This account is currently not available") && error.hint.is_some(),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_login_that_keeps_no_shell_is_polled_by_commands_and_says_so() {
    if !has(NEEDS) {
        return;
    }
    let no_shell =
        "case \"$SSH_ORIGINAL_COMMAND\" in 'exec sh') exit 1 ;; *) eval \"$SSH_ORIGINAL_COMMAND\" ;; esac";
    let sshd = Sshd::start(|folder| forced(folder, no_shell)).await;
    let source = open(&sshd.target());
    for _ in 0..2 {
        assert!(is_whole(&poll(&*source).await.unwrap()));
    }
    assert_eq!(sshd.logins(), 1);
    assert!(source.warnings().iter().any(|warning| warning.contains("keeps no shell open")));
}

#[tokio::test]
async fn a_key_that_changed_after_the_start_is_read_again() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let key = sshd.key("current");
    fs::copy(sshd.key("stranger_key"), &key).unwrap();
    let mut target = sshd.target();
    let credential = target.credential.as_deref().unwrap().clone();
    let read = SecretRef::Command(vec!["cat".into(), key.display().to_string()]);
    target.credential = Some(Arc::new(Credential { private_key: Some(read), ..credential }));
    let source = open(&target);
    fs::copy(sshd.key("user_key"), &key).unwrap();
    let reading = poll(&*source).await.unwrap();
    assert!(is_whole(&reading), "{reading:?}");
    assert_eq!(
        sshd.log().matches("Failed publickey").count(),
        1,
        "the old key is tried once: {}",
        sshd.log()
    );
}

#[tokio::test]
async fn a_wrong_key_is_tried_once() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let mut target = sshd.target();
    let credential = target.credential.as_deref().unwrap().clone();
    let private_key = Some(SecretRef::File(sshd.key("stranger_key")));
    target.credential = Some(Arc::new(Credential { private_key, ..credential }));
    let source = open(&target);
    let kinds: Vec<ErrorKind> =
        vec![poll(&*source).await.unwrap_err().kind, poll(&*source).await.unwrap_err().kind];
    assert_eq!(kinds, [ErrorKind::Auth, ErrorKind::Breaker]);
    assert_eq!(sshd.log().matches("Failed publickey").count(), 1, "{}", sshd.log());
}

#[tokio::test]
async fn without_a_host_key_no_login_is_made_and_the_devices_own_is_shown() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let mut target = sshd.target();
    target.ssh.host_key = None;
    let error = poll(&*open(&target)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::HostKey);
    assert!(error.hint.unwrap().contains("host_key: \"SHA256:"));
    assert_eq!(sshd.logins(), 0);
}
