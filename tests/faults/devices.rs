//! Devices that hang, change their key, refuse ours, never stop talking, or talk nonsense.

use std::fs;
use std::time::Duration;

use cliffwatch_tests::truths::{assert_polls_whole, longest_gap};
use cliffwatch_tests::{History, Inventory, Scene, Service, Setup, Sshd, Staged, needs};

use crate::RULES;

/// A poll each second, and a loaded machine.
const GAP_MAX: Duration = Duration::from_secs(4);

#[test]
fn a_device_that_hangs_times_out_and_disturbs_nobody() {
    if !needs(&[Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let mut hung = Staged::start();
    let others = [Staged::start(), Staged::start()];
    let inventory = Inventory::new()
        .with("hung", hung.sshd())
        .with("other-1", others[0].sshd())
        .with("other-2", others[1].sshd());
    let mut service = start(&inventory);
    service.wait_all_polled(&["hung", "other-1", "other-2"]);
    hung.sshd_mut().stop();
    service.wait_outcome("hung", "timeout");
    let history = service.history();
    let timeouts = "select count(*) from polls where device = 'hung' and outcome = 'timeout'";
    service.wait("more timeouts", || (history.numbers(timeouts)[0] >= 3).then_some(()));
    hung.sshd_mut().cont();
    service.wait_polled("hung");
    assert!(service.terminate().success());
    for name in ["other-1", "other-2"] {
        let failed = format!(
            "select count(*) from polls where device = '{name}' and outcome not in ('ok', 'partial')"
        );
        assert_eq!(history.numbers(&failed), [0], "{name}");
        assert!(longest_gap(&history, name) < GAP_MAX, "{name}");
    }
    // A poll that is late says so in its own time; it never takes a tick of another one with it.
    assert_polls_whole(&history, "hung");
    assert!(longest_gap(&history, "hung") < GAP_MAX);
}

#[test]
fn a_changed_host_key_is_never_logged_in_to() {
    if !needs(&[Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let mut device = Staged::start();
    let mut service = start(&Inventory::new().with("gw", device.sshd()));
    service.wait_polled("gw");
    device.sshd_mut().change_host_key();
    device.sshd_mut().cut_sessions();
    let history = service.history();
    let refused = "select error_message from polls where device = 'gw' and outcome = 'host_key'";
    let said = service.wait("the changed key to be refused", || history.texts(refused).pop());
    assert!(said.contains(&device.sshd().host_key()), "it names the key that it saw: {said}");
    service.wait_outcome("gw", "breaker");
    assert_eq!(
        (device.sshd().logins(), device.sshd().rejections()),
        (1, 0),
        "only with the key that is trusted"
    );
    // An operator who trusts the new key is followed at once.
    service.set_inventory(&Inventory::new().with("gw", device.sshd()).to_string());
    service.hangup();
    service.wait_polled("gw");
    assert_eq!(device.sshd().logins(), 2);
}

#[test]
fn a_rejected_key_is_tried_once() {
    if !needs(&[Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let device = Staged::start();
    let sshd = device.sshd();
    let mut service = start(&Inventory::new().with_key("gw", sshd, sshd.stranger_key()));
    service.wait_outcome("gw", "breaker");
    service.wait_alert("gw", "credential-rejected", "firing");
    let history = service.history();
    let polls = "select outcome from polls where device = 'gw' order by seq";
    let outcomes = service.wait("five polls", || Some(history.texts(polls)).filter(|polls| polls.len() >= 5));
    assert_eq!(outcomes[0], "auth");
    assert!(outcomes[1..].iter().all(|outcome| outcome == "breaker"), "{outcomes:?}");
    assert_eq!((sshd.rejections(), sshd.logins(), sshd.connections()), (1, 0, 1), "{}", sshd.log());
    // A changed secret is noticed.
    service.set_inventory(&Inventory::new().with("gw", sshd).to_string());
    service.hangup();
    service.wait_polled("gw");
    service.wait_closed("gw", "credential-rejected");
    assert_eq!((sshd.rejections(), sshd.logins()), (1, 1), "{}", sshd.log());
}

#[test]
fn a_reply_without_end_or_sense_costs_one_poll_and_no_memory() {
    if !needs(&[Sshd::NEEDS, History::NEEDS]) {
        return;
    }
    let endless = Sshd::local_with("command=\"yes\",restrict");
    let wide = Sshd::local_with("command=\"tr '\\\\0' x </dev/zero\",restrict");
    let (binary, torn, sound) = (Staged::start(), Staged::start(), Staged::start());
    binary.print(&[0xff, 0xfe, 0x00, 0x1b, b'\n'].repeat(1_000));
    let scene = Scene::filled(95).to_reply();
    let cut = scene.find("==> /proc/net/stat").expect("the counters");
    torn.print(
        &[
            &scene.as_bytes()[..cut],
            b"==> /proc/net/stat/nf_conntrack <==\nentries \xff\xfe drop\n00 \xc3( 00\n==> end <==\n",
        ]
        .concat(),
    );
    let inventory = Inventory::new()
        .with("endless", &endless)
        .with("wide", &wide)
        .with("binary", binary.sshd())
        .with("torn", torn.sshd())
        .with("sound", sound.sshd());
    let service = start(&inventory);
    service.wait_polled("sound");
    let before = resident_mib(&service);
    let history = service.history();
    let kinds =
        |name: &str| history.texts(&format!("select distinct outcome from polls where device = '{name}'"));
    service.wait("ten polls", || {
        (history.numbers("select count(*) from polls where device = 'sound'")[0] >= 10).then_some(())
    });
    for name in ["endless", "wide", "binary"] {
        let failed = kinds(name);
        assert!(
            !failed.is_empty() && failed.iter().all(|kind| kind != "ok" && kind != "partial"),
            "{name}: {failed:?}"
        );
    }
    assert_eq!(kinds("binary"), ["parse"]);
    service.wait_alert("torn", "utilization-critical", "firing"); // what could be read counts
    assert_eq!(kinds("torn"), ["partial"]);
    let grown = resident_mib(&service).saturating_sub(before);
    assert!(grown < 64, "{grown} MiB more");
    assert!(longest_gap(&history, "sound") < GAP_MAX);
}

fn start(inventory: &Inventory) -> Service {
    Service::start(Setup { inventory: inventory.to_string(), rules: RULES.to_owned(), ..Setup::default() })
}

fn resident_mib(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.pid())).expect("a running service");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.split_whitespace().next().and_then(|kib| kib.parse::<u64>().ok()).expect("a number") / 1_024
}
