//! From the series of a scenario to the polls that a scheduler would have made.

mod table;
mod wave;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    CapacityOverrides, Device, Epoch, ErrorKind, GroupName, Load, Platform, Poll, PollHeader, PollerName,
    Reading, Sample, Setting, SourceError, Timestamp, Trigger,
};
use cliffwatch_rules::{Maintenance, Matches, Silence, Zone, paused_until};

use self::table::Table;
use super::file::{DeviceFile, MaintenanceFile, ScenarioFile, SilenceFile};
use crate::commands::samples;
use crate::diagnostics::{Position, Problem, Report};
use crate::yaml::At;

/// 2026-03-02T00:00:00Z, a Monday.
const START: Timestamp = Timestamp::from_secs(1_772_409_600);
const INTERVAL: Duration = Duration::from_secs(10);
/// Polls of one scenario: a month of one device at ten seconds. A typing error must not fill memory.
const POLLS_MAX: u128 = 300_000;

/// What a scenario's file comes to.
pub(super) struct Made {
    pub(super) start: Timestamp,
    pub(super) devices: Vec<Device>,
    pub(super) silences: Vec<Silence>,
    pub(super) maintenance: Vec<Maintenance>,
    /// In time order.
    pub(super) polls: Vec<Poll>,
}

/// Makes all polls; the report says what cannot be made.
pub(super) fn make(
    file: &ScenarioFile,
    folder: &Path,
    zone: &Zone,
    root: Position,
    report: &mut Report,
) -> Made {
    let start = file.start.as_ref().map_or(START, |start| {
        Timestamp::parse(&start.value).unwrap_or_else(|| {
            report.push(Problem::error(start.at, format!("`{}` is not an RFC 3339 time", start.value)));
            START
        })
    });
    let maintenance: Vec<Maintenance> =
        file.maintenance.iter().map(|file| maintenance_of(file, start, zone)).collect();
    let usual = file.interval.as_ref().map_or(INTERVAL, |interval| interval.value.0);
    let players: Vec<Player<'_>> =
        file.devices.iter().filter_map(|device| Player::of(device, usual, start, report)).collect();
    let longest = players.iter().map(Player::natural_end).max().unwrap_or_default();
    let end = file.until.as_ref().map_or(longest, |until| until.value.0);
    let count: u128 =
        players.iter().map(|player| end.as_millis() / player.interval.as_millis().max(1) + 1).sum();
    let mut polls = Vec::new();
    if count > POLLS_MAX {
        let at = file.until.as_ref().map_or(root, |until| until.at);
        let message = format!("the scenario has {count} polls; at most {POLLS_MAX} are played");
        report.push(Problem::error(at, message).hint("make it shorter, or the interval longer"));
    } else {
        players.iter().for_each(|player| polls.extend(player.polls(end, &maintenance)));
    }
    if let Some(samples) = &file.samples {
        match samples::read(&folder.join(&samples.value)) {
            Ok(read) => polls.extend(read),
            Err(problem) => report.push(Problem::error(samples.at, problem)),
        }
    }
    // Stable: inside an instant devices report in the order of the file.
    polls.sort_by_key(|poll| poll.header.finished_at);
    Made {
        start,
        devices: players.into_iter().map(|player| player.device).collect(),
        silences: file.silences.iter().map(|silence| silence_of(silence, start)).collect(),
        maintenance,
        polls,
    }
}

fn silence_of(file: &SilenceFile, start: Timestamp) -> Silence {
    let matches = Matches {
        labels: file.labels.clone(),
        device: file.device.clone(),
        rule: file.rule.clone(),
        table: None,
    };
    Silence { matches, start: start.plus(file.from.0), duration: file.for_.0, every: file.every }
}

fn maintenance_of(file: &MaintenanceFile, start: Timestamp, zone: &Zone) -> Maintenance {
    Maintenance {
        labels: file.labels.clone(),
        device: file.device.clone(),
        start: start.plus(file.from.0),
        duration: file.for_.0,
        every: file.every,
        zone: zone.clone(),
        pause_polling: file.pause_polling,
    }
}

/// Makes the polls of one device.
struct Player<'a> {
    file: &'a DeviceFile,
    device: Device,
    interval: Duration,
    start: Timestamp,
    tables: Vec<Table<'a>>,
    poller: PollerName,
    group: GroupName,
}

impl<'a> Player<'a> {
    fn of(file: &'a At<DeviceFile>, usual: Duration, start: Timestamp, report: &mut Report) -> Option<Self> {
        let At { value: file, at } = file;
        let interval = file.interval.as_ref().map_or(usual, |interval| interval.value.0);
        if interval < Duration::from_secs(1) {
            let at = file.interval.as_ref().map_or(*at, |interval| interval.at);
            report.push(Problem::error(at, "an interval is at least 1s"));
            return None;
        }
        let platform = file.platform.clone().or_else(|| Platform::new("linux").ok())?;
        let device = Device {
            name: file.name.clone(),
            platform,
            address: None,
            labels: file.labels.clone(),
            interval,
            timeout: interval / 2,
            ha_peer: file.ha_peer.clone(),
            depends_on: file.depends_on.clone(),
            capacity: CapacityOverrides::default(),
        };
        let group = GroupName::new("scenario").ok()?;
        let tables =
            file.tables.iter().filter_map(|table| Table::of(table, &device.name, &group, report)).collect();
        Some(Self { file, device, interval, start, tables, poller: PollerName::new("scenario").ok()?, group })
    }

    fn natural_end(&self) -> Duration {
        let tables = self.tables.iter().map(Table::ticks);
        let ticks =
            tables.chain(self.file.load.values().map(super::track::FigureTrack::len)).max().unwrap_or(1);
        self.interval.saturating_mul(u32::try_from(ticks.saturating_sub(1)).unwrap_or(u32::MAX))
    }

    fn polls(&self, end: Duration, maintenance: &[Maintenance]) -> Vec<Poll> {
        let mut polls = Vec::new();
        let mut epoch = 1_u32;
        let mut missed: Vec<(Duration, Reading)> = Vec::new();
        let mut seq = 0;
        let mut push = |at: Duration, trigger, result| {
            seq += 1;
            polls.push(self.poll(seq, at, trigger, result));
        };
        for tick in 0_u32.. {
            let at = self.interval.saturating_mul(tick);
            if at > end {
                break;
            }
            let tick = usize::try_from(tick).unwrap_or(usize::MAX);
            epoch += u32::from(self.tables.iter().any(|table| table.resets(tick)));
            let result = self.result(tick, at, epoch);
            if let Some(gap) = self.file.unpolled.iter().find(|gap| gap.from.0 <= at && at < gap.until.0) {
                missed.extend(result.ok().filter(|_| gap.backfill).map(|reading| (at, reading)));
                continue;
            }
            for (_, reading) in missed.drain(..) {
                push(at, Trigger::Backfill, Ok(reading));
            }
            let now = self.start.plus(at);
            let result = match paused_until(maintenance, &self.device.name, &self.device.labels, now) {
                Some(_) => Err(SourceError::new(ErrorKind::Busy, "not polled during maintenance")),
                None => result,
            };
            push(at, Trigger::Tick, result);
        }
        polls
    }

    fn result(&self, tick: usize, at: Duration, epoch: u32) -> Result<Reading, SourceError> {
        if let Some(spell) = self.file.fails.iter().find(|spell| spell.from.0 <= at && at < spell.until.0) {
            return Err(SourceError::new(
                spell.error.unwrap_or(ErrorKind::Timeout),
                "the scenario has it so",
            ));
        }
        let existing: Vec<&Table<'_>> = self.tables.iter().filter(|table| table.exists(at)).collect();
        let read: Vec<Sample> = existing.iter().filter_map(|t| t.sample(tick, at, self.start)).collect();
        if read.is_empty() && !existing.is_empty() {
            return Err(SourceError::new(ErrorKind::Timeout, "the scenario has a gap here"));
        }
        let complete = read.len() == existing.len();
        let late = existing.iter().flat_map(|table| table.late(at, self.interval, self.start));
        Ok(Reading {
            epoch: Epoch::new(&format!("boot:{epoch}")).ok(),
            samples: late.chain(read.iter().cloned()).collect(),
            complete: if complete { vec![self.group.clone()] } else { Vec::new() },
            load: self.load(tick),
            device_settings: self
                .file
                .settings
                .iter()
                .map(|(k, v)| (k.clone(), Setting::Number(*v)))
                .collect(),
            ..Reading::default()
        })
    }

    fn load(&self, tick: usize) -> Load {
        let mut load = Load::default();
        for (name, track) in &self.file.load {
            let Some(value) = track.value(tick) else { continue };
            if name == "clock_skew_seconds" {
                load.clock_skew_seconds = Some(value);
            } else {
                load.figures.insert(name.clone(), value);
            }
        }
        load
    }

    fn poll(&self, seq: u64, at: Duration, trigger: Trigger, result: Result<Reading, SourceError>) -> Poll {
        let now = self.start.plus(at);
        let header = PollHeader {
            device: self.device.name.clone(),
            platform: self.device.platform.clone(),
            poller: self.poller.clone(),
            seq,
            trigger,
            started_at: now,
            finished_at: now,
            interval: self.interval,
            late: false,
            lag: self.tables.iter().map(Table::lag).max().unwrap_or_default(),
        };
        Poll { header, result }
    }
}

/// The key of a table, shared by all its samples.
type Key = Arc<cliffwatch_model::TableKey>;
