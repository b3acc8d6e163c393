//! The lab tests itself: what it builds is real, and it leaves the machine as it was.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use cliffwatch_tests::{
    ConntrackLock, Daemon, FakeClock, Http, Kind, Netns, Plan, Postgres, Rules, Scene, Sshd, Staged, command,
    eventually, needs, run,
};

const SOON: Duration = Duration::from_secs(20);
/// Set for the copy of a test that is to be killed; its value is the file in which it says that it is ready.
const VICTIM: &str = "CLIFFWATCH_LAB_VICTIM";

#[test]
fn a_table_fills_to_its_limit_and_drops() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS]) {
        return;
    }
    let netns = Netns::new(Rules { silent_peer: true, ..Rules::default() });
    let Some(_lock) = ConntrackLock::lower(400, Some(262_144)) else { return };
    let before = netns.conntrack();
    let opened = netns.open_flows(Plan { udp: 300, tcp: 300, ..Plan::default() }).wait_opened();
    let full = netns.conntrack();
    assert_eq!(full.max, 400);
    assert!((380..=400).contains(&full.count), "{full:?} after {opened:?}");
    assert!(
        full.drop > before.drop && full.insert_failed == before.insert_failed,
        "{before:?} then {full:?}"
    );
    assert_eq!((opened.tcp, opened.tcp_pending), (0, 300), "the peer is silent");
    netns.drain();
    assert!(netns.conntrack().count < 40, "{:?}", netns.conntrack());
}

#[test]
fn a_table_with_few_buckets_evicts_instead() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS]) {
        return;
    }
    let netns = Netns::new(Rules { silent_peer: true, ..Rules::default() });
    let Some(_lock) = ConntrackLock::lower(1_000, Some(1_024)) else { return };
    netns.open_flows(Plan { udp: 1_500, tcp: 500, ..Plan::default() }).wait_opened();
    let shedding = netns.conntrack();
    assert!(shedding.early_drop > 100 && shedding.drop < 20, "{shedding:?}");
}

#[test]
fn a_small_pool_of_ports_refuses_in_an_empty_table() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS]) {
        return;
    }
    let netns = Netns::new(Rules { snat_ports: Some(20), ..Rules::default() });
    let Some(_lock) = ConntrackLock::lower(5_000, None) else { return };
    let opened = netns.open_flows(Plan { tcp: 100, kind: Kind::Assured, ..Plan::default() }).wait_opened();
    let table = netns.conntrack();
    assert_eq!((opened.tcp, opened.tcp_pending), (20, 80), "{table:?}");
    assert!(table.insert_failed >= 80 && table.insert_failed == table.drop, "{table:?}");
    assert!(table.count * 100 < table.max, "{table:?}");
}

#[test]
fn answered_flows_are_held_and_paced() {
    if !needs(&[Netns::NEEDS]) {
        return;
    }
    let netns = Netns::new(Rules::default());
    let plan = Plan { udp: 60, tcp: 60, kind: Kind::Assured, per_second: Some(100) };
    let mut flows = netns.open_flows(plan);
    let opened = flows.wait_opened();
    assert_eq!((opened.udp, opened.tcp, opened.tcp_pending), (60, 60, 0));
    let list = run(netns.exec("conntrack").arg("-L"));
    assert_eq!(list.matches("[ASSURED]").count(), 120, "{list}");
}

#[test]
fn the_limit_and_the_namespace_come_back_when_a_test_is_killed() {
    if !needs(&[ConntrackLock::NEEDS, Netns::NEEDS]) {
        return;
    }
    if let Some(ready) = std::env::var_os(VICTIM) {
        let netns = Netns::new(Rules::default());
        let Some(_lock) = ConntrackLock::lower(777, None) else { return };
        std::fs::write(ready, netns.name()).unwrap();
        loop {
            std::thread::park();
        }
    }
    // Its shells that clean up outlive it at first, and are killed with it the second time: then the next start cleans up.
    for kill in [Daemon::kill, Daemon::kill9] {
        let Some(lock) = ConntrackLock::lower(5_000, None) else { return };
        let before = lock.before();
        drop(lock);
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let mut victim = Command::new(std::env::current_exe().unwrap());
        victim
            .args(["--exact", "the_limit_and_the_namespace_come_back_when_a_test_is_killed"])
            .env(VICTIM, &ready);
        let mut victim = Daemon::spawn(&mut victim);
        let read = || std::fs::read_to_string(&ready).ok().filter(|name| !name.is_empty());
        let name = eventually(SOON, "the victim's namespace", read);
        kill(&mut victim);
        let lock = ConntrackLock::lower(5_000, None).unwrap();
        assert_eq!(lock.before(), before);
        let _next = Netns::new(Rules::default());
        let namespaces = || run(command("ip").args(["netns", "list"]));
        eventually(SOON, "the namespace to go", || (!namespaces().contains(&name)).then_some(()));
    }
}

#[test]
fn an_unprivileged_login_reads_the_namespace() {
    if !needs(&[Netns::NEEDS, Sshd::NEEDS]) {
        return;
    }
    let netns = Netns::new(Rules::default());
    let mut sshd = Sshd::inside(&netns);
    let said = login(&sshd, &sshd.key(), "id -u; cat /proc/sys/net/netfilter/nf_conntrack_count");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let numbers: Vec<u32> = said.lines().map(|line| line.parse().unwrap()).collect();
    assert!(numbers[0] > 0, "the account is root");
    assert!(numbers[1] > 0, "its own connection is tracked");
    assert_eq!((sshd.connections(), sshd.logins(), sshd.rejections()), (1, 1, 0));

    assert!(!login(&sshd, &sshd.stranger_key(), "true").status.success());
    assert_eq!((sshd.connections(), sshd.logins(), sshd.rejections()), (2, 1, 1));

    let before = sshd.host_key();
    sshd.change_host_key();
    assert_ne!(before, sshd.host_key());
    assert!(login(&sshd, &sshd.key(), "true").status.success());
}

#[test]
fn a_local_sshd_hangs_and_recovers() {
    if !needs(&[Sshd::NEEDS]) {
        return;
    }
    let mut sshd = Sshd::local_with("command=\"printf forced\"");
    assert_eq!(login(&sshd, &sshd.key(), "id -u").stdout, b"forced");
    sshd.stop();
    assert!(!login(&sshd, &sshd.key(), "true").status.success(), "a stopped daemon answered");
    sshd.cont();
    assert!(login(&sshd, &sshd.key(), "true").status.success());
    sshd.revoke_key();
    assert!(!login(&sshd, &sshd.key(), "true").status.success());
}

#[test]
fn a_staged_device_shows_what_it_is_told_to() {
    if !needs(&[Sshd::NEEDS]) {
        return;
    }
    let staged = Staged::start();
    for scene in [Scene::default(), Scene { used: 950, drop: 7, early_drop: 0 }] {
        staged.show(scene);
        let said = login(staged.sshd(), &staged.sshd().key(), "id -u");
        assert_eq!(String::from_utf8_lossy(&said.stdout), scene.to_reply());
    }
}

#[test]
fn postgres_keeps_what_it_committed_when_it_is_killed() {
    if !needs(&[Postgres::NEEDS]) {
        return;
    }
    let mut postgres = Postgres::start();
    let url = postgres.create_database("kept");
    assert!(url.starts_with("postgres://") && url.contains("/kept?host=/"), "{url}");
    postgres.sql("kept", "create table t (n int); insert into t values (42)");
    postgres.kill9();
    postgres.restart();
    assert_eq!(postgres.sql("kept", "select n, null from t"), "42|");
    postgres.stop();
    postgres.cont();
    assert_eq!(postgres.sql("kept", "show fsync"), "on");
}

#[test]
fn a_clock_is_moved_for_one_process() {
    if !needs(&[FakeClock::NEEDS]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(folder.path());
    let mut date = command("date");
    date.arg("+%s");
    let real = seconds(&mut date);
    clock.give_to(&mut date);
    assert!((seconds(&mut date) - real).abs() < 60);
    clock.step(-3_600);
    assert!((seconds(&mut date) - real + 3_600).abs() < 60);
}

#[test]
fn the_client_speaks_http() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let http = Http::new(listener.local_addr().unwrap()).with_token("t0ken");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 512];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"items\":[]}").unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let response = http.post("/api/v1/silences", &serde_json::json!({"a": 1}));
    assert_eq!((response.status, response.json()["items"].as_array().unwrap().len()), (200, 0));
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /api/v1/silences HTTP/1.0\r\n"), "{request}");
    assert!(
        request.contains("Authorization: Bearer t0ken\r\n") && request.ends_with("\r\n\r\n{\"a\":1}"),
        "{request}"
    );
}

#[expect(clippy::unwrap_used, reason = "a test without the client fails")]
fn login(sshd: &Sshd, key: &Path, line: &str) -> Output {
    ssh(sshd, key, line).output().unwrap()
}

#[expect(clippy::unwrap_used, reason = "a test without `date` fails")]
fn seconds(date: &mut Command) -> i64 {
    run(date).trim().parse().unwrap()
}

/// The system's own client.
fn ssh(sshd: &Sshd, key: &Path, line: &str) -> Command {
    let mut ssh = command("ssh");
    ssh.args(["-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=5"]);
    ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-i"])
        .arg(PathBuf::from(key));
    ssh.args([
        "-p",
        &sshd.address().port().to_string(),
        "-l",
        sshd.user(),
        &sshd.address().ip().to_string(),
        line,
    ]);
    ssh
}
