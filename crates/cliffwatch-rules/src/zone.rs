use cliffwatch_model::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Where days and hours are counted: a zone of the IANA database, which is built in, so that two machines
/// agree. UTC unless told otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl Zone {
    /// The zone of this name, such as `Europe/Amsterdam`.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// Every name, in order.
    pub fn names() -> impl Iterator<Item = String> {
        jiff::tz::db().available().map(|name| name.to_string())
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// What clocks there show; nothing beyond the years that calendars have.
    pub(crate) fn clock(&self, at: Timestamp) -> Option<DateTime> {
        let at = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
        Some(self.0.to_datetime(at))
    }

    /// When clocks there show this: the first time where they show it twice, and as much later as they are
    /// moved where they never do.
    pub(crate) fn instant(&self, clock: DateTime) -> Option<Timestamp> {
        let at = self.0.to_timestamp(clock).ok()?;
        Some(Timestamp::from_micros(at.as_microsecond()))
    }

    /// The instant of a local time as people write it: `2026-03-07T22:00`.
    pub fn parse(&self, text: &str) -> Option<Timestamp> {
        self.instant(text.parse().ok()?)
    }
}
