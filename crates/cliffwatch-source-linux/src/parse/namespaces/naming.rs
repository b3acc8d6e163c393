use std::collections::{BTreeMap, BTreeSet};

use super::super::census::{Census, Found};
use super::super::name::{Owner, is_made_up, owner, plain};

/// The login's own namespace, whatever else it is called.
pub(super) const OWN: &str = "host";

/// A namespace's name, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    /// Unique on the device.
    pub(super) text: String,
    /// The name under `/run/netns`, and the inode that it had.
    pub(super) run: Option<(String, u64)>,
    /// Whether it lives as long as a container, pod or machine.
    pub(super) is_container: bool,
}

/// Gives out the names of one census, each once.
#[derive(Debug)]
pub(super) struct Naming {
    by_net: BTreeMap<u64, String>,
    /// How many namespaces have a process that `ip netns exec NAME` began.
    claims: BTreeMap<String, usize>,
    names: BTreeMap<String, u64>,
    own_net: Option<u64>,
    taken: BTreeSet<String>,
    held: BTreeSet<String>,
}

/// What tells the owner of a namespace from that of another.
pub(super) fn evidence(found: &Found) -> Option<String> {
    found.executed.clone().or_else(|| match owner(&found.groups)? {
        Owner::Container(name) => Some(name),
        Owner::Service(_) => None,
    })
}

impl Naming {
    pub(super) fn new(census: &Census, others: &[&Found]) -> Self {
        let mut claims = BTreeMap::new();
        for name in others.iter().filter_map(|found| found.executed.clone()) {
            *claims.entry(name).or_default() += 1;
        }
        Self {
            by_net: census.names.iter().map(|(name, net)| (*net, name.clone())).collect(),
            claims,
            names: census.names.clone(),
            own_net: census.own_net,
            taken: BTreeSet::from([OWN.to_owned()]),
            held: BTreeSet::new(),
        }
    }

    /// A namespace keeps its name while it lives.
    pub(super) fn keep(&mut self, text: &str, run: Option<&(String, u64)>) {
        self.taken.insert(text.to_owned());
        self.held.extend(
            run.filter(|(name, net)| self.names.get(name) == Some(net)).map(|(name, _)| name.clone()),
        );
    }

    /// The name of a namespace that has none yet.
    pub(super) fn of(&mut self, found: &Found) -> Name {
        let run = self.exact(found).or_else(|| self.claimed(found));
        let owner = owner(&found.groups);
        let is_container = matches!(owner, Some(Owner::Container(_)));
        let text = match (&run, owner) {
            _ if found.reader == 1 => "init".to_owned(),
            (Some((name, _)), owner) if !(is_made_up(name) && matches!(owner, Some(Owner::Container(_)))) => {
                plain(name)
            }
            (_, Some(Owner::Container(name) | Owner::Service(name))) => name,
            (_, None) => format!("inode-{}", found.inode),
        };
        let text = if self.taken.contains(&text) { format!("{text}-{}", found.inode) } else { text };
        self.taken.insert(text.clone());
        self.held.extend(run.as_ref().map(|(name, _)| name.clone()));
        Name { text, run, is_container }
    }

    /// By the namespace's own inode, which root sees.
    fn exact(&self, found: &Found) -> Option<(String, u64)> {
        let net = found.net?;
        Some((self.by_net.get(&net)?.clone(), net))
    }

    /// `ip netns exec NAME` mounts `/sys` anew with NAME as its source (iproute2, lib/namespace.c), and
    /// everybody can read a process's mounts. They are inherited by children, which may have gone to
    /// another namespace: of several that claim a name none is believed, unless one had it before.
    fn claimed(&self, found: &Found) -> Option<(String, u64)> {
        let name = found.executed.as_ref().filter(|_| found.net.is_none())?;
        let net = *self.names.get(name)?;
        let is_sole = self.claims.get(name) == Some(&1) && !self.held.contains(name);
        (is_sole && Some(net) != self.own_net).then(|| (name.clone(), net))
    }
}
