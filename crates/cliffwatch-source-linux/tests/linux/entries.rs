//! Entries as kernels and conntrack-tools write them, through every awk that the machine has.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::skip::has;

const HEAD: &str = "listing host
==> /proc/sys/net/netfilter/nf_conntrack_gre_timeout_stream <==
180
by procfs
";

/// An entry, and the protocol and state that it counts as.
const ENTRIES: [(&str, &str); 8] = [
    // gre_print_conntrack in net/netfilter/nf_conntrack_proto_gre.c.
    (
        "ipv4     2 gre      47 179 timeout=30, stream_timeout=180 src=10.0.0.5 dst=192.0.2.7 srckey=0x0 dstkey=0x9 \
         src=192.0.2.7 dst=10.0.0.5 srckey=0x9 dstkey=0x0 [ASSURED] mark=0 zone=0 use=2",
        "gre assured",
    ),
    (
        "ipv4     2 tcp      6 src=10.0.0.2 dst=192.0.2.1 sport=1 dport=2 packets=1 bytes=2 src=192.0.2.1 dst=10.0.0.2 \
         sport=2 dport=1 packets=1 bytes=2 [HW_OFFLOAD] mark=0 use=2",
        "tcp assured",
    ),
    (
        "ipv4     2 tcp      6 ESTABLISHED src=10.0.0.2 dst=192.0.2.1 sport=4 dport=2 src=192.0.2.1 dst=10.0.0.2 \
         sport=2 dport=4 [OFFLOAD] mark=0 zone=0 use=3",
        "tcp ESTABLISHED",
    ),
    (
        "ipv4     2 udp      17 29 src=10.0.0.3 dst=192.0.2.53 sport=5 dport=53 zone-orig=1 packets=1 bytes=60 [UNREPLIED] \
         src=192.0.2.53 dst=10.0.0.3 sport=53 dport=5 zone-reply=2 packets=0 bytes=0 mark=0 delta-time=12 use=1",
        "udp unreplied",
    ),
    (
        "ipv6     10 icmpv6   58 29 src=fe80::1 dst=ff02::1 type=128 code=0 id=1 [UNREPLIED] src=ff02::1 dst=fe80::1 \
         type=129 code=0 id=1 mark=0 use=1",
        "icmpv6 unreplied",
    ),
    (
        "ipv4     2 sctp     132 209 ESTABLISHED src=10.0.0.6 dst=192.0.2.8 sport=5 dport=3868 src=192.0.2.8 dst=10.0.0.6 \
         sport=3868 dport=5 [ASSURED] mark=0 secctx=system_u:object_r:x helper=ftp labels=a,b id=123456 use=1",
        "sctp ESTABLISHED",
    ),
    (
        "ipv4     2 dccp     33 100 OPEN src=10.0.0.6 dst=192.0.2.8 sport=5 dport=3868 src=192.0.2.8 dst=10.0.0.6 \
         sport=3868 dport=5 [ASSURED] mark=0 use=1",
        "dccp OPEN",
    ),
    (
        "ipv4     2 unknown  112 599 src=10.0.0.7 dst=224.0.0.18 [UNREPLIED] src=224.0.0.18 dst=10.0.0.7 mark=0 use=1",
        "unknown unreplied",
    ),
];

fn figures(awk: &[&str], text: &str) -> String {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/src/evidence/table.awk");
    let (name, words) = awk.split_first().unwrap();
    let mut child = Command::new(name)
        .args(words)
        .args(["-v", "N=10", "-f", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn entries_of_every_protocol_count_as_what_they_are() {
    let lines: String = ENTRIES.iter().map(|(line, _)| format!("{line}\n")).collect();
    let text = format!(
        "{HEAD}{lines}conntrack v1.4.7: 8 flow entries\nipv4 2 tcp 6 100 ESTABLISHED src=10.0.0.1\nexit 0\n"
    );
    for (awk, need) in [(&["mawk"][..], "mawk"), (&["gawk"], "gawk"), (&["busybox", "awk"], "busybox")] {
        if !has(&[need]) {
            continue;
        }
        let said = figures(awk, &text);
        assert!(said.contains("\nrows 8 2\n"), "{awk:?}: {said}");
        let states: BTreeMap<&str, &str> = said
            .lines()
            .filter_map(|line| line.strip_prefix("state ")?.split_once(' '))
            .map(|(n, s)| (s, n))
            .collect();
        let wanted: BTreeMap<&str, &str> = ENTRIES.iter().map(|(_, state)| (*state, "1")).collect();
        assert_eq!(states, wanted, "{awk:?}");
        assert!(said.contains("\nidle 1 gre assured 180 0 1 0 0 0 0 0 0 0\n"), "{awk:?}: {said}");
    }
}
