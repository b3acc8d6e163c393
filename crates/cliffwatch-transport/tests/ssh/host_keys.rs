use std::fs;
use std::process::Command;

use cliffwatch_model::ErrorKind;
use cliffwatch_transport::ssh::{BreakerOf, HostKeyPolicy, SshError, SshHub};

use crate::sshd::{HELLO, Sshd, keygen, soon, sshd};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_refused_before_any_login_and_a_new_pin_is_tried_at_once() {
    let sshd = sshd!();
    let hub = SshHub::new();
    let mut target = sshd.target("nat-gw-1");
    let old = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    target.host_key = HostKeyPolicy::Pinned(vec![old.parse().unwrap()]);
    let session = hub.session(target);
    let error = session.ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    let text = error.to_string();
    assert!(text.contains(old) && text.contains(&sshd.pin("ed25519")), "{text}");
    assert!(error.hint().unwrap().contains(&sshd.pin("ed25519")));
    assert_eq!((sshd.logins(), sshd.rejections()), (0, 0));

    let again = session.ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Breaker);
    assert!(again.to_string().contains("min"), "{again}");
    assert_eq!(hub.open_breakers()[0].of, BreakerOf::Device("nat-gw-1".into()));
    assert!(session.status().breaker.is_some());

    sshd.session(&hub, "nat-gw-1").ask(&HELLO, soon()).await.unwrap();
    assert!(hub.open_breakers().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_policy_the_error_shows_what_to_paste() {
    let sshd = sshd!();
    let mut target = sshd.target("nat-gw-1");
    target.host_key = HostKeyPolicy::Unset;
    let error = SshHub::new().session(target).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert!(error.hint().unwrap().contains(&format!("host_key: \"{}\"", sshd.pin("ed25519"))));
    assert_eq!(sshd.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_of_any_kind_of_key_and_any_of_a_list_matches() {
    let sshd = sshd!(|config| config.host_keys = vec!["ed25519", "ecdsa", "rsa"]);
    let hub = SshHub::new();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let mut target = sshd.target(kind);
        let other = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        target.host_key =
            HostKeyPolicy::Pinned(vec![other.parse().unwrap(), sshd.pin(kind).parse().unwrap()]);
        let session = hub.session(target);
        session.ask(&HELLO, soon()).await.unwrap();
        assert_eq!(session.status().host_key.unwrap().fingerprint, sshd.pin(kind), "{kind}");
    }
    assert_eq!((sshd.logins(), sshd.rejections()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn when_no_pin_matches_every_key_that_was_shown_is_named() {
    let sshd = sshd!(|config| config.host_keys = vec!["ed25519", "rsa"]);
    let mut target = sshd.target("nat-gw-1");
    let old = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
    target.host_key = HostKeyPolicy::Pinned(vec![old.parse().unwrap()]);
    let error = SshHub::new().session(target).ask(&HELLO, soon()).await.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert!(text.contains(&sshd.pin("ed25519")) && text.contains(&sshd.pin("rsa")), "{text}");
    let SshError::HostKey { seen, .. } = error else { panic!("{text}") };
    assert_eq!([&*seen[0].algorithm, &*seen[1].algorithm], ["ssh-ed25519", "ssh-rsa"]);
    let file = fs::read_to_string(sshd.dir().join("host_rsa.pub")).unwrap();
    assert!(file.starts_with(&seen[1].public), "{file}");
}

#[tokio::test(flavor = "multi_thread")]
async fn known_hosts_plain_hashed_changed_unknown_and_revoked() {
    let sshd = sshd!(|config| config.host_keys = vec!["ed25519", "rsa"]);
    let other = keygen(&sshd.dir().join("other"), &["-t", "rsa"]);
    let host = format!("[127.0.0.1]:{}", sshd.address().rsplit(':').next().unwrap());
    let line = |file: &std::path::Path| format!("{host} {}", fs::read_to_string(file).unwrap());
    // Only the rsa key is known: the client has to ask for it.
    let (known, other) = (line(&sshd.dir().join("host_rsa.pub")), line(&other.with_extension("pub")));

    assert_eq!(outcome(&sshd, &known, false).await, None);
    assert_eq!(outcome(&sshd, &known, true).await, None, "hashed by ssh-keygen -H");
    for (text, expected) in [
        (other, "known_hosts has"),
        (known.replace("127.0.0.1", "127.0.0.2"), "no entry"),
        (format!("{known}@revoked {known}"), "revoked"),
        (String::new(), "no entry"),
    ] {
        let error = outcome(&sshd, &text, false).await.unwrap();
        assert!(error.contains(expected), "{error}");
    }
    let logins = sshd.logins();
    let mut target = sshd.target("missing");
    target.host_key = HostKeyPolicy::KnownHosts(sshd.dir().join("nothing here"));
    let error = SshHub::new().session(target).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!((error.kind(), logins), (ErrorKind::HostKey, sshd.logins()));
    assert!(error.to_string().contains("nothing here"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_hosts_file_that_is_put_right_closes_the_breaker() {
    let sshd = sshd!();
    let path = sshd.dir().join("known_hosts");
    fs::write(&path, "").unwrap();
    let mut target = sshd.target("nat-gw-1");
    target.host_key = HostKeyPolicy::KnownHosts(path.clone());
    let session = SshHub::new().session(target);
    for kind in [ErrorKind::HostKey, ErrorKind::Breaker] {
        assert_eq!(session.ask(&HELLO, soon()).await.unwrap_err().kind(), kind);
    }
    let host = format!("[127.0.0.1]:{}", sshd.address().rsplit(':').next().unwrap());
    let key = fs::read_to_string(sshd.dir().join("host_ed25519.pub")).unwrap();
    fs::write(&path, format!("{host} {key}")).unwrap();
    session.ask(&HELLO, soon()).await.unwrap();
}

/// The error of one login with this known_hosts file.
async fn outcome(sshd: &Sshd, known_hosts: &str, hashed: bool) -> Option<String> {
    let path = sshd.dir().join("known_hosts");
    fs::write(&path, known_hosts).unwrap();
    if hashed {
        assert!(Command::new("ssh-keygen").arg("-Hqf").arg(&path).status().unwrap().success());
        assert!(fs::read_to_string(&path).unwrap().starts_with("|1|"));
    }
    let mut target = sshd.target("nat-gw-1");
    target.host_key = HostKeyPolicy::KnownHosts(path);
    let error = SshHub::new().session(target).ask(&HELLO, soon()).await.err()?;
    assert_eq!(error.kind(), ErrorKind::HostKey);
    Some(error.to_string())
}
