use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{ErrorKind, SourceError};
use cliffwatch_source::Secret;
use cliffwatch_transport::ssh::{Auth, BreakerOf, KeySource, SshError, SshHub};
use tokio::time::sleep;

use crate::sshd::{HELLO, key_file, key_text, keygen, login, soon, sshd, within};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_is_exactly_one_login_attempt_and_then_the_breaker() {
    let sshd = sshd!();
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let before = sshd.rejections();
        let wrong = keygen(&sshd.dir().join(format!("wrong_{kind}")), &["-t", kind]);
        let mut target = sshd.target("nat-gw-1");
        target.login = login(kind, key_file(&wrong));
        let session = SshHub::new().session(target);
        let error = session.ask(&HELLO, soon()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        for _ in 0..5 {
            assert_eq!(session.ask(&HELLO, soon()).await.unwrap_err().kind(), ErrorKind::Breaker);
        }
        assert_eq!(sshd.rejections() - before, 1, "{}", sshd.log());
        assert_eq!(session.status().logins_total, 1);
    }
    assert_eq!(sshd.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rejections_stop_every_new_login_and_a_changed_secret_is_tried_on_one_device() {
    let sshd = sshd!();
    let hub = SshHub::new();
    let held = sshd.session(&hub, "held");
    held.ask(&HELLO, soon()).await.unwrap();

    // The credential is revoked on the device.
    let good = keygen(&sshd.dir().join("new"), &["-t", "ed25519"]);
    sshd.authorize("", &[&good]);
    let fleet: Vec<_> = (0..8).map(|n| Arc::new(sshd.session(&hub, &format!("nat-gw-{n}")))).collect();
    for session in &fleet {
        let kind = session.ask(&HELLO, soon()).await.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Auth | ErrorKind::Breaker));
    }
    assert_eq!(sshd.rejections(), 2, "{}", sshd.log());
    let breakers = hub.open_breakers();
    assert_eq!(breakers[0].of, BreakerOf::Credential("nat-ssh".into()));
    assert!(breakers[0].message.contains("nat-gw-0 and nat-gw-1"), "{breakers:?}");
    held.ask(&HELLO, soon()).await.unwrap();

    // The operator changes the secret; the file's name stays.
    std::fs::copy(&good, sshd.key()).unwrap();
    let logins = sshd.logins();
    let asked = fleet.iter().map(|session| {
        let session = Arc::clone(session);
        tokio::spawn(async move { session.ask(&HELLO, within(4)).await.is_ok() })
    });
    let mut answered = 0;
    for task in asked.collect::<Vec<_>>() {
        answered += usize::from(task.await.unwrap());
    }
    assert!((1..8).contains(&answered), "one at once, the others over half a minute: {answered}");
    assert_eq!((sshd.logins() - logins, sshd.rejections()), (answered, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_starts_with_a_wrong_secret_is_rejected_twice() {
    let sshd = sshd!();
    let hub = SshHub::new();
    sshd.authorize("", &[]);
    let fleet = (0..12).map(|n| {
        let session = sshd.session(&hub, &format!("nat-gw-{n}"));
        tokio::spawn(async move { session.ask(&HELLO, soon()).await.unwrap_err().kind() })
    });
    for task in fleet.collect::<Vec<_>>() {
        assert!(matches!(task.await.unwrap(), ErrorKind::Auth | ErrorKind::Breaker));
    }
    assert_eq!(sshd.rejections(), 2, "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind_and_form() {
    let sshd = sshd!();
    let hub = SshHub::new();
    for (name, options) in [
        ("ed25519", &["-t", "ed25519"][..]),
        ("ecdsa256", &["-t", "ecdsa", "-b", "256"]),
        ("ecdsa384", &["-t", "ecdsa", "-b", "384"]),
        ("ecdsa521", &["-t", "ecdsa", "-b", "521"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("rsa_pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("rsa_pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]),
    ] {
        let key = keygen(&sshd.dir().join(name), options);
        sshd.authorize("", &[&key]);
        let mut target = sshd.target(name);
        target.login = login(name, key_text(&key));
        hub.session(target).ask(&HELLO, soon()).await.unwrap();
    }
    assert_eq!((sshd.logins(), sshd.rejections()), (7, 0));
    // OpenSSH takes no SHA-1 signature since 8.8: these three were SHA-2.
    assert_eq!(sshd.count("ssh2: RSA SHA256"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_key_needs_its_passphrase_and_no_login_is_spent_on_it() {
    const CANARY: &str = "canary-passphrase";
    let sshd = sshd!();
    let key = keygen(&sshd.dir().join("encrypted"), &["-t", "ed25519", "-N", CANARY]);
    sshd.authorize("", &[&key]);
    let try_with = |passphrase: Option<&str>| {
        let mut target = sshd.target("nat-gw-1");
        let passphrase = passphrase.map(Secret::new);
        target.login = login("encrypted", Auth::Key { key: KeySource::File(key.clone()), passphrase });
        let hub = SshHub::new();
        async move { hub.session(target).ask(&HELLO, soon()).await }
    };
    for wrong in [None, Some("something else")] {
        let error = try_with(wrong).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
        assert!(error.to_string().contains("encrypted") && error.hint().is_some());
    }
    assert_eq!(sshd.count("Connection from"), 0);
    try_with(Some(CANARY)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_signs_with_the_one_key_that_was_named() {
    let sshd = sshd!();
    let agent = Agent::start(sshd.dir()).await;
    let with_agent = |identity: Option<String>| {
        let mut target = sshd.target("nat-gw-1");
        target.login = login("agent", Auth::Agent { socket: Some(agent.socket.clone()), identity });
        let hub = SshHub::new();
        async move { hub.session(target).ask(&HELLO, soon()).await }
    };
    let error = with_agent(None).await.unwrap_err();
    assert!(error.to_string().contains("holds no key"), "{error}");

    agent.add(sshd.key());
    with_agent(None).await.unwrap();

    let rsa = keygen(&sshd.dir().join("rsa"), &["-t", "rsa"]);
    agent.add(&rsa);
    let error = with_agent(None).await.unwrap_err();
    assert!(error.to_string().contains("2 keys") && error.hint().unwrap().contains("SHA256:"), "{error}");
    assert_eq!((error.kind(), sshd.logins()), (ErrorKind::Auth, 1));

    sshd.authorize("", &[&rsa]);
    with_agent(Some(crate::sshd::fingerprint(&rsa.with_extension("pub")))).await.unwrap();
    assert_eq!((sshd.logins(), sshd.rejections()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_shows_in_debug_or_errors() {
    const CANARY: &str = "canary-4711";
    let sshd = sshd!();
    let secrets = [
        Auth::Password(Secret::new(CANARY)),
        Auth::Key { key: KeySource::Text(Secret::new(CANARY)), passphrase: Some(Secret::new(CANARY)) },
    ];
    for auth in secrets {
        let hub = SshHub::new();
        let mut target = sshd.target("nat-gw-1");
        target.login = login("canary", auth);
        let shown = format!("{target:?}");
        let session = hub.session(target);
        let error = session.ask(&HELLO, soon()).await.unwrap_err();
        let again = session.ask(&HELLO, soon()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Auth);
        let source = SourceError::from(error.clone());
        for text in [
            shown,
            format!("{error} {error:?} {:?} {again} {again:?} {source:?}", error.hint()),
            format!("{session:?} {hub:?} {:?} {:?}", session.status(), hub.open_breakers()),
        ] {
            assert!(!text.contains(CANARY), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_login_says_what_the_device_would_accept() {
    let sshd = sshd!();
    let mut target = sshd.target("nat-gw-1");
    target.login = login("password", Auth::Password(Secret::new("x")));
    let error = SshHub::new().session(target).ask(&HELLO, soon()).await.unwrap_err();
    assert!(matches!(error, SshError::Rejected { .. }));
    assert!(error.to_string().contains("it accepts publickey"), "{error}");
}

struct Agent {
    child: std::process::Child,
    socket: std::path::PathBuf,
}

impl Agent {
    async fn start(dir: &Path) -> Self {
        let socket = dir.join("agent");
        let child =
            Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        while !socket.exists() {
            sleep(Duration::from_millis(10)).await;
        }
        Self { child, socket }
    }

    fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
