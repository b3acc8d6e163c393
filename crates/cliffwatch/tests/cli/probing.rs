use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use super::{THIS_HOST, cliffwatch, folder, said, status, stderr, stdout};

#[test]
fn this_host_is_probed() {
    let folder = folder(&[("inventory.yaml", THIS_HOST)]);
    let output = cliffwatch(folder.path(), &["probe", "this-host"]);
    assert_eq!(status(&output), 0, "{}", said(&output));
    let text = stdout(&output);
    assert!(text.starts_with("this-host (linux, local)\n  table "), "{text}");
    for part in
        ["limit ", "reported by the device", "  0 count and limit ", "  4 table dump ", "  cost of a poll "]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let output = cliffwatch(folder.path(), &["probe", "--all", "--format", "json"]);
    let line: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&line["device"], &line["outcome"]), (&"this-host".into(), &"ok".into()));
    assert_eq!(line["tables"][0]["capacity"]["origin"], "reported");
    assert_eq!((&line["tiers"][0]["number"], &line["tiers"][0]["state"]), (&0.into(), &"available".into()));
    assert_eq!(line["cost"]["polls"], 20);
}

#[test]
fn a_capture_is_for_its_owner_and_not_written_over() {
    let folder = folder(&[("inventory.yaml", THIS_HOST)]);
    let probe = |more: &[&str]| {
        cliffwatch(folder.path(), &[&["probe", "this-host", "--capture", "kept"], more].concat())
    };
    let output = probe(&[]);
    assert_eq!(status(&output), 0, "{}", said(&output));
    assert!(stdout(&output).contains("  captured "), "{}", said(&output));
    let file = folder.path().join("kept/this-host/01-all.txt");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let output = probe(&[]);
    assert!(stderr(&output).contains("01-all.txt` is there already"), "{}", said(&output));
    assert_eq!((status(&output), status(&probe(&["--overwrite"]))), (1, 0));

    let decoded = cliffwatch(folder.path(), &["decode", "linux", "kept/this-host"]);
    let lines: Vec<Value> =
        stdout(&decoded).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", said(&decoded));
    let polled = cliffwatch(folder.path(), &["poll", "--format", "json"]);
    let polled: Value = serde_json::from_str(&stdout(&polled)).unwrap();
    for same in ["epoch", "complete", "device_settings"] {
        assert_eq!(lines[0][same], polled[same], "{same}");
    }
    for same in ["scope", "kind", "name", "unit", "capacity", "sheds_at"] {
        assert_eq!(lines[0]["tables"][0][same], polled["tables"][0][same], "{same}");
    }
}

/// Nothing listens there: the other device is probed all the same, and the key is not asked for.
#[test]
fn a_device_that_cannot_be_probed_is_status_1() {
    let inventory = format!(
        "credentials:\n  c: {{ username: u, password: {{ file: secret }} }}\n{THIS_HOST}  - {{ name: away, platform: linux, \
         address: \"127.0.0.1:1\", credential: c, labels: {{ site: ams1 }} }}\n"
    );
    let folder = folder(&[("inventory.yaml", &inventory), ("secret", "hunter2")]);
    let output = cliffwatch(folder.path(), &["probe", "--all", "--pins", "pins"]);
    let text = stdout(&output);
    assert_eq!(status(&output), 1, "{}", said(&output));
    assert!(text.contains("away (linux, 127.0.0.1:1)\n  NOT PROBED  connection_refused: "), "{text}");
    assert!(text.contains("this-host (linux, local)\n  table "), "{text}");
    assert!(text.ends_with("no pins are written\n") && !folder.path().join("pins").exists(), "{text}");
    assert!(!said(&output).contains("hunter2"));
    let output = cliffwatch(folder.path(), &["probe", "--all", "--match", "site=ams1", "--format", "json"]);
    assert_eq!(stdout(&output).lines().count(), 1, "{}", said(&output));
    assert_eq!(status(&cliffwatch(folder.path(), &["probe", "--all", "--match", "site=fra1"])), 2);
}

#[test]
fn pins_are_written_to_a_new_file_that_nobody_trusts() {
    let inventory = format!("defaults: {{ known_hosts: trusted }}\n{THIS_HOST}");
    let folder = folder(&[("inventory.yaml", &inventory), ("there", ""), ("trusted", "")]);
    for (file, message) in [("there", "is there already"), ("./trusted", "is what the inventory trusts")] {
        let output = cliffwatch(folder.path(), &["probe", "--all", "--pins", file]);
        assert!(stderr(&output).contains(message), "{}", said(&output));
        assert_eq!(status(&output), 2);
    }
}

#[test]
fn something_must_be_named() {
    let folder = folder(&[("inventory.yaml", THIS_HOST)]);
    for arguments in
        [&["probe"][..], &["probe", "x", "--all"], &["probe", "x", "--match", "a=b"], &["probe", "x"]]
    {
        let output = cliffwatch(folder.path(), arguments);
        assert_eq!((status(&output), stdout(&output)), (2, String::new()), "{}", said(&output));
    }
}
