//! When a table will be full if it goes on like this, and how sure that is.

use cliffwatch_model::Bound;

use crate::table::TableMemory;
use crate::trend::{Course, Pace, Scale};

/// The newer window must rise at this share of a longer one's speed, or the longer one tells of a rise that is over.
const STILL_RISING: f64 = 0.25;

/// When use reaches a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Forecast {
    /// So many seconds from the newest reading, if use goes on as it does.
    Within {
        /// Most likely.
        seconds: f64,
        /// If the fastest rise that the readings allow is the true one.
        soonest: f64,
        /// If the slowest is; absent where use may never get there.
        latest: Option<f64>,
    },
    /// It rises, but ever slower, towards a level below this one.
    Levelling,
    /// It does not rise, or so slowly that what was read says nothing about so distant a time.
    NotAhead,
    /// The device throws entries out or refuses new ones, so that use cannot rise: this is no calm.
    Held,
    /// Too little was read, there is no hard limit, or the table has just changed its role, epoch or limit.
    Unknown,
}

impl Forecast {
    /// The most likely time, in seconds, where there is one.
    pub fn seconds(self) -> Option<f64> {
        match self {
            Self::Within { seconds, .. } => Some(seconds),
            _ => None,
        }
    }

    /// The soonest and the latest, in seconds, where there is a time; the latest is absent where it may
    /// never be.
    pub fn range(self) -> Option<[Option<f64>; 2]> {
        match self {
            Self::Within { soonest, latest, .. } => Some([Some(soonest), latest]),
            _ => None,
        }
    }
}

/// How a table moves and where that leads. Times count from its newest reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// The robust slope of the last minutes, in percent of the count; absent where too little was read.
    pub growth_percent_per_minute: Option<f64>,
    /// When it reaches 70 % of its hard limit.
    pub seventy_percent: Forecast,
    /// When it reaches 90 %.
    pub ninety_percent: Forecast,
    /// When it is full.
    pub full: Forecast,
    /// The highest use in the last week.
    pub peak: Option<u64>,
    /// The highest use at this time of the week before, or of yesterday where that is not known.
    pub usual: Option<u64>,
}

impl Outlook {
    pub(crate) fn of(memory: &TableMemory) -> Option<Self> {
        let now = memory.newest?;
        let course = Course::new(&memory.trend, now);
        let reach = |percent: u64| memory.forecast(&course, percent);
        Some(Self {
            growth_percent_per_minute: course.finest().map(|pace| pace.percent_per_minute()),
            seventy_percent: reach(70),
            ninety_percent: reach(90),
            full: reach(100),
            peak: memory.week.peak().map(|(peak, _)| peak),
            usual: memory.week.usual(now, 0),
        })
    }
}

impl TableMemory {
    /// When newest use reaches a share of the hard limit.
    fn forecast(&self, course: &Course<'_>, percent: u64) -> Forecast {
        let limit = self.limit.filter(|limit| limit.bound == Bound::Hard);
        let (Some(used), Some(limit)) = (self.used, limit) else { return Forecast::Unknown };
        let target = number(limit.limit.get()) * number(percent) / 100.0;
        match course.time_to(number(used), target) {
            Forecast::Levelling | Forecast::NotAhead if self.is_strained() => Forecast::Held,
            forecast => forecast,
        }
    }

    /// Whether entries were thrown out or refused within the last minutes.
    pub(crate) fn is_strained(&self) -> bool {
        let strained = self.newest.zip(self.strained_at);
        strained.is_some_and(|(now, strained)| now.since(strained) <= STRAINED_FOR)
    }
}

/// A full Linux table is swept to 95 % and is full again within a minute: no calm before five.
const STRAINED_FOR: std::time::Duration = std::time::Duration::from_secs(300);

impl Course<'_> {
    /// When use, now at `used`, reaches `target`. The finest scale that may look so far ahead decides; a
    /// longer one only while the one below it still rises.
    pub(crate) fn time_to(&self, used: f64, target: f64) -> Forecast {
        if used >= target {
            return Forecast::Within { seconds: 0.0, soonest: 0.0, latest: Some(0.0) };
        }
        let mut answer = Forecast::Unknown;
        let mut finer: Option<Pace> = None;
        for scale in Scale::ALL {
            let Some(pace) = self.pace(scale) else { continue };
            let forecast = pace.time_to(target - used, finer);
            if matches!(forecast, Forecast::Within { .. }) {
                return forecast;
            }
            if answer == Forecast::Unknown {
                answer = forecast;
            }
            finer = Some(pace);
        }
        answer
    }
}

impl Pace {
    fn time_to(&self, rise: f64, finer: Option<Self>) -> Forecast {
        let Some(curve) = self.curve() else { return Forecast::NotAhead };
        let Some(seconds) = curve.time_to(rise) else { return Forecast::Levelling };
        let rises = finer.is_none_or(|finer| finer.slope.middle >= curve.per_s * STILL_RISING);
        if seconds > curve.believed_s || !rises {
            return Forecast::NotAhead;
        }
        let Some((fastest, slowest)) = self.extremes() else { return Forecast::NotAhead };
        let latest = (slowest > 0.0 && curve.fade_s.is_none()).then(|| (rise / slowest).max(seconds));
        Forecast::Within { seconds, soonest: (rise / fastest).min(seconds), latest }
    }
}

#[expect(clippy::cast_precision_loss, reason = "tables hold far fewer than 2^52 entries")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}
