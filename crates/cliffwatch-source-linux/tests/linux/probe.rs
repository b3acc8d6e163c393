//! One look at a real host: what it tells, what it keeps, and what it does not do.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{ErrorKind, Reading, Setting, Timestamp};
use cliffwatch_source::testkit::FixedClock;
use cliffwatch_source::{
    HostKey, JumpHost, PollContext, ProbeContext, ProbeReport, Settings, SourceFactory as _, Target,
    TierState, Trust,
};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

use crate::skip::has;
use crate::sshd::Sshd;

const NEEDS: &[&str] = &["sshd", "ssh-keygen", "conntrack in the kernel"];
const SECRET: &str = "hunter2-correct-horse";
const CLOCK: FixedClock = FixedClock(Timestamp::from_secs(1_700_000_000));

async fn probe(target: &Target, capture: bool) -> ProbeReport {
    let opened = LinuxFactory::new(SshHub::new()).open(target).unwrap();
    let poll = PollContext { clock: &CLOCK, deadline: Duration::from_secs(20) };
    let report = opened.source.probe(&ProbeContext { poll, alone: true, capture }).await;
    opened.source.close().await;
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn one_login_tells_all() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let report = probe(&sshd.target(), false).await;
    assert_eq!((report.error, sshd.logins()), (None, 1));
    assert_eq!((report.identities.len(), &report.identities[0].trust), (1, &Trust::Trusted));
    let numbers: Vec<u8> = report.tiers.iter().map(|tier| tier.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4]);
    let facts: Vec<&str> = report.facts.iter().map(|fact| fact.name).collect();
    for name in ["ssh server", "key exchange", "cipher", "session", "kernel", "cannot be shown"] {
        assert!(facts.contains(&name), "{name} in {facts:?}");
    }
    let cost = report.cost.unwrap();
    assert!(cost.polls > 0 && cost.round_trip_ms > 0.0 && cost.our_cpu_ms.unwrap() > 0.0, "{cost:?}");
    assert!(cost.device_cpu_ms.is_some_and(|ms| ms > 0.0), "{cost:?}");
    assert!(cost.device_cpu_of.contains("sshd"), "{cost:?}");
    assert!(report.captured.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpinned_host_shows_its_key_and_sees_no_login() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let pinned = sshd.target();
    let Some(HostKey::Pinned(pins)) = &pinned.ssh.host_key else { panic!("a pin") };
    let mut target = pinned.clone();
    target.ssh.host_key = None;
    let report = probe(&target, false).await;
    assert_eq!((report.error.unwrap().kind, sshd.logins()), (ErrorKind::HostKey, 0));
    let [identity] = &report.identities[..] else { panic!("{:?}", report.identities) };
    assert_eq!((&identity.value, identity.field, &identity.trust), (&pins[0], "host_key", &Trust::Unknown));
    assert_eq!(identity.verify, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");

    // The line is of use as it is.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    target.ssh.host_key = Some(HostKey::KnownHosts(file.clone()));
    let report = probe(&target, false).await;
    assert_eq!(report.identities[0].trust, Trust::Unknown, "a file that was not begun yet");
    fs::write(&file, identity.known_hosts.clone().unwrap() + "\n").unwrap();
    let report = probe(&target, false).await;
    assert_eq!((report.error, &report.identities[0].trust), (None, &Trust::Trusted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_not_the_pinned_one_is_shown_beside_it() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let mut target = sshd.target();
    let Some(HostKey::Pinned(pins)) = target.ssh.host_key.clone() else { panic!("a pin") };
    let old = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    target.ssh.host_key = Some(HostKey::Pinned(vec![old.to_owned()]));
    let report = probe(&target, false).await;
    assert_eq!((report.error.unwrap().kind, sshd.logins()), (ErrorKind::HostKey, 0));
    assert_eq!(report.identities[0].value, pins[0]);
    assert_eq!(report.identities[0].trust, Trust::Mismatch(format!("not the pinned {old}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unpinned_jump_host_shows_its_own_key() {
    if !has(NEEDS) {
        return;
    }
    let (device, bastion) = (Sshd::start(|_| String::new()).await, Sshd::start(|_| String::new()).await);
    let (mut target, way) = (device.target(), bastion.target());
    let Some(HostKey::Pinned(pins)) = &way.ssh.host_key else { panic!("a pin") };
    target.jump = Some(Arc::new(JumpHost {
        name: "bastion-1".into(),
        address: way.device.address.clone().unwrap(),
        credential: way.credential.clone().unwrap(),
        host_key: None,
    }));
    let report = probe(&target, false).await;
    assert_eq!((report.error.unwrap().kind, bastion.logins(), device.logins()), (ErrorKind::HostKey, 0, 0));
    let [identity] = &report.identities[..] else { panic!("{:?}", report.identities) };
    assert_eq!((identity.jump_host.as_deref(), &identity.value), (Some("bastion-1"), &pins[0]));
    assert_eq!(Some(identity.address.as_str()), way.device.address.as_deref());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_captured_decodes_to_what_was_read() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let target = sshd.target();
    let report = probe(&target, true).await;
    let folder = tempfile::tempdir().unwrap();
    for captured in &report.captured {
        fs::write(folder.path().join(&captured.file), &captured.text).unwrap();
    }
    let files: Vec<&str> = report.captured.iter().map(|captured| captured.file.as_str()).collect();
    assert_eq!(files, ["01-all.txt", "02-fast.txt"]);
    let readings = LinuxFactory::new(SshHub::new()).decode(folder.path(), &target, CLOCK.0).unwrap();
    assert_eq!(readings.len(), 2);
    // How long it was under way is not in the reply.
    let timeless = |reading: &Reading| {
        let mut reading = reading.clone();
        reading.reachability.held_ms = None;
        reading.load.clock_skew_seconds = None;
        // An address is another one in a capture.
        assert!(reading.device_settings.remove("poller_address").is_some(), "{reading:?}");
        // Other namespaces come and go with other tests, and lose their names.
        reading.samples.truncate(1);
        reading
    };
    let read = report.reading.unwrap();
    assert_eq!(read.device_settings["poller_address"], Setting::Text("127.0.0.1".into()));
    assert_ne!(readings[0].device_settings["poller_address"], read.device_settings["poller_address"]);
    assert_eq!(timeless(&readings[0]), timeless(&read));
}

/// A device that tells more than it was asked: nothing of it is kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_never_reaches_a_capture() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|folder| {
        let script = folder.join("script");
        let reply = format!(
            "echo {SECRET}\necho '==> /etc/shadow <=='\necho 'cliffwatch:{SECRET}'\n\
             echo '==> /proc/sys/net/netfilter/nf_conntrack_count <=='\necho 5\n\
             echo '==> /proc/sys/net/netfilter/nf_conntrack_max <=='\necho 10\n\
             echo '==> conntrack -S <=='\necho 'sudo: {SECRET} is not allowed'\n\
             echo '==> /proc/net/dev <=='\necho 'Inter-|'\necho ' face |'\n\
             echo 'wg-alice: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16'\necho '==> end <=='\necho {SECRET}\n"
        );
        fs::write(&script, reply).unwrap();
        format!("restrict,command=\"sh {}\"", script.display())
    })
    .await;
    let report = probe(&sshd.target(), true).await;
    assert_eq!(report.error, None);
    let text = format!("{:?}", report.captured);
    assert!(text.contains("nf_conntrack_count") && !report.captured.is_empty(), "{text}");
    assert!(!text.contains(SECRET) && !text.contains("alice") && !text.contains("shadow"), "{text}");
    // What was not answered is not known, whatever else was said.
    assert_eq!(report.tiers[3].state, TierState::Unknown);
    assert_eq!(report.cost.unwrap().device_cpu_ms, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_settings_turn_off_is_said_to_be_off() {
    if !has(NEEDS) {
        return;
    }
    let sshd = Sshd::start(|_| String::new()).await;
    let mut target = sshd.target();
    let settings = serde_json::json!({ "evidence": false, "namespaces": false });
    target.settings = Settings::new(settings.as_object().unwrap().clone());
    let report = probe(&target, false).await;
    let state = |number: usize| report.tiers[number].state.clone();
    assert_eq!(state(2), TierState::Off { setting: "settings: { namespaces: true }".into() });
    assert_eq!(state(4), TierState::Off { setting: "settings: { evidence: true }".into() });
    let listed = LinuxFactory::new(SshHub::new()).access_of(&target);
    assert!(!listed.iter().any(|access| access.action.contains("conntrack -L")));
    target.settings = Settings::default();
    let listed = LinuxFactory::new(SshHub::new()).access_of(&target);
    assert!(
        listed.iter().any(|access| access.action.contains("sudo -n -l /usr/sbin/conntrack -L -o extended"))
    );
}
