use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cliffwatch_model::ErrorKind;
use cliffwatch_transport::ssh::{Mode, Script, SshHub};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};

use crate::sshd::{HELLO, signal, soon, sshd, within};

const ENDLESS: Script = Script::new("endless", "cat /dev/zero");
const ASLEEP: Script = Script::new("asleep", "sleep 60");

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_reply_is_capped_and_the_connection_lives() {
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    for _ in 0..3 {
        let error = session.ask(&ENDLESS, soon()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Parse, "{error}");
        assert!(error.to_string().contains("longer than"), "{error}");
        assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n");
    }
    assert_eq!((sshd.logins(), session.status().mode), (1, Some(Mode::ShellLoop)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_just_below_the_cap_arrives_whole() {
    const BIG: Script = Script::new("big", "head -c 1000000 /dev/zero");
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    let reply = session.ask(&BIG, soon()).await.unwrap();
    assert!(reply.stdout.len() == 1_000_000 && reply.stdout.iter().all(|byte| *byte == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_error_is_bounded() {
    const LOUD: Script = Script::new("loud", "head -c 100000 /dev/zero >&2; echo ok");
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    let reply = session.ask(&LOUD, soon()).await.unwrap();
    assert_eq!((reply.stdout.as_slice(), reply.stderr.len()), (&b"ok\n"[..], 4096));
    assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_device_is_a_timeout_and_the_next_request_connects_anew() {
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    let hung = sshd.processes();
    for pid in &hung {
        signal("STOP", *pid);
    }
    let begun = Instant::now();
    let error = session.ask(&HELLO, within(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
    session.ask(&HELLO, soon()).await.unwrap();
    for pid in hung {
        signal("CONT", pid);
    }
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_waiting_leaves_no_hung_connection_behind() {
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    for pid in sshd.processes() {
        signal("STOP", pid);
    }
    let waited = timeout(Duration::from_millis(300), session.ask(&HELLO, within(60))).await;
    assert!(waited.is_err());
    assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n");
    assert_eq!(sshd.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_script_beside_the_loop_that_times_out_leaves_the_connection() {
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(session.exec(&ASLEEP, within(1)).await.unwrap_err().kind(), ErrorKind::Timeout);
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_broke_unseen_costs_no_request() {
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    for pid in sshd.processes() {
        signal("KILL", pid);
    }
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_half_open_connection_is_found_dead_within_two_intervals() {
    let sshd = sshd!();
    let mut target = sshd.target("nat-gw-1");
    target.keepalive = Duration::from_millis(500);
    let session = SshHub::new().session(target);
    session.ask(&HELLO, soon()).await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    assert!(session.status().connected_for.is_some(), "an answering one is kept");
    let hung = sshd.processes();
    for pid in &hung {
        signal("STOP", *pid);
    }
    sleep(Duration::from_millis(2500)).await;
    assert!(session.status().connected_for.is_none());
    for pid in hung {
        signal("KILL", pid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_to_connect_are_told_apart_and_back_off() {
    let mut sshd = sshd!();
    let hub = SshHub::new();
    let session = sshd.session(&hub, "refused");
    sshd.stop_listening();
    let error = session.ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error}");
    let again = session.ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::ConnectionRefused);
    assert!(again.to_string().starts_with("not tried, next attempt in"), "{again}");

    // A label of DNS has at most 63 characters: no question leaves this machine.
    let mut target = sshd.target("nameless");
    target.address = "x".repeat(64).parse().unwrap();
    let error = hub.session(target).ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}

/// Accepts, and does with each connection what is asked.
async fn listener(behaviour: fn(tokio::net::TcpStream) -> tokio::task::JoinHandle<()>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            behaviour(stream);
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_speak_ssh_is_an_error_in_time() {
    let sshd = sshd!();
    let http: fn(tokio::net::TcpStream) -> tokio::task::JoinHandle<()> = |mut stream| {
        tokio::spawn(async move {
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.ok();
        })
    };
    let garbage: fn(tokio::net::TcpStream) -> tokio::task::JoinHandle<()> = |mut stream| {
        tokio::spawn(async move {
            stream.write_all(b"SSH-2.0-x\r\n").await.ok();
            while stream.write_all(&[0xA5; 4096]).await.is_ok() {}
        })
    };
    let silent: fn(tokio::net::TcpStream) -> tokio::task::JoinHandle<()> = |mut stream| {
        tokio::spawn(async move {
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        })
    };
    let half: fn(tokio::net::TcpStream) -> tokio::task::JoinHandle<()> = |mut stream| {
        tokio::spawn(async move {
            stream.write_all(b"SSH-2.0-x\r\n\x00\x00\x10\x00").await.ok();
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
        })
    };
    for (name, behaviour) in [("http", http), ("garbage", garbage), ("silent", silent), ("half", half)] {
        let mut target = sshd.target(name);
        target.address = listener(behaviour).await.parse().unwrap();
        let begun = Instant::now();
        let error = SshHub::new().session(target).ask(&HELLO, within(2)).await.unwrap_err();
        let allowed = [ErrorKind::Parse, ErrorKind::Unreachable, ErrorKind::Timeout];
        assert!(allowed.contains(&error.kind()), "{name}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind_by_hung_handshakes() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    let sshd = sshd!();
    let silent = listener(|mut stream| {
        tokio::spawn(async move {
            OPEN.fetch_add(1, Ordering::SeqCst);
            SEEN.fetch_add(1, Ordering::SeqCst);
            stream.write_all(b"SSH-2.0-x\r\n").await.ok();
            let mut sink = [0; 1024];
            while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
            OPEN.fetch_sub(1, Ordering::SeqCst);
        })
    })
    .await;
    let mut requests = tokio::task::JoinSet::new();
    for n in 0..40 {
        let mut target = sshd.target(&format!("hung-{n}"));
        target.address = silent.parse().unwrap();
        let session = SshHub::new().session(target);
        requests.spawn(async move { session.ask(&HELLO, within(1)).await.unwrap_err().kind() });
    }
    assert!(requests.join_all().await.iter().all(|kind| *kind == ErrorKind::Timeout));
    for _ in 0..200 {
        if OPEN.load(Ordering::SeqCst) == 0 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((SEEN.load(Ordering::SeqCst), OPEN.load(Ordering::SeqCst)), (40, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_further_channel_is_busy() {
    let sshd = sshd!(|config| config.lines = "MaxSessions 1\n".into());
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    let error = session.exec(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.hint().unwrap().contains("MaxSessions"));
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn old_algorithms_only_on_request() {
    let sshd = sshd!(|config| {
        config.lines =
            "KexAlgorithms diffie-hellman-group14-sha1\nCiphers aes128-cbc\nMACs hmac-sha1\n".into();
    });
    let error = sshd.session(&SshHub::new(), "modern").ask(&HELLO, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.to_string().contains("diffie-hellman-group14-sha1"), "{error}");
    assert!(error.hint().unwrap().contains("ssh: { legacy: true }"));

    let mut target = sshd.target("legacy");
    target.legacy = true;
    let session = SshHub::new().session(target);
    assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n");
    let status = session.status();
    assert_eq!(status.key_exchange.as_deref(), Some("diffie-hellman-group14-sha1"));
    assert_eq!(status.warnings.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_login_cap_counts_every_session_of_a_device() {
    let sshd = sshd!();
    let hub = SshHub::new();
    for n in 0..4 {
        let mut target = sshd.target("nat-gw-1");
        target.logins_per_minute = 3;
        let answer = hub.session(target).ask(&HELLO, soon()).await;
        match answer {
            Ok(_) => assert!(n < 3),
            Err(error) => assert_eq!((n, error.kind()), (3, ErrorKind::Busy), "{error}"),
        }
    }
    assert_eq!(sshd.logins(), 3);
}
