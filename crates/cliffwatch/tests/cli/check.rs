use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::{THIS_HOST, cliffwatch, command, folder, repository, said, status, stdout};

#[test]
fn the_examples_are_fine() {
    let examples = repository().join("examples");
    let output = cliffwatch(&examples, &["check", "--skip-secrets"]);
    assert_eq!(
        said(&output),
        "3 devices, 21 rules in force: 0 errors, 0 warnings\n\
         about 40320 rows a day, 181 MB on disk within the retention\nexit status 0\n"
    );
    let output = cliffwatch(&repository(), &["check", "--inventory", "examples/quickstart.yaml"]);
    assert!(
        said(&output).starts_with("1 device, 20 rules in force: 0 errors, 0 warnings\n"),
        "{}",
        said(&output)
    );
}

#[test]
fn programs_read_the_same_as_people() {
    let folder = folder(&[(
        "inventory.yaml",
        "devices:\n  - { name: a, platform: linux, address: local, intervall: 1s }\n",
    )]);
    let output = cliffwatch(folder.path(), &["check", "--format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(status(&output), 1);
    assert_eq!(line["ok"], false);
    assert_eq!(
        line["problems"],
        serde_json::json!([{
            "severity": "error", "file": "inventory.yaml", "line": 2, "column": 49,
            "message": "unknown key `intervall`", "hint": "did you mean `interval`?"
        }])
    );
    assert_eq!(line["estimate"]["polls_per_day"], 8640);
}

#[test]
fn a_misspelt_variable_is_noticed() {
    let folder = folder(&[("inventory.yaml", THIS_HOST)]);
    let output =
        command(folder.path(), &["check"]).env("CLIFFWATCH_LISTENS", "127.0.0.1:1").output().unwrap();
    let said = said(&output);
    assert!(said.starts_with("warning: environment variable `CLIFFWATCH_LISTENS` is not known"), "{said}");
    assert!(said.contains("did you mean `CLIFFWATCH_LISTEN`?"), "{said}");
}

/// The promise is two seconds in a release build; this build is slower, and so may be the machine.
#[test]
#[expect(clippy::disallowed_methods, reason = "measures a process of its own")]
fn ten_thousand_devices_are_checked_while_one_waits() {
    let mut inventory = "credentials:\n  nat: { username: cliffwatch, agent: true }\ndevices:\n".to_owned();
    for n in 0..10_000 {
        let (address, peer) = (format!("10.0.{}.{}", n / 250, n % 250), n ^ 1);
        write!(
            inventory,
            "  - name: nat-gw-{n}\n    platform: linux\n    address: {address}\n    credential: nat\n    host_key: \
             \"SHA256:uNiVztksCsDhcc0u9e8BrjRVwYq6B5V9fXWwTQb6Dso\"\n    ha_peer: nat-gw-{peer}\n"
        )
        .unwrap();
    }
    let good = folder(&[("inventory.yaml", &inventory)]);
    let started = Instant::now();
    let output = cliffwatch(good.path(), &["check"]);
    assert!(
        said(&output).starts_with("10000 devices, 20 rules in force: 0 errors, 0 warnings\n"),
        "{}",
        said(&output)
    );
    // The same mistake ten thousand times: an unknown key, and a name that is compared with all others.
    for (right, wrong) in [("ha_peer", "ha_pear"), ("ha_peer: nat", "ha_peer: nta")] {
        let bad = folder(&[("inventory.yaml", &inventory.replace(right, wrong))]);
        let said = said(&cliffwatch(bad.path(), &["check"]));
        let end = "and 9900 more problems, not shown: mend these first\n\n10000 errors, 0 warnings\nexit status 1\n";
        assert!(said.ends_with(end), "{}", said.lines().take(5).collect::<String>());
    }
    assert!(started.elapsed() < Duration::from_secs(120), "took {:?}", started.elapsed());
}

#[test]
fn a_folder_is_one_inventory() {
    let folder = folder(&[
        ("cliffwatch.yaml", "inventory: [all.yaml, more]\n"),
        ("all.yaml", "defaults: { interval: 20s }\n"),
    ]);
    let more = folder.path().join("more");
    std::fs::create_dir(&more).unwrap();
    std::fs::write(more.join("a.yml"), THIS_HOST).unwrap();
    std::fs::write(more.join("b.json"), r#"{"devices":[]}"#).unwrap();
    std::fs::write(more.join(".hidden.yaml"), "nonsense: [").unwrap();
    std::fs::write(more.join("notes.txt"), "nonsense: [").unwrap();
    let output = cliffwatch(folder.path(), &["check", "--format", "json"]);
    let line: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&line["devices"], &line["estimate"]["polls_per_day"]), (&1.into(), &4320.into()), "{line}");
}
