use cliffwatch_model::{
    Bound, Capacity, Role, Severity, TableKey, TableKind, TableObservation, TableState, Unit,
};
use serde::{Deserialize, Serialize};

use super::{Line, reading};
use crate::summary;
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};

/// A part of a pool with fewer ports than this is a low port tier: it fills and empties with a handful of
/// connections and says nothing of the pool.
const PART_PORTS_MIN: u64 = 1_024;

/// Used over capacity, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Utilization {
    /// Raised at and above this.
    pub raise: f64,
    /// Clear below this.
    pub clear: f64,
    /// The same on devices with the label `cgn`: carriers run their pools fuller.
    pub cgn_raise: f64,
    /// Clear below this on devices with the label `cgn`.
    pub cgn_clear: f64,
}

impl Utilization {
    /// `utilization-high`.
    pub fn high() -> Self {
        Self { raise: 70.0, clear: 65.0, cgn_raise: 85.0, cgn_clear: 80.0 }
    }

    /// `utilization-critical`.
    pub fn critical() -> Self {
        Self { raise: 90.0, clear: 85.0, cgn_raise: 95.0, cgn_clear: 90.0 }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        Line { raise: self.raise, clear: self.clear }.check()?;
        Line { raise: self.cgn_raise, clear: self.cgn_clear }
            .check()
            .map_err(|problem| format!("cgn: {problem}"))
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        if view.reading.state == TableState::NotTracking {
            return Verdict::Unknown;
        }
        match view.fill_percent() {
            None => Verdict::Unknown,
            Some(_) if is_full_by_design(view) => Verdict::Clear,
            Some(percent) => self.line(view).judge(percent, Severity::Warning),
        }
    }

    pub(super) fn explain(&self, view: &TableView<'_>) -> Explanation {
        Explanation {
            value: view.fill_percent(),
            threshold: Some(self.line(view).raise),
            unit: "%",
            text: summary::fill(view),
            evidence: reading::numbers(view),
        }
    }

    fn line(&self, view: &TableView<'_>) -> Line {
        if view.cgn {
            Line { raise: self.cgn_raise, clear: self.cgn_clear }
        } else {
            Line { raise: self.raise, clear: self.clear }
        }
    }
}

/// Whether being full means nothing: a worst case that spread flows pass unharmed, or a table that does
/// not stand for itself.
fn is_full_by_design(view: &TableView<'_>) -> bool {
    view.reading.capacity.is_ok_and(|capacity| capacity.bound == Bound::PerDestination) || !stands_alone(view)
}

/// Whether the table stands for itself: no mirror of the peer's table, no address of a pool that is filled
/// before the next is used, no low port tier.
pub(super) fn stands_alone(view: &TableView<'_>) -> bool {
    let TableObservation { table, role, unit, capacity, .. } = view.reading;
    is_read_alone(table, *role, *unit, capacity.ok())
}

/// The same of a table that is described by its parts.
pub(crate) fn is_read_alone(table: &TableKey, role: Role, unit: Unit, capacity: Option<Capacity>) -> bool {
    let limit = capacity.map_or(u64::MAX, |capacity| capacity.limit.get());
    let is_pool = matches!(table.kind, TableKind::NatPool | TableKind::SnatPorts | TableKind::PortBlocks);
    let is_low_tier = !table.part.is_empty() && unit == Unit::Ports && limit < PART_PORTS_MIN;
    role != Role::Standby && !(role == Role::Member && is_pool) && !is_low_tier
}
