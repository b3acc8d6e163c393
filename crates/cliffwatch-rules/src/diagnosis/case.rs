//! Everything that is known of one table, as numbers that a diagnosis reads.

use std::time::Duration;

use cliffwatch_model::{
    Bound, Confidence, Figure, Finding, Pattern, Setting, Severity, TableId, TableKind, Timestamp,
};

use super::gathered::Gathered;
use super::recent::{Recent, Seen, Symptom};
use super::rise::{self, Climb, Rise};
use super::sight::{DeviceSight, Newest, TableSight};
use crate::conditions::is_read_alone;
use crate::device::{DeviceMemory, Sizes};
use crate::outlook::{Outlook, number};
use crate::table::TableMemory;
use crate::trend::Scale;

/// From this share of a hard limit on a table is at it: between two polls it was there.
const AT_LIMIT: f64 = 0.99;

/// One table and what is known of it.
pub(crate) struct Case<'a> {
    pub(crate) newest: &'a Newest,
    pub(crate) memory: &'a TableMemory,
    pub(crate) device: &'a DeviceMemory,
    pub(crate) sight: &'a DeviceSight,
    pub(crate) recent: &'a Recent,
    pub(crate) turned: Option<(Timestamp, cliffwatch_model::Role)>,
    pub(crate) gathered: Gathered<'a>,
    pub(crate) outlook: Option<Outlook>,
    pub(crate) rise: Option<Rise>,
    pub(crate) climb: Option<Climb>,
    pub(crate) sizes: Sizes,
    pub(crate) cgn: bool,
}

impl<'a> Case<'a> {
    pub(crate) fn new(
        id: TableId,
        table: (&'a TableMemory, &'a TableSight),
        device: (&'a DeviceMemory, &'a DeviceSight),
        cgn: bool,
    ) -> Option<Self> {
        let ((memory, seen), (device, sight)) = (table, device);
        let newest = seen.newest.as_ref()?;
        let mut case = Self {
            newest,
            memory,
            device,
            sight,
            recent: &seen.recent,
            turned: seen.turned,
            gathered: Gathered::new(sight.evidence(id)),
            outlook: Outlook::of(memory),
            rise: None,
            climb: None,
            sizes: device.sizes(&newest.table.name),
            cgn,
        };
        case.rise = rise::sudden(memory, case.limit());
        let short = || rise::short(memory).filter(|_| case.is_high() || case.is_gaining());
        case.climb = rise::gradual(memory).or_else(short);
        Some(case)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.newest.at
    }

    pub(crate) fn used(&self) -> Option<u64> {
        self.newest.used
    }

    /// The hard limit: a bound per destination is none.
    pub(crate) fn hard_limit(&self) -> Option<u64> {
        let capacity = self.newest.capacity.ok()?;
        (capacity.bound == Bound::Hard).then(|| capacity.limit.get())
    }

    pub(crate) fn limit(&self) -> Option<f64> {
        self.hard_limit().map(number)
    }

    /// The fill of a hard limit, in percent.
    pub(crate) fn fill(&self) -> Option<f64> {
        Some(number(self.used()?) * 100.0 / self.limit()?)
    }

    /// The highest use that was read: now, in the last minutes or in the week.
    pub(crate) fn peak(&self) -> Option<u64> {
        let week = self.memory.week.peak().map(|(peak, _)| peak);
        week.max(self.used())
    }

    /// Whether it was at its limit within the last minutes.
    pub(crate) fn was_at_limit(&self) -> bool {
        let Some(limit) = self.limit() else { return false };
        let ring = self.memory.trend.ring(Scale::Minutes);
        let points = ring.points(self.now(), Scale::Minutes.width() * 15, Scale::Minutes.width());
        let lately = points.as_slice().iter().any(|point| point.value >= limit * AT_LIMIT);
        lately || self.is_at_limit()
    }

    /// Whether it is at its limit now.
    pub(crate) fn is_at_limit(&self) -> bool {
        self.used().zip(self.limit()).is_some_and(|(used, limit)| number(used) >= limit * AT_LIMIT)
    }

    pub(crate) fn seen(&self, symptom: Symptom) -> Option<Seen> {
        self.recent.seen(symptom, self.now())
    }

    /// The time that counters are told for.
    pub(crate) fn span(&self) -> Duration {
        self.recent.span(self.now())
    }

    /// How often a symptom shows, a second.
    pub(crate) fn rate(&self, symptom: Symptom) -> Option<f64> {
        let seconds = self.span().as_secs_f64();
        let seen = self.seen(symptom)?;
        (seconds >= 1.0).then(|| number(seen.amount) / seconds)
    }

    /// Above this fill a table needs somebody; in percent.
    pub(crate) fn high_line(&self) -> f64 {
        if self.cgn { 85.0 } else { 70.0 }
    }

    /// And above this one now.
    pub(crate) fn critical_line(&self) -> f64 {
        if self.cgn { 95.0 } else { 90.0 }
    }

    /// Whether it is so full that somebody should know why.
    pub(crate) fn is_high(&self) -> bool {
        self.fill().is_some_and(|fill| fill >= self.high_line())
    }

    /// Whether more are made than end, both measured.
    pub(crate) fn is_gaining(&self) -> bool {
        self.memory.churn(self.now()).is_some_and(|churn| churn.net_per_s() > 0.0)
    }

    /// Whether its fill tells of the table: not of a mirror, of one address of a pool, or of a low port tier.
    pub(crate) fn is_read_alone(&self) -> bool {
        let Newest { table, role, unit, capacity, .. } = self.newest;
        is_read_alone(table, *role, *unit, capacity.ok())
    }

    /// How much a cause matters at this fill.
    pub(crate) fn weight(&self) -> Severity {
        let soon = self.outlook.and_then(|outlook| outlook.full.seconds());
        let lost = self.seen(Symptom::Refused).is_some() && self.was_at_limit();
        match self.fill() {
            _ if lost => Severity::Critical,
            Some(fill) if fill >= self.critical_line() => Severity::Critical,
            Some(fill) if fill >= self.high_line() => Severity::Warning,
            _ if soon.is_some_and(|seconds| seconds <= 3_600.0) => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// Whether use is as at this time of the week before, or of yesterday; nothing where that is not known.
    pub(crate) fn is_usual(&self) -> Option<bool> {
        let usual = self.outlook?.usual?;
        Some(number(self.used()?) <= number(usual) * 1.2)
    }

    /// Whether a shortage shows in the table's own fill: its count is that of ports or of addresses.
    pub(crate) fn is_pool(&self) -> bool {
        matches!(
            self.newest.table.kind,
            TableKind::NatPool | TableKind::SnatPorts | TableKind::PortBlocks | TableKind::Xlates
        )
    }

    pub(crate) fn bound_per_destination(&self) -> Option<u64> {
        let capacity = self.newest.capacity.ok()?;
        (capacity.bound == Bound::PerDestination).then(|| capacity.limit.get())
    }

    /// A number that is configured on the device.
    pub(crate) fn timeouts(&self) -> impl Iterator<Item = (&'a str, u64)> {
        let timeouts = self.sight.settings.iter().filter(|(name, _)| name.contains("timeout"));
        timeouts.filter_map(|(name, setting)| match setting {
            Setting::Number(seconds) => Some((&**name, u64::try_from(*seconds).ok()?)),
            Setting::Text(_) => None,
        })
    }

    /// What is used and of how much, as figures.
    pub(crate) fn level(&self) -> Vec<Figure> {
        let unit = self.newest.unit.as_str();
        let mut figures = Vec::new();
        if let Some(used) = self.used() {
            figures.push(count("used", used, unit));
        }
        if let Ok(capacity) = self.newest.capacity {
            figures.push(count("limit", capacity.limit.get(), unit));
            if let Some(used) = self.used() {
                figures.push(figure("used_percent", capacity.utilization(used) * 100.0, "%"));
            }
        }
        figures
    }
}

/// A finding without what refutes it.
pub(crate) fn finding(
    pattern: Pattern,
    severity: Severity,
    confidence: Confidence,
    summary: impl Into<String>,
    figures: Vec<Figure>,
    refuted_by: &[&str],
) -> Finding {
    let refuted_by = refuted_by.iter().map(|text| (*text).to_owned()).collect();
    Finding { pattern, severity, confidence, summary: summary.into(), figures, refuted_by }
}

pub(crate) fn figure(name: &str, value: f64, unit: &str) -> Figure {
    Figure { name: name.to_owned(), value, unit: unit.to_owned() }
}

pub(crate) fn count(name: &str, value: u64, unit: &str) -> Figure {
    figure(name, number(value), unit)
}

/// A counter's increase in the time that is covered.
pub(crate) fn rise_figure(seen: &Seen, span: Duration) -> Figure {
    let unit = format!("in {}", crate::summary::spoken(span));
    figure(seen.counter.as_str(), number(seen.amount), &unit)
}

/// An average of counts as a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an average of counts; saturates"
)]
pub(crate) fn rounded(count: f64) -> u64 {
    count.round() as u64
}
