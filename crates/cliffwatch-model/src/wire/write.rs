use std::time::Duration;

use super::table::{CapacityLine, CounterLine, TableLine};
use super::{ErrorLine, PollLine};
use crate::{Counter, CounterReading, Poll, Reading, Sample};

impl From<&Poll> for PollLine {
    fn from(poll: &Poll) -> Self {
        let header = &poll.header;
        let empty = Reading::default();
        let reading = poll.result.as_ref().unwrap_or(&empty);
        Self {
            device: header.device.as_str().into(),
            platform: Some(header.platform.as_str().into()),
            poller: Some(header.poller.as_str().into()),
            seq: Some(header.seq),
            trigger: Some(header.trigger.as_str().into()),
            started_at: Some(header.started_at),
            finished_at: header.finished_at,
            interval_seconds: Some(header.interval.as_secs_f64()),
            late: header.late,
            lag_seconds: header.lag.as_secs_f64(),
            outcome: poll.outcome().as_str().into(),
            error: poll.result.as_ref().err().map(ErrorLine::from),
            epoch: reading.epoch.as_ref().map(|epoch| epoch.as_str().into()),
            complete: reading.complete.iter().map(|group| group.as_str().into()).collect(),
            tables: reading.samples.iter().map(TableLine::from).collect(),
            load: reading.load.clone(),
            device_settings: reading.device_settings.clone(),
            reachability: reading.reachability.clone(),
            evidence: reading.evidence.clone(),
            faults: reading.faults.clone(),
        }
    }
}

impl From<&Sample> for TableLine {
    fn from(sample: &Sample) -> Self {
        let table = &sample.table;
        let part = table.part.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Self {
            table_id: Some(table.id().to_string()),
            scope: table.scope.clone(),
            kind: table.kind.as_str().into(),
            name: table.name.to_string(),
            protocol: table.protocol.as_deref().map(str::to_owned),
            part: (!table.part.is_empty()).then(|| part.collect()),
            unit: Some(sample.unit.as_str().into()),
            group: Some(sample.group.as_str().into()),
            state: Some(sample.state.as_str().into()),
            role: Some(sample.role.as_str().into()),
            epoch: sample.epoch.as_ref().map(|epoch| epoch.as_str().into()),
            observed_at: Some(sample.observed_at),
            used: sample.used,
            capacity: sample.capacity.ok().map(|capacity| CapacityLine {
                limit: capacity.limit.get(),
                origin: capacity.origin,
                bound: capacity.bound,
            }),
            capacity_reason: sample.capacity.err(),
            utilization: sample.used.and_then(|used| Some(sample.capacity.ok()?.utilization(used))),
            sheds_at: sample.sheds_at,
            setup_rate: sample.setup_rate,
            teardown_rate: sample.teardown_rate,
            counters: sample.counters.iter().map(|(name, c)| (name.as_str().into(), c.into())).collect(),
        }
    }
}

impl From<&Counter> for CounterLine {
    fn from(counter: &Counter) -> Self {
        let plain = Self {
            class: counter.class.as_str().into(),
            kind: Some(counter.kind().as_str().into()),
            ..Self::default()
        };
        match &counter.reading {
            CounterReading::Cumulative { bits, parts } => Self {
                bits: Some(bits.as_u8()),
                total: Some(counter.value()),
                parts: Some(parts.clone()),
                ..plain
            },
            CounterReading::Period { value, period, provisional } => Self {
                value: Some(*value),
                period_seconds: Some(Duration::as_secs_f64(period)),
                provisional: Some(*provisional),
                ..plain
            },
            CounterReading::Event { value } => Self { value: Some(*value), ..plain },
        }
    }
}
