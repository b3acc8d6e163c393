//! One condition a file: what it concludes from a reading, and how it says so.
//!
//! A condition holds parameters and no state: what it needs of the past is in the memory of the table or
//! device. So it can be read, and tested, on its own.

mod clock;
mod colliding;
mod credential;
mod limit;
mod memory;
pub(crate) mod ourselves;
mod quota;
mod refusing;
mod shedding;
mod stale;
mod utilization;

use cliffwatch_model::{CounterClass, Increase, Severity};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use colliding::Colliding;
pub use refusing::Refusing;
pub use stale::Stale;
pub use utilization::Utilization;

use crate::device::DeviceView;
use crate::summary::spoken;
use crate::table::{Signals, TableView};
use crate::tracks::SINCE_ONSET;
use crate::verdict::{Explanation, Verdict};

/// What a rule watches for, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Condition {
    /// `utilization-high`, `utilization-critical`: used over capacity, in percent.
    Utilization(Utilization),
    /// `shedding`: any increase of an `evicted` counter.
    Shedding(NoParameters),
    /// `refusing`: increases of `refused` counters.
    Refusing(Refusing),
    /// `colliding`: collisions in 5 minutes.
    Colliding(Colliding),
    /// `quota-reached`: any increase of a `policy_limit` counter.
    QuotaReached(NoParameters),
    /// `limit-changed`: a limit, a bucket count, or whether the table tracks at all.
    LimitChanged(NoParameters),
    /// `memory-pressure`: what the device says of its memory.
    MemoryPressure(NoParameters),
    /// `stale`: missed polls.
    Stale(Stale),
    /// `credential-rejected`: the outcome of a poll.
    CredentialRejected(NoParameters),
    /// `clock-skew`: seconds between the device's clock and ours, either way.
    ClockSkew(Line),
    /// `store-down`: seconds for which the store has taken nothing.
    StoreDown(Line),
    /// `poll-lag`: the latest tick's delay, in intervals; a missed tick counts as one.
    PollLag(Line),
    /// `notifier-failing`: deliveries that keep failing.
    NotifierFailing(Line),
    /// `clock-step`: seconds by which our own clock jumped, either way.
    ClockStep(Line),
}

/// Two lines instead of one, so that a value at the line does not flap: raised at or above the one,
/// clear below the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The condition holds at and above this.
    pub raise: f64,
    /// It is over below this.
    pub clear: f64,
}

impl Line {
    pub(crate) fn judge(self, value: f64, severity: Severity) -> Verdict {
        if !value.is_finite() {
            Verdict::Unknown
        } else if value >= self.raise {
            Verdict::Raised(severity)
        } else if value < self.clear {
            Verdict::Clear
        } else {
            Verdict::Between
        }
    }

    fn check(self) -> Result<(), String> {
        let Self { raise, clear } = self;
        if !(raise.is_finite() && clear.is_finite() && clear >= 0.0) {
            return Err(format!("raise ({raise}) and clear ({clear}) must be numbers from 0 up"));
        }
        if clear > raise {
            return Err(format!("clear ({clear}) must not be above raise ({raise})"));
        }
        Ok(())
    }
}

/// The condition has nothing to set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

impl Condition {
    /// The same condition with some parameters replaced.
    ///
    /// # Errors
    /// Names the parameter that is unknown or has the wrong type, or the values that contradict.
    pub(crate) fn with(&self, parameters: &Map<String, Value>) -> Result<Self, String> {
        let condition = match self {
            Self::Utilization(c) => Self::Utilization(overlay(c, parameters)?),
            Self::Shedding(c) => Self::Shedding(overlay(c, parameters)?),
            Self::Refusing(c) => Self::Refusing(overlay(c, parameters)?),
            Self::Colliding(c) => Self::Colliding(overlay(c, parameters)?),
            Self::QuotaReached(c) => Self::QuotaReached(overlay(c, parameters)?),
            Self::LimitChanged(c) => Self::LimitChanged(overlay(c, parameters)?),
            Self::MemoryPressure(c) => Self::MemoryPressure(overlay(c, parameters)?),
            Self::Stale(c) => Self::Stale(overlay(c, parameters)?),
            Self::CredentialRejected(c) => Self::CredentialRejected(overlay(c, parameters)?),
            Self::ClockSkew(c) => Self::ClockSkew(overlay(c, parameters)?),
            Self::StoreDown(c) => Self::StoreDown(overlay(c, parameters)?),
            Self::PollLag(c) => Self::PollLag(overlay(c, parameters)?),
            Self::NotifierFailing(c) => Self::NotifierFailing(overlay(c, parameters)?),
            Self::ClockStep(c) => Self::ClockStep(overlay(c, parameters)?),
        };
        condition.check()?;
        Ok(condition)
    }

    /// Whether the parameters make sense together.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self::Utilization(c) => c.check(),
            Self::Refusing(c) => c.check(),
            Self::Colliding(c) => c.check(),
            Self::ClockSkew(line)
            | Self::StoreDown(line)
            | Self::PollLag(line)
            | Self::NotifierFailing(line)
            | Self::ClockStep(line) => line.check(),
            Self::LimitChanged(_)
            | Self::Stale(_)
            | Self::Shedding(_)
            | Self::QuotaReached(_)
            | Self::MemoryPressure(_)
            | Self::CredentialRejected(_) => Ok(()),
        }
    }

    /// What the newest reading of a table means.
    pub(crate) fn judge_table(&self, view: &TableView<'_>) -> Verdict {
        match self {
            Self::Utilization(c) => c.judge(view),
            Self::Shedding(_) => shedding::judge(view),
            Self::Refusing(c) => c.judge(view),
            Self::Colliding(c) => c.judge(view),
            Self::QuotaReached(_) => quota::judge(view),
            Self::LimitChanged(_) => limit::judge_table(view),
            Self::MemoryPressure(_)
            | Self::Stale(_)
            | Self::CredentialRejected(_)
            | Self::ClockSkew(_)
            | Self::StoreDown(_)
            | Self::PollLag(_)
            | Self::NotifierFailing(_)
            | Self::ClockStep(_) => Verdict::Unknown,
        }
    }

    /// What a reading older than the newest means: only lost connections still matter.
    pub(crate) fn judge_late(&self, view: &TableView<'_>) -> Verdict {
        match self {
            Self::Refusing(c) => c.judge_late(view),
            _ => Verdict::Unknown,
        }
    }

    /// What a poll means for the device itself.
    pub(crate) fn judge_device(&self, view: &DeviceView<'_>) -> Verdict {
        match self {
            Self::LimitChanged(_) => limit::judge_device(view),
            Self::MemoryPressure(_) => memory::judge(view),
            Self::Stale(c) => c.judge(view),
            Self::CredentialRejected(_) => credential::judge(view),
            Self::ClockSkew(line) => clock::judge(*line, view),
            Self::StoreDown(line) => ourselves::judge(*line, ourselves::Strain::Store, view),
            Self::PollLag(line) => ourselves::judge(*line, ourselves::Strain::Lag, view),
            Self::NotifierFailing(line) => ourselves::judge(*line, ourselves::Strain::Notifier, view),
            Self::ClockStep(line) => ourselves::judge(*line, ourselves::Strain::Clock, view),
            Self::Utilization(_)
            | Self::Shedding(_)
            | Self::Refusing(_)
            | Self::Colliding(_)
            | Self::QuotaReached(_) => Verdict::Unknown,
        }
    }

    /// Whether a device condition needs a reading, so that none leaves it in doubt.
    pub(crate) fn reads_readings(&self) -> bool {
        !matches!(self, Self::Stale(_) | Self::CredentialRejected(_))
    }

    /// What of the reading counts towards "since the onset".
    pub(crate) fn amount(&self, signals: &Signals) -> u64 {
        match self {
            Self::Shedding(_) => signals.evicted,
            Self::Refusing(_) => signals.lost(),
            Self::Colliding(_) => signals.collisions,
            Self::QuotaReached(_) => signals.held_back,
            _ => 0,
        }
    }

    /// Says what the reading of a table shows. `since_onset` is the sum of [`Condition::amount`].
    pub(crate) fn explain_table(&self, view: &TableView<'_>, since_onset: u64) -> Explanation {
        match self {
            Self::Utilization(c) => c.explain(view),
            Self::Shedding(_) => shedding::explain(view, since_onset),
            Self::Refusing(c) => c.explain(view, since_onset),
            Self::Colliding(c) => c.explain(view, since_onset),
            Self::QuotaReached(_) => quota::explain(view, since_onset),
            Self::LimitChanged(_) => limit::explain_table(view),
            _ => Explanation::default(),
        }
    }

    /// Says what a poll shows of the device itself.
    pub(crate) fn explain_device(&self, view: &DeviceView<'_>) -> Explanation {
        match self {
            Self::LimitChanged(_) => limit::explain_device(view),
            Self::MemoryPressure(_) => memory::explain(view),
            Self::Stale(c) => c.explain(view),
            Self::CredentialRejected(_) => credential::explain(view),
            Self::ClockSkew(line) => clock::explain(*line, view),
            Self::StoreDown(line) => ourselves::explain(*line, ourselves::Strain::Store, view),
            Self::PollLag(line) => ourselves::explain(*line, ourselves::Strain::Lag, view),
            Self::NotifierFailing(line) => ourselves::explain(*line, ourselves::Strain::Notifier, view),
            Self::ClockStep(line) => ourselves::explain(*line, ourselves::Strain::Clock, view),
            _ => Explanation::default(),
        }
    }
}

/// The parameters with those that are given in the place of their old values.
fn overlay<T: Serialize + DeserializeOwned>(base: &T, given: &Map<String, Value>) -> Result<T, String> {
    let Ok(Value::Object(mut merged)) = serde_json::to_value(base) else {
        return Err("the kind's parameters are not a map".to_owned());
    };
    merged.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    serde_json::from_value(Value::Object(merged)).map_err(|error| error.to_string())
}

/// The verdict on a counter of which any increase counts. Measured as zero is clear, not read is unknown.
fn counter_verdict(view: &TableView<'_>, amount: u64, class: CounterClass, severity: Severity) -> Verdict {
    if amount > 0 {
        Verdict::Raised(severity)
    } else if view.signals.read.has(class) {
        Verdict::Clear
    } else {
        Verdict::Unknown
    }
}

/// The numbers of the reading itself: part of every table event's evidence.
fn numbers(view: &TableView<'_>) -> Map<String, Value> {
    let reading = view.reading;
    let mut numbers = Map::new();
    let mut note = |name: &str, value: Value| numbers.insert(name.to_owned(), value);
    note("used", json!(reading.used));
    match reading.capacity {
        Ok(capacity) => {
            note("limit", json!(capacity.limit));
            note("limit_origin", json!(capacity.origin));
            note("limit_bound", json!(capacity.bound));
        }
        Err(reason) => {
            note("limit_unknown", json!(reason));
        }
    }
    if let Some(percent) = view.fill_percent() {
        note("used_percent", json!(percent));
    }
    if let Some(sheds_at) = reading.sheds_at {
        note("sheds_at", json!(sheds_at));
    }
    if !reading.increases.is_empty() {
        let rise =
            |i: &Increase| (i.counter.to_string(), json!({"by": i.amount, "over_seconds": i.over_seconds}));
        note("increases", Value::Object(reading.increases.iter().map(rise).collect()));
    }
    numbers
}

/// Adds how much a counter rose since the alert's onset.
fn since_onset(evidence: &mut Map<String, Value>, total: u64) {
    evidence.insert(SINCE_ONSET.to_owned(), json!(total));
}

/// ` in 10 s`, where it is known over how long.
fn over(view: &TableView<'_>) -> String {
    let over = view.signals.over;
    if over.is_zero() { String::new() } else { format!(" in {}", spoken(over)) }
}

#[expect(clippy::cast_precision_loss, reason = "a figure to be shown and compared; exact below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}
