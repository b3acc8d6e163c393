use std::collections::BTreeMap;

use cliffwatch_model::{Counter, CounterBits, CounterClass, CounterName, CounterReading};

use super::number::{decimal, hexadecimal, not};
use super::{KernelVersion, excerpt};
use crate::fetch::LINES_MAX;

/// CPUs that a whole reply can have: the script shows no more lines, and the first is the header.
const CPUS_MAX: usize = LINES_MAX - 2;

/// The counters that live, with the names that the kernel and the tools have given them, and what an
/// increase means. Where each is counted: net/netfilter/nf_conntrack_core.c.
///
/// Not here: `new`, `delete`, `searched`, `delete_list` (always 0 since 4.9), `ignore` (since about 5.10),
/// `insert` (only entries that user space makes), and the `expect_*` of helpers. A dead column that is
/// shown as 0 looks healthy.
const COUNTERS: [(&str, &[&str], CounterClass); 9] = [
    ("drop", &["drop"], CounterClass::Refused),
    ("insert_failed", &["insert_failed"], CounterClass::Refused),
    ("early_drop", &["early_drop"], CounterClass::Evicted),
    ("invalid", &["invalid"], CounterClass::Pressure),
    ("found", &["found"], CounterClass::Pressure),
    ("search_restart", &["search_restart"], CounterClass::Pressure),
    // The column `searched` became `clashres` in 5.10, `delete_list` became `chainlength` in 5.15: the
    // place is the same and the meaning is another, so that only the name tells.
    ("clash_resolve", &["clash_resolve", "clashres"], CounterClass::Pressure),
    ("chaintoolong", &["chaintoolong", "chainlength"], CounterClass::Pressure),
    ("icmp_error", &["icmp_error", "error"], CounterClass::Pressure),
];

/// Statistics with one row per possible CPU and named columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CpuTable {
    columns: Vec<String>,
    rows: Vec<Vec<u64>>,
}

impl CpuTable {
    /// Reads `/proc/net/stat/nf_conntrack`: a line of names, then one line of hexadecimal numbers per
    /// possible CPU (`ct_cpu_seq_show` in net/netfilter/nf_conntrack_standalone.c).
    pub(super) fn procfs(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let columns = Self::names(lines.next().unwrap_or_default())
            .map_err(|_| not("the names of its columns", text))?;
        let rows = lines
            .map(|line| line.split_whitespace().map(hexadecimal).collect())
            .map(|row: Option<Vec<u64>>| row.filter(|row| row.len() == columns.len()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| format!("a line is not {} hexadecimal numbers", columns.len()))?;
        Self { columns, rows }.checked()
    }

    /// The names of the columns, in their order.
    pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
        let columns: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        if columns.first().map(String::as_str) == Some("entries") {
            Ok(columns)
        } else {
            Err(not("the names of its columns", text))
        }
    }

    /// Reads what `conntrack -S` prints: `cpu=0 found=0 …`, decimal, one line per CPU. Without the right
    /// it prints the columns of the file above under their own names. Other lines are its complaints.
    pub(super) fn command(text: &str) -> Result<Self, String> {
        let mut table = Self { columns: Vec::new(), rows: Vec::new() };
        for line in text.lines().filter(|line| line.trim_start().starts_with("cpu=")) {
            let pairs: Option<Vec<(&str, u64)>> = line
                .split_whitespace()
                .map(|word| word.split_once('=').and_then(|(name, value)| Some((name, decimal(value)?))))
                .collect();
            let pairs = pairs.ok_or_else(|| format!("`{}` is not name=number", excerpt(line)))?;
            let pairs = pairs.get(1..).unwrap_or_default();
            if table.rows.is_empty() {
                table.columns = pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
            } else if !pairs.iter().map(|(name, _)| *name).eq(table.columns.iter().map(String::as_str)) {
                return Err("its lines do not have the same names".into());
            }
            table.rows.push(pairs.iter().map(|(_, value)| *value).collect());
        }
        if table.rows.is_empty() {
            return Err(not("a line per CPU", text));
        }
        table.checked()
    }

    fn checked(self) -> Result<Self, String> {
        match self.rows.len() {
            0 => Err("it has no line for any CPU".into()),
            1..=CPUS_MAX => Ok(self),
            more => Err(format!("it has {more} lines for CPUs, and may have more")),
        }
    }

    /// The number of entries, which each line repeats: it must not be summed.
    pub(super) fn entries(&self) -> Option<u64> {
        self.column(&["entries"])?.next()
    }

    /// The counters that live on this kernel.
    pub(super) fn counters(&self, kernel: Option<KernelVersion>) -> BTreeMap<CounterName, Counter> {
        COUNTERS
            .iter()
            .filter(|(name, ..)| *name != "found" || self.found_is_rare(kernel))
            .filter_map(|(name, spellings, class)| {
                Some((CounterName::new(name).ok()?, cumulative(*class, self.column(spellings)?.collect())))
            })
            .collect()
    }

    /// Before 4.9 `found` counted every packet of a known flow; since then only NAT's search for a free
    /// tuple counts there. `clashres` came later, and proves it where the version is not known.
    fn found_is_rare(&self, kernel: Option<KernelVersion>) -> bool {
        self.column(&["clash_resolve", "clashres"]).is_some()
            || kernel.is_some_and(|kernel| kernel >= KernelVersion(4, 9))
    }

    fn column(&self, spellings: &[&str]) -> Option<impl Iterator<Item = u64>> {
        let index = self.columns.iter().position(|column| spellings.contains(&column.as_str()))?;
        Some(self.rows.iter().filter_map(move |row| row.get(index).copied()))
    }
}

/// The table of one namespace as our own script shows it: a line for each of some hundred namespaces has no
/// room for what is zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    used: u64,
    table: CpuTable,
}

impl Row {
    /// Reads `ENTRIES CPUS COLUMN.CPU=VALUE…`, hexadecimal values of the columns that have these names; or
    /// `d ENTRIES cpu=0 found=0 …`, the count and what `conntrack -S` prints, decimal.
    pub(super) fn parse(text: &str, columns: &[String]) -> Result<Self, String> {
        if let Some(decimals) = text.strip_prefix("d ") {
            let (used, printed) = decimals.split_once(' ').unwrap_or((decimals, ""));
            let used = decimal(used).ok_or_else(|| not("a count", text))?;
            return Ok(Self { used, table: CpuTable::command(&printed.replace(" cpu=", "\ncpu="))? });
        }
        let bad = || not("a namespace's table", text);
        let mut words = text.split_whitespace();
        let used = words.next().and_then(hexadecimal).ok_or_else(bad)?;
        let cpus = words.next().and_then(decimal).and_then(|cpus| usize::try_from(cpus).ok());
        let cpus = cpus.filter(|cpus| (1..=CPUS_MAX).contains(cpus)).ok_or_else(bad)?;
        if columns.is_empty() {
            return Err("the names of its columns are missing".into());
        }
        let mut rows = vec![vec![0; columns.len()]; cpus];
        for row in &mut rows {
            row.iter_mut().take(1).for_each(|entries| *entries = used);
        }
        for word in words {
            let (place, value) = word.split_once('=').ok_or_else(bad)?;
            let (column, cpu) = place.split_once('.').ok_or_else(bad)?;
            let index = |word| decimal(word).and_then(|index| usize::try_from(index).ok());
            let (column, cpu) = (index(column).ok_or_else(bad)?, index(cpu).ok_or_else(bad)?);
            let cell = rows.get_mut(cpu).and_then(|row| row.get_mut(column)).filter(|cell| **cell == 0);
            *cell.ok_or_else(bad)? = hexadecimal(value).ok_or_else(bad)?;
        }
        Ok(Self { used, table: CpuTable { columns: columns.to_vec(), rows } })
    }

    /// The number of entries.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// The counters that live on this kernel.
    pub(super) fn counters(&self, kernel: Option<KernelVersion>) -> BTreeMap<CounterName, Counter> {
        self.table.counters(kernel)
    }

    /// All of them together.
    pub(super) fn total(&self) -> u64 {
        let counters = self.counters(None);
        counters.values().fold(0, |sum, counter| sum.saturating_add(counter.value()))
    }
}

/// The kernel counts in an `unsigned int` per CPU, which wraps. A number that does not fit says that this
/// kernel counts wider.
fn cumulative(class: CounterClass, parts: Vec<u64>) -> Counter {
    let narrow = parts.iter().all(|part| *part <= u64::from(u32::MAX));
    let bits = if narrow { CounterBits::B32 } else { CounterBits::B64 };
    Counter { class, reading: CounterReading::Cumulative { bits, parts } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(table: &CpuTable, kernel: Option<KernelVersion>, name: &str) -> Option<Vec<u64>> {
        let counters = table.counters(kernel);
        let CounterReading::Cumulative { parts, .. } =
            &counters.get(&CounterName::new(name).unwrap())?.reading
        else {
            panic!("{name} is cumulative")
        };
        Some(parts.clone())
    }

    #[test]
    fn columns_go_by_name_whatever_their_order() {
        let table = CpuTable::procfs("entries  drop  new clashres\n0a 1 2 3\n0a 4 5 ff\n").unwrap();
        assert_eq!(table.entries(), Some(10));
        assert_eq!(parts(&table, None, "drop"), Some(vec![1, 4]));
        assert_eq!(parts(&table, None, "clash_resolve"), Some(vec![3, 255]));
        assert_eq!(table.counters(None).len(), 2);
    }

    #[test]
    fn found_means_something_else_before_4_9() {
        let table = CpuTable::procfs("entries searched found\n1 2 3\n").unwrap();
        assert_eq!(parts(&table, None, "found"), None);
        assert_eq!(parts(&table, Some(KernelVersion(3, 10)), "found"), None);
        assert_eq!(parts(&table, Some(KernelVersion(4, 9)), "found"), Some(vec![3]));
    }

    #[test]
    fn one_bad_line_spoils_the_table() {
        for text in [
            "",
            "entries drop\n",
            "entries drop\n1\n",
            "entries drop\n1 2\n1 2 3\n",
            "entries drop\n1 -2\n",
            "drop\n1\n",
            "cpu=0 drop=1\n",
        ] {
            assert!(CpuTable::procfs(text).is_err(), "{text:?}");
        }
        for text in
            ["", "entries drop\n1 2\n", "cpu=0 drop=1\ncpu=1 found=1\n", "cpu=0 drop=0x1\n", "cpu=0 drop\n"]
        {
            assert!(CpuTable::command(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn both_vocabularies_of_the_command_give_the_same_names() {
        let netlink = "cpu=0\tfound=1 drop=2 error=3 clash_resolve=4 chaintoolong=5 \n";
        let fallback = "cpu=0 entries=9 clashres=4 found=1 drop=2 icmp_error=3 chainlength=5\n";
        let (netlink, fallback) = (CpuTable::command(netlink).unwrap(), CpuTable::command(fallback).unwrap());
        assert_eq!(netlink.counters(None), fallback.counters(None));
        assert_eq!((netlink.entries(), fallback.entries()), (None, Some(9)));
    }

    #[test]
    fn what_a_row_leaves_out_is_zero() {
        let columns = CpuTable::names("entries drop early_drop").unwrap();
        let row = Row::parse("1f4 3 1.0=a 1.2=ffffffff", &columns).unwrap();
        assert_eq!((row.used(), parts(&row.table, None, "drop")), (500, Some(vec![10, 0, 0xffff_ffff])));
        assert_eq!(parts(&row.table, None, "early_drop"), Some(vec![0, 0, 0]));
        assert_eq!(row.table.entries(), Some(500));
        let whole = CpuTable::procfs("entries drop early_drop\n1f4 a 0\n1f4 0 0\n1f4 ffffffff 0\n").unwrap();
        assert_eq!(row.table, whole);
        for bad in [
            "",
            "5",
            "5 0",
            "5 2049",
            "x 2",
            "5 2 1.0",
            "5 2 3.0=1",
            "5 2 1.2=1",
            "5 2 1.0=x",
            "5 2 1.0=1 1.0=2",
        ] {
            assert!(Row::parse(bad, &columns).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_row_of_the_command_has_its_own_count() {
        let row = Row::parse("d 70 cpu=0 found=0 drop=3 cpu=1 found=1 drop=4", &[]).unwrap();
        assert_eq!((row.used(), parts(&row.table, None, "drop")), (70, Some(vec![3, 4])));
        assert!(Row::parse("d 70", &[]).is_err() && Row::parse("d x cpu=0 drop=1", &[]).is_err());
    }

    #[test]
    fn a_wider_kernel_is_believed() {
        let table = CpuTable::procfs("entries drop early_drop\n1 100000000 ffffffff\n").unwrap();
        let bits = |name| match table.counters(None)[&CounterName::new(name).unwrap()].reading {
            CounterReading::Cumulative { bits, .. } => bits,
            _ => panic!(),
        };
        assert_eq!((bits("drop"), bits("early_drop")), (CounterBits::B64, CounterBits::B32));
    }
}
