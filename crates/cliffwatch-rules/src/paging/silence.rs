use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::{DeviceName, Timestamp};
use serde::{Deserialize, Serialize};

/// Occurrences of all silences that are followed one into the other: beyond, a page is made. A year of days.
const FOLLOWED_MAX: usize = 400;

/// What nobody is to be paged for, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Which alerts.
    #[serde(rename = "match")]
    pub matches: Matches,
    /// From when.
    pub start: Timestamp,
    /// For how long.
    pub duration: Duration,
    /// Whether it comes again.
    #[serde(default)]
    pub every: Option<Repeat>,
}

/// How often it comes again. A silence is counted in UTC from its start, maintenance in the days of its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// Every 24 hours.
    Day,
    /// Every 7 days.
    Week,
}

/// Chooses alerts. What is not named matches; what is named must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Matches {
    /// The device's labels.
    pub labels: BTreeMap<String, String>,
    /// The device's name.
    pub device: Option<DeviceName>,
    /// The rule's id.
    pub rule: Option<String>,
    /// The table as people read it.
    pub table: Option<String>,
}

impl Repeat {
    pub(crate) fn days(self) -> i64 {
        match self {
            Self::Day => 1,
            Self::Week => 7,
        }
    }

    fn micros(self) -> i64 {
        self.days() * 86_400_000_000
    }
}

impl Silence {
    /// Until when it lasts, if it is in force at `at`.
    pub fn ends(&self, at: Timestamp) -> Option<Timestamp> {
        let since = at.as_micros().checked_sub(self.start.as_micros()).filter(|since| *since >= 0)?;
        let repeats = self.every.map_or(0, |every| since / every.micros() * every.micros());
        let began = Timestamp::from_micros(self.start.as_micros().saturating_add(repeats));
        let ends = began.plus(self.duration);
        (at < ends).then_some(ends)
    }
}

/// The first instant from `at` on at which none of these is in force; nothing where that is not in sight.
pub(super) fn free_from<'a>(
    at: Timestamp,
    silences: impl Iterator<Item = &'a Silence> + Clone,
) -> Option<Timestamp> {
    let mut at = at;
    for _ in 0..FOLLOWED_MAX {
        match silences.clone().filter_map(|silence| silence.ends(at)).max() {
            Some(ends) => at = ends,
            None => return Some(at),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silence(start_s: i64, duration_s: u64, every: Option<Repeat>) -> Silence {
        Silence {
            matches: Matches::default(),
            start: Timestamp::from_secs(start_s),
            duration: Duration::from_secs(duration_s),
            every,
        }
    }

    #[test]
    fn a_silence_begins_ends_and_comes_again() {
        let at = |s| Timestamp::from_secs(s);
        let once = silence(100, 50, None);
        assert_eq!([99, 100, 149, 150].map(|s| once.ends(at(s))), [None, Some(at(150)), Some(at(150)), None]);
        let weekly = silence(100, 50, Some(Repeat::Week));
        assert_eq!(weekly.ends(at(3 * 604_800 + 120)), Some(at(3 * 604_800 + 150)));
        assert_eq!(weekly.ends(at(3 * 604_800 + 99)), None);
        assert_eq!(weekly.ends(at(-604_800 + 120)), None, "not before its start");
    }

    #[test]
    fn silences_are_followed_one_into_the_other() {
        let chain = [silence(0, 50, None), silence(40, 60, None), silence(100, 10, None)];
        assert_eq!(free_from(Timestamp::from_secs(5), chain.iter()), Some(Timestamp::from_secs(110)));
        let always = [silence(0, 86_400, Some(Repeat::Day))];
        assert_eq!(free_from(Timestamp::from_secs(5), always.iter()), None);
    }
}
