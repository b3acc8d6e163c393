use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::table::{CounterLine, TableLine};
use super::{ErrorLine, PollLine};
use crate::{
    Capacity, CapacityReason, Counter, CounterBits, CounterClass, CounterKind, CounterName, CounterReading,
    DeviceName, Epoch, ErrorKind, Fault, FaultKind, GroupName, NameError, Outcome, Platform, Poll,
    PollHeader, PollerName, Reading, Role, Sample, SourceError, TableKey, TableKind, TableState, Timestamp,
    Trigger, Unit,
};

/// Why a line is not a poll.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WireError {
    /// A name that cannot be used.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A word outside the contract's list.
    #[error("{field}: `{value}` is not one of the known values")]
    Word {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: String,
    },
    /// A counter without the number that its kind needs.
    #[error("counter `{counter}`: {problem}")]
    Counter {
        /// Which counter.
        counter: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A duration that is negative, infinite or not a number.
    #[error("{field}: {value} is not a duration in seconds")]
    Duration {
        /// Which field.
        field: &'static str,
        /// What it says.
        value: f64,
    },
}

impl PollLine {
    /// The poll that this line tells of. `seq` and `interval` are what the line's place in its file
    /// gives, for lines that do not say.
    ///
    /// # Errors
    /// When a name, word or number is outside the contract.
    pub fn into_poll(self, seq: u64, interval: Duration) -> Result<Poll, WireError> {
        let device = DeviceName::new(&self.device)?;
        let outcome = Outcome::parse(&self.outcome).ok_or_else(|| word("outcome", &self.outcome))?;
        let header = PollHeader {
            platform: Platform::new(
                self.platform.as_deref().unwrap_or_else(|| natural_platform(&self.tables)),
            )?,
            poller: PollerName::new(self.poller.as_deref().unwrap_or("samples"))?,
            seq: self.seq.unwrap_or(seq),
            trigger: parse_or("trigger", self.trigger.as_deref(), Trigger::parse, Trigger::Tick)?,
            started_at: self.started_at.unwrap_or(self.finished_at),
            finished_at: self.finished_at,
            interval: self.interval_seconds.map_or(Ok(interval), |s| seconds("interval_seconds", s))?,
            late: self.late,
            lag: seconds("lag_seconds", self.lag_seconds)?,
            device: device.clone(),
        };
        let result = match outcome {
            Outcome::Failed(kind) => Err(source_error(kind, self.error)),
            Outcome::Ok | Outcome::Partial => {
                let finished_at = self.finished_at;
                let sample = |line: TableLine| line.into_sample(&device, finished_at);
                Ok(Reading {
                    epoch: self.epoch.as_deref().map(Epoch::new).transpose()?,
                    samples: self.tables.into_iter().map(sample).collect::<Result<_, _>>()?,
                    complete: self.complete.iter().map(|g| GroupName::new(g)).collect::<Result<_, _>>()?,
                    load: self.load,
                    device_settings: self.device_settings,
                    reachability: self.reachability,
                    evidence: self.evidence,
                    faults: faults(outcome, self.faults),
                })
            }
        };
        Ok(Poll { header, result })
    }
}

/// A line that says `partial` without saying what was missing stays partial.
fn faults(outcome: Outcome, faults: Vec<Fault>) -> Vec<Fault> {
    if outcome == Outcome::Partial && faults.is_empty() {
        return vec![Fault::new("unknown", FaultKind::Unsupported, "the recorded poll was partial")];
    }
    faults
}

fn source_error(kind: ErrorKind, line: Option<ErrorLine>) -> SourceError {
    match line {
        Some(line) => SourceError { kind, message: line.message, hint: line.hint },
        None => SourceError::new(kind, kind.as_str()),
    }
}

impl TableLine {
    fn into_sample(self, device: &DeviceName, finished_at: Timestamp) -> Result<Sample, WireError> {
        let kind = TableKind::parse(&self.kind).ok_or_else(|| word("kind", &self.kind))?;
        let part = self.part.unwrap_or_default();
        let table = TableKey {
            device: device.clone(),
            scope: self.scope,
            kind,
            name: self.name.into(),
            protocol: self.protocol.map(Into::into),
            part: part.into_iter().map(|(key, value)| (key.into(), value.into())).collect(),
        };
        let no_capacity = self.capacity_reason.unwrap_or(CapacityReason::NotTold);
        let capacity = self.capacity.and_then(|line| {
            let capacity = Capacity::hard(line.limit, line.origin)?;
            Some(Capacity { bound: line.bound, ..capacity })
        });
        Ok(Sample {
            unit: parse_or("unit", self.unit.as_deref(), Unit::parse, natural_unit(kind))?,
            group: GroupName::new(self.group.as_deref().unwrap_or(kind.as_str()))?,
            state: parse_or("state", self.state.as_deref(), TableState::parse, TableState::Tracking)?,
            role: parse_or("role", self.role.as_deref(), Role::parse, Role::Whole)?,
            epoch: self.epoch.as_deref().map(Epoch::new).transpose()?,
            observed_at: self.observed_at.unwrap_or(finished_at),
            used: self.used,
            capacity: capacity.ok_or(no_capacity),
            sheds_at: self.sheds_at,
            setup_rate: self.setup_rate,
            teardown_rate: self.teardown_rate,
            counters: counters(self.counters)?,
            table: Arc::new(table),
        })
    }
}

/// One platform has conntrack tables: its words and its remedies are right for them.
fn natural_platform(tables: &[TableLine]) -> &'static str {
    let is_conntrack = tables.iter().any(|table| table.kind == TableKind::Conntrack.as_str());
    if is_conntrack { "linux" } else { "unknown" }
}

fn natural_unit(kind: TableKind) -> Unit {
    match kind {
        TableKind::Conntrack | TableKind::Xlates => Unit::Entries,
        TableKind::Sessions | TableKind::SslProxy => Unit::Sessions,
        TableKind::Connections | TableKind::HalfOpen => Unit::Connections,
        TableKind::SnatPorts => Unit::Ports,
        TableKind::PortBlocks => Unit::Blocks,
        TableKind::NatPool => Unit::Addresses,
    }
}

fn counters(lines: BTreeMap<String, CounterLine>) -> Result<BTreeMap<CounterName, Counter>, WireError> {
    lines.into_iter().map(|(name, line)| Ok((CounterName::new(&name)?, counter(&name, line)?))).collect()
}

fn counter(name: &str, line: CounterLine) -> Result<Counter, WireError> {
    let problem = |problem| WireError::Counter { counter: name.into(), problem };
    let class = CounterClass::parse(&line.class).ok_or_else(|| word("class", &line.class))?;
    let number = line.value.or(line.total);
    let reading = match parse_or("kind", line.kind.as_deref(), CounterKind::parse, CounterKind::Cumulative)? {
        CounterKind::Cumulative => {
            let parts =
                line.parts.filter(|parts| !parts.is_empty()).or_else(|| number.map(|total| vec![total]));
            CounterReading::Cumulative {
                bits: CounterBits::from_u8(line.bits.unwrap_or(64))
                    .ok_or_else(|| problem("`bits` is 32 or 64"))?,
                parts: parts.ok_or_else(|| problem("a cumulative counter has a `total`"))?,
            }
        }
        CounterKind::Period => CounterReading::Period {
            value: number.ok_or_else(|| problem("a period counter has a `value`"))?,
            period: seconds("period_seconds", line.period_seconds.unwrap_or(60.0))?,
            provisional: line.provisional.unwrap_or(false),
        },
        CounterKind::Event => {
            CounterReading::Event { value: number.ok_or_else(|| problem("an event counter has a `value`"))? }
        }
    };
    Ok(Counter { class, reading })
}

fn word(field: &'static str, value: &str) -> WireError {
    WireError::Word { field, value: value.to_owned() }
}

fn parse_or<T>(
    field: &'static str,
    text: Option<&str>,
    parse: impl Fn(&str) -> Option<T>,
    default: T,
) -> Result<T, WireError> {
    text.map_or(Ok(default), |text| parse(text).ok_or_else(|| word(field, text)))
}

fn seconds(field: &'static str, value: f64) -> Result<Duration, WireError> {
    Duration::try_from_secs_f64(value).map_err(|_| WireError::Duration { field, value })
}
