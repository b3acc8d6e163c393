use std::collections::BTreeMap;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::TableKey;
use crate::table::words;

words! {
    /// Who says so.
    CapacityOrigin {
        /// The device.
        Reported = "reported",
        /// The inventory: it outranks the others.
        Configured = "configured",
        /// The vendor's model table or port arithmetic.
        Documented = "documented",
    }
}

words! {
    /// What happens at the limit.
    Bound {
        /// Nothing fits beyond it.
        Hard = "hard",
        /// Ports × addresses towards ONE destination: a worst case that spread flows pass unharmed.
        PerDestination = "per_destination",
    }
}

words! {
    /// Why there is no capacity.
    CapacityReason {
        /// The device has no limit here.
        Unlimited = "unlimited",
        /// The device does not tell.
        NotTold = "not_told",
        /// It is read less often than the count, and was not read yet.
        NotRead = "not_read",
        /// The login may not read it.
        Denied = "denied",
        /// This device or version does not have it.
        Unsupported = "unsupported",
    }
}

/// A limit with its origin. It is never zero: a limit of 0 means "no limit is configured", not "full".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The limit, in the table's unit.
    pub limit: NonZeroU64,
    /// Who says so.
    pub origin: CapacityOrigin,
    /// What happens at the limit.
    pub bound: Bound,
}

impl Capacity {
    /// A hard limit that the device told, or nothing where it told 0.
    pub fn reported(limit: u64) -> Option<Self> {
        Self::hard(limit, CapacityOrigin::Reported)
    }

    /// A hard limit, or nothing for 0.
    pub fn hard(limit: u64, origin: CapacityOrigin) -> Option<Self> {
        NonZeroU64::new(limit).map(|limit| Self { limit, origin, bound: Bound::Hard })
    }

    /// The share of the limit that is used: 0 to 1, above 1 only where the bound or the device allows it.
    #[expect(clippy::cast_precision_loss, reason = "tables hold far fewer than 2^52 entries")]
    pub fn utilization(self, used: u64) -> f64 {
        used as f64 / self.limit.get() as f64
    }
}

/// The inventory's own limits: `KIND` or `SCOPE_KIND/SCOPE_NAME/KIND` to a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapacityOverrides(BTreeMap<String, NonZeroU64>);

impl CapacityOverrides {
    /// Takes the map as the inventory spells it.
    pub fn new(limits: BTreeMap<String, NonZeroU64>) -> Self {
        Self(limits)
    }

    /// The configured capacity of a table: its own scope's before the kind's.
    pub fn capacity_of(&self, table: &TableKey, bound: Bound) -> Option<Capacity> {
        let kind = table.kind.as_str();
        let scoped = || format!("{}/{}/{kind}", table.scope.kind, table.scope.name);
        let limit =
            (!self.0.is_empty()).then(|| self.0.get(&scoped()).or_else(|| self.0.get(kind))).flatten()?;
        Some(Capacity { limit: *limit, origin: CapacityOrigin::Configured, bound })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeviceName, Scope, TableKind};

    #[test]
    fn zero_is_no_capacity() {
        assert_eq!(Capacity::reported(0), None);
        assert!((Capacity::reported(200).unwrap().utilization(150) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn the_scope_outranks_the_kind() {
        let n = |v| NonZeroU64::new(v).unwrap();
        let overrides = CapacityOverrides::new(BTreeMap::from([
            ("connections".into(), n(280_000)),
            ("context/blue/connections".into(), n(100_000)),
        ]));
        let table =
            |scope| TableKey::new(DeviceName::new("asa-1").unwrap(), scope, TableKind::Connections, "conn");
        let limit = |scope| overrides.capacity_of(&table(scope), Bound::Hard).unwrap().limit.get();
        assert_eq!(limit(Scope::new("context", "blue")), 100_000);
        assert_eq!(limit(Scope::new("context", "red")), 280_000);
    }
}
