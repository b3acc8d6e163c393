use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::Setting;

/// What should change on a device, in figures. The rules pick and compute it; the words are the platform's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The limit is too small for what was seen.
    RaiseLimit {
        /// The most entries that were seen at once.
        peak: u64,
        /// The limit that gives headroom over them.
        entries: u64,
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
    /// Our own session should live through a full table, and a new one get in.
    ExemptPoller,
}

/// A remedy in the words of a platform. It is printed, never applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigFile {
    /// Where it belongs.
    pub path: String,
    /// What belongs into it.
    pub lines: Vec<String>,
}

/// What is configured on a device, by name with the unit in it.
pub type DeviceSettings = BTreeMap<String, Setting>;
