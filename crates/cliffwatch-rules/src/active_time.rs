use std::fmt;
use std::str::FromStr;

use cliffwatch_model::Timestamp;
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::Zone;

/// Times that one rule may name: more than a week has shifts.
const TIMES_MAX: usize = 21;
const DAY_MINUTES: u16 = 24 * 60;
const ALL_DAYS: u8 = 0b111_1111;
/// As they are written; the first has the lowest bit.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// When a rule may raise, in local time: `mon-fri 08:00-18:00`, `sat,sun`, `22:00-06:00`.
///
/// Outside of it nothing new is raised and nothing becomes worse. What fires goes on: it is not told anew, and
/// ends only when it is measured as over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveTime {
    times: Vec<Time>,
    zone: Zone,
}

/// A time of some days. One that ends before it begins goes on over midnight, and belongs to the day on which
/// it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Time {
    /// A bit for each day, Monday's the lowest.
    days: u8,
    /// In minutes from midnight.
    from: u16,
    /// The first minute after it.
    until: u16,
}

impl ActiveTime {
    /// Whether the instant is in it.
    pub fn holds(&self, at: Timestamp) -> bool {
        let Some(clock) = self.zone.clock(at) else { return true };
        let minute = u16::try_from(i16::from(clock.hour()) * 60 + i16::from(clock.minute())).unwrap_or(0);
        let today = 1 << clock.weekday().to_monday_zero_offset();
        let yesterday = 1 << clock.weekday().previous().to_monday_zero_offset();
        self.times.iter().any(|time| time.holds(today, yesterday, minute))
    }

    /// The same with days and hours counted in this zone.
    #[must_use]
    pub(crate) fn in_zone(&self, zone: &Zone) -> Self {
        Self { times: self.times.clone(), zone: zone.clone() }
    }

    fn of(texts: &[String]) -> Result<Self, String> {
        match texts.len() {
            0 => Err("no time is named\nleave `active_time` out, or write `enabled: false`".to_owned()),
            1..=TIMES_MAX => {
                let times = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
                Ok(Self { times, zone: Zone::default() })
            }
            many => Err(format!("{many} times are named; at most {TIMES_MAX} are possible")),
        }
    }
}

impl Time {
    fn holds(self, today: u8, yesterday: u8, minute: u16) -> bool {
        if self.from < self.until {
            return self.days & today != 0 && (self.from..self.until).contains(&minute);
        }
        (self.days & today != 0 && minute >= self.from) || (self.days & yesterday != 0 && minute < self.until)
    }
}

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let example =
                "write days, hours or both, such as `mon-fri 08:00-18:00`, `sat,sun` or `22:00-06:00`";
            format!("`{text}` is not a time\n{example}")
        };
        let mut words = text.split_whitespace();
        let (first, second) = (words.next().ok_or_else(wrong)?, words.next());
        let (days, hours) = match second {
            Some(hours) => (Some(first), Some(hours)),
            None if first.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(first)),
            None => (Some(first), None),
        };
        let days = days.map_or(Some(ALL_DAYS), parse_days).filter(|_| words.next().is_none());
        let hours = hours.map_or(Some((0, DAY_MINUTES)), parse_hours);
        let (days, (from, until)) = days.zip(hours).ok_or_else(wrong)?;
        if from == until {
            return Err(format!("`{text}` ends when it begins\nfor whole days write the days alone"));
        }
        Ok(Self { days, from, until })
    }
}

/// `mon-fri,sun`; `fri-mon` goes over the weekend.
fn parse_days(text: &str) -> Option<u8> {
    let day = |name: &str| DAYS.iter().position(|day| name.eq_ignore_ascii_case(day));
    text.split(',').try_fold(0, |days, part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let count = (last + DAYS.len() - first) % DAYS.len();
        Some((0..=count).fold(days, |days, n| days | 1 << ((first + n) % DAYS.len())))
    })
}

/// `08:00-18:00`; the end may be `24:00`.
fn parse_hours(text: &str) -> Option<(u16, u16)> {
    let (from, until) = text.split_once('-')?;
    Some((parse_minute(from).filter(|from| *from < DAY_MINUTES)?, parse_minute(until)?))
}

fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let is_plain = |part: &str, digits: &[usize]| {
        digits.contains(&part.len()) && part.bytes().all(|c| c.is_ascii_digit())
    };
    let is_written = is_plain(hour, &[1, 2]) && is_plain(minute, &[2]);
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    let at = hour * 60 + minute;
    (is_written && minute < 60 && at <= DAY_MINUTES).then_some(at)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = DAYS
            .into_iter()
            .enumerate()
            .filter(|(n, _)| self.days & 1 << n != 0)
            .map(|(_, day)| day)
            .collect();
        let Self { from, until, .. } = *self;
        let hours = format!("{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60);
        match (self.days == ALL_DAYS, (from, until) == (0, DAY_MINUTES)) {
            (true, _) => f.write_str(&hours),
            (false, true) => f.write_str(&days.join(",")),
            (false, false) => write!(f, "{} {hours}", days.join(",")),
        }
    }
}

impl Serialize for ActiveTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.times.iter().map(Time::to_string))
    }
}

impl<'de> Deserialize<'de> for ActiveTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Times;

        impl<'de> Visitor<'de> for Times {
            type Value = ActiveTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as `mon-fri 08:00-18:00`, or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<ActiveTime, E> {
                ActiveTime::of(&[text.to_owned()]).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ActiveTime, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element::<String>()? {
                    texts.push(text);
                }
                ActiveTime::of(&texts).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(Times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(json: &str, zone: &str) -> ActiveTime {
        let time: ActiveTime = serde_json::from_str(json).unwrap();
        time.in_zone(&Zone::named(zone).unwrap())
    }

    fn holds(time: &ActiveTime, instants: &[&str]) -> Vec<bool> {
        instants.iter().map(|at| time.holds(Timestamp::parse(at).unwrap())).collect()
    }

    #[test]
    fn office_hours_follow_the_clocks_of_the_zone() {
        let office = active(r#""mon-fri 08:00-18:00""#, "Europe/Amsterdam");
        // Monday 2 March is winter, Monday 30 March is summer; the 28th is a Saturday.
        let instants =
            ["2026-03-02T06:59:59Z", "2026-03-02T07:00:00Z", "2026-03-02T16:59:59Z", "2026-03-02T17:00:00Z"];
        assert_eq!(holds(&office, &instants), [false, true, true, false]);
        let summer = ["2026-03-30T05:59:59Z", "2026-03-30T06:00:00Z", "2026-03-28T09:00:00Z"];
        assert_eq!(holds(&office, &summer), [false, true, false]);
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = active(r#"["fri 22:00-06:00"]"#, "UTC");
        let instants = [
            "2026-03-06T21:59:00Z",
            "2026-03-06T22:00:00Z",
            "2026-03-07T05:59:00Z",
            "2026-03-07T06:00:00Z",
            "2026-03-06T03:00:00Z",
        ];
        assert_eq!(holds(&night, &instants), [false, true, true, false, false]);
        let sunday = active(r#""sun 22:00-06:00""#, "UTC");
        assert_eq!(holds(&sunday, &["2026-03-09T01:00:00Z", "2026-03-08T01:00:00Z"]), [true, false]);
    }

    #[test]
    fn the_hour_that_is_left_out_and_the_one_that_comes_twice() {
        let hour = active(r#""02:00-03:00""#, "Europe/Amsterdam");
        // 29 March 2026: 01:59:59 is followed by 03:00:00. 25 October: 02:00 to 03:00 comes twice.
        assert_eq!(holds(&hour, &["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z"]), [false, false]);
        let twice =
            ["2026-10-24T23:59:59Z", "2026-10-25T00:00:00Z", "2026-10-25T01:59:59Z", "2026-10-25T02:00:00Z"];
        assert_eq!(holds(&hour, &twice), [false, true, true, false]);
    }

    #[test]
    fn what_is_written_is_shown() {
        let shown = |text: &str| {
            let time: ActiveTime = serde_json::from_str(text).unwrap();
            serde_json::to_string(&time).unwrap()
        };
        assert_eq!(shown(r#""Mon-Wed,sun 8:00-24:00""#), r#"["mon,tue,wed,sun 08:00-24:00"]"#);
        assert_eq!(shown(r#"["sat,sun","22:00-06:00"]"#), r#"["sat,sun","22:00-06:00"]"#);
        assert_eq!(shown(r#""sat-mon""#), r#"["mon,sat,sun"]"#);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "nights",
            "mon-fri 8-18",
            "25:00-26:00",
            "08:60-09:00",
            "24:00-06:00",
            "mon 08:00-09:00 x",
            "mon,,tue",
            "08:0-09:00",
            "+8:00-09:00",
        ] {
            assert!(ActiveTime::of(&[text.to_owned()]).is_err(), "{text}");
        }
        assert!(ActiveTime::of(&["mon 08:00-08:00".into()]).unwrap_err().contains("ends when it begins"));
        assert!(ActiveTime::of(&[]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_and_any_time_is_good(text in "[a-z0-9:, -]{0,24}", at in proptest::num::i64::ANY) {
            if let Ok(time) = ActiveTime::of(&[text]) {
                let again = ActiveTime::of(&time.times.iter().map(Time::to_string).collect::<Vec<_>>());
                proptest::prop_assert_eq!(Ok(&time), again.as_ref());
                time.holds(Timestamp::from_micros(at));
            }
        }
    }
}
