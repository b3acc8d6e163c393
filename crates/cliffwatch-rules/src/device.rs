use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::{
    ErrorKind, Observation, Outcome, PollHeader, PollerName, Setting, TableId, Timestamp, Trigger,
};
use serde::{Deserialize, Serialize};

use crate::DeviceFacts;
use crate::conditions::Ways;
use crate::diagnosis::DeviceSight;
use crate::load::Loads;
use crate::table::{CHANGE_SHOWN, Table};
use crate::tracks::Tracks;

/// Settings of one kind that are kept of one device; a kernel has one.
const SETTINGS_MAX: usize = 8;
/// How the sizes of hash tables are named, after their table.
const BUCKETS: &str = "_buckets";
/// How the time is named that an idle established TCP connection is kept, after its table.
const ESTABLISHED: &str = "_tcp_timeout_established_seconds";

/// Everything that is remembered of one device.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// What the inventory says; from the first poll where it says nothing.
    pub(crate) facts: Option<DeviceFacts>,
    pub(crate) memory: DeviceMemory,
    pub(crate) tracks: Tracks,
    /// As many as [`Ingest`](cliffwatch_model::Ingest) keeps: what is gone there is gone here.
    /// Boxed: a tree has room for eleven in each leaf, and most devices have one.
    pub(crate) tables: BTreeMap<TableId, Box<Table>>,
    /// What its newest polls showed; not saved.
    pub(crate) sight: DeviceSight,
    /// Counts changes of rules and facts; what was bound before must be bound again.
    pub(crate) generation: u64,
    /// Whether anything beside the tables changed since it was last saved.
    pub(crate) unsaved: bool,
}

impl Device {
    pub(crate) fn new() -> Self {
        Self {
            facts: None,
            memory: DeviceMemory::default(),
            tracks: Tracks::default(),
            tables: BTreeMap::new(),
            sight: DeviceSight::default(),
            generation: 0,
            unsaved: true,
        }
    }
}

/// What conditions need of a device's past.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceMemory {
    /// The newest poll: a poll that is not newer was taken before.
    #[serde(default)]
    pub(crate) last: Option<PollMark>,
    /// Ticks that succeeded.
    #[serde(default)]
    pub(crate) ticks: u64,
    /// Ticks in a row that failed.
    #[serde(default)]
    pub(crate) missed: u32,
    /// When the last tick succeeded.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) success: Option<Timestamp>,
    /// When the ticks in a row began to fail; a time in which we did not poll is not the device's.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) failing_since: Option<Timestamp>,
    /// The credential was rejected, and nothing succeeded since.
    #[serde(default)]
    pub(crate) rejected: bool,
    /// The last known bucket counts.
    #[serde(default)]
    pub(crate) buckets: BTreeMap<String, i64>,
    /// The last known timeouts of established connections, in seconds.
    #[serde(default)]
    pub(crate) established: BTreeMap<String, i64>,
    /// Its load in the last minutes.
    #[serde(default)]
    pub(crate) loads: Loads,
    /// How one of the bucket counts last changed.
    #[serde(default)]
    pub(crate) change: Option<DeviceChange>,
    /// When the device was last asked for evidence.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) asked_at: Option<Timestamp>,
    /// When it was last asked for a new connection.
    #[serde(default, with = "crate::state::micros")]
    pub(crate) tried_at: Option<Timestamp>,
    /// New connections that did not get in.
    #[serde(default)]
    pub(crate) ways: Ways,
}

/// Which poll of which poller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct PollMark {
    pub(crate) poller: PollerName,
    pub(crate) seq: u64,
    #[serde(with = "crate::state::micros_plain")]
    pub(crate) finished_at: Timestamp,
}

/// A setting that changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeviceChange {
    #[serde(with = "crate::state::micros_plain")]
    pub(crate) at: Timestamp,
    pub(crate) setting: String,
    pub(crate) before: i64,
}

impl DeviceMemory {
    /// Whether this poll was taken before: the same poller's number is not higher, and it is not newer.
    pub(crate) fn knows(&self, header: &PollHeader) -> bool {
        self.last.as_ref().is_some_and(|last| {
            last.poller == header.poller && header.seq <= last.seq && header.finished_at <= last.finished_at
        })
    }

    /// Takes a poll up. `paused`: it was not made, because the device is worked on, so that nothing is missed.
    pub(crate) fn take(&mut self, o: &Observation, paused: bool) {
        self.mark(&o.header);
        if paused {
            (self.missed, self.failing_since) = (0, None);
        } else if o.header.trigger == Trigger::Tick {
            self.count_tick(o);
        }
        match o.outcome {
            Outcome::Ok | Outcome::Partial => self.rejected = false,
            Outcome::Failed(ErrorKind::Auth) => self.rejected = true,
            Outcome::Failed(_) => {}
        }
        if o.outcome.is_success() {
            self.ways.take(o);
            self.note_settings(o);
            self.loads.add(&o.load, o.header.finished_at);
        }
    }

    fn mark(&mut self, header: &PollHeader) {
        match &mut self.last {
            Some(last) if last.poller == header.poller => {
                last.seq = header.seq;
                last.finished_at = last.finished_at.max(header.finished_at);
            }
            last => {
                let finished_at =
                    last.as_ref().map_or(header.finished_at, |l| l.finished_at.max(header.finished_at));
                *last = Some(PollMark { poller: header.poller.clone(), seq: header.seq, finished_at });
            }
        }
    }

    fn count_tick(&mut self, o: &Observation) {
        if o.outcome.is_success() {
            self.ticks = self.ticks.saturating_add(1);
            self.missed = 0;
            self.failing_since = None;
            self.success = self.success.max(Some(o.header.finished_at));
        } else {
            self.missed = self.missed.saturating_add(1);
            let began = o.header.started_at.minus(o.header.interval);
            self.failing_since = self.failing_since.or_else(|| self.success.max(Some(began)));
        }
    }

    fn note_settings(&mut self, o: &Observation) {
        for (name, setting) in o.device_settings.iter() {
            let Setting::Number(now) = *setting else { continue };
            if name.ends_with(BUCKETS) {
                if let Some(before) = note(&mut self.buckets, name, now).filter(|before| *before != now) {
                    self.change_of(name, before, now, o.header.finished_at);
                }
            } else if name.ends_with(ESTABLISHED) {
                note(&mut self.established, name, now);
            }
        }
    }

    /// What the device is configured to for a table of this name.
    pub(crate) fn sizes(&self, table: &str) -> Sizes {
        let of = |settings: &BTreeMap<String, i64>| {
            let found = settings.iter().find(|(name, _)| name.starts_with(table));
            found.and_then(|(_, value)| u64::try_from(*value).ok())
        };
        Sizes { buckets: of(&self.buckets), established: of(&self.established).map(Duration::from_secs) }
    }

    fn change_of(&mut self, setting: &str, before: i64, now: i64, at: Timestamp) {
        let original = match &self.change {
            Some(change) if change.setting == setting && at.since(change.at) < CHANGE_SHOWN => change.before,
            _ => before,
        };
        let changed = || DeviceChange { at, setting: setting.to_owned(), before: original };
        self.change = (original != now).then(changed);
    }

    /// For how long ticks have failed.
    pub(crate) fn failing_for(&self, now: Timestamp) -> Duration {
        self.failing_since.map_or(Duration::ZERO, |since| now.since(since))
    }
}

/// Keeps a setting; gives back what it was before.
fn note(settings: &mut BTreeMap<String, i64>, name: &str, now: i64) -> Option<i64> {
    if let Some(known) = settings.get_mut(name) {
        return Some(std::mem::replace(known, now));
    }
    if settings.len() < SETTINGS_MAX {
        settings.insert(name.to_owned(), now);
    }
    None
}

/// How a device is configured, as far as rules on its tables read it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sizes {
    /// Buckets of the table's hash.
    pub(crate) buckets: Option<u64>,
    /// How long an idle established connection is kept.
    pub(crate) established: Option<Duration>,
}

/// A poll beside what is remembered of its device: what conditions look at.
#[derive(Clone, Copy)]
pub(crate) struct DeviceView<'a> {
    pub(crate) poll: &'a Observation,
    pub(crate) memory: &'a DeviceMemory,
}
