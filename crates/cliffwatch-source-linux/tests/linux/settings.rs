//! What `check` says, what opens, and what is shown of secrets.

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_source::testkit::{Stuck, deadline_is_honoured, no_secret_in_debug, plain_target};
use cliffwatch_source::{
    Credential, HostKey, JumpHost, OpenError, Problem, SecretRef, Settings, SourceFactory as _, Target,
    Weight,
};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

const PIN: &str = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

fn factory() -> LinuxFactory {
    LinuxFactory::new(SshHub::new())
}

fn credential() -> Credential {
    let private_key = Some(SecretRef::File("/run/secrets/nat_key".into()));
    Credential {
        name: "nat-ssh".into(),
        username: Some("cliffwatch".into()),
        private_key,
        ..Credential::default()
    }
}

/// A device with nothing to complain about.
fn target() -> Target {
    let mut target = plain_target("nat-gw-1", &factory().platform(), Some("192.0.2.10:22"));
    target.credential = Some(Arc::new(credential()));
    target.ssh.host_key = Some(HostKey::Pinned(vec![PIN.into()]));
    target
}

fn settings(text: &str) -> Settings {
    Settings::new(serde_json::from_str(text).unwrap())
}

/// The complaints about a device as `field: message`, errors first of all marked with `!`.
fn complaints(change: impl FnOnce(&mut Target)) -> Vec<String> {
    let mut target = target();
    change(&mut target);
    let line = |problem: Problem| {
        let mark = if problem.weight != Weight::Warning { "!" } else { "" };
        format!("{mark}{}: {}", problem.field, problem.message)
    };
    factory().check(&target).into_iter().map(line).collect()
}

fn change_credential(target: &mut Target, change: impl FnOnce(&mut Credential)) {
    let mut credential = credential();
    change(&mut credential);
    target.credential = Some(Arc::new(credential));
}

#[test]
fn a_good_device_has_no_problem() {
    assert_eq!(complaints(|_| {}), Vec::<String>::new());
    for namespaces in ["false", "true", "\"sudo\""] {
        let text = format!(r#"{{"namespaces":{namespaces},"evidence":true}}"#);
        assert_eq!(complaints(|t| t.settings = settings(&text)), Vec::<String>::new());
    }
    assert_eq!(factory().interval_min(), Duration::from_secs(1));
}

#[test]
fn each_mistake_has_its_own_words() {
    let one = |change: fn(&mut Target), wanted: &str| {
        let found = complaints(change);
        assert!(found.len() == 1 && found[0].starts_with(wanted), "wanted {wanted}, found {found:?}");
    };
    one(|t| t.credential = None, "!credential: a linux device needs one");
    one(
        |t| change_credential(t, |c| c.username = None),
        "!credential: credential `nat-ssh` needs a username",
    );
    one(
        |t| change_credential(t, |c| c.private_key = None),
        "!credential: credential `nat-ssh` has nothing to log in with",
    );
    one(|t| change_credential(t, |c| c.agent = true), "!credential: credential `nat-ssh` must have only one");
    one(|t| t.ssh.host_key = None, "!host_key: without it no login is made");
    one(
        |t| t.ssh.host_key = Some(HostKey::Pinned(vec!["md5:00".into()])),
        "!host_key: `md5:00` is not a host key",
    );
    one(|t| t.ssh.legacy = true, "ssh.legacy: ");
    one(|t| t.settings = settings(r#"{"namespace":true}"#), "!settings.namespace: unknown field `namespace`");
    one(|t| t.settings = settings(r#"{"conntrack_stats":"root"}"#), "!settings");
    one(
        |t| t.settings = settings(r#"{"namespaces":"root"}"#),
        "!settings.namespaces: invalid value: string \"root\", expected true, false or sudo",
    );
    one(|t| Arc::make_mut(&mut t.device).address = Some("host:0".into()), "!address: `host:0` is not");
    one(|t| Arc::make_mut(&mut t.device).address = None, "!address: a linux device needs one");
    one(
        |t| Arc::make_mut(&mut t.device).address = Some("local".into()),
        "address: `local` is read without SSH",
    );
}

#[test]
fn the_jump_host_is_checked_too() {
    let found = complaints(|target| {
        target.jump = Some(Arc::new(JumpHost {
            name: "bastion-1".into(),
            address: "192.0.2.9:0".into(),
            credential: Arc::new(Credential { username: None, ..credential() }),
            host_key: Some(HostKey::Pinned(vec!["x".into()])),
        }));
    });
    let fields: Vec<&str> = found.iter().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(fields, ["!jump_host.address", "!jump_host.credential", "!jump_host.host_key"]);
}

#[test]
fn the_missing_host_key_tells_how_to_see_it() {
    let found = complaints(|target| {
        target.ssh.host_key = None;
        Arc::make_mut(&mut target.device).address = Some("[2001:db8::1]:2222".into());
    });
    assert!(found[0].contains("`ssh-keyscan -p 2222 2001:db8::1 | ssh-keygen -lf -`"), "{found:?}");
}

#[test]
fn what_cannot_be_opened_says_why() {
    let mut target = target();
    change_credential(&mut target, |credential| {
        credential.private_key = None;
        credential.password = Some(SecretRef::File("/nonexistent/password".into()));
    });
    let error = factory().open(&target).unwrap_err();
    assert!(
        matches!(&error, OpenError::Secret(secret) if secret.place.contains("/nonexistent/password")),
        "{error}"
    );
    target.credential = None;
    assert!(matches!(factory().open(&target).unwrap_err(), OpenError::Settings(_)));
    // A host key is asked for by `check`; without one the device's own is shown, and no login is made.
    let mut keyless = plain_target("nat-gw-2", &factory().platform(), Some("192.0.2.11"));
    change_credential(&mut keyless, |_| {});
    factory().open(&keyless).unwrap();
}

#[tokio::test]
async fn a_silent_device_is_a_timeout_and_no_secret_is_shown() {
    let stuck = Stuck::listen().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    std::fs::write(&password, "canary-5f2e\n").unwrap();
    let mut target = plain_target("hung", &factory().platform(), Some(&stuck.address().unwrap()));
    change_credential(&mut target, |credential| {
        credential.private_key = None;
        credential.password = Some(SecretRef::File(password));
    });
    let opened = factory().open(&target).unwrap();
    no_secret_in_debug(&target, &*opened.source, "canary-5f2e").unwrap();
    deadline_is_honoured(&*opened.source).await.unwrap();
    no_secret_in_debug(&target, &*opened.source, "canary-5f2e").unwrap();
}
