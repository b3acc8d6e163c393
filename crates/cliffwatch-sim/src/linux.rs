//! A Linux host: the files under `/proc` that its adapter reads, behind an SSH server.

mod documented;
mod files;
mod namespaces;
mod shell;
mod ssh;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::track::Track;

pub use documented::{Documented, Undocumentable};
pub use namespaces::Namespace;
pub(crate) use ssh::serve;

/// The account that the fleet's key opens.
pub const USER: &str = "cliffwatch";

/// A host by its figures.
#[derive(Clone, Debug)]
pub struct LinuxHost {
    /// What it may be asked.
    pub documented: Arc<Documented>,
    /// `uname -r`.
    pub release: String,
    /// Possible CPUs: lines in the statistics, over which the counters are spread.
    pub cpus: u32,
    /// `nf_conntrack_max`.
    pub max: Track,
    /// `nf_conntrack_buckets`.
    pub buckets: u64,
    /// `nf_conntrack_count`. In a gap the host answers nothing; a reset is a reboot.
    pub used: Track,
    /// Columns of the statistics by name, summed over the CPUs. The others are 0.
    pub counters: BTreeMap<String, Track>,
    /// Other network namespaces.
    pub namespaces: Vec<Namespace>,
}

impl LinuxHost {
    /// A quiet gateway: 4 CPUs, 40,000 of 262,144 entries.
    pub fn calm(documented: Arc<Documented>) -> Self {
        Self {
            documented,
            release: "6.1.0-18-amd64".to_owned(),
            cpus: 4,
            max: Track::constant(262_144),
            buckets: 65_536,
            used: Track::constant(40_000),
            counters: BTreeMap::new(),
            namespaces: Vec::new(),
        }
    }

    pub(crate) fn is_in_gap(&self, time: Duration) -> bool {
        self.used.at(time).is_none()
    }
}
