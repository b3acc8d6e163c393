use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{Setting, Unit};

/// What should change, in figures. The rules pick and compute it; the words are the platform's.
#[derive(Clone, Debug, PartialEq)]
pub enum Remedy {
    /// The limit is too small for what was seen.
    RaiseLimit {
        /// The most entries that were seen at once.
        peak: u64,
        /// The limit that gives headroom over them.
        entries: u64,
    },
    /// The hash has too few buckets for its limit.
    AddBuckets {
        /// What it has.
        buckets: u64,
        /// The entries that it is for.
        limit: u64,
        /// What it should have.
        advised: u64,
    },
    /// Idle entries are held for too long.
    LowerTimeout {
        /// The device's own name of the timeout.
        setting: String,
        /// What it is, in seconds.
        from_seconds: u64,
        /// What it could be.
        to_seconds: u64,
        /// Entries that are idle for longer than that.
        idle_entries: u64,
        /// Their share of all entries that were listed, 0 to 1.
        share: f64,
    },
    /// Entries may be held for too long; how many are idle is not known.
    ReviewTimeout {
        /// The device's own name of the timeout.
        setting: String,
        /// What it is, in seconds.
        seconds: u64,
    },
    /// A translated address runs out of ports towards one destination.
    AddAddresses {
        /// The address.
        address: IpAddr,
        /// Its ports in use towards that destination.
        used_ports: u64,
        /// The ports that one address has.
        ports_per_address: u64,
        /// How many addresses more give headroom.
        add: u64,
    },
    /// A pool of ports is too small for what was seen. How many addresses that is, and how many a pool may
    /// have, the platform knows.
    GrowPool {
        /// The most that was in use at once.
        peak: u64,
        /// What the pool holds.
        limit: u64,
        /// What gives headroom over the peak.
        wanted: u64,
        /// What is counted.
        unit: Unit,
        /// What that is in public addresses, where ports are counted.
        addresses: Option<PoolAddresses>,
    },
    /// A pool has no port left towards some destination, and how many are in use towards one is not known.
    WidenPool {
        /// What another address brings, towards every destination.
        per_address: u64,
    },
    /// Some sources hold most of the entries: look at what runs there.
    FindSources {
        /// Who, and how many entries; none where nobody listed them.
        sources: Vec<(IpAddr, u64)>,
    },
    /// New connections come faster than they should: limit them before they reach the device.
    LimitRate {
        /// Who makes most of them, where that is known.
        sources: Vec<(IpAddr, u64)>,
    },
    /// The limit was lowered: bring the old one back.
    RestoreLimit {
        /// What it was.
        before: u64,
        /// What it is.
        now: u64,
    },
    /// Our own session should live through a full table, and a new one get in.
    ExemptPoller,
}

impl Remedy {
    /// The remedy in words that hold on every platform, for those that have none of their own.
    pub fn plain(&self) -> Fix {
        let title = match self {
            Self::RaiseLimit { peak, entries } => format!(
                "raise the limit to {entries}, {} times the {peak} that were seen",
                entries / (*peak).max(1)
            ),
            Self::AddBuckets { buckets, limit, advised } => {
                format!("raise the buckets from {buckets} to {advised}, a quarter of the limit of {limit}")
            }
            Self::LowerTimeout { setting, from_seconds, to_seconds, idle_entries, share } => format!(
                "lower {setting} from {from_seconds} to {to_seconds} s: frees {idle_entries} entries ({:.0} %) that are idle for \
                 longer",
                share * 100.0
            ),
            Self::ReviewTimeout { setting, seconds } => format!(
                "look at {setting}, now {seconds} s: what a lower one frees is not known without the entries' idle times"
            ),
            Self::AddAddresses { address, used_ports, ports_per_address, add } => format!(
                "add {add} address(es) to the pool of {address}: {used_ports} of its {ports_per_address} ports are in use towards \
                 one destination"
            ),
            Self::GrowPool { peak, limit, wanted, unit, addresses } => format!(
                "grow the pool from {limit} to {wanted} {unit}, {} times the {peak} that were seen: {}",
                wanted / (*peak).max(1),
                addresses.map_or_else(|| "more public addresses".to_owned(), PoolAddresses::plain)
            ),
            Self::WidenPool { per_address } => format!(
                "give the translation more source ports: each public address more brings {per_address} towards every destination, a \
                 rule with a port range has only that range; how many it takes shows in the ports in use towards one destination"
            ),
            Self::FindSources { sources } if sources.is_empty() => {
                "list the sources that hold most entries, and those whose entries live longest, and look at what runs there"
                    .to_owned()
            }
            Self::FindSources { sources } => {
                format!("look at what runs on the sources that hold most entries: {}", listed(sources))
            }
            Self::LimitRate { sources } if sources.is_empty() => {
                "limit the rate of new connections upstream, before they reach the device".to_owned()
            }
            Self::LimitRate { sources } => {
                format!("limit the rate of new connections upstream, from these first: {}", listed(sources))
            }
            Self::RestoreLimit { before, now } => {
                format!("bring the limit of {before} back, which was lowered to {now}")
            }
            Self::ExemptPoller => {
                "let the poller's own connections past the table, so that a new one gets in while it is full"
                    .to_owned()
            }
        };
        Fix { title, now: Vec::new(), lasting: Vec::new(), notes: Vec::new() }
    }
}

fn listed(sources: &[(IpAddr, u64)]) -> String {
    let shown = sources.iter().map(|(address, entries)| format!("{address} ({entries} entries)"));
    shown.collect::<Vec<_>>().join(", ")
}

/// A pool of ports, counted in public addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolAddresses {
    /// Ports that one address has towards one destination.
    pub per_address: u64,
    /// How many addresses there are.
    pub present: u64,
    /// How many more give what is wanted, or as many as there may be.
    pub add: u64,
    /// How many there may be, where that is documented.
    pub at_most: Option<u64>,
}

impl PoolAddresses {
    fn plain(self) -> String {
        let Self { per_address, present, add, at_most } = self;
        let full = at_most.is_some_and(|most| present.saturating_add(add) >= most);
        let most = at_most.map_or_else(String::new, |most| format!(" (it may have {most})"));
        match (add, full) {
            (0, _) => format!(
                "the {present} addresses{most} with {per_address} ports each are all that it may have: spread the connections over \
                 another gateway, or over more destinations"
            ),
            (_, true) => format!(
                "add {add} public address(es) of {per_address} ports each to the {present} there are, as many as it may have{most}; \
                 what that leaves wanting takes another gateway"
            ),
            (_, false) => format!(
                "add {add} public address(es) of {per_address} ports each to the {present} there are{most}"
            ),
        }
    }
}

/// A remedy in the words of a platform. It is printed, never applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fix {
    /// What it does, with its numbers.
    pub title: String,
    /// What to type for it to hold now.
    pub now: Vec<String>,
    /// What makes it last.
    pub lasting: Vec<ConfigFile>,
    /// What it costs, and what to mind.
    pub notes: Vec<String>,
}

/// Lines for a file on the device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigFile {
    /// Where it belongs.
    pub path: String,
    /// What belongs into it.
    pub lines: Vec<String>,
}

/// What is configured on a device, by name with the unit in it.
pub type DeviceSettings = BTreeMap<String, Setting>;
