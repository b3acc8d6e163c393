//! The scripts in the shells of real machines, against the real kernel.

use std::process::{Command, Output, Stdio};

use cliffwatch_model::{Reading, Setting, TableState, Timestamp};
use cliffwatch_source::testkit::plain_target;
use cliffwatch_source::{AccessWhen, SourceFactory as _};
use cliffwatch_source_linux::{Decoder, LinuxFactory};
use cliffwatch_transport::ssh::SshHub;

use crate::skip::has;

const KERNEL: &str = "conntrack in the kernel";
const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
/// Up to here the script reads the statistics without starting a program.
const FEW_CPUS: usize = 16;

/// What is sent for a poll, or for the minute, as the list for change control has it.
pub(crate) fn script(when: AccessWhen) -> String {
    let listed = LinuxFactory::new(SshHub::new()).access();
    let scripts =
        listed.into_iter().filter(|access| access.when == when && access.action.contains("==> end <=="));
    scripts.map(|access| access.action).next().unwrap()
}

fn run(mut command: Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn shell(words: &[&str], script: &str) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["-c", script]);
    command
}

fn decode(reply: &[u8]) -> Reading {
    let factory = LinuxFactory::new(SshHub::new());
    let mut decoder = Decoder::new(&plain_target("here", &factory.platform(), None)).unwrap();
    decoder.decode(reply, Timestamp::from_secs(0), None).unwrap()
}

fn number(path: &str) -> u64 {
    std::fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

fn possible_cpus() -> usize {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    text.trim().rsplit(['-', ',']).next().unwrap().parse::<usize>().unwrap() + 1
}

/// dash and busybox get one digit of a number under `/proc/sys`: `2` where the limit is 262144.
fn the_limit_is_whole_or_waits(words: &[&str], reads_numbers: bool) {
    if !has(&[words[0], KERNEL]) {
        return;
    }
    let before = number(MAX);
    let all = decode(&run(shell(words, &script(AccessWhen::Minute))).stdout);
    let fast = decode(&run(shell(words, &script(AccessWhen::Poll))).stdout);
    if number(MAX) == before {
        assert_eq!(all.samples[0].capacity.unwrap().limit.get(), before);
        assert!(
            fast.samples[0].capacity.is_err_and(|_| !reads_numbers)
                || fast.samples[0].capacity.unwrap().limit.get() == before
        );
    }
    for reading in [&all, &fast] {
        assert!(reading.faults.is_empty() && reading.epoch.is_some(), "{reading:?}");
        assert!(reading.samples[0].used.is_some_and(|used| used <= before), "{reading:?}");
        let read: Vec<&str> = reading.samples[0].counters.keys().map(|name| name.as_str()).collect();
        assert!(read.contains(&"drop") && read.contains(&"early_drop") && !read.contains(&"new"), "{read:?}");
    }
    assert_eq!(all.epoch, fast.epoch);
    assert!(all.load.figures["memory_percent"] > 0.0 && all.load.tcp_states.contains_key("time_wait"));
    assert!(all.device_settings.contains_key("nf_conntrack_tcp_timeout_established_seconds"));
    assert!(
        matches!(&all.device_settings["kernel_release"], Setting::Text(release) if release.contains('.'))
    );
}

#[test]
fn a_login_without_any_right_reads_all_of_it() {
    if !has(&["root", "setpriv", "dash", KERNEL]) {
        return;
    }
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "dash"];
    let read = |words: &[&str]| decode(&run(shell(words, &script(AccessWhen::Minute))).stdout);
    let (own, theirs) = (read(&["dash"]), read(&nobody));
    assert!(theirs.faults.is_empty() && theirs.samples[0].used.is_some(), "{theirs:?}");
    assert_eq!(theirs.samples[0].capacity.is_ok(), own.samples[0].capacity.is_ok());
    assert_eq!(theirs.samples[0].counters.len(), own.samples[0].counters.len());
    assert!(theirs.device_settings.keys().eq(own.device_settings.keys()));
    assert!(theirs.load.figures.keys().eq(own.load.figures.keys()));
}

/// Processes that the shell starts while it runs the poll's script ten times: in a process namespace of
/// its own, numbers are given out one after the other.
fn processes_of_ten_polls(words: &[&str]) -> Option<u32> {
    if !has(&[words[0], "root", "unshare", KERNEL]) {
        return None;
    }
    let poll = script(AccessWhen::Poll);
    let mark = "sh -c 'echo pid $$' >&2";
    let polls = format!("poll() {{\n{poll}\n}}\n{mark}\n{}{mark}\n:", "poll\n".repeat(10));
    let output = run(shell(&[&["unshare", "-p", "-f", "--mount-proc"], words].concat(), &polls));
    let said = String::from_utf8(output.stderr).unwrap();
    let pids: Vec<u32> =
        said.lines().map(|line| line.strip_prefix("pid ").unwrap().parse().unwrap()).collect();
    assert_eq!(pids.len(), 2, "{said}");
    Some(pids[1] - pids[0] - 1)
}

fn expected_processes(per_poll_without_statistics: u32) -> u32 {
    match (possible_cpus() <= FEW_CPUS, has_statistics()) {
        (true, true) => 0,
        (false, true) => 10,
        (_, false) => 10 * per_poll_without_statistics,
    }
}

fn has_statistics() -> bool {
    std::path::Path::new("/proc/net/stat/nf_conntrack").exists()
}

#[test]
fn dash() {
    the_limit_is_whole_or_waits(&["dash"], false);
    assert!(processes_of_ten_polls(&["dash"]).is_none_or(|started| started == expected_processes(1)));
}

#[test]
fn bash() {
    the_limit_is_whole_or_waits(&["bash", "--posix"], true);
    assert!(
        processes_of_ten_polls(&["bash", "--posix"]).is_none_or(|started| started == expected_processes(0))
    );
}

#[test]
fn busybox() {
    the_limit_is_whole_or_waits(&["busybox", "sh"], false);
    assert!(
        processes_of_ten_polls(&["busybox", "sh"]).is_none_or(|started| started == expected_processes(1))
    );
}

/// Runs in a network namespace of its own, which ends with the shell.
fn in_namespace(script: &str) -> Output {
    run(shell(&["unshare", "-n", "sh"], script))
}

const ATTACH: &str = "ip link set lo up
nft add table inet t
nft 'add chain inet t c { type filter hook output priority 0 ; }'
nft add rule inet t c ct state new counter
";
/// Datagrams to 100 ports: 100 flows that nobody answers.
const FLOWS: &str =
    "bash -c 'for p in $(seq 20001 20100); do echo x >/dev/udp/127.0.0.1/$p; done' 2>/dev/null; ";

#[test]
fn a_namespace_without_rules_is_unknown_and_one_with_rules_counts() {
    if !has(&["root", "unshare", "ip", "nft", "bash", KERNEL]) {
        return;
    }
    let script = script(AccessWhen::Poll);
    let plain = decode(&in_namespace(&format!("ip link set lo up\n{FLOWS}\n{script}")).stdout);
    assert_eq!((plain.samples[0].state, plain.samples[0].used), (TableState::Unknown, Some(0)));
    let tracked = decode(&in_namespace(&format!("{ATTACH}{FLOWS}\n{script}")).stdout);
    assert_eq!(tracked.samples[0].state, TableState::Tracking);
    assert!(tracked.samples[0].used.is_some_and(|used| (100..200).contains(&used)), "{tracked:?}");
}

/// A kernel without the statistics file, made by a script that looks for another one.
fn without_statistics(script: &str) -> Reading {
    let script = script.replace("/proc/net/stat/nf_conntrack", "/proc/net/stat/not_there");
    let reply = String::from_utf8(in_namespace(&format!("{ATTACH}{FLOWS}\n{script}")).stdout).unwrap();
    decode(reply.replace("/proc/net/stat/not_there", "/proc/net/stat/nf_conntrack").as_bytes())
}

#[test]
fn without_the_statistics_file_the_count_stays_and_the_command_gives_counters() {
    if !has(&["root", "unshare", "ip", "nft", "bash", "conntrack", KERNEL]) {
        return;
    }
    let poll = script(AccessWhen::Poll);
    let bare = without_statistics(&poll);
    assert!(
        bare.samples[0].used.is_some_and(|used| used >= 100) && bare.samples[0].capacity.is_ok(),
        "{bare:?}"
    );
    assert!(bare.samples[0].counters.is_empty() && bare.faults.len() == 1, "{bare:?}");
    assert!(bare.faults[0].hint.as_ref().unwrap().contains("NOPASSWD: /usr/sbin/conntrack -S"));
    let command = "echo '==> conntrack -S <=='; /usr/sbin/conntrack -S 2>&1\necho '==> end <=='";
    let full = without_statistics(&poll.replace("echo \"==> end <==\"", command));
    assert!(full.faults.is_empty() && full.samples[0].counters.len() == 9, "{full:?}");
}
