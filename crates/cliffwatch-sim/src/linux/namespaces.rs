use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::LinuxHost;
use super::files::{COLUMNS, part};
use crate::track::Track;

/// The login's own namespace, and the first process in another one.
const OWN_INODE: u64 = 4_026_531_999;
const FIRST_PROCESS: usize = 1_000;

/// Another network namespace of a host, with a table of its own under the host's limit.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// The control group of its process, which names it: `/docker/3f9ad07c…`.
    pub group: String,
    /// The inode of its statistics file.
    pub inode: u64,
    /// Its count. In a gap it does not exist; after a reset it is another one with this name.
    pub used: Track,
    /// Columns of its statistics by name, summed over the CPUs.
    pub counters: BTreeMap<String, Track>,
}

/// What the census prints: one process of each namespace, and the table through it.
pub(super) fn census(host: &LinuxHost, time: Duration, up: Duration) -> String {
    let (seconds, ticks) = (up.as_secs(), up.as_secs() * 100);
    let processes = host.namespaces.len() + 100;
    let mut text = format!(
        "walk net/stat/nf_conntrack {OWN_INODE} {seconds}.10 {seconds}.16 - {processes} 0\nnow {ticks}\ncolumns {}\n",
        COLUMNS.join(" ")
    );
    for (process, namespace, used) in living(host, time) {
        let (epoch, born) = namespace.used.epoch(time);
        let start = ticks.saturating_sub((time.saturating_sub(born)).as_secs() * 100);
        let inode = namespace.inode + epoch as u64;
        let row = row(namespace, used, time, host.cpus);
        let _text_takes_all =
            writeln!(text, "ns {inode}\t{process}\t{start}\t\t\t{row}\t{}\t", namespace.group);
    }
    text
}

/// What a poll between two censuses prints.
pub(super) fn readers(host: &LinuxHost, time: Duration) -> String {
    let mut text = format!("columns {}\n", COLUMNS.join(" "));
    for (process, namespace, used) in living(host, time) {
        let inode = namespace.inode + namespace.used.epoch(time).0 as u64;
        let _text_takes_all = writeln!(text, "{inode}\t{process}\t{}", row(namespace, used, time, host.cpus));
    }
    text
}

fn living(host: &LinuxHost, time: Duration) -> impl Iterator<Item = (usize, &Namespace, u64)> {
    let numbered = host.namespaces.iter().enumerate();
    numbered.filter_map(move |(n, namespace)| Some((FIRST_PROCESS + n, namespace, namespace.used.at(time)?)))
}

/// `ENTRIES CPUS COLUMN.CPU=VALUE…`: zeroes are left out.
fn row(namespace: &Namespace, used: u64, time: Duration, cpus: u32) -> String {
    let mut row = format!("{used:x} {cpus}");
    for (column, name) in COLUMNS.iter().enumerate().skip(1) {
        let total = namespace.counters.get(*name).and_then(|track| track.at(time)).unwrap_or(0);
        for cpu in 0..u64::from(cpus) {
            let value = part(total, cpu, cpus);
            if value > 0 {
                let _text_takes_all = write!(row, " {column}.{cpu}={value:x}");
            }
        }
    }
    row
}
