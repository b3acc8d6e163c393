//! A new connection beside the held one.

use std::time::Duration;

use cliffwatch_model::ErrorKind;
use cliffwatch_transport::ssh::{Beside, SshHub, SshSession};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::routes::through;
use crate::sshd::{HELLO, Sshd, signal, soon, sshd};

const PATIENCE: Duration = Duration::from_millis(1_500);

/// What becomes of a new connection at the port of a server that holds one and listens no more.
async fn beside_at(sshd: &mut Sshd, answer: &'static [u8], hang_up: bool) -> Beside {
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    sshd.stop_listening();
    let listener = TcpListener::bind(sshd.address()).await.unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(answer).await.unwrap();
        if !hang_up {
            std::future::pending::<()>().await;
        }
    });
    let beside = session.try_new(PATIENCE).await.unwrap();
    server.abort();
    beside
}

fn kind(beside: &Beside) -> Option<ErrorKind> {
    beside.new.error.as_ref().map(cliffwatch_transport::ssh::SshError::kind)
}

async fn logged_in(sshd: &Sshd) -> SshSession {
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_is_greeted_and_nobody_logs_in() {
    let sshd = sshd!();
    let hub = SshHub::new();
    let session = sshd.session(&hub, "nat-gw-1");
    let error = session.try_new(PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "nothing is held to compare with: {error}");
    session.ask(&HELLO, soon()).await.unwrap();
    for _ in 0..20 {
        let beside = session.try_new(PATIENCE).await.unwrap();
        assert!(beside.new.error.is_none(), "{beside:?}");
        assert!(beside.held.is_some() && beside.new.connected.unwrap() <= beside.new.waited);
    }
    assert_eq!((sshd.count("Connection from"), sshd.logins(), sshd.rejections()), (21, 1, 0));
    assert_eq!(session.status().logins_total, 1, "no login is counted");
    assert!(hub.open_breakers().is_empty());
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_refuses() {
    let mut sshd = sshd!();
    let session = logged_in(&sshd).await;
    sshd.stop_listening();
    let beside = session.try_new(PATIENCE).await.unwrap();
    assert_eq!(kind(&beside), Some(ErrorKind::ConnectionRefused));
    assert!(beside.held.unwrap() < Duration::from_secs(1) && beside.new.connected.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_swallows_every_packet() {
    let mut sshd = sshd!();
    let session = logged_in(&sshd).await;
    sshd.stop_listening();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(sshd.address().parse().unwrap()).unwrap();
    let _listener = socket.listen(1).unwrap();
    // Once its queue is full, the kernel drops the SYN.
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(sshd.address())).await
    {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue never fills");
    }
    let beside = session.try_new(PATIENCE).await.unwrap();
    assert_eq!((kind(&beside), beside.new.connected), (Some(ErrorKind::Timeout), None));
    assert!(beside.new.waited >= PATIENCE && beside.held.unwrap() < Duration::from_secs(1), "{beside:?}");
    session.ask(&HELLO, soon()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_silent() {
    let beside = beside_at(&mut sshd!(), b"", false).await;
    assert_eq!(kind(&beside), Some(ErrorKind::Timeout));
    assert!(beside.new.connected.is_some() && beside.held.is_some(), "{beside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_talks_before_it_identifies_itself() {
    let beside =
        beside_at(&mut sshd!(), b"This system is for\r\nSSH users only\r\nSSH-2.0-x\r\n", false).await;
    assert_eq!(kind(&beside), None, "{beside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_not_waited_for_and_not_believed() {
    let beside = beside_at(&mut sshd!(), &[b'x'; 20_000], false).await;
    assert_eq!(kind(&beside), Some(ErrorKind::Parse));
    assert!(beside.new.connected.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_was_reached() {
    let beside = beside_at(&mut sshd!(), b"Exceeded MaxStartups\r\n", true).await;
    assert_eq!(kind(&beside), Some(ErrorKind::Unreachable));
    assert!(beside.new.connected.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_both_fail_the_held_one_is_not_said_to_answer() {
    let sshd = sshd!();
    let session = logged_in(&sshd).await;
    for pid in sshd.processes().into_iter().chain([sshd.pid()]) {
        signal("STOP", pid);
    }
    let beside = session.try_new(PATIENCE).await.unwrap();
    for pid in sshd.processes().into_iter().chain([sshd.pid()]) {
        signal("CONT", pid);
    }
    assert_eq!((kind(&beside), beside.held), (Some(ErrorKind::Timeout), None), "{beside:?}");
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.logins(), 1, "the held connection outlives it");
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_jump_host_it_goes_through_the_connection_that_is_held_there() {
    let (jump, mut device) = (sshd!(), sshd!());
    let session = SshHub::new().session(through(&device, &jump, "nat-gw-1"));
    session.ask(&HELLO, soon()).await.unwrap();
    let beside = session.try_new(PATIENCE).await.unwrap();
    assert!(beside.new.error.is_none() && beside.held.is_some(), "{beside:?}");
    assert_eq!((jump.logins(), device.logins(), device.count("Connection from")), (1, 1, 2));
    device.stop_listening();
    let beside = session.try_new(PATIENCE).await.unwrap();
    assert_eq!((kind(&beside), beside.new.connected), (Some(ErrorKind::Unreachable), None));
    assert!(beside.held.is_some());
    for pid in jump.processes() {
        signal("KILL", pid);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = session.try_new(PATIENCE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert_eq!(jump.logins(), 1, "never a new login");
}
