use cliffwatch_model::ErrorKind;
use cliffwatch_transport::ssh::{Mode, Script, SshHub};
use tokio::time::{Duration, Instant, sleep};

use crate::sshd::{HELLO, soon, sshd};

const COUNTER: Script = Script::new("counter", "n=$((n + 1)); echo $n");
const SLOW: Script = Script::new("slow", "sleep 1; echo done");

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_use_one_login_and_one_shell() {
    let sshd = sshd!();
    let hub = SshHub::new();
    let session = sshd.session(&hub, "nat-gw-1");
    assert_eq!(session.status().connected_for, None, "nothing is sent before the first request");
    for n in 1..=200 {
        let reply = session.ask(&COUNTER, soon()).await.unwrap();
        assert_eq!(String::from_utf8(reply.stdout).unwrap(), format!("{n}\n"), "the shell stays");
        assert_eq!(reply.exit_status, Some(0));
        assert!(reply.round_trip < Duration::from_secs(5));
    }
    assert_eq!(session.ask(&HELLO, soon()).await.unwrap().stdout, b"hello\n");
    assert_eq!((sshd.logins(), sshd.count("Connection from")), (1, 1));

    let status = session.status();
    assert_eq!(status.mode, Some(Mode::ShellLoop));
    assert_eq!(status.logins_total, 1);
    assert_eq!(status.host_key.unwrap().fingerprint, sshd.pin("ed25519"));
    assert!(status.server_version.unwrap().starts_with("SSH-2.0-OpenSSH"));
    assert!(status.connected_for.is_some() && status.breaker.is_none() && status.warnings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_script_beside_the_loop_delays_no_request() {
    let sshd = sshd!();
    let session = std::sync::Arc::new(sshd.session(&SshHub::new(), "nat-gw-1"));
    session.ask(&HELLO, soon()).await.unwrap();
    let beside = {
        let session = session.clone();
        tokio::spawn(async move { session.exec(&SLOW, soon()).await })
    };
    for _ in 0..20 {
        assert!(session.ask(&HELLO, soon()).await.unwrap().round_trip < Duration::from_millis(900));
    }
    assert_eq!(beside.await.unwrap().unwrap().stdout, b"done\n");
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_may_be_late_costs_its_shell_and_not_the_connection() {
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&COUNTER, soon()).await.unwrap();
    let before = session.status();
    let late = session.ask_slow(&SLOW, Instant::now() + Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Timeout);
    assert_eq!(session.status().shell_for, None);
    let anew = session.ask(&COUNTER, soon()).await.unwrap();
    assert_eq!(anew.stdout, b"1\n", "another shell");
    let after = session.status();
    assert!(after.connected_for > before.connected_for && after.shell_for < after.connected_for);
    assert_eq!((sshd.logins(), sshd.count("Connection from")), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_once_are_answered_in_turn() {
    let sshd = sshd!();
    let session = std::sync::Arc::new(sshd.session(&SshHub::new(), "nat-gw-1"));
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let session = session.clone();
        requests.spawn(async move { session.ask(&COUNTER, soon()).await.unwrap().stdout });
    }
    let mut numbers: Vec<u32> = requests
        .join_all()
        .await
        .iter()
        .map(|n| String::from_utf8_lossy(n).trim().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=20).collect::<Vec<_>>());
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_session_is_opened_before_the_old_one_is_closed() {
    let sshd = sshd!();
    let hub = SshHub::new();
    let old = sshd.session(&hub, "nat-gw-1");
    old.ask(&HELLO, soon()).await.unwrap();
    let new = sshd.session(&hub, "nat-gw-1");
    new.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.sessions().len(), 2, "both are open for a moment");
    old.close().await;
    assert_eq!(old.ask(&HELLO, soon()).await.unwrap_err().kind(), ErrorKind::Retired);
    new.ask(&HELLO, soon()).await.unwrap();
    for _ in 0..200 {
        if sshd.sessions().len() == 1 {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(sshd.sessions().len(), 1);
    assert!(sshd.log().contains("disconnected by user") || sshd.log().contains("Received disconnect"));
    assert_eq!(sshd.logins(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_that_was_killed_is_made_again_on_the_same_login() {
    const OWN_PID: Script = Script::new("own_pid", "echo $$");
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    let shell: u32 = read_number(&session.ask(&OWN_PID, soon()).await.unwrap().stdout);
    crate::sshd::signal("KILL", shell);
    sleep(Duration::from_millis(300)).await;
    let other: u32 = read_number(&session.ask(&OWN_PID, soon()).await.unwrap().stdout);
    assert_ne!(shell, other);
    assert_eq!((sshd.logins(), session.status().mode), (1, Some(Mode::ShellLoop)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_ends_the_shell_is_an_error_and_the_next_request_works() {
    const FATAL: Script = Script::new("fatal", "echo half; exit 7");
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    session.ask(&HELLO, soon()).await.unwrap();
    let error = session.ask(&FATAL, soon()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Parse);
    assert!(error.to_string().contains("status 7"), "{error}");
    session.ask(&HELLO, soon()).await.unwrap();
    assert_eq!(sshd.logins(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_fails_says_why() {
    const DENIED: Script = Script::new("denied", "echo before; cat /proc/no/such/file");
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    for _ in 0..10 {
        let reply = session.ask(&DENIED, soon()).await.unwrap();
        assert_eq!((reply.stdout.as_slice(), reply.exit_status), (&b"before\n"[..], Some(1)));
        let stderr = String::from_utf8(reply.stderr).unwrap();
        assert!(stderr.contains("/proc/no/such/file") && stderr.lines().count() == 1, "{stderr}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_cannot_eat_the_next_request() {
    const GREEDY: Script = Script::new("greedy", "cat; read x; echo \"[$x]\"");
    let sshd = sshd!();
    let session = sshd.session(&SshHub::new(), "nat-gw-1");
    for _ in 0..3 {
        assert_eq!(session.ask(&GREEDY, soon()).await.unwrap().stdout, b"[]\n");
    }
}

fn read_number(stdout: &[u8]) -> u32 {
    String::from_utf8_lossy(stdout).trim().parse().unwrap()
}
