use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::ErrorKind;
use cliffwatch_transport::ssh::{BreakerOf, HostKeyPolicy, JumpTarget, Script, SshHub, SshTarget};
use tokio::time::sleep;

use crate::sshd::{HELLO, Sshd, key_file, keygen, login, soon, sshd, within};

const CLIENT: Script = Script::new("client", "echo \"$SSH_CONNECTION\"");

pub(crate) fn through(device: &Sshd, jump: &Sshd, name: &str) -> SshTarget {
    let mut target = device.target(name);
    target.jump = Some(JumpTarget {
        name: "bastion-1".into(),
        address: jump.address().parse().unwrap(),
        login: login("jump-ssh", key_file(jump.key())),
        host_key: jump.pinned(),
        legacy: false,
    });
    target
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_behind_a_jump_host_share_one_login_there() {
    let (jump, device) = (sshd!(), sshd!());
    let hub = SshHub::new();
    let mut tasks = Vec::new();
    for n in 0..10 {
        let session = Arc::new(hub.session(through(&device, &jump, &format!("nat-gw-{n}"))));
        tasks.push(tokio::spawn(async move {
            for _ in 0..3 {
                session.ask(&HELLO, soon()).await.unwrap();
            }
            session
        }));
    }
    let mut sessions = Vec::new();
    for task in tasks {
        sessions.push(task.await.unwrap());
    }
    assert_eq!((jump.logins(), device.logins()), (1, 10));
    drop(sessions);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jump_host_that_comes_back_is_used_again() {
    let (jump, device) = (sshd!(), sshd!());
    let session = SshHub::new().session(through(&device, &jump, "nat-gw-1"));
    session.ask(&HELLO, soon()).await.unwrap();
    for pid in jump.processes() {
        crate::sshd::signal("KILL", pid);
    }
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!((jump.logins(), device.logins()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_jump_host_names_it_and_is_no_fault_of_the_device() {
    let (jump, device) = (sshd!(), sshd!());
    let hub = SshHub::new();

    let mut wrong_pin = through(&device, &jump, "nat-gw-1");
    wrong_pin.jump.as_mut().unwrap().host_key = HostKeyPolicy::Unset;
    let error = hub.session(wrong_pin).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert!(error.to_string().starts_with("jump host bastion-1: "), "{error}");
    assert_eq!(hub.open_breakers()[0].of, BreakerOf::Device("jump host bastion-1".into()));

    let wrong = keygen(&jump.dir().join("wrong"), &["-t", "ed25519"]);
    for name in ["nat-gw-2", "nat-gw-3"] {
        let mut target = through(&device, &jump, name);
        target.jump.as_mut().unwrap().login = login("wrong", key_file(&wrong));
        let error = hub.session(target).ask(&HELLO, soon()).await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Auth | ErrorKind::Breaker), "{error}");
        assert!(error.to_string().contains("bastion-1"), "{error}");
    }
    assert_eq!((jump.rejections(), device.count("Connection from")), (1, 0));
    assert!(
        hub.open_breakers().iter().all(|open| open.of == BreakerOf::Device("jump host bastion-1".into()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_jump_host_is_named_and_the_device_is_not_blamed() {
    let (jump, device) = (sshd!(), sshd!());
    let hub = SshHub::new();
    hub.session(through(&device, &jump, "first")).ask(&HELLO, soon()).await.unwrap();
    let session = hub.session(through(&device, &jump, "nat-gw-1"));
    session.ask(&HELLO, soon()).await.unwrap();
    // New tunnels hang, and so does a new login: the listener is stopped too.
    let hung = jump.processes();
    for pid in hung.iter().copied().chain([jump.pid()]) {
        crate::sshd::signal("STOP", pid);
    }
    let error = hub.session(through(&device, &jump, "nat-gw-2")).ask(&HELLO, within(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().starts_with("jump host bastion-1: no answer"), "{error}");
    for pid in hung.iter().copied().chain([jump.pid()]) {
        crate::sshd::signal("CONT", pid);
    }
    sleep(Duration::from_secs(2)).await;
    session.ask(&HELLO, soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_the_jump_host_cannot_reach_is_unreachable() {
    let (jump, mut device) = (sshd!(), sshd!());
    device.stop_listening();
    let error =
        SshHub::new().session(through(&device, &jump, "nat-gw-1")).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains(device.address()), "{error}");

    let forbidding = sshd!(|config| config.lines = "AllowTcpForwarding no\n".into());
    let other = sshd!();
    let error = SshHub::new()
        .session(through(&other, &forbidding, "nat-gw-1"))
        .ask(&HELLO, soon())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("administratively prohibited"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_host_key_behind_the_jump_host_is_the_devices() {
    let (jump, device) = (sshd!(), sshd!());
    let mut target = through(&device, &jump, "nat-gw-1");
    target.host_key = jump.pinned();
    let hub = SshHub::new();
    let error = hub.session(target).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::HostKey);
    assert!(error.to_string().contains(&device.pin("ed25519")) && !error.to_string().contains("bastion"));
    assert_eq!(device.logins(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ipv6() {
    let sshd = sshd!(|config| config.listen = "[::1]");
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    let reply = session.ask(&CLIENT, soon()).await.unwrap();
    assert!(reply.stdout.starts_with(b"::1 "), "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_two_addresses_is_reached_at_the_one_that_answers() {
    // `localhost` is ::1 and 127.0.0.1 on most machines; the server listens on the second only.
    let sshd = sshd!();
    let mut target = sshd.target("nat-gw-1");
    target.address = sshd.address().replace("127.0.0.1", "localhost").parse().unwrap();
    SshHub::new().session(target).ask(&HELLO, soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_address_can_be_chosen() {
    let sshd = sshd!();
    let mut target = sshd.target("nat-gw-1");
    target.source_address = Some("127.0.0.2".parse().unwrap());
    let reply = SshHub::new().session(target.clone()).ask(&CLIENT, soon()).await.unwrap();
    assert!(reply.stdout.starts_with(b"127.0.0.2 "), "{reply:?}");

    target.source_address = Some("192.0.2.3".parse().unwrap());
    let error = SshHub::new().session(target).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hint().unwrap().contains("source_address"), "{error}");
}
