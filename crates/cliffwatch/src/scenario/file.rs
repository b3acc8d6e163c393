//! What a scenario file may say, as types: the known keys and the schema both come from here.

use std::collections::BTreeMap;

use cliffwatch_model::{
    AlertState, Bound, CapacityOrigin, Confidence, CounterClass, CounterKind, CounterName, DeviceName,
    ErrorKind, Pattern, Platform, Role, Severity, Unit,
};
use cliffwatch_rules::Repeat;
use schemars::JsonSchema;
use serde::Deserialize;

use super::track::{FigureTrack, Track};
use crate::value::Span;
use crate::yaml::{At, Unread};

/// What devices read over time, and what rules must make of it. Times count from the start.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(title = "Cliffwatch scenario", deny_unknown_fields)]
pub(super) struct ScenarioFile {
    /// A name for reports; that of the file where there is none.
    pub name: Option<String>,
    /// What it shows.
    #[expect(dead_code, reason = "for people")]
    pub about: Option<String>,
    /// Rules as in `rules.yaml`: they add to and change the built-in ones.
    #[expect(dead_code, reason = "read on its own, item by item; this names it")]
    pub rules: Option<Unread<Vec<serde_json::Value>>>,
    /// The instant of the first poll, RFC 3339; a Monday at midnight UTC where nothing is said.
    pub start: Option<At<String>>,
    /// How often devices are polled: 10s.
    pub interval: Option<At<Span>>,
    /// When it ends; after the longest series where nothing is said.
    pub until: Option<At<Span>>,
    /// The devices.
    #[serde(default)]
    pub devices: Vec<At<DeviceFile>>,
    /// A file with poll JSON, one object a line, as `replay --samples` takes it: played beside the series.
    pub samples: Option<At<String>>,
    /// Silences.
    #[serde(default)]
    pub silences: Vec<SilenceFile>,
    /// Where the days and hours of active times and maintenance are counted; UTC where nothing is said.
    pub timezone: Option<At<String>>,
    /// When devices are worked on.
    #[serde(default)]
    pub maintenance: Vec<MaintenanceFile>,
    /// What must follow.
    pub expect: ExpectFile,
}

/// A device and what its polls read.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct DeviceFile {
    #[schemars(with = "String")]
    pub name: DeviceName,
    /// `linux` where nothing is said.
    #[schemars(with = "Option<String>")]
    pub platform: Option<Platform>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// How often it is polled, where that differs.
    pub interval: Option<At<Span>>,
    #[schemars(with = "Option<String>")]
    pub ha_peer: Option<DeviceName>,
    #[serde(default)]
    pub depends_on: Vec<String>,
    #[serde(default)]
    pub tables: Vec<At<TableFile>>,
    /// Figures of its load by name: `cpu_percent`, `clock_skew_seconds`, …
    #[serde(default)]
    pub load: BTreeMap<String, FigureTrack>,
    /// Settings by name: `nf_conntrack_buckets`, …
    #[serde(default)]
    pub settings: BTreeMap<String, i64>,
    /// When its polls fail.
    #[serde(default)]
    pub fails: Vec<FailsFile>,
    /// When we do not poll: an outage of ours.
    #[serde(default)]
    pub unpolled: Vec<UnpolledFile>,
}

/// A time in which polls fail.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct FailsFile {
    pub from: Span,
    pub until: Span,
    /// The outcome: `timeout` where nothing is said.
    #[schemars(with = "Option<String>")]
    pub error: Option<ErrorKind>,
}

/// A time in which we do not poll.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct UnpolledFile {
    pub from: Span,
    pub until: Span,
    /// Whether the device keeps history that is asked for afterwards.
    #[serde(default)]
    pub backfill: bool,
}

/// A table and what polls read of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct TableFile {
    /// `SCOPE_KIND/SCOPE_NAME/KIND/NAME`: `netns/host/conntrack/nf_conntrack`.
    pub table: At<String>,
    pub protocol: Option<String>,
    /// Which part of it: `{ address: 198.51.100.7 }`.
    #[serde(default)]
    pub part: BTreeMap<String, String>,
    /// What it counts: `entries` where nothing is said.
    #[schemars(with = "Option<String>")]
    pub unit: Option<Unit>,
    /// The limit; unknown where nothing is said.
    pub capacity: Option<Track>,
    /// `hard` or `per_destination`.
    #[schemars(with = "Option<String>")]
    pub bound: Option<Bound>,
    /// `reported`, `configured` or `documented`.
    #[schemars(with = "Option<String>")]
    pub origin: Option<CapacityOrigin>,
    /// `whole`, `member` or `standby`, from when.
    #[serde(default)]
    pub role: Vec<RoleFile>,
    /// How much is used. In a gap the table is not read; a poll that reads no table has failed.
    pub used: Option<Track>,
    /// What goes up and down with the hours, added to `used`.
    pub wave: Option<WaveFile>,
    /// Where the device itself begins to shed.
    pub sheds_at: Option<u64>,
    /// New entries per second.
    pub setup_rate: Option<Track>,
    /// Ended entries per second.
    pub teardown_rate: Option<Track>,
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, CounterFile>")]
    pub counters: BTreeMap<CounterName, CounterFile>,
    /// When it first exists.
    pub from: Option<Span>,
    /// When it exists no more.
    pub until: Option<Span>,
    /// How old a reading is when it is read: clouds.
    pub lag: Option<Span>,
    /// Readings of earlier instants that a later poll holds: late or corrected.
    #[serde(default)]
    pub late: Vec<LateFile>,
}

/// A role and since when.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RoleFile {
    #[schemars(with = "String")]
    pub role: Role,
    pub from: Option<Span>,
}

/// A counter and what polls read of it.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct CounterFile {
    /// `refused`, `policy_limit`, `evicted`, `collision` or `pressure`.
    #[schemars(with = "String")]
    pub class: CounterClass,
    /// `cumulative`, `period` or `event`.
    #[schemars(with = "Option<String>")]
    pub kind: Option<CounterKind>,
    /// Width of a cumulative counter: 32 or 64.
    pub bits: Option<At<u8>>,
    /// Length of the period that ends at each reading.
    pub period: Option<Span>,
    /// Totals, sums of periods, or events since the last poll.
    pub series: Track,
}

/// A reading of an earlier instant.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct LateFile {
    /// The poll that holds it.
    pub at: Span,
    /// The instant that it is of.
    pub of: Span,
    pub used: Option<u64>,
    /// Counters by name, of those that the table has.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, u64>")]
    pub counters: BTreeMap<CounterName, u64>,
}

/// What goes up and down with the hours. Deterministic: the same in every run.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct WaveFile {
    /// How much more there is at 15:00 than at 03:00.
    #[serde(default)]
    pub day: u64,
    /// How much of the day's wave is left on Saturday and Sunday, in percent.
    pub weekend_percent: Option<u64>,
    /// Noise from 0 up to this.
    #[serde(default)]
    pub noise: u64,
    /// How much more there is after a week than at the start, evenly.
    #[serde(default)]
    pub week_growth: u64,
    /// What comes each day at an hour.
    #[serde(default)]
    pub daily: Vec<DailyFile>,
}

/// What comes each day.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct DailyFile {
    /// From midnight UTC.
    pub at: Span,
    #[serde(rename = "for")]
    pub for_: Span,
    pub add: u64,
    /// How long it takes to come and to go.
    pub ramp: Option<Span>,
}

/// A silence.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct SilenceFile {
    /// The labels of its devices.
    #[serde(default, rename = "match")]
    pub labels: BTreeMap<String, String>,
    #[schemars(with = "Option<String>")]
    pub device: Option<DeviceName>,
    pub rule: Option<String>,
    pub from: Span,
    #[serde(rename = "for")]
    pub for_: Span,
    /// `day` or `week`.
    #[schemars(with = "Option<String>")]
    pub every: Option<Repeat>,
}

/// A time in which devices are worked on.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct MaintenanceFile {
    /// The labels of its devices.
    #[serde(default, rename = "match")]
    pub labels: BTreeMap<String, String>,
    #[schemars(with = "Option<String>")]
    pub device: Option<DeviceName>,
    pub from: Span,
    #[serde(rename = "for")]
    pub for_: Span,
    /// `day` or `week`.
    #[schemars(with = "Option<String>")]
    pub every: Option<Repeat>,
    /// Whether they are not polled meanwhile.
    #[serde(default)]
    pub pause_polling: bool,
}

/// What must follow.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct ExpectFile {
    /// Transitions in the order of their times.
    #[serde(default)]
    pub events: Vec<At<EventFile>>,
    /// What is open at certain times.
    #[serde(default)]
    pub alerts: Vec<At<AlertsFile>>,
    /// What diagnoses must say.
    #[serde(default)]
    pub diagnoses: Vec<At<DiagnosisFile>>,
    /// Whether no other warning or critical may fire, resolve, go stale or be gone: true where nothing is said.
    pub only: Option<bool>,
    /// How many pages are made.
    pub pages: Option<At<u64>>,
    /// From the first warning of a table to its first lost connection, at least.
    pub lead_time: Option<At<Span>>,
}

/// A transition. What is not said may be anything.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct EventFile {
    /// Exactly when …
    pub at: Option<Span>,
    /// … or not before this …
    pub after: Option<Span>,
    /// … and not after this.
    pub before: Option<Span>,
    pub rule: String,
    /// `firing` where nothing is said.
    #[schemars(with = "Option<String>")]
    pub state: Option<AlertState>,
    #[schemars(with = "Option<String>")]
    pub severity: Option<Severity>,
    #[schemars(with = "Option<String>")]
    pub device: Option<DeviceName>,
    /// Its path, or the beginning of it.
    pub table: Option<String>,
    /// Whether people are told.
    pub told: Option<bool>,
}

/// What is open at a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct AlertsFile {
    pub at: Span,
    /// None, where nothing may be open.
    #[serde(default)]
    pub open: Vec<At<AlertFile>>,
}

/// An alert; what is not said may be anything.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct AlertFile {
    pub rule: String,
    /// `firing` where nothing is said.
    #[schemars(with = "Option<String>")]
    pub state: Option<AlertState>,
    #[schemars(with = "Option<String>")]
    pub severity: Option<Severity>,
    #[schemars(with = "Option<String>")]
    pub device: Option<DeviceName>,
    /// Its path, or the beginning of it.
    pub table: Option<String>,
}

/// The diagnosis of each table that it names; what is not said may be anything.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct DiagnosisFile {
    /// When it is asked for; at the end where nothing is said.
    pub at: Option<Span>,
    #[schemars(with = "Option<String>")]
    pub device: Option<DeviceName>,
    /// Its path, or the beginning of it.
    pub table: Option<String>,
    /// What happens now: `hard_full`, `shedding`, `calm`, …
    #[schemars(with = "Option<String>")]
    pub pattern: Option<Pattern>,
    /// Why: `leak`, `surge`, `undersized`, …
    #[schemars(with = "Option<String>")]
    pub cause: Option<Pattern>,
    /// `low`, `medium` or `high`.
    #[schemars(with = "Option<String>")]
    pub confidence: Option<Confidence>,
    #[schemars(with = "Option<String>")]
    pub severity: Option<Severity>,
}
