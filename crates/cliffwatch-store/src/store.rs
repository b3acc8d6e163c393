use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use cliffwatch_model::{
    AlertEvent, AlertState, Capacity, CapacityReason, CounterClass, CounterName, DeviceName, Observation,
    Outcome, Platform, PollerName, Severity, TableId, TableObservation, Timestamp,
};

use crate::{Batch, Committed, StoreError};

/// Items of one page, at most: what a reader may make us hold in memory at once.
pub const PAGE_ITEMS_MAX: usize = 5_000;

/// The history of everything that was observed, in one database.
///
/// # Errors
/// Every method fails with [`StoreError::Unavailable`] when the database does not answer within its
/// deadline; the next call makes a new connection.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Which engine it is.
    fn kind(&self) -> StoreKind;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Writes a batch in ONE transaction. Idempotent: what an earlier attempt stored is left as it is.
    async fn commit(&self, batch: &Batch) -> Result<Committed, StoreError>;

    /// Everything that a poller needs to go on where it stopped.
    async fn resume(&self, poller: &PollerName) -> Result<Resume, StoreError>;

    /// What was observed, exactly as it was written, ordered by (finished_at, device, poller, seq).
    async fn observations(
        &self,
        query: &HistoryQuery,
        page: &PageRequest,
    ) -> Result<Page<Observation>, StoreError>;

    /// One table's history, oldest first, the highest revision of each instant.
    async fn samples(&self, query: &SampleQuery, page: &PageRequest)
    -> Result<Page<SamplePoint>, StoreError>;

    /// The latest reading of every live table (or of one device's), ordered by (device, table id).
    async fn tables(
        &self,
        device: Option<&DeviceName>,
        page: &PageRequest,
    ) -> Result<Page<TableNow>, StoreError>;

    /// Every device that is or was polled, ordered by name.
    async fn devices(&self, page: &PageRequest) -> Result<Page<DeviceRecord>, StoreError>;

    /// The newest event of each alert, newest onset first.
    async fn alerts(&self, filter: &AlertFilter, page: &PageRequest) -> Result<Page<AlertEvent>, StoreError>;

    /// One alert with all its events, or nothing where the id is unknown.
    async fn alert(&self, alert_id: &str) -> Result<Option<AlertHistory>, StoreError>;

    /// Removes what is older than it may be, a bounded part a call so that no commit waits long for it.
    /// Call again while [`Retained::more`].
    async fn retain(&self, retention: &Retention, now: Timestamp) -> Result<Retained, StoreError>;

    /// Writes a consistent copy to a new file, while the store is in use.
    async fn backup(&self, path: &Path) -> Result<(), StoreError>;

    /// Closes every connection. Later calls fail.
    async fn close(&self);
}

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// The embedded default.
    Sqlite,
    /// For production fleets.
    Postgres,
}

impl StoreKind {
    /// `sqlite` or `postgres`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// What a poller goes on from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resume {
    /// Every device that this poller ever polled, by name. Of a retired one only `last_seq` is left, so that
    /// its numbers go on should it come back.
    pub devices: BTreeMap<DeviceName, DeviceResume>,
    /// The newest event of every alert that is open, of any device.
    pub open_alerts: Vec<AlertEvent>,
}

/// What a poller goes on from on one device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceResume {
    /// The sequence number of its last stored poll.
    pub last_seq: u64,
    /// Ingest's memory.
    pub memory: Option<String>,
    /// The rules' state.
    pub rules: RuleState,
    /// The latest reading of each live table.
    pub latest: Vec<TableObservation>,
}

/// The rules' state of one device as it was last saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleState {
    /// The last poll that is folded into it; 0 where none is. Newer polls are to be observed again.
    pub through_seq: u64,
    /// The rows.
    pub rows: Vec<RuleStateRow>,
}

/// The rules' state of one table, or of the device itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStateRow {
    /// Which table; none for the device itself.
    pub table: Option<TableId>,
    /// As the rules serialised it.
    pub state: String,
}

/// Which observations. All bounds are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Of one device only.
    pub device: Option<DeviceName>,
    /// Of one poller only.
    pub poller: Option<PollerName>,
    /// With a higher sequence number than this. Makes sense with a device and a poller.
    pub after_seq: Option<u64>,
    /// Finished at or after this.
    pub from: Option<Timestamp>,
    /// Finished before this.
    pub to: Option<Timestamp>,
    /// Only those that hold evidence: answers to what rules asked.
    pub with_evidence: bool,
    /// In which order.
    pub order: Order,
}

/// The order of a list of observations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they happened.
    #[default]
    OldestFirst,
    /// As people read logs.
    NewestFirst,
}

/// Which part of one table's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleQuery {
    /// The table.
    pub table: TableId,
    /// Observed at or after this.
    pub from: Option<Timestamp>,
    /// Observed before this.
    pub to: Option<Timestamp>,
    /// One point for each step of this length (steps begin at multiples of it since 1970), instead of one
    /// for each reading.
    pub step: Option<Duration>,
}

/// One reading of a table, or what several within one step come to.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplePoint {
    /// When it was observed; the beginning of the step.
    pub observed_at: Timestamp,
    /// How many readings it stands for.
    pub readings: u32,
    /// How much was used: the highest within the step.
    pub used: Option<u64>,
    /// The limit: the last within the step.
    pub capacity: Result<Capacity, CapacityReason>,
    /// Used over the limit of the same reading: the highest within the step.
    pub utilization: Option<f64>,
    /// Where the device sheds: the last within the step.
    pub sheds_at: Option<u64>,
    /// New entries per second: the highest within the step.
    pub setup_rate: Option<f64>,
    /// Ended entries per second: the highest within the step.
    pub teardown_rate: Option<f64>,
    /// By how much each counter rose within the step, whatever the revisions. Zero is absent.
    pub increases: BTreeMap<CounterName, (CounterClass, u64)>,
}

/// A live table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableNow {
    /// The platform of its device.
    pub platform: Platform,
    /// Its latest reading.
    pub latest: TableObservation,
}

/// A device as the store knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceRecord {
    /// Its name.
    pub name: DeviceName,
    /// What it is.
    pub platform: Platform,
    /// Where it is, as the inventory spells it.
    pub address: Option<String>,
    /// The operator's labels.
    pub labels: BTreeMap<String, String>,
    /// When it left the inventory.
    pub retired_at: Option<Timestamp>,
    /// When its last poll ended.
    pub last_poll_at: Option<Timestamp>,
    /// How that went.
    pub last_outcome: Option<Outcome>,
    /// When its last successful poll ended.
    pub last_success_at: Option<Timestamp>,
}

/// Which alerts. Every field that is set must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// In one of these states; empty: in any.
    pub states: Vec<AlertState>,
    /// Of this severity.
    pub severity: Option<Severity>,
    /// On this device.
    pub device: Option<DeviceName>,
    /// On this table.
    pub table: Option<TableId>,
    /// Of this rule.
    pub rule: Option<String>,
    /// With all these labels.
    pub labels: BTreeMap<String, String>,
}

/// One alert from its first to its newest event.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertHistory {
    /// Where it stands.
    pub current: AlertEvent,
    /// Every event, oldest first.
    pub events: Vec<AlertEvent>,
}

/// How long each kind of row is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Samples and increases. The latest reading of a live table is kept for ever.
    pub samples: Duration,
    /// Hourly summaries of the samples.
    pub rollups: Duration,
    /// Polls.
    pub polls: Duration,
    /// Alerts that are closed, with their events.
    pub events: Duration,
}

/// What one call of [`Store::retain`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Sample revisions.
    pub samples: u64,
    /// Increases.
    pub increases: u64,
    /// Hourly summaries.
    pub rollups: u64,
    /// Polls.
    pub polls: u64,
    /// Alert events.
    pub events: u64,
    /// Devices and tables of which nothing is left.
    pub identities: u64,
    /// Whether there may be more to remove.
    pub more: bool,
}

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Where the page before ended ([`Page::next`]); none for the first.
    pub cursor: Option<String>,
    /// How many items; none for, and never more than, [`PAGE_ITEMS_MAX`].
    pub limit: Option<usize>,
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; none where this is the last.
    pub next: Option<String>,
}
