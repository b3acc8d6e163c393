//! What the census script does on a device, through this machine's own files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// The script's own limits.
const TIME_MAX: Duration = Duration::from_secs(2);
const PROCESSES_MAX: usize = 32_768;
const NAMESPACES_MAX: usize = 1_999;
const NAMES_MAX: usize = 4_096;
const GROUPS_MAX: usize = 3;
/// Of one file: a container host's list of mounts is the longest.
const FILE_BYTES_MAX: u64 = 1 << 20;

const STATISTICS: &str = "net/stat/nf_conntrack";
/// Every kernel has it, and it tells namespaces apart as well.
const INTERFACES: &str = "net/dev";

/// The files of one machine, and the processes through which its namespaces are read.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    proc: PathBuf,
    names: PathBuf,
}

impl Walk {
    pub(super) fn new(root: &Path) -> Self {
        Self { proc: root.join("proc"), names: root.join("run/netns") }
    }

    /// The section of a census, and the processes to read until the next one.
    pub(super) fn census(&self, held: &[u32]) -> (String, Vec<u32>) {
        let file = if self.inode("self", STATISTICS).is_some() { STATISTICS } else { INTERFACES };
        let mut text = String::new();
        if self.inode("1", INTERFACES).is_none() {
            text.push_str("hidden\n");
        }
        let Some(own) = self.inode("self", file) else { return (text, Vec::new()) };
        let began = Instant::now();
        let found = self.processes(file, held, began);
        let mut others: Vec<(u64, u32)> =
            found.readers.into_iter().filter(|(inode, _)| *inode != own).collect();
        let mut rows: BTreeMap<u32, Row> =
            others.iter().filter_map(|(_, pid)| Some((*pid, self.row(*pid)?))).collect();
        others
            .sort_by_key(|(inode, pid)| (std::cmp::Reverse(rows.get(pid).map_or(0, |row| row.used)), *inode));
        let left = others.len().saturating_sub(NAMESPACES_MAX);
        others.truncate(NAMESPACES_MAX);
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let until = format!("{}.{:02}", millis / 1_000, millis % 1_000 / 10);
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("walk {file} {own} 0.00 {until} {} {} {left}", found.cut, found.processes));
        line(format!("now {}", self.now()));
        for (name, inode) in self.names() {
            line(format!("run {inode}\t{name}"));
        }
        self.inode("self", "ns/net").into_iter().for_each(|inode| line(format!("ownnet {inode}")));
        if let Some(row) = rows.values().next() {
            line(format!("columns {}", row.columns));
        }
        for (inode, pid) in &others {
            line(self.describe(*inode, *pid, rows.remove(pid)));
        }
        let readers =
            if file == STATISTICS { others.into_iter().map(|(_, pid)| pid).collect() } else { Vec::new() };
        (text, readers)
    }

    /// The section of a poll between two censuses.
    pub(super) fn readers(&self, readers: &[u32]) -> String {
        let mut text = String::new();
        for pid in readers {
            let Some((inode, row)) = self.inode(&pid.to_string(), STATISTICS).zip(self.row(*pid)) else {
                continue;
            };
            if text.is_empty() {
                writeln!(text, "columns {}", row.columns).ok();
            }
            writeln!(text, "{inode}\t{pid}\t{}", row.text).ok();
        }
        text
    }

    /// One process for each namespace: the one that was read before, else the one with the lowest number.
    fn processes(&self, file: &str, held: &[u32], began: Instant) -> Processes {
        let mut found = Processes { readers: BTreeMap::new(), processes: 0, cut: "-" };
        for entry in fs::read_dir(&self.proc).into_iter().flatten().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if found.processes >= PROCESSES_MAX {
                found.cut = "processes";
                break;
            }
            if began.elapsed() > TIME_MAX {
                found.cut = "time";
                break;
            }
            let Some(inode) = self.inode(&pid.to_string(), file) else { continue };
            found.processes += 1;
            let reader = found.readers.entry(inode).or_insert(pid);
            if !held.contains(reader) && (held.contains(&pid) || pid < *reader) {
                *reader = pid;
            }
        }
        found
    }

    fn describe(&self, inode: u64, pid: u32, row: Option<Row>) -> String {
        let net = self.inode(&pid.to_string(), "ns/net").map(|net| net.to_string()).unwrap_or_default();
        let start = self.start(pid).unwrap_or_default();
        let executed = self.executed(pid).unwrap_or_default();
        let row = row.map(|row| row.text).unwrap_or_default();
        let groups = self.groups(pid).join("\t");
        format!("ns {inode}\t{pid}\t{start}\t{net}\t{executed}\t{row}\t{groups}\t")
    }

    /// Field 22 of `/proc/PID/stat`; the process's own name, which comes before it, may hold anything.
    fn start(&self, pid: u32) -> Option<String> {
        let text = self.text(pid, "stat")?;
        let (_, fields) = text.rsplit_once(')')?;
        fields.split_whitespace().nth(19).map(str::to_owned)
    }

    fn groups(&self, pid: u32) -> Vec<String> {
        let mut groups: Vec<String> = Vec::new();
        for line in self.text(pid, "cgroup").unwrap_or_default().lines() {
            let Some(path) = line.splitn(3, ':').nth(2) else { continue };
            if path != "/" && groups.len() < GROUPS_MAX && !groups.iter().any(|known| known == path) {
                groups.push(path.to_owned());
            }
        }
        groups
    }

    /// The name that `ip netns exec` gave to the process's `/sys`: the last mount there counts.
    fn executed(&self, pid: u32) -> Option<String> {
        let mounts = self.text(pid, "mounts")?;
        let source = mounts.lines().rev().find_map(|line| {
            let mut words = line.split(' ');
            let source = words.next()?;
            (words.next() == Some("/sys") && words.next() == Some("sysfs")).then(|| source.to_owned())
        });
        source.filter(|source| source != "sysfs")
    }

    fn row(&self, pid: u32) -> Option<Row> {
        Row::of(&self.text(pid, STATISTICS)?)
    }

    fn names(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(&self.names).into_iter().flatten().flatten().take(NAMES_MAX);
        entries
            .filter_map(|entry| {
                let name =
                    entry.file_name().into_string().ok().filter(|name| !name.contains(['\n', '\t']))?;
                Some((name, fs::metadata(entry.path()).ok()?.ino()))
            })
            .collect()
    }

    /// In hundredths of a second since boot, which is how the kernel tells the starts of processes.
    fn now(&self) -> u64 {
        let uptime = fs::read_to_string(self.proc.join("uptime")).unwrap_or_default();
        let digits: String = uptime.split_whitespace().next().unwrap_or_default().replace('.', "");
        digits.parse().unwrap_or(0)
    }

    fn inode(&self, process: &str, file: &str) -> Option<u64> {
        Some(fs::metadata(self.proc.join(process).join(file)).ok()?.ino())
    }

    fn text(&self, pid: u32, file: &str) -> Option<String> {
        let bytes = super::read(&self.proc.join(pid.to_string()).join(file)).ok()?;
        let whole = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
        whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[derive(Debug)]
struct Processes {
    readers: BTreeMap<u64, u32>,
    processes: usize,
    cut: &'static str,
}

/// A namespace's table without its zeros, as the script writes it.
#[derive(Debug)]
struct Row {
    columns: String,
    text: String,
    used: u64,
}

impl Row {
    fn of(file: &str) -> Option<Self> {
        let mut lines = file.lines().filter(|line| !line.trim().is_empty());
        let columns = lines.next().filter(|line| line.starts_with("entries"))?.to_owned();
        let mut moved = String::new();
        let mut used = None;
        let mut cpus = 0;
        for line in lines {
            for (column, word) in line.split_whitespace().enumerate() {
                let value = u64::from_str_radix(word, 16).ok()?;
                if column == 0 {
                    used.get_or_insert(value);
                } else if value != 0 {
                    write!(moved, " {column}.{cpus}={value:x}").ok()?;
                }
            }
            cpus += 1;
        }
        let used = used?;
        Some(Self { columns, text: format!("{used:x} {cpus}{moved}"), used })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    const HEAD: &str = "entries drop early_drop\n";

    /// A machine whose process 40 and 7 share a namespace, 50 has another, and 1 and we a third.
    fn machine() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write(root, "proc/1/net/stat/nf_conntrack", &format!("{HEAD}5 0 0\n"));
        write(
            root,
            "proc/40/net/stat/nf_conntrack",
            &format!("{HEAD}000001f4 00000000 0000000a\n000001f4 00000003 0\n"),
        );
        write(root, "proc/50/net/stat/nf_conntrack", &format!("{HEAD}0 0 0\n"));
        for (from, to) in [("1", "self"), ("40", "7")] {
            fs::create_dir_all(root.join(format!("proc/{to}/net/stat"))).unwrap();
            let file = |pid: &str| root.join(format!("proc/{pid}/{STATISTICS}"));
            fs::hard_link(file(from), file(to)).unwrap();
        }
        write(root, "proc/1/net/dev", "");
        write(root, "proc/uptime", "123.45 9.00\n");
        write(root, "proc/7/stat", "7 (a) b (c)) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0\n");
        write(root, "proc/7/cgroup", "2:cpu:/docker/x:y\n1:name=systemd:/docker/x:y\n0::/\n");
        write(root, "proc/7/mounts", "sysfs /sys sysfs rw 0 0\nblue /sys sysfs rw 0 0\n");
        write(root, "run/netns/blue", "");
        folder
    }

    #[test]
    fn it_says_what_the_script_says() {
        let folder = machine();
        let walk = Walk::new(folder.path());
        let (text, readers) = walk.census(&[]);
        assert_eq!(readers, [7, 50], "the fullest first, through the lowest process");
        let inode = |pid: &str| walk.inode(pid, STATISTICS).unwrap();
        let blue = fs::metadata(folder.path().join("run/netns/blue")).unwrap().ino();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with(&format!("walk {STATISTICS} {} 0.00 0.", inode("self"))), "{text}");
        assert!(lines[0].ends_with(" - 4 0"), "{text}");
        assert_eq!(
            lines[1..4],
            ["now 12345".to_owned(), format!("run {blue}\tblue"), format!("columns {}", HEAD.trim())]
        );
        assert_eq!(lines[4], format!("ns {}\t7\t4711\t\tblue\t1f4 2 2.0=a 1.1=3\t/docker/x:y\t", inode("7")));
        assert_eq!(lines[5], format!("ns {}\t50\t\t\t\t0 1\t\t", inode("50")));
        assert_eq!(walk.census(&[40]).1, [40, 50], "who was read before is read again");
        let poll = walk.readers(&[40, 50, 51]);
        assert_eq!(
            poll,
            format!("columns {HEAD}{}\t40\t1f4 2 2.0=a 1.1=3\n{}\t50\t0 1\n", inode("7"), inode("50"))
        );
    }

    #[test]
    fn hidden_processes_and_missing_files_are_told() {
        let folder = machine();
        fs::remove_dir_all(folder.path().join("proc/1")).unwrap();
        assert!(Walk::new(folder.path()).census(&[]).0.starts_with("hidden\nwalk "));
        for pid in ["self", "7", "40", "50"] {
            fs::remove_file(folder.path().join(format!("proc/{pid}/{STATISTICS}"))).unwrap();
            write(folder.path(), &format!("proc/{pid}/net/dev"), "");
        }
        let (text, readers) = Walk::new(folder.path()).census(&[]);
        assert!(text.contains("walk net/dev ") && readers.is_empty(), "{text}");
        assert_eq!(text.matches("\nns ").count(), 3);
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(Walk::new(empty.path()).census(&[]).0, "hidden\n");
    }

    #[test]
    fn a_file_that_is_no_table_gives_no_number() {
        for text in ["", "entries drop\n", "entries drop\nx 1\n", "drop\n1\n"] {
            assert!(Row::of(text).is_none(), "{text:?}");
        }
    }
}
