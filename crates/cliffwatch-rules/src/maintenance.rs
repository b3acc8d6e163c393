use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::{DeviceName, Timestamp};

use crate::{Repeat, Zone};

/// A time in which devices are worked on. What happens is kept, and told only where it lasts beyond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maintenance {
    /// The labels that its devices have.
    pub labels: BTreeMap<String, String>,
    /// Its only device; every one with the labels where none is named.
    pub device: Option<DeviceName>,
    /// When it first begins.
    pub start: Timestamp,
    /// How long it lasts.
    pub duration: Duration,
    /// Whether it comes again, at the same hour of the zone's clocks.
    pub every: Option<Repeat>,
    /// Where days are counted.
    pub zone: Zone,
    /// Whether its devices are not polled meanwhile.
    pub pause_polling: bool,
}

impl Maintenance {
    /// Whether the device is one of those that are worked on. We ourselves are not, unless we are named.
    pub fn is_for(&self, device: &DeviceName, labels: &BTreeMap<String, String>) -> bool {
        let named = self.device.as_ref().map_or(!device.is_ourselves(), |named| named == device);
        named && self.labels.iter().all(|(label, value)| labels.get(label) == Some(value))
    }

    /// Until when it lasts, if it is in force at `at`.
    pub fn ends(&self, at: Timestamp) -> Option<Timestamp> {
        let began = self.began(at)?;
        let ends = began.plus(self.duration);
        (at < ends).then_some(ends)
    }

    /// When it last began, up to `at`.
    fn began(&self, at: Timestamp) -> Option<Timestamp> {
        let Some(every) = self.every else { return Some(self.start).filter(|start| *start <= at) };
        let (first, now) = (self.zone.clock(self.start)?, self.zone.clock(at)?);
        let days = i64::from(first.date().until(now.date()).ok()?.get_days());
        let times = days.div_euclid(every.days());
        // Today's may not have begun yet.
        let occurrences = [times, times - 1].into_iter().filter(|times| *times >= 0);
        let began = |times: i64| {
            if times == 0 {
                return Some(self.start);
            }
            let days = jiff::Span::new().try_days(times * every.days()).ok()?;
            self.zone.instant(first.checked_add(days).ok()?)
        };
        occurrences.filter_map(began).find(|began| *began <= at)
    }
}

/// Whether the device is worked on at `at`; the end of the last of those times that are in force.
pub fn maintained_until(
    maintenance: &[Maintenance],
    device: &DeviceName,
    labels: &BTreeMap<String, String>,
    at: Timestamp,
) -> Option<Timestamp> {
    let theirs = maintenance.iter().filter(|time| time.is_for(device, labels));
    theirs.filter_map(|time| time.ends(at)).max()
}

/// The same, of those times only in which devices are not polled.
pub fn paused_until(
    maintenance: &[Maintenance],
    device: &DeviceName,
    labels: &BTreeMap<String, String>,
    at: Timestamp,
) -> Option<Timestamp> {
    let theirs = maintenance.iter().filter(|time| time.pause_polling && time.is_for(device, labels));
    theirs.filter_map(|time| time.ends(at)).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maintenance(start: &str, every: Option<Repeat>) -> Maintenance {
        let zone = Zone::named("Europe/Amsterdam").unwrap();
        Maintenance {
            labels: BTreeMap::from([("site".into(), "ams1".into())]),
            device: None,
            start: zone.parse(start).unwrap(),
            duration: Duration::from_secs(7_200),
            every,
            zone,
            pause_polling: false,
        }
    }

    fn ends(maintenance: &Maintenance, at: &str) -> Option<String> {
        maintenance.ends(Timestamp::parse(at).unwrap()).map(|ends| ends.to_string())
    }

    #[test]
    fn once_is_once() {
        let once = maintenance("2026-03-07T23:00", None);
        assert_eq!(ends(&once, "2026-03-07T21:59:59Z"), None);
        assert_eq!(ends(&once, "2026-03-07T22:00:00Z").as_deref(), Some("2026-03-08T00:00:00Z"));
        assert_eq!(ends(&once, "2026-03-08T00:00:00Z"), None);
        assert_eq!(ends(&once, "2026-03-14T22:30:00Z"), None);
    }

    #[test]
    fn every_week_is_at_the_same_hour_of_the_clock() {
        let weekly = maintenance("2026-03-07T23:00", Some(Repeat::Week));
        assert_eq!(ends(&weekly, "2026-02-28T22:30:00Z"), None, "not before its start");
        assert_eq!(ends(&weekly, "2026-03-28T22:00:00Z").as_deref(), Some("2026-03-29T00:00:00Z"), "winter");
        assert_eq!(ends(&weekly, "2026-04-04T20:59:59Z"), None);
        assert_eq!(ends(&weekly, "2026-04-04T21:00:00Z").as_deref(), Some("2026-04-04T23:00:00Z"), "summer");
        assert_eq!(ends(&weekly, "2026-04-05T22:00:00Z"), None);
    }

    #[test]
    fn every_day_goes_over_midnight_and_over_an_hour_that_is_left_out() {
        let daily = maintenance("2026-03-07T23:30", Some(Repeat::Day));
        assert_eq!(ends(&daily, "2026-05-10T22:00:00Z").as_deref(), Some("2026-05-10T23:30:00Z"));
        assert_eq!(ends(&daily, "2026-05-10T20:00:00Z"), None);
        let early = maintenance("2026-03-07T02:30", Some(Repeat::Day));
        // 29 March: the clocks go from 02:00 to 03:00.
        assert_eq!(ends(&early, "2026-03-29T01:30:00Z").as_deref(), Some("2026-03-29T03:30:00Z"));
        assert_eq!(ends(&early, "2026-03-29T01:29:59Z"), None);
    }

    #[test]
    fn it_is_for_its_devices() {
        let name = |name| DeviceName::new(name).unwrap();
        let ams = BTreeMap::from([("site".to_owned(), "ams1".to_owned()), ("role".into(), "nat".into())]);
        let site = maintenance("2026-03-07T23:00", None);
        assert!(site.is_for(&name("gw"), &ams) && !site.is_for(&name("gw"), &BTreeMap::new()));
        let one = Maintenance { device: Some(name("gw")), ..site };
        assert!(one.is_for(&name("gw"), &ams) && !one.is_for(&name("gw-2"), &ams));
        let all = Maintenance { labels: BTreeMap::new(), device: None, ..one };
        assert!(all.is_for(&name("gw"), &ams) && !all.is_for(&name("cliffwatch"), &ams));
    }

    proptest::proptest! {
        #[test]
        fn any_time_is_good(start in proptest::num::i64::ANY, at in proptest::num::i64::ANY, weekly in proptest::bool::ANY) {
            let start = Timestamp::from_micros(start);
            let every = Some(if weekly { Repeat::Week } else { Repeat::Day });
            let at = Timestamp::from_micros(at);
            let ends = Maintenance { start, every, ..maintenance("2026-03-07T23:00", None) }.ends(at);
            proptest::prop_assert!(ends.is_none_or(|ends| ends > at && start <= at));
        }
    }
}
