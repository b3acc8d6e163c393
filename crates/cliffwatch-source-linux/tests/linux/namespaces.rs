//! Network namespaces of the real kernel, seen by a login without any right through the shells of real machines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use cliffwatch_model::{Reading, Sample, TableState, Timestamp};
use cliffwatch_source::testkit::{FixedClock, plain_target};
use cliffwatch_source::{PollContext, SourceFactory as _};
use cliffwatch_source_linux::{Decoder, LinuxFactory};
use cliffwatch_transport::ssh::SshHub;

use crate::skip::has;

const NEEDS: [&str; 7] =
    ["root", "setpriv", "unshare", "ip", "nft", "conntrack in the kernel", "room for 4,096 entries"];
const NOBODY: [&str; 4] = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
const ATTACH: &str = "ip link set lo up
nft add table inet t
nft 'add chain inet t c { type filter hook output priority 0 ; }'
nft add rule inet t c ct state new counter
bash -c 'for p in $(seq 20001 20100); do echo x >/dev/udp/127.0.0.1/$p; done' 2>/dev/null
echo ready
exec sleep 120";

/// A process in a namespace of its own, in which a hundred flows are tracked.
struct Inside(Child);

impl Inside {
    fn start(words: &[&str]) -> Self {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["sh", "-c", ATTACH]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn inode(&self) -> u64 {
        let file = format!("/proc/{}/net/stat/nf_conntrack", self.0.id());
        std::fs::metadata(file).unwrap().ino()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// A name under `/run/netns`.
struct Named(String);

impl Named {
    fn add(test: &str) -> Self {
        let name = format!("cwns{}-{test}", std::process::id());
        assert!(Command::new("ip").args(["netns", "add", &name]).status().unwrap().success());
        Self(name)
    }

    fn inside(&self) -> Inside {
        Inside::start(&["ip", "netns", "exec", &self.0])
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        Command::new("ip").args(["netns", "del", &self.0]).status().ok();
    }
}

/// A shell that stays, as over a held session, and what its replies mean.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    decoder: Decoder,
}

impl Shell {
    fn start(words: &[&str], path: Option<&Path>) -> Self {
        let words = [&NOBODY, words].concat();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if let Some(path) = path {
            command.env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", path.display()));
        }
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let target = plain_target("here", &LinuxFactory::new(SshHub::new()).platform(), None);
        Self { child, input, output, decoder: Decoder::new(&target).unwrap() }
    }

    /// Runs scripts by name, as the transport does, and decodes what they print together.
    fn run(&mut self, names: &[&str]) -> Reading {
        let mut reply = String::new();
        for name in names {
            let text = script(name);
            writeln!(self.input, "f() {{\n{text}\n}}\nf </dev/null; echo done-with-it").unwrap();
            loop {
                let mut line = String::new();
                assert!(self.output.read_line(&mut line).unwrap() > 0, "the shell ended after {reply}");
                if line == "done-with-it\n" {
                    break;
                }
                reply.push_str(&line);
            }
        }
        self.decoder.decode(reply.as_bytes(), Timestamp::from_secs(1_700_000_000), None).unwrap()
    }

    fn census(&mut self) -> Reading {
        self.run(&["script linux_all", "script linux_netns"])
    }

    fn poll(&mut self) -> Reading {
        self.run(&["script linux_fast_netns"])
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn script(name: &str) -> String {
    let listed = LinuxFactory::new(SshHub::new()).access();
    listed.into_iter().find(|access| access.name == name).unwrap().action
}

fn table<'a>(reading: &'a Reading, name: &str) -> Option<&'a Sample> {
    reading.samples.iter().find(|sample| &*sample.table.scope.name == name)
}

fn holds_the_flows(sample: Option<&Sample>) -> bool {
    sample.is_some_and(|sample| {
        sample.state == TableState::Tracking
            && sample.used.is_some_and(|used| (100..200).contains(&used))
            && sample.counters.len() > 5
    })
}

fn a_census_and_what_follows(shell: &[&str], awk: &str) {
    let wanted: Vec<&str> = NEEDS.iter().copied().chain([shell[0], awk, "bash"]).collect();
    if !has(&wanted) {
        return;
    }
    let shim = tempfile::tempdir().unwrap();
    std::fs::set_permissions(shim.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(format!("/usr/bin/{awk}"), shim.path().join("awk")).unwrap();
    let named = Named::add(&format!("{}-{awk}", shell[0]));
    let (blue, alone) = (named.inside(), Inside::start(&["unshare", "-n"]));
    let nameless = format!("inode-{}", alone.inode());
    let mut held = Shell::start(shell, Some(shim.path()));
    let first = held.census();
    assert!(holds_the_flows(table(&first, &named.0)), "{first:?}");
    assert!(holds_the_flows(table(&first, &nameless)), "{first:?}");
    // dash and busybox leave the limit for the minute.
    assert_eq!(table(&first, &nameless).unwrap().capacity, first.samples[0].capacity);
    assert!(first.samples[0].capacity.is_ok());
    assert!(
        first.complete.iter().any(|group| group.as_str() == "namespaces") || !first.faults.is_empty(),
        "{first:?}"
    );
    assert!(first.load.figures["namespace_census_processes"] > 3.0 && first.load.figures["namespaces"] > 1.0);
    let poll = held.poll();
    assert!(holds_the_flows(table(&poll, &named.0)), "{poll:?}");
    // A second process takes over where the first one ends; the namespace stays the same table.
    let second = named.inside();
    drop(blue);
    assert!(table(&held.poll(), &named.0).is_none() && table(&held.poll(), &nameless).is_some());
    let taken_over = held.census();
    assert!(table(&taken_over, &named.0).is_some_and(|sample| sample.used >= Some(100)), "{taken_over:?}");
    assert!(table(&held.poll(), &named.0).is_some());
    drop((second, alone));
    let last = held.census();
    assert!(table(&last, &named.0).is_none() && table(&last, &nameless).is_none(), "{last:?}");
}

#[test]
fn bash_and_mawk() {
    a_census_and_what_follows(&["bash", "--posix"], "mawk");
}

#[test]
fn dash_and_gawk() {
    a_census_and_what_follows(&["dash"], "gawk");
}

#[test]
fn busybox_and_its_awk() {
    a_census_and_what_follows(&["busybox", "sh"], "busybox");
}

#[tokio::test]
async fn this_machines_own_files_show_the_same() {
    if !has(&[&NEEDS[..], &["bash"]].concat()) {
        return;
    }
    let named = Named::add("local");
    let _inside = named.inside();
    let factory = LinuxFactory::new(SshHub::new());
    let source = factory.open(&plain_target("here", &factory.platform(), Some("local"))).unwrap().source;
    let clock = FixedClock(Timestamp::from_secs(1_700_000_000));
    let cx = PollContext { clock: &clock, deadline: std::time::Duration::from_secs(10) };
    let (census, poll) = (source.poll(&cx).await.unwrap(), source.poll(&cx).await.unwrap());
    for reading in [&census, &poll] {
        assert!(holds_the_flows(table(reading, &named.0)), "{reading:?}");
    }
}

/// The program that a sudo rule allows sees the named namespace that nobody is in.
#[test]
fn root_reads_a_namespace_without_a_process() {
    if !has(&[&NEEDS[..], &["bash", "nsenter", "dash"]].concat()) {
        return;
    }
    let named = Named::add("empty");
    drop(named.inside());
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/linux/cliffwatch-netns");
    let said = Command::new("dash").arg(program).output().unwrap();
    let host = Command::new("dash").args(["-c", &script("script linux_all")]).output().unwrap();
    let reply = [&host.stdout[..], b"==> cliffwatch-netns <==\n", &said.stdout, b"==> end <==\n"].concat();
    let target = plain_target("here", &LinuxFactory::new(SshHub::new()).platform(), None);
    let reading = Decoder::new(&target).unwrap().decode(&reply, Timestamp::from_secs(0), None).unwrap();
    assert!(holds_the_flows(table(&reading, &named.0)), "{reading:?}");
    let refused = Command::new("dash").args([program, "more"]).output().unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty());
}

/// A user names the source of a mount in a namespace of his own; none of it becomes a line of ours.
#[test]
fn what_a_user_names_forges_no_namespace() {
    if !has(&[&NEEDS[..], &["dash", "mount"]].concat()) {
        return;
    }
    let named = Named::add("forged");
    let forge = "mount --make-rprivate / && mount -t sysfs \"$(printf 'x\\nns 4242\\t1\\t\\t\\t\\t63 2\\t')\" /sys\n\
                 echo ready\nexec sleep 60";
    let mut command = Command::new("unshare");
    let mut child = command.args(["-n", "-m", "sh", "-c", forge]).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
    let forger = Inside(child);
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/linux/cliffwatch-netns");
    let said = Command::new("dash").arg(program).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains(&named.0) && said.contains(&format!("ns {}\t", forger.inode())), "{said}");
    assert!(
        said.contains(r"x\012ns\0404242\011") && !said.lines().any(|line| line.starts_with("ns 4242")),
        "{said}"
    );
}

/// More than are kept: the emptiest are left out, and counted.
#[test]
fn the_fullest_are_read() {
    const FOUND: u64 = 2_500;
    if !has(&["awk"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut walked = "held \n11 /proc/self/net/stat/nf_conntrack\nfrom 1.00\n".to_owned();
    for n in 1..=FOUND {
        let file = folder.path().join(n.to_string());
        std::fs::write(&file, format!("entries drop\n{:08x} 00000000\n", n * 7)).unwrap();
        walked.push_str(&format!("{} {}\n", n + 100, file.display()));
    }
    walked.push_str("to 1.50 -\n");
    let input = folder.path().join("walked");
    std::fs::write(&input, walked).unwrap();
    let mut awk = Command::new("awk");
    awk.env("LC_ALL", "C").arg(include_str!("../../src/fetch/pick.awk")).arg(&input);
    let said = String::from_utf8(awk.output().unwrap().stdout).unwrap();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words[..6], ["11", "1.00", "1.50", "-", "2500", "501"]);
    assert_eq!(words.len(), 6 + 1_999);
    // In tables of as many hexadecimal digits the order is that in which they were found.
    let read: Vec<u64> =
        words[6..].iter().map(|file| file.rsplit('/').next().unwrap().parse().unwrap()).collect();
    assert!((586..=FOUND).all(|n| read.contains(&n)), "{said}");
}
