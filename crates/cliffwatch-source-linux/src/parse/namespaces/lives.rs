use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cliffwatch_model::{DeviceName, Epoch, Scope, TableKey, TableKind};

use super::super::census::{Census, Found};
use super::super::cpu_table::Row;
use super::naming::{Name, Naming, OWN, evidence};

/// Namespaces that are remembered: those of the last census, and where that was cut short those that it
/// has not seen, the ones seen last.
const LIVES_MAX: usize = 4_000;
/// How long one that is not seen is remembered where no census sees all: an hour of the device's clock ticks
/// (`USER_HZ` is 100).
const UNSEEN_TICKS_MAX: u64 = 360_000;

/// The namespaces of a device, by the inode of their statistics file.
///
/// The kernel gives an inode that became free to the next namespace, so that an inode alone is no identity;
/// nor does a process tell the age of its namespace, which it may have entered.
#[derive(Debug, Default)]
pub(super) struct Lives {
    lives: BTreeMap<u64, Life>,
    has_counted: bool,
    /// The login's own, in the file system of namespaces.
    own_net: Option<u64>,
    /// When the last census was made, where it saw everything.
    whole_at: Option<u64>,
    /// The names under `/run/netns`, with their inodes, that no process was found for at that census.
    unread: BTreeSet<(String, u64)>,
}

/// One namespace.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) table: Arc<TableKey>,
    /// Told only where its birth was witnessed: a restart of ours, which forgets what was seen, must not
    /// look like one of the namespace.
    pub(super) epoch: Option<Epoch>,
    /// Whether its counters may be told. The first look at a namespace that may be older than our last
    /// complete one gives none, so that its history is not taken for an event.
    pub(super) is_settled: bool,
    /// Whether it has ever held or counted anything.
    is_shown: bool,
    /// All counters together, at the last look.
    total: u64,
    evidence: Option<String>,
    reader: u32,
    /// In clock ticks of the device.
    seen: u64,
    net: Option<u64>,
    run: Option<(String, u64)>,
}

/// What a census means.
pub(super) struct Outcome {
    /// Whether what it did not see is gone.
    pub(super) complete: bool,
    /// Named namespaces that nobody can read without a right, and of how many.
    pub(super) hidden: Option<(usize, usize)>,
}

impl Lives {
    pub(super) fn get_mut(&mut self, inode: u64) -> Option<&mut Life> {
        self.lives.get_mut(&inode)
    }

    /// Whether this process was found in the namespace that it is in now. Numbers of processes are used
    /// again, and a process may go to another namespace.
    pub(super) fn is_read_by(&self, inode: u64, reader: u32) -> bool {
        self.lives.get(&inode).is_some_and(|life| life.reader == reader)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lives.len()
    }

    /// Namespaces that have never held or counted anything.
    pub(super) fn untracked(&self) -> usize {
        self.lives.values().filter(|life| !life.is_shown).count()
    }

    /// The namespace that holds this table, by the inode of its statistics file.
    pub(super) fn inode_of(&self, table: &TableKey) -> Option<u64> {
        self.lives.iter().find(|(_, life)| *life.table == *table).map(|(inode, _)| *inode)
    }

    /// The name of the namespace with this inode in the file system of namespaces.
    pub(super) fn name_of(&self, net: u64) -> Option<&str> {
        if self.own_net == Some(net) {
            return Some(OWN);
        }
        let is = |life: &&Life| life.net.or(life.run.as_ref().map(|(_, inode)| *inode)) == Some(net);
        self.lives.values().find(is).map(|life| &*life.table.scope.name)
    }

    /// Takes over what a census saw.
    pub(super) fn count(&mut self, census: &Census, device: &DeviceName) -> Outcome {
        let mut others: Vec<&Found> = census.found.iter().filter(|found| found.inode != census.own).collect();
        // Of two with one name the older has it, whatever the order in which they were found.
        others.sort_by_key(|found| (found.start.unwrap_or(u64::MAX), found.inode));
        let whole = census.gaps.is_whole() && others.iter().all(|found| found.row.is_some());
        let mut before = std::mem::take(&mut self.lives);
        let ended = |found: &&&Found| before.get(&found.inode).is_some_and(|life| !life.goes_on(found));
        for inode in others.iter().filter(ended).map(|found| found.inode).collect::<Vec<_>>() {
            before.remove(&inode);
        }
        let mut naming = Naming::new(census, &others);
        let seen: BTreeSet<u64> = others.iter().map(|found| found.inode).collect();
        let owners: BTreeSet<String> = (before.iter().filter(|(inode, _)| seen.contains(inode)))
            .filter_map(|(_, life)| life.evidence.clone())
            .collect();
        for (_, life) in before.iter().filter(|(inode, _)| !whole || seen.contains(inode)) {
            naming.keep(&life.table.scope.name, life.run.as_ref());
        }
        for found in &others {
            let life = match before.remove(&found.inode) {
                Some(life) => {
                    Life { reader: found.reader, seen: census.now, net: found.net.or(life.net), ..life }
                }
                None => {
                    let name = naming.of(found);
                    let is_newborn = self.is_newborn(found, &name, &owners);
                    let life = Life::begin(found, name, device, census.now, is_newborn);
                    Life { is_settled: is_newborn || !self.has_counted, ..life }
                }
            };
            self.lives.insert(found.inode, life);
        }
        if !whole {
            self.remember(before, census.now);
        }
        self.has_counted = true;
        self.own_net = census.own_net;
        self.whole_at = whole.then_some(census.now);
        self.unread = self.unread_names(census);
        // A namespace without a known name may be any of the names; one whose inode root sees is none of them.
        let nameless = |life: &&Life| life.run.is_none() && life.net.is_none();
        let hidden = self.unread.len().saturating_sub(self.lives.values().filter(nameless).count());
        let hidden = (hidden > 0).then_some((hidden, census.names.len()));
        Outcome { complete: whole, hidden }
    }

    /// Whether a namespace began after the last census. Its process must have, and that alone proves nothing, as it
    /// may have entered an old one: its container must be new, too, or its name under `/run/netns`.
    fn is_newborn(&self, found: &Found, name: &Name, owners: &BTreeSet<String>) -> bool {
        let is_new = match &name.run {
            Some(run) => !self.unread.contains(run),
            None => name.is_container && evidence(found).is_some_and(|owner| !owners.contains(&owner)),
        };
        is_new && self.whole_at.zip(found.start).is_some_and(|(whole_at, start)| start >= whole_at)
    }

    fn unread_names(&self, census: &Census) -> BTreeSet<(String, u64)> {
        let known: BTreeSet<&(String, u64)> =
            self.lives.values().filter_map(|life| life.run.as_ref()).collect();
        let names = census.names.iter().filter(|(_, net)| Some(**net) != census.own_net);
        names.map(|(name, net)| (name.clone(), *net)).filter(|run| !known.contains(run)).collect()
    }

    /// Keeps for a while what a census that may have missed it has not seen.
    fn remember(&mut self, unseen: BTreeMap<u64, Life>, now: u64) {
        let mut unseen: Vec<(u64, Life)> = unseen.into_iter().collect();
        unseen.retain(|(_, life)| now.saturating_sub(life.seen) < UNSEEN_TICKS_MAX);
        unseen.sort_by_key(|(_, life)| std::cmp::Reverse(life.seen));
        unseen.truncate(LIVES_MAX.saturating_sub(self.lives.len()));
        self.lives.extend(unseen);
    }
}

impl Life {
    /// A namespace that was not known.
    fn begin(found: &Found, name: Name, device: &DeviceName, now: u64, is_newborn: bool) -> Self {
        let born = found.start.filter(|_| is_newborn);
        let scope = Scope::new("netns", &name.text);
        Self {
            table: Arc::new(TableKey::new(device.clone(), scope, TableKind::Conntrack, "nf_conntrack")),
            epoch: born.and_then(|start| Epoch::new(&format!("netns:{}:{start}", found.inode)).ok()),
            is_settled: is_newborn,
            is_shown: false,
            total: 0,
            evidence: evidence(found),
            reader: found.reader,
            seen: now,
            net: found.net,
            run: name.run,
        }
    }

    /// Notes what was read; whether there is a table to show.
    pub(super) fn look(&mut self, row: &Row) -> bool {
        self.total = row.total(None);
        self.is_shown |= row.used() > 0 || self.total > 0;
        self.is_shown
    }

    /// Whether what is found under this inode is the same namespace. It is, unless its process began since
    /// the last look and either its counters went back or it belongs to another container.
    fn goes_on(&self, found: &Found) -> bool {
        let is_new_process = found.start.is_some_and(|start| start > self.seen);
        let went_back = found.row.as_ref().is_some_and(|row| row.total(None) < self.total);
        let is_another = match (&self.evidence, evidence(found)) {
            (Some(before), Some(now)) => *before != now,
            _ => false,
        };
        !is_new_process || !(went_back || is_another)
    }
}
