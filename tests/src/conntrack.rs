//! What the kernel says of conntrack, read by the lab itself: the truth that the product's readings are held against.

use std::process::Command;

use crate::command::run;

/// Where the kernel keeps limits and count.
pub(crate) const SYSCTL: &str = "/proc/sys/net/netfilter/nf_conntrack";

/// Count, limit and the counters that tell of lost connections, of one network namespace.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Conntrack {
    /// Entries now.
    pub count: u64,
    /// The limit, one for the whole kernel.
    pub max: u64,
    /// Packets that got no entry, over all CPUs.
    pub drop: u64,
    /// Entries evicted to make room.
    pub early_drop: u64,
    /// Entries that could not be put in: clash, or no free port for NAT.
    pub insert_failed: u64,
}

impl Conntrack {
    /// Reads it where this `cat` runs.
    pub(crate) fn read(mut cat: Command) -> Self {
        cat.args([&format!("{SYSCTL}_count"), &format!("{SYSCTL}_max"), "/proc/net/stat/nf_conntrack"]);
        Self::parse(&run(&mut cat))
    }

    /// Count, limit, header, one line a CPU; the columns go by name and are hexadecimal.
    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let mut number = || lines.next().and_then(|line| line.trim().parse().ok()).expect("a decimal number");
        let (count, max) = (number(), number());
        let header: Vec<&str> = lines.next().expect("a header").split_whitespace().collect();
        let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
        let total = |name: &str| {
            let column = header.iter().position(|column| *column == name).expect("a known column");
            rows.iter().map(|row| u64::from_str_radix(row[column], 16).expect("hexadecimal")).sum()
        };
        Self {
            count,
            max,
            drop: total("drop"),
            early_drop: total("early_drop"),
            insert_failed: total("insert_failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Conntrack;

    #[test]
    fn columns_go_by_name_and_add_up_over_the_cpus() {
        let text = "7\n100\nentries drop insert_failed early_drop\n00000007 0000000a 00000001 00000000\n00000007 00000001 00000002 00000010\n";
        let expected = Conntrack { count: 7, max: 100, drop: 11, early_drop: 16, insert_failed: 3 };
        assert_eq!(Conntrack::parse(text), expected);
    }
}
