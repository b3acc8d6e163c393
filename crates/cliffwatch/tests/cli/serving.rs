use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{THIS_HOST, cliffwatch, command, folder, said, status, stdout};

/// Long enough for a busy machine; a service that is well needs a small part of it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running service, ended with the test.
pub(super) struct Service {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(super) address: String,
}

impl Service {
    pub(super) fn start(folder: &Path) -> Self {
        let mut child =
            command(folder, &["serve", "--listen", "127.0.0.1:0"]).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut service = Self { child, log, address: String::new() };
        let serving = service.logged("Cliffwatch is serving.");
        service.address = serving["url"].as_str().unwrap().split_once("://").unwrap().1.to_owned();
        service
    }

    /// The next log line with this message.
    pub(super) fn logged(&mut self, message: &str) -> Value {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(self.log.read_line(&mut line).unwrap() > 0, "no `{message}` in the log:\n{seen}");
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if event["message"] == message {
                return event;
            }
            seen.push_str(&line);
        }
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Status and body of an answer.
    fn ask(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Tries again and again until something comes of it.
    #[expect(clippy::disallowed_methods, reason = "waits for another process")]
    pub(super) fn patiently<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = attempt() {
                return found;
            }
            assert!(started.elapsed() < PATIENCE, "nothing came of it");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Asks again and again until the answer is as it should be.
    #[expect(clippy::disallowed_methods, reason = "waits for another process")]
    fn until(&self, path: &str, is_right: impl Fn(&str) -> bool) -> String {
        let started = Instant::now();
        loop {
            let (_, body) = self.ask("GET", path);
            if is_right(&body) {
                return body;
            }
            assert!(started.elapsed() < PATIENCE, "{path} stays {body}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    #[expect(clippy::disallowed_methods, reason = "waits for another process")]
    fn ended(mut self) -> i32 {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(started.elapsed() < PATIENCE, "the service does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already where the test ended it.
        let _ended = self.child.kill().is_err();
        let _reaped = self.child.wait().is_err();
    }
}

#[test]
fn from_an_inventory_to_rest_sql_and_replay() {
    let folder = folder(&[("inventory.yaml", &THIS_HOST.replace("local", "local, interval: 1s"))]);
    let service = Service::start(folder.path());
    let tables = service.until("/api/v1/tables", |body| body.contains("nf_conntrack"));
    assert!(tables.contains("\"device\":\"this-host\""), "{tables}");
    service.until("/readyz", |body| body.contains("ready\""));
    let health = cliffwatch(folder.path(), &["healthcheck", "--listen", &service.address]);
    assert_eq!(said(&health), "ok\nexit status 0\n");
    let backup = cliffwatch(folder.path(), &["backup", "copy.db"]);
    assert_eq!(status(&backup), 0, "{}", said(&backup));
    let replay = cliffwatch(folder.path(), &["replay", "--store", "sqlite:copy.db", "--format", "json"]);
    assert!(stdout(&replay).contains("{\"summary\":{\"polls\":"), "{}", said(&replay));
    let address = service.address.clone();
    service.signal("TERM");
    assert_eq!(service.ended(), 0);
    let health = cliffwatch(folder.path(), &["healthcheck", "--listen", &address]);
    assert_eq!(status(&health), 1);
}

#[test]
fn a_reload_takes_what_is_good_and_nothing_of_what_is_bad() {
    let folder = folder(&[("inventory.yaml", THIS_HOST)]);
    let inventory = folder.path().join("inventory.yaml");
    let mut service = Service::start(folder.path());
    let second = "  - { name: second, platform: linux, address: \"127.0.0.1:1\", known_hosts: hosts, credential: c }\n";
    let login = "credentials: { c: { username: u, agent: true } }\n";
    std::fs::write(folder.path().join("hosts"), "").unwrap();
    std::fs::write(&inventory, format!("{login}{THIS_HOST}{second}")).unwrap();
    service.signal("HUP");
    let event = service.logged("The configuration was loaded again.");
    assert_eq!((&event["added"], &event["changed"], &event["retired"]), (&1.into(), &0.into(), &0.into()));
    service.until("/api/v1/devices", |body| body.contains("\"device\":\"second\""));

    std::fs::write(&inventory, format!("{login}{THIS_HOST}{second}    intervall: 1s\n")).unwrap();
    let (status, body) = service.ask("POST", "/-/reload");
    assert_eq!(status, 409, "{body}");
    assert!(body.contains("inventory.yaml:"), "{body}");
    service.until("/api/v1/devices", |body| body.contains("\"device\":\"second\""));
    service.until("/metrics", |body| body.contains("cliffwatch_config_last_reload_successful 0"));

    std::fs::write(&inventory, THIS_HOST).unwrap();
    let (status, body) = service.ask("POST", "/-/reload");
    let changes: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &changes["retired"], &changes["changed"]), (200, &1.into(), &0.into()), "{body}");
    service.signal("INT");
    assert_eq!(service.ended(), 0);
}

/// A device that accepts and then says nothing holds up an orderly stop, until the operator insists.
#[test]
fn a_second_signal_ends_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let device = format!(
        "credentials: {{ c: {{ username: u, password: {{ file: secret }} }} }}\ndevices:\n  - {{ name: silent, platform: linux, \
         address: \"{}\", credential: c, host_key: \"SHA256:{}\", interval: 20s, timeout: 15s }}\n",
        silent.local_addr().unwrap(),
        "A".repeat(43)
    );
    let folder = folder(&[("inventory.yaml", &device), ("secret", "hunter2")]);
    let mut service = Service::start(folder.path());
    let _held = silent.accept().unwrap();
    service.signal("TERM");
    service.logged("Stopping: polls under way end, everything is stored. A second signal stops at once.");
    service.signal("TERM");
    service.logged("Stopped at once; what was not stored yet is lost.");
    assert_eq!(service.ended(), 1);
}

#[test]
fn a_token_guards_what_it_should() {
    let folder = folder(&[
        ("inventory.yaml", THIS_HOST),
        ("token", "hunter2\n"),
        (
            "cliffwatch.yaml",
            "auth: { tokens: [ { name: t, scope: read, secret: { file: token } } ], metrics: open }\n",
        ),
    ]);
    let service = Service::start(folder.path());
    assert_eq!(service.ask("GET", "/api/v1/devices").0, 401);
    assert_eq!(service.ask("GET", "/healthz").0, 200);
    assert_eq!(service.ask("GET", "/metrics").0, 200);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = folder(&[("inventory.yaml", THIS_HOST)]);
    let output = cliffwatch(folder.path(), &["serve", "--listen", &taken.local_addr().unwrap().to_string()]);
    let said = said(&output);
    assert!(said.contains("cannot listen on 127.0.0.1:"), "{said}");
    assert_eq!(status(&output), 1);
}

/// The health check trusts the configured certificate, and no other.
#[test]
fn health_is_asked_over_tls() {
    let folder = folder(&[
        ("inventory.yaml", THIS_HOST),
        ("cliffwatch.yaml", "tls: { cert: own.crt, key: own.key }\n"),
    ]);
    if !certificate(folder.path(), "own") {
        let forbidden = std::env::var_os("CLIFFWATCH_NO_SKIP").is_some_and(|value| value == "1");
        assert!(
            !forbidden,
            "health_is_asked_over_tls lacks the program openssl, and CLIFFWATCH_NO_SKIP forbids to skip"
        );
        writeln!(
            std::io::stderr(),
            "SKIPPED health_is_asked_over_tls: this machine lacks the program openssl"
        )
        .unwrap();
        return;
    }
    let service = Service::start(folder.path());
    let ask = || cliffwatch(folder.path(), &["healthcheck", "--listen", &service.address]);
    assert_eq!(said(&ask()), "ok\nexit status 0\n");
    assert!(certificate(folder.path(), "own"), "another one under the same name");
    let said = said(&ask());
    assert!(said.contains("invalid peer certificate") && said.ends_with("exit status 1\n"), "{said}");
}

fn certificate(folder: &Path, name: &str) -> bool {
    let arguments = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"
    );
    let made = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    made.is_ok_and(|output| output.status.success())
}
