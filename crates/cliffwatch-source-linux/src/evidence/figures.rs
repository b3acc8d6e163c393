use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

use crate::parse::{decimal, excerpt};

/// Where idle ages are cut, in seconds; the last age is open. 7,440 is the shortest timeout that a NAT may have
/// for established TCP (RFC 5382, REQ-5).
pub(super) const AGES: [u64; 7] = [60, 300, 3_600, 7_440, 21_600, 86_400, 172_800];

/// The script shows no more of the largest sources, networks, destinations and translations.
const TOP_MAX: usize = 10;
/// Families, states, and idle times by state and timeout: a kernel of 6.18 has some forty states.
const KINDS_MAX: usize = 64;
/// The longest line is that of an idle time.
const WORDS_MAX: usize = 6 + AGES.len() + 1;

/// What the device made of one table.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// The way: `conntrack`, `sudo` or `procfs`.
    pub(super) by: String,
    /// The listing's exit status; none where it was stopped by time or number of rows.
    pub(super) exit: Option<u64>,
    /// What the kernel counted before the listing, and its limit.
    pub(super) count: Option<u64>,
    pub(super) limit: Option<u64>,
    /// Entries that were listed; everything below is of these.
    pub(super) rows: u64,
    /// Lines that were no entries.
    pub(super) odd: u64,
    /// Different sources, and entries of sources beyond those that were kept apart.
    pub(super) distinct: u64,
    pub(super) beyond: u64,
    pub(super) flags: Flags,
    pub(super) families: BTreeMap<String, u64>,
    pub(super) states: BTreeMap<String, BTreeMap<String, u64>>,
    pub(super) sources: Vec<(u64, IpAddr)>,
    pub(super) networks: Vec<(u64, String)>,
    pub(super) destinations: Vec<(u64, Destination)>,
    pub(super) snat: Vec<Snat>,
    pub(super) idle: Vec<Idle>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    pub(super) unreplied: u64,
    pub(super) assured: u64,
    pub(super) closing: u64,
    pub(super) assured_not_closing: u64,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) protocol: String,
    pub(super) address: IpAddr,
    /// None where the protocol has no ports.
    pub(super) port: Option<u16>,
}

/// Ports in use of one translated address towards one destination.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snat {
    pub(super) used: u64,
    pub(super) address: IpAddr,
    pub(super) to: Destination,
    pub(super) lowest: u16,
    pub(super) highest: u16,
}

/// How long the entries of one state have been idle.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Idle {
    pub(super) entries: u64,
    pub(super) protocol: String,
    pub(super) state: String,
    pub(super) timeout: u64,
    /// Entries whose idle age cannot be told.
    pub(super) unclear: u64,
    /// Entries by age: up to each of [`AGES`], and beyond the last.
    pub(super) ages: [u64; AGES.len() + 1],
}

impl Figures {
    /// Reads the lines of one listing.
    ///
    /// # Errors
    /// With the first line that is not one of ours, or says more entries than there are.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut figures = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let words: Vec<&str> = line.split_ascii_whitespace().take(WORDS_MAX + 1).collect();
            figures.take(&words).ok_or_else(|| format!("`{}` is not a figure of ours", excerpt(line)))?;
        }
        figures.ensure_sane()?;
        figures.idle.sort_by_key(|idle| Reverse(idle.entries));
        Ok(figures)
    }

    fn take(&mut self, words: &[&str]) -> Option<()> {
        match words {
            ["by", by] => self.by = word(by)?,
            ["exit", status] => self.exit = Some(decimal(status)?),
            ["count", count] => self.count = Some(decimal(count)?),
            ["limit", limit] => self.limit = Some(decimal(limit)?),
            ["rows", rows, odd] => (self.rows, self.odd) = (decimal(rows)?, decimal(odd)?),
            ["distinct", kept, beyond] => (self.distinct, self.beyond) = (decimal(kept)?, decimal(beyond)?),
            ["flags", unreplied, assured, closing, stuck] => {
                self.flags = Flags {
                    unreplied: decimal(unreplied)?,
                    assured: decimal(assured)?,
                    closing: decimal(closing)?,
                    assured_not_closing: decimal(stuck)?,
                }
            }
            ["family", entries, family] => {
                self.families.insert(word(family)?, decimal(entries)?);
            }
            ["state", entries, protocol, state] => {
                let states = self.states.entry(word(protocol)?).or_default();
                states.insert(word(state)?.to_ascii_lowercase(), decimal(entries)?);
            }
            ["source", entries, address] => self.sources.push((decimal(entries)?, address.parse().ok()?)),
            ["network", entries, net] => self.networks.push((decimal(entries)?, network(net)?)),
            ["destination", entries, to @ ..] => {
                self.destinations.push((decimal(entries)?, Destination::parse(to)?));
            }
            ["snat", used, rest @ ..] => self.snat.push(Snat::parse(decimal(used)?, rest)?),
            ["idle", entries, rest @ ..] => self.idle.push(Idle::parse(decimal(entries)?, rest)?),
            _ => return None,
        }
        self.is_bounded().then_some(())
    }

    fn is_bounded(&self) -> bool {
        let tops = [self.sources.len(), self.networks.len(), self.destinations.len(), self.snat.len()];
        let states = self.states.values().map(BTreeMap::len).sum();
        let kinds = [self.families.len(), states, self.idle.len()];
        tops.into_iter().all(|top| top <= TOP_MAX) && kinds.into_iter().all(|kind| kind <= KINDS_MAX)
    }

    /// No part is more than the whole.
    fn ensure_sane(&self) -> Result<(), String> {
        let Flags { unreplied, assured, closing, assured_not_closing } = self.flags;
        let parts = [unreplied, assured, closing, assured_not_closing, self.distinct, self.beyond];
        let families = self.families.values().copied();
        let states = self.states.values().flat_map(BTreeMap::values).copied();
        let tops = (self.sources.iter().map(|top| top.0))
            .chain(self.networks.iter().map(|top| top.0))
            .chain(self.destinations.iter().map(|top| top.0))
            .chain(self.snat.iter().map(|snat| snat.used));
        let ages =
            self.idle.iter().flat_map(|idle| idle.ages.into_iter().chain([idle.entries, idle.unclear]));
        let mut all = parts.into_iter().chain(families).chain(states).chain(tops).chain(ages);
        if let Some(part) = all.find(|part| *part > self.rows) {
            return Err(format!("it says {part} of {} entries", self.rows));
        }
        let sum = |idle: &Idle| idle.ages.iter().fold(idle.unclear, |sum, age| sum.saturating_add(*age));
        let is_whole = |idle: &Idle| sum(idle) == idle.entries;
        let ports = 1 << 16;
        match self.idle.iter().all(is_whole) && self.snat.iter().all(|snat| snat.used <= ports) {
            true => Ok(()),
            false => Err("its parts are not the whole".to_owned()),
        }
    }
}

impl Destination {
    fn parse(words: &[&str]) -> Option<Self> {
        let [protocol, address, port] = words else { return None };
        let port = if *port == "-" { None } else { Some(port.parse().ok()?) };
        Some(Self { protocol: word(protocol)?, address: address.parse().ok()?, port })
    }
}

impl Snat {
    fn parse(used: u64, words: &[&str]) -> Option<Self> {
        let [protocol, address, to, port, lowest, highest] = words else { return None };
        let to = Destination::parse(&[protocol, to, port])?;
        let (lowest, highest) = (lowest.parse().ok()?, highest.parse().ok()?);
        Some(Self { used, address: address.parse().ok()?, to, lowest, highest })
    }
}

impl Idle {
    fn parse(entries: u64, words: &[&str]) -> Option<Self> {
        let [protocol, state, timeout, unclear, counts @ ..] = words else { return None };
        let counts: Vec<u64> = counts.iter().map(|count| decimal(count)).collect::<Option<_>>()?;
        Some(Self {
            entries,
            protocol: word(protocol)?,
            state: word(state)?.to_ascii_lowercase(),
            timeout: decimal(timeout)?,
            unclear: decimal(unclear)?,
            ages: counts.try_into().ok()?,
        })
    }

    /// Entries that have been idle for longer than one of [`AGES`].
    pub(super) fn over(&self, seconds: u64) -> u64 {
        let older = AGES.iter().position(|age| *age == seconds).and_then(|at| self.ages.get(at + 1..));
        older.unwrap_or_default().iter().fold(0, |sum, entries| sum.saturating_add(*entries))
    }
}

/// A name of the kernel's: `tcp`, `SYN_SENT`.
fn word(text: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    (text.len() <= 24 && text.bytes().all(is_plain)).then(|| text.to_owned())
}

/// `192.0.2.0/24` or `2001:db8:0:1::/64`, in the usual spelling.
fn network(text: &str) -> Option<String> {
    match text.split_once('/')? {
        (address, "64") => address.parse().ok().map(|address: Ipv6Addr| format!("{address}/64")),
        (address, "24") => address.parse().ok().map(|address: std::net::Ipv4Addr| format!("{address}/24")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_list_is_longer_than_the_script_makes_it() {
        let lines = |line: &dyn Fn(usize) -> String, count: usize| {
            let lines: String = (0..count).map(line).collect();
            Figures::parse(&format!("rows 100 0\n{lines}"))
        };
        let idle = |n| format!("idle 1 tcp S{n} 60 0 1 0 0 0 0 0 0 0\n");
        let kinds: [(usize, &dyn Fn(usize) -> String); 7] = [
            (TOP_MAX, &|n| format!("source 1 192.0.2.{n}\n")),
            (TOP_MAX, &|n| format!("network 1 192.0.{n}.0/24\n")),
            (TOP_MAX, &|n| format!("destination 1 tcp 192.0.2.{n} 443\n")),
            (TOP_MAX, &|n| format!("snat 1 tcp 192.0.2.{n} 192.0.2.1 443 1024 2048\n")),
            (KINDS_MAX, &|n| format!("family 1 f{n}\n")),
            (KINDS_MAX, &|n| format!("state 1 p{} S{n}\n", n % 3)),
            (KINDS_MAX, &idle),
        ];
        for (most, line) in kinds {
            assert!(lines(line, most).is_ok(), "{}", line(0));
            assert!(lines(line, most + 1).is_err(), "{}", line(0));
        }
        assert!(lines(&|_| "rows 1 1 ".repeat(9_999), 1).is_err());
    }
}
