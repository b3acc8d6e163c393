use std::collections::{BTreeMap, BTreeSet};

use super::cpu_table::{Columns, CpuTable, Row};
use super::number::{decimal, not};
use super::{complaint, excerpt};

/// Namespaces of one list: a device may have 2,000 tables. What is beyond counts as left out.
const LISTED_MAX: usize = 2_000;

/// What a walk over the processes of a device found: its network namespaces, one process of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Census {
    /// The namespace that the login is in, by the inode of its statistics file.
    pub(super) own: u64,
    /// Its inode in the file system of namespaces, which `/run/netns` and the kernel's log show.
    pub(super) own_net: Option<u64>,
    /// When the walk ended, in clock ticks since boot: what starts of processes are compared with.
    pub(super) now: u64,
    /// The names under `/run/netns`, each with its inode in the file system of namespaces.
    pub(super) names: BTreeMap<String, u64>,
    pub(super) found: Vec<Found>,
    /// What `found` may lack.
    pub(super) gaps: Gaps,
    pub(super) cost: Cost,
}

/// One namespace other than the login's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) inode: u64,
    /// The process that it was seen through; 0 where it has none, which only root can read.
    pub(super) reader: u32,
    /// When that process began, in clock ticks since boot; nothing where it has just ended.
    pub(super) start: Option<u64>,
    /// The namespace's inode in the file system of namespaces, which only root sees.
    pub(super) net: Option<u64>,
    /// The name that `ip netns exec` gave to the process's own `/sys`.
    pub(super) executed: Option<String>,
    pub(super) row: Option<Row>,
    /// Control groups of the process, which name its container.
    pub(super) groups: Vec<String>,
}

/// Why namespaces may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Gaps {
    /// Processes of other users are hidden (`hidepid`).
    pub(super) hidden: bool,
    /// The walk ended early: `time` or `processes`.
    pub(super) cut: Option<String>,
    /// Namespaces that were found and left out, the emptiest.
    pub(super) left: u64,
    /// The kernel shows no statistics file, so that namespaces can be counted and not read.
    pub(super) no_file: bool,
    /// Root was to be asked, and gave no list.
    pub(super) no_root: bool,
    /// The first line that could not be understood, and why.
    pub(super) bad: Option<String>,
}

/// What the walk cost the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) processes: u64,
    pub(super) millis: Option<u64>,
}

impl Census {
    /// Reads what the census script prints.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut census = Self::default();
        let mut columns = Columns::default();
        let mut seen = BTreeSet::new();
        let mut walked = false;
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "hidden" => census.gaps.hidden = true,
                "walk" => {
                    census.walked(rest).ok_or_else(|| not("the outcome of a walk", line))?;
                    walked = true;
                }
                "now" => census.now = decimal(rest).ok_or_else(|| not("a time", line))?,
                "run" => {
                    let name = rest.split_once('\t');
                    census
                        .names
                        .extend(name.and_then(|(inode, name)| Some((name.to_owned(), decimal(inode)?))));
                }
                "ownnet" => census.own_net = decimal(rest),
                "columns" => columns = CpuTable::names(rest)?,
                "ns" if census.found.len() == LISTED_MAX => {
                    census.gaps.left = census.gaps.left.saturating_add(1);
                }
                "ns" => match Found::parse(rest, &columns) {
                    Ok(found) if seen.insert(found.inode) => census.found.push(found),
                    Ok(_) => {}
                    Err(why) => {
                        census.gaps.bad.get_or_insert(why);
                    }
                },
                "left" => {
                    let left = decimal(rest).ok_or_else(|| not("a number", line))?;
                    census.gaps.left = census.gaps.left.saturating_add(left);
                }
                _ => {}
            }
        }
        if walked { Ok(census) } else { Err(not("a list of namespaces", complaint::telling(text))) }
    }

    /// `FILE OWN FROM TO CUT PROCESSES LEFT`.
    fn walked(&mut self, rest: &str) -> Option<()> {
        let mut words = rest.split(' ');
        self.gaps.no_file = words.next()? == "net/dev";
        self.own = decimal(words.next()?)?;
        let (from, to) = (words.next()?, words.next()?);
        let cut = words.next()?;
        self.gaps.cut = (cut != "-").then(|| excerpt(cut));
        self.cost.processes = decimal(words.next()?)?;
        self.gaps.left = decimal(words.next()?)?;
        self.cost.millis =
            hundredths(to).zip(hundredths(from)).and_then(|(to, from)| to.checked_sub(from)?.checked_mul(10));
        Some(())
    }
}

impl Census {
    /// Adds what root saw: it sees all, while the poll between two censuses reads through the login's own
    /// processes.
    pub(super) fn completed_by(self, root: Self) -> Self {
        let readers: BTreeMap<u64, u32> =
            self.found.iter().map(|found| (found.inode, found.reader)).collect();
        let mut both = root;
        for found in &mut both.found {
            found.reader = readers.get(&found.inode).copied().unwrap_or(found.reader);
        }
        both.own = self.own;
        both.own_net = self.own_net.or(both.own_net);
        both
    }
}

impl Gaps {
    /// Whether no namespace with a process can be missing.
    pub(super) fn is_whole(&self) -> bool {
        let Self { hidden, cut, left, no_file: _, no_root, bad } = self;
        !hidden && !no_root && *left == 0 && cut.is_none() && bad.is_none()
    }
}

impl Found {
    /// `INODE PID START NET EXECUTED ROW GROUP…`, with tabs.
    fn parse(rest: &str, columns: &Columns) -> Result<Self, String> {
        let mut fields = rest.split('\t');
        let mut field = || fields.next().unwrap_or_default();
        let (inode, reader, start, net, executed, row) =
            (field(), field(), field(), field(), field(), field());
        let number = |text: &str| decimal(text).filter(|_| !text.is_empty());
        Ok(Self {
            inode: number(inode).ok_or_else(|| not("an inode", inode))?,
            reader: reader.parse().map_err(|_| not("a process", reader))?,
            start: number(start),
            net: number(net),
            executed: (!executed.is_empty()).then(|| executed.to_owned()),
            row: (!row.is_empty()).then(|| Row::parse(row, columns)).transpose()?,
            groups: fields.filter(|group| !group.is_empty()).map(str::to_owned).collect(),
        })
    }
}

/// What the poll between two walks reads: the namespace that a process is in now, and its table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Readers {
    /// Inode, process, table.
    pub(super) rows: Vec<(u64, u32, Row)>,
    pub(super) left: u64,
}

impl Readers {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut readers = Self::default();
        let mut columns = Columns::default();
        let mut seen = BTreeSet::new();
        for line in text.lines() {
            if let Some(names) = line.strip_prefix("columns ") {
                columns = CpuTable::names(names)?;
            } else if let Some(left) = line.strip_prefix("left ") {
                let left = decimal(left).ok_or_else(|| not("a number", line))?;
                readers.left = readers.left.saturating_add(left);
            } else if readers.rows.len() == LISTED_MAX {
                readers.left = readers.left.saturating_add(1);
            } else if !line.trim().is_empty() {
                let mut fields = line.split('\t');
                let mut field = || fields.next().unwrap_or_default();
                let (inode, reader, row) = (field(), field(), field());
                let parsed = || Some((decimal(inode)?, reader.parse().ok()?));
                let (inode, reader) = parsed().ok_or_else(|| not("inode and process", line))?;
                let row = Row::parse(row, &columns)?;
                if seen.insert((inode, reader)) {
                    readers.rows.push((inode, reader, row));
                }
            }
        }
        Ok(readers)
    }
}

/// `14799.80` in hundredths.
fn hundredths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').filter(|(_, fraction)| fraction.len() == 2)?;
    decimal(whole)?.checked_mul(100)?.checked_add(decimal(fraction)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &str = "columns entries  drop early_drop\n";

    fn census(lines: &str) -> Census {
        Census::parse(&format!("walk net/stat/nf_conntrack 11 10.00 10.25 - 522 3\nnow 1025\n{lines}"))
            .unwrap()
    }

    #[test]
    fn a_namespace_is_a_line() {
        let census = census(&format!(
            "run 77\tblue green\nownnet 78\n{COLUMNS}ns 12\t900\t512\t77\tblue\ta 2 1.0=ff 2.1=1\t/a b\t/c\t\n"
        ));
        assert_eq!((census.own, census.own_net, census.now), (11, Some(78), 1_025));
        assert_eq!(census.names, BTreeMap::from([("blue green".to_owned(), 77)]));
        assert_eq!((census.cost.processes, census.cost.millis, census.gaps.left), (522, Some(250), 3));
        let found = &census.found[0];
        assert_eq!((found.inode, found.reader, found.start, found.net), (12, 900, Some(512), Some(77)));
        assert_eq!(
            (found.executed.as_deref(), &*found.groups),
            (Some("blue"), ["/a b", "/c"].map(String::from).as_slice())
        );
        assert_eq!(found.row.as_ref().unwrap().used(), 10);
    }

    #[test]
    fn a_process_that_has_ended_leaves_no_number() {
        let census = census(&format!("{COLUMNS}ns 12\t900\t\t\t\t\t\t\n"));
        let found = &census.found[0];
        assert_eq!((found.start, &found.row, found.groups.len()), (None, &None, 0));
    }

    #[test]
    fn a_bad_line_is_told_and_the_others_stay() {
        for bad in [
            "x\t1\t2\t\t\t0 2\t",
            "12\t-1\t2\t\t\t0 2\t",
            "12\t1\t2\t\t\tzz 2\t",
            "12\t1\t2\t\t\t0 2 9.0=1\t",
        ] {
            let census = census(&format!("{COLUMNS}ns {bad}\nns 13\t1\t2\t\t\t0 2\t\n"));
            assert!(census.gaps.bad.is_some(), "{bad}");
            assert_eq!(census.found.len(), 1, "{bad}");
        }
    }

    #[test]
    fn a_list_ends_at_its_limit() {
        let lines: String = (0..2_010).map(|n| format!("ns {}\t900\t\t\t\t5 2046\t\n", n + 100)).collect();
        let census = census(&format!("{COLUMNS}{lines}"));
        assert_eq!((census.found.len(), census.gaps.left), (LISTED_MAX, 3 + 10));
        let lines: String = (0..2_010).map(|n| format!("{}\t900\t5 2046\n", n + 100)).collect();
        let readers = Readers::parse(&format!("{COLUMNS}{lines}")).unwrap();
        assert_eq!((readers.rows.len(), readers.left), (LISTED_MAX, 10));
    }

    #[test]
    fn anything_else_is_no_census() {
        for text in ["", "sh: awk: not found\n", "walk\n", "walk net/dev x 1.00 2.00 - 1 0\n", "now 1\n"] {
            assert!(Census::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn readers_tell_which_namespace_they_are_in() {
        let readers =
            Readers::parse(&format!("{COLUMNS}12\t900\t0 2\n13\t901\t5 2 1.1=3\nleft 4\n")).unwrap();
        let seen: Vec<(u64, u32, u64)> =
            readers.rows.iter().map(|(i, p, row)| (*i, *p, row.used())).collect();
        assert_eq!((seen.as_slice(), readers.left), ([(12, 900, 0), (13, 901, 5)].as_slice(), 4));
        assert!(Readers::parse("12\t900\t0 2 1.0=1\n").is_err(), "no columns, no meaning");
    }
}
