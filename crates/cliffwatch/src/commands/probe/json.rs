use std::io::Write;

use cliffwatch_model::{Capacity, Fault, Sample, SourceError};
use cliffwatch_source::{Fact, Identity, PollCost, Tier};
use serde::Serialize;

use super::Probed;
use crate::commands::CommandError;

/// One device, on a line of its own.
#[derive(Serialize)]
struct ProbeLine<'a> {
    device: &'a str,
    platform: &'a str,
    address: Option<&'a str>,
    /// `ok`, or the kind of the error.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a SourceError>,
    identities: &'a [Identity],
    tables: Vec<Table<'a>>,
    tiers: &'a [Tier],
    facts: &'a [Fact],
    cost: Option<&'a PollCost>,
    faults: &'a [Fault],
    #[serde(skip_serializing_if = "Option::is_none")]
    captured: Option<&'a str>,
}

#[derive(Serialize)]
struct Table<'a> {
    table: String,
    used: Option<u64>,
    capacity: Option<Capacity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity_reason: Option<&'a str>,
}

pub(super) fn print(probed: &Probed, out: &mut dyn Write) -> Result<(), CommandError> {
    let (device, report) = (&probed.target.device, &probed.report);
    let reading = report.reading.as_ref();
    let line = ProbeLine {
        device: device.name.as_str(),
        platform: device.platform.as_str(),
        address: device.address.as_deref(),
        outcome: report.error.as_ref().map_or("ok", |error| error.kind.as_str()),
        error: report.error.as_ref(),
        identities: &report.identities,
        tables: reading.map(|reading| reading.samples.iter().map(table).collect()).unwrap_or_default(),
        tiers: &report.tiers,
        facts: &report.facts,
        cost: report.cost.as_ref(),
        faults: reading.map(|reading| reading.faults.as_slice()).unwrap_or_default(),
        captured: probed.captured.as_deref(),
    };
    serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

fn table(sample: &Sample) -> Table<'_> {
    Table {
        table: sample.table.path(),
        used: sample.used,
        capacity: sample.capacity.ok(),
        capacity_reason: sample.capacity.as_ref().err().map(|reason| reason.as_str()),
    }
}
