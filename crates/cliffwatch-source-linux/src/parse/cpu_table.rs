use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cliffwatch_model::{Counter, CounterBits, CounterClass, CounterName, CounterReading};

use super::number::{decimal, hexadecimal, in_32_bits, not};
use super::{KernelVersion, complaint, excerpt};
use crate::fetch::LINES_MAX;

/// CPUs that a whole reply can have: the script shows no more lines, and the first is the header.
const CPUS_MAX: usize = LINES_MAX - 2;
/// Columns of the statistics: a kernel of 6.18 has 17.
const COLUMNS_MAX: usize = 64;

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

/// The names of a table's columns, in their order.
pub(super) type Columns = Arc<[String]>;

/// Statistics with one row per possible CPU and named columns.
///
/// Only what is not zero is kept, so that a table takes no more than a few times its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CpuTable {
    columns: Columns,
    cpus: usize,
    /// The number of entries, which each line repeats.
    entries: Option<u64>,
    /// In the order of columns and CPUs.
    cells: Vec<Cell>,
}

/// A number that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cell {
    column: u16,
    cpu: u16,
    value: u64,
}

impl CpuTable {
    /// Reads `/proc/net/stat/nf_conntrack`: a line of names, then one line of hexadecimal numbers per
    /// possible CPU (`ct_cpu_seq_show` in net/netfilter/nf_conntrack_standalone.c).
    pub(super) fn procfs(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let columns = Self::names(lines.next().unwrap_or_default())
            .map_err(|_| not("the names of its columns", text))?;
        let width = columns.len();
        let mut table = Self::new(columns);
        for line in lines {
            let row: Option<Vec<u64>> = line.split_whitespace().map(hexadecimal).collect();
            let row = row.filter(|row| row.len() == width);
            table.push(&row.ok_or_else(|| format!("a line is not {width} hexadecimal numbers"))?);
        }
        table.checked()
    }

    /// The names of the columns, in their order.
    pub(super) fn names(text: &str) -> Result<Columns, String> {
        let columns: Columns = text.split_whitespace().take(COLUMNS_MAX + 1).map(str::to_owned).collect();
        let begins = columns.first().map(String::as_str) == Some("entries");
        if begins && columns.len() <= COLUMNS_MAX && are_distinct(&columns) {
            Ok(columns)
        } else {
            Err(not("the names of its columns", text))
        }
    }

    /// Reads what `conntrack -S` prints: `cpu=0 found=0 …`, decimal, one line per CPU. Without the right
    /// it prints the columns of the file above under their own names. Other lines are its complaints.
    pub(super) fn command(text: &str) -> Result<Self, String> {
        let mut table = Self::new(Columns::default());
        let mut last = None;
        for line in text.lines().filter(|line| line.trim_start().starts_with("cpu=")) {
            let pairs: Option<Vec<(&str, u64)>> = line
                .split_whitespace()
                .map(|word| word.split_once('=').and_then(|(name, value)| Some((name, decimal(value)?))))
                .collect();
            let pairs = pairs.ok_or_else(|| format!("`{}` is not name=number", excerpt(line)))?;
            let (cpu, pairs) = pairs.split_first().unwrap_or((&("", 0), &[]));
            // An increase belongs to a CPU: what comes twice, or in another order each time, is none.
            if last.replace(cpu.1).is_some_and(|last| last >= cpu.1) {
                return Err("its lines are not in the order of the CPUs".into());
            }
            if pairs.len() > COLUMNS_MAX {
                return Err(format!("a line has {} columns", pairs.len()));
            }
            if table.cpus == 0 {
                table.columns = pairs.iter().map(|(name, _)| (*name).to_owned()).collect();
            } else if !pairs.iter().map(|(name, _)| *name).eq(table.columns.iter().map(String::as_str)) {
                return Err("its lines do not have the same names".into());
            }
            table.push(&pairs.iter().map(|(_, value)| *value).collect::<Vec<_>>());
        }
        if table.columns.is_empty() || !are_distinct(&table.columns) {
            return Err(not("a line per CPU", complaint::telling(text)));
        }
        table.checked()
    }

    fn new(columns: Columns) -> Self {
        Self { columns, cpus: 0, entries: None, cells: Vec::new() }
    }

    /// Adds the line of one more CPU.
    fn push(&mut self, row: &[u64]) {
        let cpu = u16::try_from(self.cpus).unwrap_or(u16::MAX);
        for ((column, name), value) in (0..).zip(self.columns.iter()).zip(row.iter().copied()) {
            if name == "entries" {
                self.entries.get_or_insert(value);
            } else if value > 0 {
                self.cells.push(Cell { column, cpu, value });
            }
        }
        self.cpus += 1;
    }

    fn checked(mut self) -> Result<Self, String> {
        self.cells.sort_unstable();
        if self.entries.is_some_and(|entries| in_32_bits(entries).is_none()) {
            return Err("it has more entries than 32 bits count".into());
        }
        match self.cpus {
            0 => Err("it has no line for any CPU".into()),
            1..=CPUS_MAX => Ok(self),
            more => Err(format!("it has {more} lines for CPUs, and may have more")),
        }
    }

    /// The number of entries.
    pub(super) fn entries(&self) -> Option<u64> {
        self.entries
    }

    /// The counters that live on this kernel, a part for each CPU.
    pub(super) fn counters(&self, kernel: Option<KernelVersion>) -> BTreeMap<CounterName, Counter> {
        let counter = |(name, column, class): (&str, u16, CounterClass)| {
            let mut parts = vec![0; self.cpus];
            for cell in self.cells.iter().filter(|cell| cell.column == column) {
                parts.get_mut(usize::from(cell.cpu)).into_iter().for_each(|part| *part = cell.value);
            }
            Some((CounterName::new(name).ok()?, cumulative(class, parts)))
        };
        self.live(kernel).filter_map(counter).collect()
    }

    /// All of them together.
    fn total(&self, kernel: Option<KernelVersion>) -> u64 {
        let live: Vec<u16> = self.live(kernel).map(|(_, column, _)| column).collect();
        let counted = self.cells.iter().filter(|cell| live.contains(&cell.column));
        counted.fold(0, |sum, cell| sum.saturating_add(cell.value))
    }

    /// Counters with their columns.
    fn live(
        &self,
        kernel: Option<KernelVersion>,
    ) -> impl Iterator<Item = (&'static str, u16, CounterClass)> + '_ {
        COUNTERS
            .iter()
            .filter(move |(name, ..)| *name != "found" || self.found_is_rare(kernel))
            .filter_map(|(name, spellings, class)| Some((*name, self.column(spellings)?, *class)))
    }

    /// Before 4.9 `found` counted every packet of a known flow; since then only NAT's search for a free
    /// tuple counts there. `clashres` came later, and proves it where the version is not known.
    fn found_is_rare(&self, kernel: Option<KernelVersion>) -> bool {
        self.column(&["clash_resolve", "clashres"]).is_some()
            || kernel.is_some_and(|kernel| kernel >= KernelVersion(4, 9))
    }

    fn column(&self, spellings: &[&str]) -> Option<u16> {
        let index = self.columns.iter().position(|column| spellings.contains(&column.as_str()))?;
        u16::try_from(index).ok()
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
    pub(super) fn parse(text: &str, columns: &Columns) -> Result<Self, String> {
        if let Some(decimals) = text.strip_prefix("d ") {
            let (used, printed) = decimals.split_once(' ').unwrap_or((decimals, ""));
            let used = decimal(used).and_then(in_32_bits).ok_or_else(|| not("a count", text))?;
            return Ok(Self { used, table: CpuTable::command(&printed.replace(" cpu=", "\ncpu="))? });
        }
        let bad = || not("a namespace's table", text);
        let mut words = text.split_whitespace();
        let used = words.next().and_then(hexadecimal).and_then(in_32_bits).ok_or_else(bad)?;
        let cpus = words.next().and_then(decimal).and_then(|cpus| usize::try_from(cpus).ok());
        let cpus = cpus.filter(|cpus| (1..=CPUS_MAX).contains(cpus)).ok_or_else(bad)?;
        if columns.is_empty() {
            return Err("the names of its columns are missing".into());
        }
        let cell = |word: &str| {
            let (place, value) = word.split_once('=')?;
            let (column, cpu) = place.split_once('.')?;
            let index = |word, end| decimal(word).filter(|index| *index < end)?.try_into().ok();
            let (column, cpu) = (index(column, columns.len() as u64)?, index(cpu, cpus as u64)?);
            // The first column are the entries.
            (column > 0).then_some(Cell { column, cpu, value: hexadecimal(value)? })
        };
        let mut cells = words.map(cell).collect::<Option<Vec<Cell>>>().ok_or_else(bad)?;
        cells.sort_unstable();
        if cells.windows(2).any(|two| matches!(two, [a, b] if (a.column, a.cpu) == (b.column, b.cpu))) {
            return Err(bad());
        }
        cells.retain(|cell| cell.value > 0);
        Ok(Self { used, table: CpuTable { columns: Arc::clone(columns), cpus, entries: Some(used), cells } })
    }

    /// The number of entries.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// The counters that live on this kernel.
    pub(super) fn counters(&self, kernel: Option<KernelVersion>) -> BTreeMap<CounterName, Counter> {
        self.table.counters(kernel)
    }

    /// How many numbers they are: one for each counter and CPU, zero or not.
    pub(super) fn parts(&self) -> usize {
        self.table.cpus * self.table.live(None).count()
    }

    /// All of them together.
    pub(super) fn total(&self, kernel: Option<KernelVersion>) -> u64 {
        self.table.total(kernel)
    }
}

/// Two columns of one name have no meaning.
fn are_distinct(columns: &[String]) -> bool {
    columns.iter().collect::<BTreeSet<_>>().len() == columns.len()
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
            "entries drop drop\n1 2 3\n",
            "entries drop\n100000000 2\n",
            "cpu=0 drop=1\n",
        ] {
            assert!(CpuTable::procfs(text).is_err(), "{text:?}");
        }
        for text in [
            "",
            "entries drop\n1 2\n",
            "cpu=0 drop=1\ncpu=1 found=1\n",
            "cpu=0 drop=1\ncpu=0 drop=1\n",
            "cpu=1 drop=1\ncpu=0 drop=2\n",
            "cpu=0 drop=1 drop=2\n",
            "cpu=0\n",
            "cpu=0 drop=0x1\n",
            "cpu=0 drop\n",
        ] {
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
            "5 2 0.0=5",
            "100000000 2",
            "d 4294967296 cpu=0 drop=1",
        ] {
            assert!(Row::parse(bad, &columns).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_row_of_the_command_has_its_own_count() {
        let row = Row::parse("d 70 cpu=0 found=0 drop=3 cpu=1 found=1 drop=4", &Columns::default()).unwrap();
        assert_eq!((row.used(), parts(&row.table, None, "drop")), (70, Some(vec![3, 4])));
        assert!(["d 70", "d x cpu=0 drop=1"].iter().all(|bad| Row::parse(bad, &Columns::default()).is_err()));
    }

    /// A few bytes that speak of many CPUs and columns take a few bytes.
    #[test]
    fn what_is_zero_takes_no_room() {
        let names: String = (1..COLUMNS_MAX).map(|n| format!(" c{n}")).collect();
        let columns = CpuTable::names(&format!("entries{names}")).unwrap();
        let row = Row::parse("5 2046 1.0=1", &columns).unwrap();
        assert_eq!((row.table.cells.len(), row.parts()), (1, 0));
        assert!(CpuTable::names(&format!("entries{names} more")).is_err());
        let many: String = (0..=COLUMNS_MAX).map(|n| format!(" c{n}=0")).collect();
        assert!(CpuTable::command(&format!("cpu=0{many}\n")).is_err());
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
