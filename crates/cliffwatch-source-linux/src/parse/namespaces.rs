//! The tables of the other network namespaces, over the life of each.

mod lives;
mod naming;

use std::collections::BTreeMap;

use cliffwatch_model::{
    Capacity, CapacityReason, DeviceName, Epoch, Fault, FaultKind, GroupName, Reading, Role, Sample,
    TableKey, TableState, Timestamp, Unit,
};

use self::lives::{Life, Lives};
use super::census::{Census, Gaps, Readers};
use super::cpu_table::Row;
use super::number::Lookup;
use super::{KernelVersion, Section, Sections, complaint};
use crate::config::{NETNS_SUDO_RULE, NamespacesFrom};
use crate::paths;

const WHAT: &str = "per-namespace counts";
/// Numbers of counters that one reply may become, 32 MB: 2,000 tables on 230 CPUs. A reply leaves out what is zero,
/// so that its own length bounds nothing here.
const PARTS_MAX: usize = 1 << 22;

/// What is remembered of a device's namespaces between its replies.
#[derive(Debug, Default)]
pub(super) struct Namespaces {
    epoch: Option<Epoch>,
    lives: Lives,
    /// What the last census could not read; it holds until the next one.
    faults: Vec<Fault>,
}

/// What holds for the whole device at the time of a reply.
pub(super) struct Around<'a> {
    pub(super) device: &'a DeviceName,
    pub(super) from: NamespacesFrom,
    pub(super) login: &'a str,
    pub(super) kernel: Option<KernelVersion>,
}

impl Namespaces {
    /// Forgets what was before the device booted.
    pub(super) fn turn_epoch(&mut self, epoch: Option<&Epoch>) {
        if epoch.is_some() && self.epoch.as_ref() != epoch {
            *self = Self { epoch: epoch.cloned(), ..Self::default() };
        }
    }

    /// Adds to a reading of the login's own namespace what the reply says about the others.
    pub(super) fn read(&mut self, sections: &Sections, around: &Around<'_>, reading: &mut Reading) {
        let Some(limits) = reading.samples.first().map(Limits::of) else { return };
        if around.from == NamespacesFrom::Nowhere {
            return;
        }
        let mut passing = Vec::new();
        if let Some(census) = self.census(sections, around, limits.tracked) {
            let outcome = self.lives.count(&census, around.device);
            self.faults.extend(
                outcome.hidden.filter(|_| limits.tracked).map(|hidden| no_process(hidden, around.login)),
            );
            reading.complete.extend(outcome.complete.then(group));
            let rows = census.found.iter().filter_map(|found| Some((found.inode, found.row.as_ref()?)));
            self.add_samples(rows, &limits, around.kernel, reading);
            reading.load.figures.extend(figures(&census, &self.lives));
        } else if let Some(section) = sections.get(paths::NAMESPACE_READERS) {
            match Lookup::of(Some(section), Readers::parse) {
                Lookup::Value(readers) => {
                    passing.extend((readers.left > 0).then(|| left_out(readers.left)));
                    let known =
                        |(inode, reader, row)| self.lives.is_read_by(inode, reader).then_some((inode, row));
                    let rows: Vec<(u64, Row)> = readers.rows.into_iter().filter_map(known).collect();
                    let rows = rows.iter().map(|(inode, row)| (*inode, row));
                    self.add_samples(rows, &limits, around.kernel, reading);
                }
                other => passing.extend(other.fault(WHAT, paths::NAMESPACE_READERS)),
            }
        }
        reading.faults.extend(passing);
        reading.faults.extend_from_slice(&self.faults);
    }

    /// The name of the namespace with this inode in the file system of namespaces.
    pub(super) fn name_of(&self, netns: u64) -> Option<&str> {
        self.lives.name_of(netns)
    }

    /// The namespace that holds this table, by the inode of its statistics file.
    pub(super) fn inode_of(&self, table: &TableKey) -> Option<u64> {
        self.lives.inode_of(table)
    }

    /// How many namespaces are remembered.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.lives.len()
    }

    /// The census of this reply; what it lacks becomes a fault.
    fn census(&mut self, sections: &Sections, around: &Around<'_>, tracked: bool) -> Option<Census> {
        let own = sections.get(paths::NAMESPACES);
        let root = sections.get(paths::NAMESPACES_SUDO);
        if own.is_none() && root.is_none() {
            return None;
        }
        self.faults.clear();
        let mut parse = |section: Option<&Section>, name: &str| match Lookup::of(section, Census::parse) {
            Lookup::Value(census) => Some(census),
            Lookup::Bad(why) if tracked => {
                let kind = complaint::kind(&why);
                let help = match kind {
                    FaultKind::Denied => hint(around.login),
                    _ => "the census needs ls, head and awk on the device".to_owned(),
                };
                self.faults.push(Fault::new(WHAT, kind, format!("{name}: {why}")).with_hint(help));
                None
            }
            _ => None,
        };
        let root = root.and_then(|section| parse(Some(section), paths::NAMESPACES_SUDO));
        let own = own.and_then(|section| parse(Some(section), paths::NAMESPACES));
        let no_root = root.is_none() && around.from == NamespacesFrom::Sudo;
        let mut census = match (own, root) {
            (Some(own), Some(root)) => own.completed_by(root),
            (own, root) => root.or(own)?,
        };
        census.gaps.no_root = no_root;
        if tracked {
            self.faults.extend(faults(&census, around.login));
        }
        Some(census)
    }

    /// Adds the tables that were read. One that has never held anything is none: the kernel tracks in a
    /// namespace only where a rule needs it, and in most containers there is no rule.
    fn add_samples<'a>(
        &mut self,
        rows: impl Iterator<Item = (u64, &'a Row)>,
        limits: &Limits,
        kernel: Option<KernelVersion>,
        reading: &mut Reading,
    ) {
        let mut room = PARTS_MAX;
        let mut uncounted = 0_usize;
        for (inode, row) in rows {
            let Some(life) = self.lives.get_mut(inode) else { continue };
            if life.look(row) {
                let left = room.checked_sub(row.parts());
                uncounted += usize::from(left.is_none());
                room = left.unwrap_or(room);
                reading.samples.push(sample(life, row, limits, kernel, left.is_some()));
            }
            life.is_settled = true;
        }
        reading.faults.extend((uncounted > 0).then(|| {
            let message =
                format!("the counters of {uncounted} network namespaces were left out: too many CPUs");
            Fault::new(WHAT, FaultKind::Limit, message)
        }));
    }
}

/// What one limit of the kernel means for the table of every namespace.
struct Limits {
    capacity: Result<Capacity, CapacityReason>,
    sheds_at: Option<u64>,
    observed_at: Timestamp,
    tracked: bool,
}

impl Limits {
    fn of(host: &Sample) -> Self {
        let Sample { capacity, sheds_at, observed_at, state, .. } = *host;
        Self { capacity, sheds_at, observed_at, tracked: state != TableState::NotTracking }
    }
}

fn sample(life: &Life, row: &Row, limits: &Limits, kernel: Option<KernelVersion>, has_room: bool) -> Sample {
    let idle = row.used() == 0 && row.total(kernel) == 0;
    Sample {
        table: life.table.clone(),
        unit: Unit::Entries,
        group: group(),
        state: if idle { TableState::Unknown } else { TableState::Tracking },
        role: Role::Whole,
        epoch: life.epoch.clone(),
        observed_at: limits.observed_at,
        used: Some(row.used()),
        capacity: limits.capacity,
        sheds_at: limits.sheds_at,
        setup_rate: None,
        teardown_rate: None,
        counters: if life.is_settled && has_room { row.counters(kernel) } else { BTreeMap::new() },
    }
}

/// Tables of the namespaces beside the login's own. A census that saw all of them proves which are gone.
fn group() -> GroupName {
    #[expect(clippy::expect_used, reason = "the constant is a valid name")]
    GroupName::new("namespaces").expect("a plain word is a group name")
}

fn figures(census: &Census, lives: &Lives) -> Vec<(String, f64)> {
    #[expect(clippy::cast_precision_loss, reason = "counts of processes and milliseconds are far below 2^53")]
    let figure = |name: &str, value: u64| (name.to_owned(), value as f64);
    let untracked = lives.untracked();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let mut figures = vec![
        figure("namespaces", count(census.found.len())),
        figure("namespaces_untracked", count(untracked)),
        figure("namespace_census_processes", census.cost.processes),
    ];
    figures.extend(census.cost.millis.map(|millis| figure("namespace_census_ms", millis)));
    figures
}

fn faults(census: &Census, login: &str) -> Vec<Fault> {
    let Gaps { hidden, cut, left, no_file, no_root: _, bad } = &census.gaps;
    let mut faults = Vec::new();
    if *hidden {
        let message = "/proc hides other users' processes (hidepid), and with them their namespaces";
        faults.push(Fault::new(WHAT, FaultKind::Denied, message).with_hint(hint(login)));
    }
    let unread = census.found.iter().filter(|found| found.row.is_none()).count();
    if *no_file && unread > 0 {
        let message = format!(
            "this kernel has no {} (CONFIG_NF_CONNTRACK_PROCFS is off): {unread} other network namespaces were not read",
            paths::STAT[0],
        );
        faults.push(Fault::new(WHAT, FaultKind::Unsupported, message).with_hint(hint(login)));
    }
    if cut.is_some() {
        let walked = census.cost.processes;
        let message =
            format!("the walk over the device's processes ended at its limit, after {walked} of them");
        faults.push(Fault::new(WHAT, FaultKind::Limit, message));
    }
    faults.extend((*left > 0).then(|| left_out(*left)));
    faults.extend(
        bad.as_ref().map(|why| Fault::new(WHAT, FaultKind::Parse, format!("{}: {why}", paths::NAMESPACES))),
    );
    faults
}

fn no_process((hidden, of): (usize, usize), login: &str) -> Fault {
    let message = format!(
        "at least {hidden} of the {of} network namespaces under /run/netns have no process that the login can see, \
         and only root can read those"
    );
    Fault::new(WHAT, FaultKind::Denied, message).with_hint(hint(login))
}

fn left_out(left: u64) -> Fault {
    Fault::new(WHAT, FaultKind::Limit, format!("{left} network namespaces beyond the fullest were left out"))
}

/// The right that shows what the files do not.
fn hint(login: &str) -> String {
    format!(
        "install deploy/linux/cliffwatch-netns as /usr/local/sbin/cliffwatch-netns (root, mode 0755), allow exactly \
         `{login} {NETNS_SUDO_RULE}` in sudoers and set `settings: {{ namespaces: sudo }}`; `namespaces: false` \
         leaves them out"
    )
}

#[cfg(test)]
mod tests;
