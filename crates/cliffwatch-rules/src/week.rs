//! What is usual for a table: its peak in each hour of the week, and the peaks and lows of two weeks of days.

use cliffwatch_model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::coarse::Coarse;

const HOUR_MICROS: i64 = 3_600_000_000;
const HOURS_A_DAY: i64 = 24;
const HOURS: usize = 7 * 24;
const DAYS_MAX: usize = 15;
/// Hours that are "lately".
const HOURS_LATELY: i64 = 3;
/// Days of a week.
const WEEK: usize = 7;
/// Days that must each have risen above the one before, in peak and low, to speak of a trend in the first two weeks.
const RISING_DAYS: usize = 3;

/// What is usual for a table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Week {
    /// The hour that is being read, in hours since 1970.
    hour: Option<i64>,
    /// Its highest and lowest use so far.
    high: u64,
    low: u64,
    /// The peak of each hour of the week, when it was last read; empty before the first whole hour.
    #[serde(with = "crate::coarse::hex")]
    peaks: Vec<Coarse>,
    /// Peak and low of each day, oldest first; the newest is the day that is being read.
    days: Vec<(Coarse, Coarse)>,
    /// Of what is above, computed once an hour: the highest peak, …
    peak: u64,
    /// … how many hours of the week were read, …
    read: usize,
    /// … and the peak that is to be expected within a day: least, middle and most.
    tomorrow: Option<[u64; 3]>,
}

impl Week {
    /// Takes a reading of a table; readings older than the hour that is being read come too late.
    pub(crate) fn add(&mut self, used: u64, at: Timestamp) {
        let hour = at.as_micros().div_euclid(HOUR_MICROS);
        match self.hour {
            Some(current) if hour < current => return,
            Some(current) if hour == current => {
                self.high = self.high.max(used);
                self.low = self.low.min(used);
                return;
            }
            Some(current) => self.close(current, hour),
            None => self.days.push(Default::default()),
        }
        (self.hour, self.high, self.low) = (Some(hour), used, used);
    }

    #[cfg(test)]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.peaks.capacity() * size_of::<Coarse>() + self.days.capacity() * size_of::<(Coarse, Coarse)>()
    }

    /// The hour is over: `next` is the one that was read then.
    fn close(&mut self, hour: i64, next: i64) {
        if self.peaks.is_empty() {
            self.peaks = vec![Coarse::default(); HOURS];
        }
        if let Some(peak) = self.peaks.get_mut(slot(hour)) {
            *peak = Coarse::of(self.high);
        }
        let (high, low) = (self.high, self.low);
        if let Some((peak, least)) = self.days.last_mut() {
            *peak = Coarse::of(peak.known().map_or(high, |known| known.max(high)));
            *least = Coarse::of(least.known().map_or(low, |known| known.min(low)));
        }
        let passed = next.div_euclid(HOURS_A_DAY).saturating_sub(hour.div_euclid(HOURS_A_DAY));
        for _ in 0..passed.min(DAYS_MAX as i64) {
            self.days.push(Default::default());
        }
        self.days.drain(..self.days.len().saturating_sub(DAYS_MAX));
        let known = || self.peaks.iter().filter_map(|peak| peak.known());
        (self.peak, self.read) = (known().max().unwrap_or(0), known().count());
        self.tomorrow = self.expected(next).map(|peaks| peaks.map(whole));
    }

    /// The highest use that is usual from this hour to `hours` later: of the same hours a week ago, or of
    /// yesterday's where that is not known.
    pub(crate) fn usual(&self, at: Timestamp, hours: u32) -> Option<u64> {
        let now = at.as_micros().div_euclid(HOUR_MICROS);
        // A clock that was put forward makes people come an hour early: the next hour is usual as well.
        let ahead = || (0..=i64::from(hours.max(1))).map(move |n| now.saturating_add(n));
        let of = |shift: i64| ahead().filter_map(move |hour| self.peak_of(hour.saturating_sub(shift))).max();
        of(0).or_else(|| of(HOURS_A_DAY))
    }

    /// The highest use of the hour that is being read.
    pub(crate) fn high(&self) -> u64 {
        self.high
    }

    /// The highest use of the three hours before this one.
    pub(crate) fn lately(&self, at: Timestamp) -> Option<u64> {
        let now = at.as_micros().div_euclid(HOUR_MICROS);
        (1..=HOURS_LATELY).filter_map(|ago| self.peak_of(now.saturating_sub(ago))).max()
    }

    fn peak_of(&self, hour: i64) -> Option<u64> {
        self.peaks.get(slot(hour))?.known()
    }

    /// The highest use in a week, and how many of its hours were read.
    pub(crate) fn peak(&self) -> Option<(u64, usize)> {
        self.hour.map(|_| (self.peak.max(self.high), self.read))
    }

    /// The peak of an earlier hour of the last week.
    pub(crate) fn peak_before(&self, at: Timestamp, hours: u32) -> Option<u64> {
        self.peak_of(at.as_micros().div_euclid(HOUR_MICROS).saturating_sub(i64::from(hours)))
    }

    /// The lows of the whole days that were read, oldest first.
    pub(crate) fn lows(&self) -> Vec<u64> {
        self.whole_days().map(|(_, low)| low).collect()
    }

    /// Peak and low of each whole day that was read, oldest first.
    pub(crate) fn whole_days(&self) -> impl Iterator<Item = (u64, u64)> {
        let whole = self.days.get(..self.days.len().saturating_sub(1)).unwrap_or_default();
        whole.iter().filter_map(|(peak, low)| peak.known().zip(low.known()))
    }

    /// How many hours of the week were read.
    pub(crate) fn hours_read(&self) -> usize {
        self.read
    }

    /// The peak that is to be expected within a day: least, middle and most.
    pub(crate) fn tomorrow(&self) -> Option<[u64; 3]> {
        self.tomorrow
    }

    /// The peak of the next 24 hours: those of a week ago, moved by what the last days changed against
    /// the same days of the week before; in the first two weeks the last peak, where days and nights both
    /// rose. Least, middle and most.
    fn expected(&self, now: i64) -> Option<[f64; 3]> {
        let mut ratios: Vec<f64> = self.weekly_ratios().collect();
        if ratios.len() > WEEK / 2 {
            ratios.sort_unstable_by(f64::total_cmp);
            let ahead = (1..=HOURS_A_DAY).filter_map(|n| self.peak_of(now.saturating_add(n)));
            let base = number(ahead.max()?);
            let pick = |rank: usize| ratios.get(rank).map(|ratio| base * ratio);
            return Some([pick(ratios.len() / 4)?, pick(ratios.len() / 2)?, pick(ratios.len() * 3 / 4)?]);
        }
        self.rising_days()
    }

    /// Peaks of whole days over those of a week before.
    fn weekly_ratios(&self) -> impl Iterator<Item = f64> {
        let whole = self.days.get(..self.days.len().saturating_sub(1)).unwrap_or_default();
        let pairs = whole.iter().zip(whole.iter().skip(WEEK));
        let ratio = |before, after| number(after) / number(before).max(1.0);
        pairs.filter_map(move |((before, _), (after, _))| Some(ratio(before.known()?, after.known()?)))
    }

    fn rising_days(&self) -> Option<[f64; 3]> {
        let whole = self.days.get(..self.days.len().saturating_sub(1))?;
        let recent = whole.get(whole.len().checked_sub(RISING_DAYS + 1)?..)?;
        let mut steps = Vec::with_capacity(RISING_DAYS);
        for (before, after) in recent.iter().zip(recent.iter().skip(1)) {
            let (before, after) =
                (before.0.known().zip(before.1.known())?, after.0.known().zip(after.1.known())?);
            if after.0 <= before.0 || after.1 <= before.1 {
                return None;
            }
            steps.push(number(after.0) - number(before.0));
        }
        steps.sort_unstable_by(f64::total_cmp);
        let last = number(recent.last()?.0.known()?);
        Some([last + steps.first()?, last + steps.get(steps.len() / 2)?, last + steps.last()?])
    }
}

fn slot(hour: i64) -> usize {
    usize::try_from(hour.rem_euclid(HOURS as i64)).unwrap_or(0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
fn whole(count: f64) -> u64 {
    count as u64
}

#[expect(clippy::cast_precision_loss, reason = "a figure to be compared; exact below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Week {
        fn expected_at(&self, hour: i64) -> Option<[f64; 3]> {
            self.expected(t(hour).as_micros().div_euclid(HOUR_MICROS))
        }
    }

    fn t(hour: i64) -> Timestamp {
        Timestamp::from_secs(1_772_323_200 + hour * 3_600)
    }

    /// One reading an hour.
    fn week(hours: impl Iterator<Item = u64>) -> Week {
        let mut week = Week::default();
        hours.enumerate().for_each(|(hour, used)| week.add(used, t(hour.try_into().unwrap())));
        week
    }

    #[test]
    fn usual_is_the_same_hour_a_week_ago_then_yesterday() {
        let week = week((0..30).map(|hour| 1_000 + hour));
        assert_eq!(week.usual(t(30), 0), Some(1_007), "yesterday at six, or the hour after");
        assert_eq!(week.usual(t(168), 0), Some(1_001));
        assert_eq!(week.usual(t(168 + 20), 6), Some(1_026), "six hours ahead");
        assert_eq!(week.usual(t(100), 0), None, "neither was read");
    }

    #[test]
    fn the_hour_that_is_read_is_not_its_own_baseline() {
        let mut week = week((0..169).map(|_| 100));
        week.add(9_000, t(168));
        assert_eq!(week.usual(t(168), 0), Some(100));
        assert_eq!(week.peak(), Some((9_000, 168)));
    }

    #[test]
    fn tomorrow_follows_the_week_and_what_changed_since() {
        // Peaks of weekdays 1000, of weekends 400; the second week is a tenth higher.
        let hours = |hour: u64| {
            let (day, noon) = (hour / 24, hour % 24 == 12);
            let peak = if day % 7 >= 5 { 400 } else { 1_000 };
            let peak = if day >= 7 { peak * 11 / 10 } else { peak };
            if noon { peak } else { peak / 2 }
        };
        let week = week((0..14 * 24).map(hours));
        let [least, middle, most] = week.expected_at(14 * 24 - 1).unwrap();
        assert!(
            (least..=most).contains(&1_210.0) || (middle - 1_210.0).abs() < 5.0,
            "{least} {middle} {most}"
        );
    }

    #[test]
    fn in_the_first_weeks_only_what_rises_day_and_night_is_a_trend() {
        let leak = |hour: u64| 1_000 + hour * 10;
        let [_, middle, _] = week((0..100).map(leak)).expected_at(100).unwrap();
        assert!((middle - (1_000.0 + 95.0 * 10.0 + 240.0)).abs() < 5.0, "{middle}");
        let monday = |hour: u64| if hour % 24 == 12 { 1_000 + hour } else { 300 };
        assert_eq!(week((0..100).map(monday)).expected_at(100), None);
    }

    proptest::proptest! {
        #[test]
        fn bounded_whatever_is_read(read in proptest::collection::vec((proptest::num::u64::ANY, proptest::num::i64::ANY), 0..60)) {
            let mut week = Week::default();
            for (used, at) in read {
                let at = Timestamp::from_micros(at);
                week.add(used, at);
                proptest::prop_assert!(week.peaks.len() <= HOURS && week.days.len() <= DAYS_MAX);
                let _ = (week.usual(at, 6), week.peak());
                proptest::prop_assert!(week.expected_at(at.as_micros() / HOUR_MICROS).is_none_or(|t| t.iter().all(|n| n.is_finite())));
            }
        }
    }
}
