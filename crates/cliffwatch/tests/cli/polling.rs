use serde_json::Value;

use super::{THIS_HOST, cliffwatch, folder, repository, said, status, stdout};

#[test]
fn this_host_is_polled() {
    let folder = folder(&[("inventory.yaml", THIS_HOST)]);
    let output = cliffwatch(folder.path(), &["poll", "this-host", "--format", "json"]);
    assert_eq!(status(&output), 0, "{}", said(&output));
    let line: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        (&line["device"], &line["platform"], &line["seq"]),
        (&"this-host".into(), &"linux".into(), &1.into())
    );
    assert_eq!(line["tables"][0]["kind"], "conntrack");
    let output = cliffwatch(folder.path(), &["poll", "--inventory", "inventory.yaml", "this-host"]);
    assert!(stdout(&output).starts_with("DEVICE     TABLE"), "{}", said(&output));
}

#[test]
fn a_configured_limit_outranks_the_device() {
    let inventory = THIS_HOST.replace("address: local", "address: local, capacity: { conntrack: 77 }");
    let folder = folder(&[("inventory.yaml", &inventory)]);
    let output = cliffwatch(folder.path(), &["poll", "--format", "json"]);
    let line: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(
        line["tables"][0]["capacity"],
        serde_json::json!({ "limit": 77, "origin": "configured", "bound": "hard" })
    );
}

/// Others are polled all the same, in the order of the inventory.
#[test]
fn a_device_that_cannot_be_polled_is_status_1() {
    let inventory = format!(
        "credentials:\n  c: {{ username: u, password: {{ file: secret }} }}\n{THIS_HOST}  - {{ name: away, platform: linux, \
         address: \"127.0.0.1:1\", credential: c, host_key: \"SHA256:{}\" }}\n",
        "A".repeat(43)
    );
    let folder = folder(&[("inventory.yaml", &inventory), ("secret", "hunter2")]);
    let output = cliffwatch(folder.path(), &["poll", "--format", "json"]);
    assert_eq!(status(&output), 1);
    let lines: Vec<Value> = stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&lines[0]["device"], &lines[1]["device"]), (&"this-host".into(), &"away".into()));
    assert_eq!(
        (&lines[1]["outcome"], &lines[1]["error"]["kind"]),
        (&"connection_refused".into(), &"connection_refused".into())
    );
    assert!(!said(&output).contains("hunter2"));
}

#[test]
fn captured_replies_become_polls() {
    // A case of the adapter's golden folders that succeeds: the others tell of an error.
    let fixtures = repository().join("crates/cliffwatch-source-linux/fixtures");
    let mut cases = std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path());
    let case = cases.find(|case| case.is_dir() && !case.join("expected.err").exists()).unwrap();
    let output = cliffwatch(&repository(), &["decode", "linux", case.to_str().unwrap()]);
    assert_eq!(status(&output), 0, "{}: {}", case.display(), said(&output));
    let first: Value = serde_json::from_str(stdout(&output).lines().next().unwrap()).unwrap();
    assert_eq!(first["platform"], "linux");
    let empty = repository().join("crates/cliffwatch-source-linux/fixtures/empty-reply");
    let output = cliffwatch(&repository(), &["decode", "linux", empty.to_str().unwrap()]);
    let said_and_hint = "fixtures/empty-reply`: parse: the reply is empty (the login needs a POSIX shell, ";
    assert!(super::stderr(&output).contains(said_and_hint), "{}", said(&output));
    assert_eq!(status(&output), 1);
    let output = cliffwatch(&repository(), &["decode", "linux", "/nonexistent"]);
    assert!(super::stderr(&output).starts_with("error: `/nonexistent`: "), "{}", said(&output));
    assert_eq!(status(&output), 1);
}
