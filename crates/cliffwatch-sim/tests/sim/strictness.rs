//! A device answers what is documented and nothing else.

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_sim::linux::{Documented, LinuxHost, USER};
use cliffwatch_source::SecretRef;
use cliffwatch_transport::ssh::{
    Auth, Credential, HostKeyPolicy, KeySource, Login, Reply, Script, SshError, SshHub, SshTarget,
};
use tokio::time::Instant;

use crate::lab::{Lab, poll};

static LISTED: Script = Script::new("listed", "cat /proc/uptime");
static CHANGED: Script = Script::new("listed", "cat /proc/uptime; id");

/// A strict or a recording host that may be asked for its uptime alone.
fn lab(strict: bool, commands: &[&str]) -> Lab {
    let commands = commands.iter().map(|command| (*command).to_owned());
    let host = LinuxHost::calm(Arc::new(Documented::new(commands).unwrap()));
    Lab::with(vec![(host, Vec::new())], strict)
}

async fn ask(lab: &Lab, scripts: &[&'static Script]) -> Vec<Result<Reply, SshError>> {
    let target = lab.target("gw-1");
    let Some(SecretRef::File(key)) = target.credential.unwrap().private_key.clone() else { panic!() };
    let auth = Auth::Key { key: KeySource::File(key), passphrase: None };
    let login = Login { username: USER.into(), credential: Credential { name: "sim".into(), auth } };
    let policy = HostKeyPolicy::Pinned(vec![lab.fleet.pin("gw-1").unwrap().parse().unwrap()]);
    let address = lab.fleet.address("gw-1").unwrap().to_string().parse().unwrap();
    let session = SshHub::new().session(SshTarget::new("gw-1", address, login, policy));
    let mut replies = Vec::new();
    for script in scripts {
        replies.push(session.ask(script, Instant::now() + Duration::from_secs(4)).await);
    }
    replies
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_script_is_answered_in_a_shell_and_without_one() {
    for commands in [&["exec sh", "cat /proc/uptime"][..], &["cat /proc/uptime"]] {
        let lab = lab(false, commands);
        let replies = ask(&lab, &[&LISTED, &LISTED]).await;
        for reply in replies {
            let text = String::from_utf8(reply.unwrap().stdout).unwrap();
            assert!(text.starts_with("==> /proc/uptime <==\n2592"), "{text}");
        }
        assert_eq!(lab.fleet.answered("cat /proc/uptime"), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_differs_by_a_word_is_refused_and_recorded() {
    let lab = lab(false, &["exec sh", "cat /proc/uptime"]);
    let replies = ask(&lab, &[&CHANGED]).await;
    assert!(replies[0].is_err(), "{replies:?}");
    let undocumented = lab.fleet.undocumented();
    assert!(undocumented[0].command.contains("cat /proc/uptime; id"), "{undocumented:?}");
    assert_eq!(undocumented[0].device, "gw-1");
    assert_eq!(lab.fleet.answered("cat /proc/uptime"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_device_that_was_asked_too_much_talks_to_nobody_any_more() {
    let documented = Arc::new(Documented::by_adapter().unwrap());
    let lab = Lab::with(vec![(LinuxHost::calm(documented), Vec::new())], true);
    let source = lab.open("gw-1");
    poll(&*source).await.unwrap();
    assert!(ask(&lab, &[&CHANGED]).await[0].is_err());
    assert!(poll(&*source).await.is_err() && poll(&*lab.open("gw-1")).await.is_err());
    assert_eq!(lab.fleet.undocumented().len(), 1);
}
