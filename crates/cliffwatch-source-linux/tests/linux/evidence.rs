//! Who fills a table, asked of the real kernel by real shells.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cliffwatch_model::{EvidenceItem, Scope, TableKey, TableKind, Timestamp};
use cliffwatch_source::testkit::{FixedClock, plain_target};
use cliffwatch_source::{AccessWhen, PollContext, Settings, SourceFactory as _};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;
use serde_json::Value;

use crate::skip::has;

const NEEDS: &[&str] = &[
    "root",
    "unshare",
    "ip",
    "nft",
    "bash",
    "conntrack",
    "conntrack in the kernel",
    "room for 4,096 entries",
];
const BYTES_MAX: usize = 10_000;

/// One address that fills the table (what is sent to one's own address comes from it), another that has a few flows, and a pool of 50 ports.
const FILL: &str = r"ip link set lo up
nft -f - <<'RULES'
table inet t {
 chain out { type filter hook output priority 0
  ct state new counter
 }
}
table ip n {
 chain out { type nat hook postrouting priority 100
  udp dport 7002 snat to 127.0.0.3:40001-40050
 }
}
RULES
ip addr add 203.0.113.9/32 dev lo
for p in $(seq 20001 20300); do echo x >/dev/udp/203.0.113.9/$p; done 2>/dev/null
for p in $(seq 30001 30020); do echo x >/dev/udp/127.0.0.1/$p; done 2>/dev/null
for n in $(seq 1 10); do echo x >/dev/udp/127.0.0.1/7002; done 2>/dev/null
";

fn script(name: &str) -> String {
    let listed = LinuxFactory::new(SshHub::new()).access();
    let is_it = |access: &&cliffwatch_source::Access| access.when == AccessWhen::Ask && access.name == name;
    listed.iter().find(is_it).map(|access| access.action.clone()).unwrap()
}

fn run(words: &[&str], text: &str) -> Output {
    let mut command = Command::new(words[0]);
    let output = command.args(&words[1..]).args(["-c", text]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn decode(reply: &[u8]) -> Vec<EvidenceItem> {
    let factory = LinuxFactory::new(SshHub::new());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("evidence.txt"), reply).unwrap();
    let target = plain_target("here", &factory.platform(), None);
    factory.decode(folder.path(), &target, Timestamp::from_secs(0)).unwrap().remove(0).evidence
}

fn value(items: &[EvidenceItem], what: &str) -> Value {
    items
        .iter()
        .find(|item| item.what == what)
        .unwrap_or_else(|| panic!("no {what} in {items:?}"))
        .value
        .clone()
}

/// In every shell, with whatever awk the machine has, the source that fills the table is named.
#[test]
fn the_source_that_fills_the_table_is_named() {
    if !has(NEEDS) {
        return;
    }
    let asked = script("script linux_evidence");
    // A machine that has busybox' applets only, which are without nice.
    let applets = tempfile::tempdir().unwrap();
    for applet in ["awk", "cat", "head", "id", "ls", "timeout", "true"] {
        std::os::unix::fs::symlink("/bin/busybox", applets.path().join(applet)).unwrap();
    }
    let bare = format!("env PATH={} /bin/busybox sh", applets.path().display());
    for shell in ["dash", "bash --posix", "busybox sh", &bare] {
        let ask = format!("{FILL}cat >$T <<'ASKED'\n{asked}\nASKED\n{shell} $T");
        let ask = format!("T=$(mktemp); trap 'rm $T' EXIT\n{ask}");
        let reply = run(&["unshare", "-n", "bash"], &ask).stdout;
        assert!(reply.len() < BYTES_MAX, "{} bytes", reply.len());
        let items = decode(&reply);
        let top = value(&items, "top_sources");
        assert_eq!(top["addresses"][0]["address"], "203.0.113.9", "{shell}: {top}");
        assert_eq!(top["addresses"][0]["entries"], 300);
        assert_eq!(top["networks"][0]["network"], "203.0.113.0/24");
        let listing = value(&items, "listing");
        assert_eq!((&listing["complete"], &listing["by"]), (&true.into(), &"conntrack".into()));
        assert!(listing["entries_listed"].as_u64().unwrap() >= 330, "{listing}");
        assert_eq!(value(&items, "shares")["unreplied"], 1.0);
        let snat = value(&items, "snat_ports");
        assert_eq!(
            (&snat[0]["address"], &snat[0]["used_ports"]),
            (&"127.0.0.3".into(), &10.into()),
            "{snat}"
        );
        let head = value(&items, "usable_headroom");
        assert_eq!(head["assured_not_closing_entries"], 0);
        assert_eq!(head["usable_entries"], head["limit_entries"]);
    }
}

#[tokio::test]
async fn this_machines_own_table_is_listed_and_evidence_false_asks_nothing() {
    if !has(&["root", "conntrack", "conntrack in the kernel"]) {
        return;
    }
    let factory = LinuxFactory::new(SshHub::new());
    let mut target = plain_target("here", &factory.platform(), Some("local"));
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    let cx = PollContext { clock: &clock, deadline: Duration::from_secs(20) };
    let table = TableKey::new(
        target.device.name.clone(),
        Scope::new("netns", "host"),
        TableKind::Conntrack,
        "nf_conntrack",
    );
    let items = factory.open(&target).unwrap().source.evidence(&cx, &table).await.unwrap();
    assert!(items.iter().all(|item| item.table_id == Some(table.id())), "{items:?}");
    assert_eq!(value(&items, "listing")["complete"], true);
    assert_eq!(value(&items, "kernel_log_table_full")["readable"], true, "root reads the kernel's log");
    let never = serde_json::from_str(r#"{"evidence":false}"#).unwrap();
    target.settings = Settings::new(never);
    assert_eq!(factory.open(&target).unwrap().source.evidence(&cx, &table).await.unwrap(), []);
    assert!(factory.access_of(&target).iter().all(|access| access.when != AccessWhen::Ask));
}

/// A named namespace that ends with the test, and a process in it, through which it is seen.
struct Inside(String, std::process::Child);

impl Inside {
    fn fill() -> Self {
        let name = format!("cwev{}", std::process::id());
        let run = |words: &[&str]| assert!(Command::new("ip").args(words).status().unwrap().success());
        run(&["netns", "add", &name]);
        let exec = ["netns", "exec", &name];
        let sleeper = Command::new("ip").args(exec).args(["sleep", "60"]).spawn().unwrap();
        let inside = Self(name.clone(), sleeper);
        run(&[&exec[..], &["bash", "-c", FILL]].concat());
        inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.1.kill().ok();
        self.1.wait().ok();
        Command::new("ip").args(["netns", "del", &self.0]).status().ok();
    }
}

#[tokio::test]
async fn root_lists_the_table_of_another_namespace_by_its_name() {
    if !has(NEEDS) {
        return;
    }
    let inside = Inside::fill();
    let factory = LinuxFactory::new(SshHub::new());
    let source = factory.open(&plain_target("here", &factory.platform(), Some("local"))).unwrap().source;
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    let cx = PollContext { clock: &clock, deadline: Duration::from_secs(20) };
    let reading = source.poll(&cx).await.unwrap();
    let sample = reading.samples.iter().find(|sample| *sample.table.scope.name == *inside.0);
    let table = &sample.unwrap_or_else(|| panic!("{} is not in {:?}", inside.0, reading.samples)).table;
    let items = source.evidence(&cx, table).await.unwrap();
    let top = value(&items, "top_sources");
    assert_eq!(top["addresses"][0]["address"], "203.0.113.9", "{top}");
    assert!(
        items.iter().all(|item| item.table_id == Some(table.id()) && item.what != "idle_ages"),
        "{items:?}"
    );
    assert_eq!(value(&items, "listing")["by"], "procfs");
    let gone = TableKey { scope: Scope::new("netns", "nowhere"), ..TableKey::clone(table) };
    let error = source.evidence(&cx, &gone).await.unwrap_err();
    assert!(error.message.contains("no longer there"), "{error:?}");
}
