//! One condition a file: what it concludes from a reading, and how it says so.
//!
//! A condition holds parameters and no state: what it needs of the past is in the memory of the table or
//! device. So it can be read, and tested, on its own.

mod ahead;
mod churn;
mod clock;
mod colliding;
mod credential;
mod full;
mod growth;
mod headroom;
mod limit;
mod memory;
mod new_connections;
pub(crate) mod ourselves;
mod parameters;
mod quota;
mod reading;
mod refusing;
mod shedding;
mod stale;
mod utilization;

use serde::Serialize;
use serde_json::{Map, Value};

pub use churn::Churn;
pub use colliding::Colliding;
pub use full::TimeToFull;
pub use growth::Growth;
pub use headroom::Headroom;
pub use new_connections::NewConnections;
pub(crate) use new_connections::{Ways, gets_in, gets_through};
pub use parameters::{Line, NoParameters};
pub use refusing::Refusing;
pub use stale::Stale;
pub use utilization::Utilization;
pub(crate) use utilization::is_read_alone;

use self::parameters::overlay;
use crate::device::DeviceView;
use crate::signals::Signals;
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};

/// What a rule watches for, with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Condition {
    /// `utilization-high`, `utilization-critical`: used over capacity, in percent.
    Utilization(Utilization),
    /// `growth-fast`: percent of the count a minute.
    Growth(Growth),
    /// `time-to-full`: forecasts.
    TimeToFull(TimeToFull),
    /// `churn-imbalance`: set-ups against ends.
    ChurnImbalance(Churn),
    /// `headroom`: sizes and timeouts against what was seen in a week.
    Headroom(Headroom),
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
    /// `new-connections-refused`: the held session answers, a new connection does not get in.
    NewConnections(NewConnections),
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

impl Condition {
    /// The same condition with some parameters replaced.
    ///
    /// # Errors
    /// Names the parameter that is unknown or has the wrong type, or the values that contradict.
    pub(crate) fn with(&self, parameters: &Map<String, Value>) -> Result<Self, String> {
        let condition = match self {
            Self::Utilization(c) => Self::Utilization(overlay(c, parameters)?),
            Self::Growth(c) => Self::Growth(overlay(c, parameters)?),
            Self::TimeToFull(c) => Self::TimeToFull(overlay(c, parameters)?),
            Self::ChurnImbalance(c) => Self::ChurnImbalance(overlay(c, parameters)?),
            Self::Headroom(c) => Self::Headroom(overlay(c, parameters)?),
            Self::Shedding(c) => Self::Shedding(overlay(c, parameters)?),
            Self::Refusing(c) => Self::Refusing(overlay(c, parameters)?),
            Self::Colliding(c) => Self::Colliding(overlay(c, parameters)?),
            Self::QuotaReached(c) => Self::QuotaReached(overlay(c, parameters)?),
            Self::LimitChanged(c) => Self::LimitChanged(overlay(c, parameters)?),
            Self::MemoryPressure(c) => Self::MemoryPressure(overlay(c, parameters)?),
            Self::Stale(c) => Self::Stale(overlay(c, parameters)?),
            Self::CredentialRejected(c) => Self::CredentialRejected(overlay(c, parameters)?),
            Self::NewConnections(c) => Self::NewConnections(overlay(c, parameters)?),
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
            Self::Growth(c) => c.check(),
            Self::TimeToFull(c) => c.check(),
            Self::ChurnImbalance(c) => c.check(),
            Self::Headroom(c) => c.check(),
            Self::Refusing(c) => c.check(),
            Self::Colliding(c) => c.check(),
            Self::NewConnections(c) => c.check(),
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
            Self::Growth(c) => c.judge(view),
            Self::TimeToFull(c) => c.judge(view),
            Self::ChurnImbalance(c) => c.judge(view),
            Self::Headroom(c) => c.judge(view),
            Self::Shedding(_) => shedding::judge(view),
            Self::Refusing(c) => c.judge(view),
            Self::Colliding(c) => c.judge(view),
            Self::QuotaReached(_) => quota::judge(view),
            Self::LimitChanged(_) => limit::judge_table(view),
            Self::MemoryPressure(_)
            | Self::Stale(_)
            | Self::CredentialRejected(_)
            | Self::NewConnections(_)
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
            Self::NewConnections(c) => c.judge(view),
            Self::ClockSkew(line) => clock::judge(*line, view),
            Self::StoreDown(line) => ourselves::judge(*line, ourselves::Strain::Store, view),
            Self::PollLag(line) => ourselves::judge(*line, ourselves::Strain::Lag, view),
            Self::NotifierFailing(line) => ourselves::judge(*line, ourselves::Strain::Notifier, view),
            Self::ClockStep(line) => ourselves::judge(*line, ourselves::Strain::Clock, view),
            Self::Utilization(_)
            | Self::TimeToFull(_)
            | Self::ChurnImbalance(_)
            | Self::Headroom(_)
            | Self::Growth(_)
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
            Self::Growth(c) => c.explain(view),
            Self::TimeToFull(c) => c.explain(view),
            Self::ChurnImbalance(c) => c.explain(view),
            Self::Headroom(c) => c.explain(view),
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
            Self::NewConnections(c) => c.explain(view),
            Self::ClockSkew(line) => clock::explain(*line, view),
            Self::StoreDown(line) => ourselves::explain(*line, ourselves::Strain::Store, view),
            Self::PollLag(line) => ourselves::explain(*line, ourselves::Strain::Lag, view),
            Self::NotifierFailing(line) => ourselves::explain(*line, ourselves::Strain::Notifier, view),
            Self::ClockStep(line) => ourselves::explain(*line, ourselves::Strain::Clock, view),
            _ => Explanation::default(),
        }
    }
}
