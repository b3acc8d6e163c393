use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    Capacity, CounterClass, CounterKind, PollHeader, Role, Severity, TableObservation,
    TableState as Tracking, Timestamp, Trigger,
};
use serde::{Deserialize, Serialize};

use crate::baseline::Baseline;
use crate::churn::{Imbalance, Rates, Shortfall};
use crate::coverage::Coverage;
use crate::device::Sizes;
use crate::diagnosis::TableSight;
use crate::periods::Periods;
use crate::signals::Signals;
use crate::tracks::Tracks;
use crate::trend::{Course, Trend};
use crate::week::Week;
use crate::window::Window;

/// How long a change of a limit is shown: long enough to be seen by who comes to look.
pub(crate) const CHANGE_SHOWN: Duration = Duration::from_secs(3_600);

/// What is remembered of one table.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    /// How people read its name.
    pub(crate) path: Arc<str>,
    pub(crate) memory: TableMemory,
    pub(crate) tracks: Tracks,
    /// What the newest polls showed; not saved.
    pub(crate) sight: TableSight,
    /// Whether it changed since it was last saved.
    pub(crate) unsaved: bool,
}

impl Table {
    pub(crate) fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            memory: TableMemory::default(),
            tracks: Tracks::default(),
            sight: TableSight::default(),
            unsaved: true,
        }
    }
}

#[cfg(test)]
impl Table {
    /// All that it holds of its own; the rules are shared.
    pub(crate) fn bytes(&self) -> usize {
        let memory = &self.memory;
        let windows = memory.counted.heap_bytes() + memory.collisions.heap_bytes();
        let usual = memory.usual_collisions.heap_bytes() + memory.week.heap_bytes();
        let moves = memory.trend.heap_bytes() + memory.rates.heap_bytes();
        let tracks = self.tracks.bound.capacity() * size_of::<crate::tracks::Track>();
        size_of::<Self>() + self.path.len() + windows + usual + moves + tracks
    }
}

/// What conditions need of a table's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableMemory {
    /// The newest `observed_at`.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) newest: Option<Timestamp>,
    /// Which of its readings did not come.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) coverage: Coverage,
    /// When a poll last held it.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) seen_at: Option<Timestamp>,
    /// The device's count of successful ticks then.
    #[serde(default)]
    pub(crate) seen_tick: u64,
    /// The last known limit.
    #[serde(default)]
    pub(crate) limit: Option<Capacity>,
    /// Whether it was in use.
    #[serde(default)]
    pub(crate) tracked: bool,
    /// How it last changed.
    #[serde(default)]
    pub(crate) change: Option<TableChange>,
    /// The last tick polls that read `refused` counters, newest in the lowest bit: 1 where they rose.
    #[serde(default)]
    pub(crate) refused_ticks: u8,
    /// Clashes, or what was pushed of a tier of low ports.
    #[serde(default)]
    pub(crate) counted: Window,
    /// When a provider's sums told of lost connections.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) periods: Periods,
    #[serde(default)]
    pub(crate) collisions: Window,
    #[serde(default)]
    pub(crate) usual_collisions: Baseline,
    /// The newest known use.
    #[serde(default)]
    pub(crate) used: Option<u64>,
    /// How use moved in the last hours.
    #[serde(default)]
    pub(crate) trend: Trend,
    /// What is usual for it.
    #[serde(default)]
    pub(crate) week: Week,
    /// Set-ups against ends.
    #[serde(default)]
    pub(crate) rates: Rates,
    /// Its newest role.
    #[serde(default)]
    pub(crate) role: Option<Role>,
    /// When its role, epoch or limit last changed: what it did before says nothing of what it will do.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) turned_at: Option<Timestamp>,
    /// When entries were last thrown out or refused: its use is not free to rise.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) strained_at: Option<Timestamp>,
}

/// Most tables push nothing and have no sums: their rows do not say so.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A limit that moved, or a table that went out of use.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TableChange {
    #[serde(with = "crate::state::micros_plain")]
    pub(crate) at: Timestamp,
    pub(crate) what: Changed,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Changed {
    /// The limit; what it was before.
    Limit(Capacity),
    /// It tracked before.
    StoppedTracking,
}

impl TableMemory {
    /// Whether the reading is older than the newest, or a correction of it. Two polls of one instant, as clocks
    /// of whole seconds make them, are none where a counter rose in between.
    pub(crate) fn is_late(&self, reading: &TableObservation) -> bool {
        let rose = || reading.increases.iter().any(|increase| increase.kind == CounterKind::Cumulative);
        let is_again = |newest| reading.observed_at < newest || (reading.observed_at == newest && !rose());
        reading.marks.late || self.newest.is_some_and(is_again)
    }

    /// Takes a reading up. `tick` is the device's count of successful ticks.
    pub(crate) fn take(
        &mut self,
        reading: &TableObservation,
        signals: &Signals,
        header: &PollHeader,
        tick: u64,
    ) {
        let late = self.is_late(reading);
        if !late {
            self.note_coming(reading.observed_at, header);
        }
        let newest = self.newest.map_or(reading.observed_at, |newest| newest.max(reading.observed_at));
        self.newest = Some(newest);
        self.seen_at = self.seen_at.max(Some(header.finished_at));
        self.seen_tick = tick;
        self.counted.add(signals.counted(), reading.observed_at, signals.over, newest);
        self.collisions.add(signals.collisions, reading.observed_at, signals.over, newest);
        if let Some(lost) = signals.sum_of_period {
            self.periods.add(reading.observed_at, lost > 0, reading.revision > 0);
        }
        self.note_use(reading, signals, late);
        if late {
            return;
        }
        if signals.read.has(CounterClass::Collision) {
            self.usual_collisions.add(signals.collisions, reading.observed_at);
        }
        if header.trigger == Trigger::Tick && signals.read.has(CounterClass::Refused) {
            self.refused_ticks = (self.refused_ticks << 1) | u8::from(signals.refused > 0);
        }
        self.note_changes(reading);
    }

    fn note_coming(&mut self, at: Timestamp, header: &PollHeader) {
        let is_due = matches!(header.trigger, Trigger::Tick | Trigger::Backfill);
        if let Some(newest) = self.newest.filter(|_| is_due) {
            self.coverage.add(at.since(newest), header.interval);
        }
    }

    fn note_use(&mut self, reading: &TableObservation, signals: &Signals, late: bool) {
        let at = reading.observed_at;
        if !late {
            self.note_turns(reading);
            self.used = reading.used.or(self.used);
        }
        if signals.evicted > 0 || signals.lost() > 0 {
            self.strained_at = self.strained_at.max(Some(at));
        }
        let Some(used) = reading.used.filter(|_| reading.state != Tracking::NotTracking) else { return };
        // A late reading may be older than the turn: what was before it is forgotten.
        if late && self.turned_at.is_some_and(|turned| at < turned) {
            return;
        }
        self.trend.add(used, at, reading.revision > 0);
        self.week.add(used, at);
        self.rates.add(reading, signals);
    }

    /// Set-ups against ends in the last five minutes, where both were measured.
    pub(crate) fn churn(&self, now: Timestamp) -> Option<Imbalance> {
        self.rates.imbalance(now)
    }

    /// Attempts against what was established in the last five minutes, where a provider counts both.
    pub(crate) fn shortfall(&self, now: Timestamp) -> Option<Shortfall> {
        self.rates.shortfall(now)
    }

    fn note_turns(&mut self, reading: &TableObservation) {
        let role = self.role.replace(reading.role).is_some_and(|before| before != reading.role);
        let epoch = reading.marks.new_epoch;
        let limit = reading.capacity.ok().zip(self.limit).is_some_and(|(now, before)| {
            now.origin == before.origin && (now.limit, now.bound) != (before.limit, before.bound)
        });
        if role || epoch {
            self.trend.clear();
            self.rates.clear();
        }
        if role || epoch || limit {
            self.turned_at = Some(reading.observed_at);
        }
    }

    fn note_changes(&mut self, reading: &TableObservation) {
        let at = reading.observed_at;
        match reading.state {
            Tracking::Tracking => {
                self.tracked = true;
                if matches!(self.change, Some(TableChange { what: Changed::StoppedTracking, .. })) {
                    self.change = None;
                }
            }
            Tracking::NotTracking if self.tracked => {
                self.tracked = false;
                self.change = Some(TableChange { at, what: Changed::StoppedTracking });
            }
            Tracking::NotTracking | Tracking::Unknown => {}
        }
        let (Ok(now), Some(before)) = (reading.capacity, self.limit) else {
            self.limit = reading.capacity.ok().or(self.limit);
            return;
        };
        self.limit = Some(now);
        if now.origin == before.origin && now.limit != before.limit {
            // A second change while the first is still shown is told against what was before both.
            let original = match self.change {
                Some(TableChange { what: Changed::Limit(original), at: then })
                    if at.since(then) < CHANGE_SHOWN =>
                {
                    original
                }
                _ => before,
            };
            let changed = TableChange { at, what: Changed::Limit(original) };
            self.change = (original.limit != now.limit).then_some(changed);
        }
    }
}

/// A reading of a table beside what is remembered: what conditions look at.
#[derive(Clone, Copy)]
pub(crate) struct TableView<'a> {
    pub(crate) reading: &'a TableObservation,
    pub(crate) signals: &'a Signals,
    pub(crate) memory: &'a TableMemory,
    /// How it moves.
    pub(crate) course: &'a Course<'a>,
    /// What its device is configured to.
    pub(crate) sizes: Sizes,
    /// The severity that the rule's open alert has risen to.
    pub(crate) open: Option<Severity>,
    /// Whether its device is a carrier-grade NAT, which is run fuller.
    pub(crate) cgn: bool,
}

impl TableView<'_> {
    /// The fill in percent. The product comes first, so that 70 of 100 is 70 and not 69.999….
    #[expect(clippy::cast_precision_loss, reason = "tables hold far fewer than 2^52 entries")]
    pub(crate) fn fill_percent(&self) -> Option<f64> {
        match (self.reading.used, self.reading.capacity) {
            (Some(used), Ok(capacity)) => Some(used as f64 * 100.0 / capacity.limit.get() as f64),
            _ => None,
        }
    }
}
