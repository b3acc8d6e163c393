use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cliffwatch_model::{Device, DeviceName};

use crate::{RuleKind, RuleSet};

/// Which devices belong together, which need which, and by which rules a device is known to be down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// The name that both devices of a pair go under.
    pairs: BTreeMap<DeviceName, Arc<str>>,
    depends_on: BTreeMap<DeviceName, Vec<DeviceName>>,
    down_rules: BTreeSet<Arc<str>>,
}

impl Topology {
    /// Takes it from the inventory and the rules. It is enough that one device of a pair names the other.
    /// Dependencies that are not devices are not known to be down.
    pub fn new<'a>(devices: impl IntoIterator<Item = &'a Device>, rules: &RuleSet) -> Self {
        let mut topology = Self::default();
        for device in devices {
            if let Some(peer) = &device.ha_peer {
                topology.pair(&device.name, peer);
            }
            let needed = device.depends_on.iter().filter_map(|name| DeviceName::new(name).ok()).collect();
            topology.depends_on.insert(device.name.clone(), needed);
        }
        let stale = rules.iter().filter(|rule| rule.kind == RuleKind::Stale);
        topology.down_rules = stale.map(|rule| Arc::clone(&rule.id)).collect();
        topology
    }

    fn pair(&mut self, one: &DeviceName, other: &DeviceName) {
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let name: Arc<str> = format!("{first}+{second}").into();
        self.pairs.insert(one.clone(), Arc::clone(&name));
        self.pairs.insert(other.clone(), name);
    }

    /// Under which name the device's incidents go: its own, or that of its pair.
    pub(super) fn subject(&self, device: &DeviceName) -> Arc<str> {
        self.pairs.get(device).map_or_else(|| device.as_str().into(), Arc::clone)
    }

    /// Whether a firing alert of this rule says that its device cannot be reached.
    pub(super) fn says_down(&self, rule: &str) -> bool {
        self.down_rules.contains(rule)
    }

    /// Whether something that the device needs, directly or not, is down.
    pub(super) fn is_cut_off(&self, device: &DeviceName, is_down: impl Fn(&DeviceName) -> bool) -> bool {
        let mut seen = BTreeSet::from([device]);
        let mut ways = vec![device];
        while let Some(way) = ways.pop() {
            for needed in self.depends_on.get(way).into_iter().flatten() {
                if is_down(needed) {
                    return true;
                }
                if seen.insert(needed) {
                    ways.push(needed);
                }
            }
        }
        false
    }
}
