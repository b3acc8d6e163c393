use std::fmt::Write as _;
use std::time::Duration;

use cliffwatch_model::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{LinuxHost, namespaces};

/// What a script may show of a host: one file, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    BootId,
    Count,
    Max,
    Statistics,
    /// A sysctl of conntrack that stays as it is.
    Setting(&'static str, u64),
    Buckets,
    Timeouts,
    Release,
    Cpu,
    Date,
    Uptime,
    Memory,
    Softnet,
    Interfaces,
    Snmp,
    Sockets,
    Sockets6,
    /// The census of other network namespaces, and their tables between two of them.
    Namespaces,
    NamespaceReaders,
    /// The same by root, which the login may not be here.
    NamespacesByRoot,
}

/// What of a script's text makes it show what.
const SHOWN: [(&str, Files); 23] = [
    ("/proc/sys/kernel/random/boot_id", Files::BootId),
    ("${n}_conntrack_count", Files::Count),
    ("${n}_conntrack_max", Files::Max),
    ("/proc/net/stat/nf_conntrack", Files::Statistics),
    ("${n}_conntrack_buckets", Files::Buckets),
    ("${n}_conntrack_expect_max", Files::Setting("nf_conntrack_expect_max", 1_024)),
    ("${n}_conntrack_acct", Files::Setting("nf_conntrack_acct", 0)),
    ("${n}_conntrack_tcp_loose", Files::Setting("nf_conntrack_tcp_loose", 1)),
    ("${n}_conntrack_tcp_be_liberal", Files::Setting("nf_conntrack_tcp_be_liberal", 0)),
    ("/proc/sys/kernel/osrelease", Files::Release),
    ("/proc/uptime", Files::Uptime),
    ("/proc/meminfo", Files::Memory),
    ("/proc/net/softnet_stat", Files::Softnet),
    ("/proc/net/dev", Files::Interfaces),
    ("/proc/net/snmp", Files::Snmp),
    ("/proc/net/sockstat", Files::Sockets),
    ("/proc/net/sockstat6", Files::Sockets6),
    ("${n}_conntrack_*timeout*", Files::Timeouts),
    ("/proc/stat", Files::Cpu),
    ("date +%s", Files::Date),
    ("==> namespaces <==", Files::Namespaces),
    ("==> namespace readers <==", Files::NamespaceReaders),
    ("==> cliffwatch-netns <==", Files::NamespacesByRoot),
];

/// What scripts look for and this host does not have, or what only guides them.
const NOT_SHOWN: [&str; 17] = [
    // The listing of a table: the login of this host has no right to it.
    "/proc/sys/net/netfilter/nf_conntrack",
    "${n}_count",
    "${n}_max",
    "${n}_*timeout*",
    "/proc/net/nf_conntrack",
    "/proc/[0-9]*/net/stat/nf_conntrack",
    "/proc/sys/net/netfilter/nf",
    "/proc/sys/net/ipv4/netfilter/ip",
    "/proc/sys/net/ipv4/netfilter/ip_conntrack_max",
    "/proc/net/stat/ip_conntrack",
    "/sys/devices/system/cpu/possible",
    "/proc/",
    "/proc/[0-9]*",
    "/proc/self/$f",
    "/proc/self/ns/net",
    "/proc/1/net/dev",
    "/proc/1/environ",
];

const NETFILTER: &str = "/proc/sys/net/netfilter/";

/// The columns of 5.15 and later: `ct_cpu_seq_show` in net/netfilter/nf_conntrack_standalone.c.
pub(super) const COLUMNS: [&str; 17] = [
    "entries",
    "clashres",
    "found",
    "new",
    "invalid",
    "ignore",
    "delete",
    "chainlength",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "icmp_error",
    "expect_new",
    "expect_create",
    "expect_delete",
    "search_restart",
];

/// Debian 12's.
const TIMEOUTS: [(&str, u32); 10] = [
    ("generic_timeout", 600),
    ("icmp_timeout", 30),
    ("tcp_timeout_established", 432_000),
    ("tcp_timeout_close_wait", 60),
    ("tcp_timeout_fin_wait", 120),
    ("tcp_timeout_syn_sent", 120),
    ("tcp_timeout_time_wait", 120),
    ("tcp_timeout_unacknowledged", 300),
    ("udp_timeout", 30),
    ("udp_timeout_stream", 120),
];

/// Since when the host was up when the simulation began.
const UP_BEFORE: Duration = Duration::from_secs(30 * 86_400);
/// Of its CPUs' time, what is spent, and of that in softirqs, in percent.
const BUSY: (u64, u64) = (12, 4);
/// USER_HZ.
const TICKS_PER_SECOND: u64 = 100;

/// What a script shows, in the order of the table: the reader goes by names.
pub(super) fn shown_by(script: &str) -> Vec<Files> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/_.-*${}".contains(c);
    let mentions = |what: &str| {
        script.match_indices(what).any(|(at, _)| {
            let before = script.get(..at).and_then(|text| text.chars().next_back());
            let after = script.get(at + what.len()..).and_then(|text| text.chars().next());
            // What is read into a variable is shown by its name elsewhere, or not at all.
            before != Some('<') && !before.is_some_and(is_path) && !after.is_some_and(is_path)
        })
    };
    SHOWN.iter().filter(|(what, _)| mentions(what)).map(|(_, files)| *files).collect()
}

/// Whether a path in a script is one that the table knows.
pub(super) fn is_known(path: &str) -> bool {
    SHOWN.iter().any(|(known, _)| *known == path) || NOT_SHOWN.contains(&path)
}

impl LinuxHost {
    /// A reply: each file's text below its name, as `head FILE FILE…` prints it.
    pub(super) fn reply(&self, name: &str, files: &[Files], time: Duration, date: Timestamp) -> String {
        let mut reply = String::with_capacity(1_024);
        for file in files {
            self.show(name, *file, time, date, &mut reply);
        }
        reply.push_str("==> end <==\n");
        reply
    }

    fn show(&self, name: &str, files: Files, time: Duration, date: Timestamp, reply: &mut String) {
        let (boots, booted) = self.used.epoch(time);
        let up = time.saturating_sub(booted) + if boots == 0 { UP_BEFORE } else { Duration::ZERO };
        let mut show = |path: &str, text: &str| {
            let newline = if text.ends_with('\n') { "" } else { "\n" };
            let _text_takes_all = write!(reply, "==> {path} <==\n{text}{newline}");
        };
        let mut setting =
            |setting: &str, value: u64| show(&format!("{NETFILTER}{setting}"), &value.to_string());
        match files {
            Files::BootId => show("/proc/sys/kernel/random/boot_id", &boot_id(name, boots)),
            Files::Count => setting("nf_conntrack_count", self.count(time)),
            Files::Max => setting("nf_conntrack_max", self.max.at(time).unwrap_or(0)),
            Files::Buckets => setting("nf_conntrack_buckets", self.buckets),
            Files::Setting(name, value) => setting(name, value),
            Files::Timeouts => {
                TIMEOUTS
                    .iter()
                    .for_each(|(name, value)| setting(&format!("nf_conntrack_{name}"), (*value).into()));
            }
            Files::Statistics => show("/proc/net/stat/nf_conntrack", &self.statistics(time)),
            Files::Release => show("/proc/sys/kernel/osrelease", &self.release),
            Files::Cpu => show("/proc/stat", &cpu_times(self.cpus, up)),
            Files::Date => show("date +%s", &date.as_micros().div_euclid(1_000_000).to_string()),
            Files::Uptime => show("/proc/uptime", &format!("{}.00 {}.00", up.as_secs(), up.as_secs())),
            Files::Memory => {
                show("/proc/meminfo", "MemTotal: 8000000 kB\nMemFree: 3000000 kB\nMemAvailable: 6000000 kB\n")
            }
            Files::Softnet => {
                show("/proc/net/softnet_stat", &format!("{ZEROES}\n").repeat(self.cpus as usize))
            }
            Files::Interfaces => show("/proc/net/dev", INTERFACES),
            Files::Snmp => show("/proc/net/snmp", "Tcp: RtoAlgorithm CurrEstab InSegs\nTcp: 1 12 34567\n"),
            Files::Sockets => show("/proc/net/sockstat", "TCP: inuse 15 orphan 0 tw 2 alloc 20 mem 3\n"),
            Files::Sockets6 => show("/proc/net/sockstat6", "TCP6: inuse 2\n"),
            Files::Namespaces => show("namespaces", &namespaces::census(self, time, up)),
            Files::NamespaceReaders => show("namespace readers", &namespaces::readers(self, time)),
            Files::NamespacesByRoot => show("cliffwatch-netns", "sudo: a password is required\n"),
        }
    }

    /// Whether the statistics have such a counter.
    pub(crate) fn has_column(name: &str) -> bool {
        COLUMNS.iter().skip(1).any(|column| *column == name)
    }

    fn count(&self, time: Duration) -> u64 {
        self.used.at(time).unwrap_or(0)
    }

    /// A line per CPU. Each repeats the entries and has its part of a counter, cut to 32 bits as the kernel's.
    fn statistics(&self, time: Duration) -> String {
        let mut text = COLUMNS.join(" ");
        let total = |column: &&str| self.counters.get(*column).and_then(|track| track.at(time)).unwrap_or(0);
        let totals: Vec<u64> = COLUMNS.iter().map(total).collect();
        for cpu in 0..u64::from(self.cpus) {
            let _text_takes_all = write!(text, "\n{:08x} ", self.count(time));
            for total in totals.iter().skip(1) {
                let _text_takes_all = write!(text, " {:08x}", part(*total, cpu, self.cpus));
            }
        }
        text
    }
}

/// A CPU's part of a total, as wide as the kernel's counter. The parts of a total that grows never shrink.
pub(super) fn part(total: u64, cpu: u64, cpus: u32) -> u64 {
    ((total + cpu) / u64::from(cpus.max(1))) & u64::from(u32::MAX)
}

const ZEROES: &str = "00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000 \
                      00000000 00000000 00000000";
const INTERFACES: &str = "Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:   84921     399    0    0    0     0          0         0    84921     399    0    0    0     0       0          0
  eth0: 8492100   39900    0    0    0     0          0         0  8492100   39900    0    0    0     0       0          0
";

/// A UUID that is this host's in this boot.
fn boot_id(name: &str, boots: usize) -> String {
    let digest = Sha256::new().chain_update(name).chain_update(boots.to_be_bytes()).finalize();
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// user nice system idle iowait irq softirq steal guest guest_nice.
fn cpu_times(cpus: u32, up: Duration) -> String {
    let total = up.as_secs().saturating_mul(TICKS_PER_SECOND).saturating_mul(cpus.into());
    let (busy, softirq) = (total / 100 * BUSY.0, total / 100 * BUSY.1);
    format!("cpu  {} 0 0 {} 0 0 {softirq} 0 0 0", busy - softirq, total - busy)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::track::Track;

    #[test]
    fn a_script_shows_what_it_mentions() {
        let script = "for f in ${n}_conntrack_count /proc/stat; do cat $f; done; [ -e /proc/net/sockstat6 ]";
        assert_eq!(shown_by(script), [Files::Count, Files::Sockets6, Files::Cpu]);
    }

    #[test]
    fn a_reset_is_a_reboot_and_counters_move_with_their_series() {
        let step = Duration::from_secs(10);
        let track = |text: &str| Track::parse(text, step).unwrap();
        let host = LinuxHost {
            cpus: 2,
            used: track("500 510 reset 7"),
            counters: BTreeMap::from([("drop".to_owned(), track("0+3x2"))]),
            ..LinuxHost::calm(Arc::new(super::super::Documented::new([]).unwrap()))
        };
        let reply = |steps: u32| {
            let files = [Files::BootId, Files::Count, Files::Statistics, Files::Uptime];
            host.reply("gw-1", &files, step * steps, Timestamp::from_secs(0))
        };
        let line = |steps: u32, below: &str, number: usize| {
            let reply = reply(steps);
            let (_, rest) = reply.split_once(&format!("/{below} <==\n")).unwrap();
            rest.lines().nth(number).unwrap().to_owned()
        };
        assert_eq!(
            [line(0, "boot_id", 0) == line(1, "boot_id", 0), line(1, "boot_id", 0) == line(2, "boot_id", 0)],
            [true, false]
        );
        assert_eq!([line(1, "nf_conntrack_count", 0), line(9, "nf_conntrack_count", 0)], ["510", "7"]);
        assert_eq!([line(1, "uptime", 0), line(3, "uptime", 0)], ["2592010.00 2592010.00", "10.00 10.00"]);
        let drops = |steps: u32| {
            [1, 2].map(|cpu| line(steps, "nf_conntrack", cpu).split_whitespace().nth(10).unwrap().to_owned())
        };
        assert_eq!([drops(1), drops(2)], [["00000001", "00000002"], ["00000003", "00000003"]]);
    }

    #[test]
    fn a_boot_id_is_a_uuid_of_its_host_and_boot() {
        let id = boot_id("gw-1", 0);
        assert_eq!((id.len(), id.matches('-').count()), (36, 4));
        assert!(id != boot_id("gw-1", 1) && id != boot_id("gw-2", 0));
    }
}
