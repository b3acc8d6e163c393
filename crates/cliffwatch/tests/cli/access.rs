use serde_json::Value;

use super::{cliffwatch, folder, said, status, stdout};

const INVENTORY: &str = "credentials:\n  c: { username: watch, password: { env: CLIFFWATCH_TEST_UNSET } }\n\
     jump_hosts:\n  bastion: { address: 192.0.2.9, credential: c }\n\
     devices:\n  - { name: plain, platform: linux, address: 192.0.2.1, credential: c, interval: 30s }\n  \
     - { name: old, platform: linux, address: 192.0.2.2, credential: c, jump_host: bastion, settings: { conntrack_stats: sudo } }\n  \
     - { name: here, platform: linux, address: local }\n";

fn entries(output: &str) -> Vec<Value> {
    let lists: Value = serde_json::from_str(output).unwrap();
    lists[0]["entries"].as_array().unwrap().clone()
}

#[test]
fn a_platform_is_listed_without_an_inventory() {
    let folder = folder(&[]);
    for arguments in [&["access"][..], &["access", "linux"]] {
        let output = cliffwatch(folder.path(), arguments);
        assert_eq!(status(&output), 0, "{}", said(&output));
        let text = stdout(&output);
        assert!(text.starts_with("linux: everything that can ever be sent to a device\n\n1. "), "{text}");
        for part in ["   when:  with each poll\n", "sudo -n /usr/sbin/conntrack -S", "     exec sh\n"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    let output = cliffwatch(folder.path(), &["access", "--format", "json"]);
    let lists: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&lists[0]["platform"], lists[0].get("device")), (&"linux".into(), None));
    assert_eq!(lists[0]["entries"][0]["when"], "session");
}

/// Offline: neither a host key nor the secret is needed.
#[test]
fn a_device_is_sent_only_what_its_settings_let() {
    let folder = folder(&[("inventory.yaml", INVENTORY)]);
    let list = |device| {
        let output = cliffwatch(folder.path(), &["access", device, "--format", "json"]);
        assert_eq!(status(&output), 0, "{}", said(&output));
        stdout(&output)
    };
    let (plain, old, here) = (list("plain"), list("old"), list("here"));
    // What a probe asks for is asked for by a person.
    let unasked: Vec<Value> = entries(&plain).into_iter().filter(|entry| entry["when"] != "probe").collect();
    let actions = format!("{unasked:?}");
    assert!(!actions.contains("sudo") && !actions.contains("/usr/sbin/conntrack -S"), "{actions}");
    assert!(old.contains("watch ALL=(root) NOPASSWD: /usr/sbin/conntrack -S"), "{old}");
    assert!(old.contains("SSH login on 192.0.2.9; direct-tcpip to 192.0.2.2"), "{old}");
    assert!(!here.contains("SSH") && !here.contains("exec sh"), "{here}");
    let polls: Vec<Value> = entries(&plain).into_iter().filter(|entry| entry["when"] == "poll").collect();
    assert_eq!((polls.len(), &polls[0]["every_seconds"]), (1, &30.0.into()), "{polls:?}");
    let text = stdout(&cliffwatch(folder.path(), &["access", "plain"]));
    assert!(text.contains("   when:  with each poll, every 30s\n"), "{text}");
    assert!(text.contains("   when:  about once a minute\n"), "{text}");
}

#[test]
fn a_canary_is_listed_for_the_device_and_for_where_it_starts() {
    let canary = ", canary: { target: \"203.0.113.10:443\", from: plain } }\n  - { name: here";
    let folder = folder(&[("inventory.yaml", &INVENTORY.replacen(" }\n  - { name: here", canary, 1))]);
    let canaries = |device| -> Vec<Value> {
        let output = cliffwatch(folder.path(), &["access", device, "--format", "json"]);
        assert_eq!(status(&output), 0, "{}", said(&output));
        entries(&stdout(&output)).into_iter().filter(|entry| entry["when"] == "canary").collect()
    };
    let (through, from) = (canaries("old"), canaries("plain"));
    assert_eq!((through.len(), from.len(), canaries("here").len()), (1, 1, 0));
    assert_eq!(from[0]["every_seconds"], 15.0);
    let action = from[0]["action"].as_str().unwrap();
    assert!(
        action.starts_with("direct-tcpip to 203.0.113.10:443") && action.ends_with("\nHEAD / HTTP/1.0"),
        "{action}"
    );
    let right = from[0]["right"].as_str().unwrap();
    assert!(right.contains("port-forwarding,permitopen=\"203.0.113.10:443\""), "{right}");
    assert!(through[0]["action"].as_str().unwrap().starts_with("through this device, from plain: "));
    let text = stdout(&cliffwatch(folder.path(), &["access", "linux"]));
    assert!(
        text.contains("direct-tcpip to TARGET") && text.contains("when:  every 15s, and when a rule asks"),
        "{text}"
    );
}

#[test]
fn what_is_neither_is_status_2() {
    let folder = folder(&[("inventory.yaml", INVENTORY)]);
    let output = cliffwatch(folder.path(), &["access", "plan"]);
    assert_eq!(
        said(&output),
        "error: device `plan` is not in the inventory; did you mean `plain`?\nexit status 2\n"
    );
}
