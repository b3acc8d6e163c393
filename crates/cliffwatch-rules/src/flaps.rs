use std::time::Duration;

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::RuleSpec;

/// An alert that comes back within this time after it was over flaps.
const SOON: Duration = Duration::from_secs(3_600);
/// The longest hold that flapping leads to.
const HOLD_MAX: Duration = Duration::from_secs(3_600);
/// Doublings that lead from the shortest hold to the longest.
const LEVEL_MAX: u8 = 7;

/// How often an alert came back soon after it was over. Each time doubles how long it must be measured as over
/// before it is resolved, so that what flaps is one alert and not twenty. Rules without a hold are proved over by
/// one reading, and stay so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Flaps {
    level: u8,
    /// When it was last over.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::state::micros")]
    over_at: Option<Timestamp>,
}

impl Flaps {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// How long the alert must be measured as over.
    pub(crate) fn hold(self, rule: &RuleSpec) -> Duration {
        let doubled = rule.hold.saturating_mul(1 << self.level.min(LEVEL_MAX));
        doubled.min(HOLD_MAX).max(rule.hold)
    }

    /// An alert begins to fire.
    pub(crate) fn fires(&mut self, at: Timestamp) {
        let Some(over_at) = self.over_at else { return };
        self.level = if at.since(over_at) <= SOON { (self.level + 1).min(LEVEL_MAX) } else { 0 };
    }

    /// An alert that fired is over.
    pub(crate) fn is_over(&mut self, at: Timestamp) {
        self.over_at = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuleKind;

    #[test]
    fn the_hold_doubles_to_a_cap_and_a_quiet_hour_ends_it() {
        let at = |minutes: i64| Timestamp::from_secs(minutes * 60);
        let (high, stale) =
            (RuleSpec::builtin(RuleKind::UtilizationHigh), RuleSpec::builtin(RuleKind::Stale));
        let mut flaps = Flaps::default();
        let mut holds = Vec::new();
        for n in 0..7 {
            flaps.fires(at(n * 10));
            holds.push((flaps.hold(&high).as_secs() / 60, flaps.hold(&stale).as_secs()));
            flaps.is_over(at(n * 10 + 5));
        }
        assert_eq!(holds, [(5, 0), (10, 0), (20, 0), (40, 0), (60, 0), (60, 0), (60, 0)]);
        flaps.fires(at(65 + 61));
        assert_eq!(flaps.hold(&high), high.hold);
    }
}
