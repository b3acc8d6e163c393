use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    CanaryReading, DeviceName, Epoch, Fault, GroupName, Load, NewConnection, Observation, Outcome, Platform,
    PollHeader, PollerName, Reachability, Setting, SourceError, TableKey, TableObservation, Timestamp,
    Trigger,
};

use super::{ContextDigest, Digester, SampleKey, from_nanos, nanos};
use crate::StoreError;
use crate::records::{PollContext, PollRecord};
use crate::row::row;
use crate::text::{clean, corrupt, from_json_or_default, json, json_unless, word};

row! {
    RawPollContext {
        context_ref: i32,
        platform: String,
        interval_ns: i64,
        lag_ns: i64,
        epoch: Option<String>,
        complete: Option<String>,
        device_settings: Option<String>,
    }
}

/// A poll's context, read once for all polls that share it.
pub(crate) struct StoredPollContext {
    platform: Platform,
    interval: Duration,
    lag: Duration,
    epoch: Option<Epoch>,
    complete: Vec<GroupName>,
    device_settings: Arc<BTreeMap<String, Setting>>,
}

impl StoredPollContext {
    pub(crate) const COLUMNS: &'static str =
        "context_ref, platform, interval_ns, lag_ns, epoch, complete, device_settings";

    pub(crate) fn parse(raw: &RawPollContext) -> Result<Self, StoreError> {
        Ok(Self {
            platform: Platform::new(&raw.platform)
                .map_err(|error| corrupt("platform", &error.to_string()))?,
            interval: from_nanos(raw.interval_ns),
            lag: from_nanos(raw.lag_ns),
            epoch: raw.epoch.as_deref().map(epoch).transpose()?,
            complete: from_json_or_default("complete", raw.complete.as_deref())?,
            device_settings: from_json_or_default("device_settings", raw.device_settings.as_deref())?,
        })
    }
}

/// A row of `poll` as it is read.
pub(crate) type StoredPoll = PollRecord;

/// What stands for the names in a poll's row.
pub(crate) struct PollRefs {
    pub(crate) device: i32,
    pub(crate) poller: i32,
    pub(crate) context: i32,
    /// `tables` of the observation, in the same order.
    pub(crate) tables: Vec<SampleKey>,
    /// `gone` of the observation, in the same order.
    pub(crate) gone: Vec<i32>,
}

/// The names behind the references of a page of polls.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) devices: HashMap<i32, DeviceName>,
    pub(crate) pollers: HashMap<i32, PollerName>,
    pub(crate) contexts: HashMap<i32, StoredPollContext>,
    pub(crate) tables: HashMap<i32, Arc<TableKey>>,
}

/// What rarely changes from one poll of a device to the next, as a key. It is taken of every poll, the row
/// only of those that change it.
pub(crate) fn poll_digest(o: &Observation) -> ContextDigest {
    let mut digest = Digester::new();
    digest.text(o.header.platform.as_str());
    digest.number(nanos(o.header.interval));
    digest.number(nanos(o.header.lag));
    digest.optional(o.epoch.as_ref().map(Epoch::as_str));
    digest.count(o.complete.len());
    for group in &o.complete {
        digest.text(group.as_str());
    }
    digest.count(o.device_settings.len());
    for (name, setting) in o.device_settings.iter() {
        digest.text(name);
        match setting {
            Setting::Number(number) => {
                digest.optional(None);
                digest.number(*number);
            }
            Setting::Text(text) => digest.optional(Some(text)),
        }
    }
    digest.finish()
}

/// The row of a poll's context.
pub(crate) fn poll_context(
    o: &Observation,
    digest: ContextDigest,
    now: i64,
) -> Result<PollContext, StoreError> {
    Ok(PollContext {
        digest: digest.to_string(),
        platform: o.header.platform.as_str().to_owned(),
        interval_ns: nanos(o.header.interval),
        lag_ns: nanos(o.header.lag),
        epoch: o.epoch.as_ref().map(|epoch| epoch.as_str().to_owned()),
        complete: json_unless(o.complete.is_empty(), &o.complete)?,
        device_settings: json_unless(o.device_settings.is_empty(), &o.device_settings)?,
        used_at: now,
    })
}

/// The row of a poll.
pub(crate) fn poll_record(o: &Observation, refs: &PollRefs) -> Result<PollRecord, StoreError> {
    let error = o.error.as_ref();
    Ok(PollRecord {
        // A poll every microsecond fills 63 bits in 292,000 years.
        seq: o.header.seq.cast_signed(),
        started_at: o.header.started_at.as_micros(),
        finished_at: o.header.finished_at.as_micros(),
        held_ms: o.reachability.held_ms.filter(|ms| ms.is_finite()),
        device_ref: refs.device,
        poller_ref: refs.poller,
        context_ref: refs.context,
        late: o.header.late,
        trigger: o.header.trigger.as_str().to_owned(),
        outcome: o.outcome.as_str().to_owned(),
        error_message: error.map(|error| clean(&error.message)),
        error_hint: error.and_then(|error| error.hint.as_deref()).map(clean),
        tables: json_unless(refs.tables.is_empty(), &refs.tables)?,
        gone: json_unless(refs.gone.is_empty(), &refs.gone)?,
        load: load_text(&o.load)?,
        new_connection: o.reachability.new.as_ref().map(json).transpose()?,
        canary: o.reachability.canary.as_ref().map(json).transpose()?,
        evidence: json_unless(o.evidence.is_empty(), &o.evidence)?,
        faults: json_unless(o.faults.is_empty(), &o.faults)?,
    })
}

/// JSON has no infinity and no NaN, and neither is a measured figure: such a figure is not stored.
fn load_text(load: &Load) -> Result<Option<String>, StoreError> {
    if load.figures.values().all(|figure| figure.is_finite()) {
        return json_unless(*load == Load::default(), load);
    }
    let mut finite = load.clone();
    finite.figures.retain(|_, figure| figure.is_finite());
    json_unless(finite == Load::default(), &finite)
}

/// The observation that a row, its samples and the names behind its references tell.
pub(crate) fn observation(
    row: &StoredPoll,
    names: &Names,
    tables: Vec<TableObservation>,
) -> Result<Observation, StoreError> {
    let context = names.contexts.get(&row.context_ref).ok_or_else(|| dangling("context_ref"))?;
    let outcome = word("outcome", &row.outcome, Outcome::parse)?;
    let gone: Vec<i32> = from_json_or_default("gone", row.gone.as_deref())?;
    let new: Option<NewConnection> = from_json_or_default("new_connection", row.new_connection.as_deref())?;
    let canary: Option<CanaryReading> = from_json_or_default("canary", row.canary.as_deref())?;
    let faults: Vec<Fault> = from_json_or_default("faults", row.faults.as_deref())?;
    Ok(Observation {
        header: header(row, names, context)?,
        outcome,
        error: error(row, outcome),
        epoch: context.epoch.clone(),
        tables,
        gone: gone.iter().filter_map(|table| names.tables.get(table).cloned()).collect(),
        complete: context.complete.clone(),
        load: from_json_or_default("load", row.load.as_deref())?,
        device_settings: Arc::clone(&context.device_settings),
        reachability: Reachability { held_ms: row.held_ms, new, canary },
        evidence: from_json_or_default("evidence", row.evidence.as_deref())?,
        faults,
    })
}

fn header(row: &StoredPoll, names: &Names, context: &StoredPollContext) -> Result<PollHeader, StoreError> {
    Ok(PollHeader {
        device: names.devices.get(&row.device_ref).cloned().ok_or_else(|| dangling("device_ref"))?,
        platform: context.platform.clone(),
        poller: names.pollers.get(&row.poller_ref).cloned().ok_or_else(|| dangling("poller_ref"))?,
        seq: row.seq.cast_unsigned(),
        trigger: word("trigger", &row.trigger, Trigger::parse)?,
        started_at: Timestamp::from_micros(row.started_at),
        finished_at: Timestamp::from_micros(row.finished_at),
        interval: context.interval,
        late: row.late,
        lag: context.lag,
    })
}

/// Of an error the row keeps message and hint; its kind is the outcome.
fn error(row: &StoredPoll, outcome: Outcome) -> Option<SourceError> {
    match (outcome, &row.error_message) {
        (Outcome::Failed(kind), Some(message)) => {
            Some(SourceError { kind, message: message.clone(), hint: row.error_hint.clone() })
        }
        _ => None,
    }
}

pub(super) fn epoch(text: &str) -> Result<Epoch, StoreError> {
    Epoch::new(text).map_err(|error| corrupt("epoch", &error.to_string()))
}

pub(crate) fn dangling(column: &str) -> StoreError {
    corrupt(column, "it refers to a row that does not exist")
}
