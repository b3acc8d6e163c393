use std::io::Write;

use cliffwatch_model::{CapacityOrigin, ErrorKind, Sample, SourceError};
use cliffwatch_source::{Identity, PollCost, Tier, TierState, Trust};

use super::Probed;
use crate::commands::{CommandError, table};

/// Tables of one device that are shown; the rest is counted.
const TABLES_MAX: usize = 20;

/// Lines with a heading each; further lines of one thing have none.
#[derive(Default)]
struct Lines(Vec<(String, String)>);

impl Lines {
    fn push(&mut self, heading: &str, text: impl Into<String>) {
        let mut heading = heading.to_owned();
        for line in text.into().lines() {
            self.0.push((std::mem::take(&mut heading), line.to_owned()));
        }
    }
}

pub(super) fn print(probed: &Probed, out: &mut dyn Write) -> Result<(), CommandError> {
    let (device, report) = (&probed.target.device, &probed.report);
    writeln!(
        out,
        "{} ({}, {})",
        device.name,
        device.platform,
        device.address.as_deref().unwrap_or("no address")
    )?;
    let mut lines = Lines::default();
    if let Some(error) = &report.error {
        lines.push("NOT PROBED", format!("{}: {}", error.kind.as_str(), error.message));
    }
    report.identities.iter().for_each(|identity| of_identity(identity, &mut lines));
    // The key that was shown tells what to do with it better than the error does.
    let is_told = |error: &&SourceError| error.kind == ErrorKind::HostKey && !report.identities.is_empty();
    let hint = report.error.as_ref().filter(|error| !is_told(error)).and_then(|error| error.hint.as_ref());
    lines.push("hint", hint.cloned().unwrap_or_default());
    if let Some(reading) = &report.reading {
        reading.samples.iter().take(TABLES_MAX).for_each(|sample| lines.push("table", of_table(sample)));
        if let Some(more @ 1..) = reading.samples.len().checked_sub(TABLES_MAX) {
            lines.push("", format!("and {more} more"));
        }
    }
    report.tiers.iter().for_each(|tier| of_tier(tier, &mut lines));
    report.facts.iter().for_each(|fact| lines.push(fact.name, fact.value.clone()));
    lines.push("cost of a poll", report.cost.as_ref().map(of_cost).unwrap_or_default());
    for fault in report.reading.iter().flat_map(|reading| &reading.faults) {
        let hint = fault.hint.as_ref().map(|hint| format!("\n{hint}")).unwrap_or_default();
        lines.push("fault", format!("{}: {}{hint}", fault.what, fault.message));
    }
    lines.push("captured", probed.captured.clone().unwrap_or_default());
    table::write(out, lines.0.into_iter().map(|(heading, text)| vec![format!("  {heading}"), text]))?;
    writeln!(out)?;
    Ok(())
}

fn of_identity(identity: &Identity, lines: &mut Lines) {
    let Identity { address, value, algorithm, field, verify, .. } = identity;
    let (whose, place) = match &identity.jump_host {
        None => (String::new(), format!("{field}: \"{value}\"")),
        Some(name) => (
            format!("jump host {name}, "),
            format!("jump_hosts: {{ {name}: {{ …, {field}: \"{value}\" }} }}"),
        ),
    };
    let shown = format!("{value} ({algorithm}; {whose}{address})");
    let text = match &identity.trust {
        Trust::Trusted => format!("{shown}, trusted"),
        Trust::Unknown => format!(
            "{shown}, shown and NOT trusted yet; no login was made\n1. verify it on the host:   {verify}\n2. then write:              {place}"
        ),
        Trust::Mismatch(expected) => format!(
            "{shown}: {expected}; no login was made\nthe key changed, or somebody is in between; if the host was reinstalled:\n\
             1. verify it on the host:   {verify}\n2. then write:              {place}"
        ),
    };
    lines.push("host key", text);
}

fn of_table(sample: &Sample) -> String {
    let used = sample.used.map_or("unknown".to_owned(), |used| used.to_string());
    let limit = match &sample.capacity {
        Ok(capacity) => {
            let origin = match capacity.origin {
                CapacityOrigin::Reported => "reported by the device",
                CapacityOrigin::Configured => "configured in the inventory",
                CapacityOrigin::Documented => "documented by the vendor",
            };
            format!("limit {}, {origin}", capacity.limit)
        }
        Err(reason) => format!("limit unknown: {reason}"),
    };
    format!("{}: {used} {}, {limit}", sample.table.path(), sample.unit)
}

fn of_tier(tier: &Tier, lines: &mut Lines) {
    let heading = format!("{} {}", tier.number, tier.name);
    let detail = &tier.detail;
    let text = match &tier.state {
        TierState::Available => format!("yes: {detail}"),
        TierState::Missing { right } => {
            format!("no:  {detail}\n     to get it: {}", right.replace('\n', "\n                "))
        }
        TierState::Off { setting } => format!("off: {detail}\n     to get it: {setting}"),
        TierState::Unsupported => format!("no:  {detail}"),
        TierState::Unknown => format!("?    {detail}"),
    };
    lines.push(&heading, text);
}

fn of_cost(cost: &PollCost) -> String {
    let cpu = |time: Option<f64>| time.map_or("?".to_owned(), |ms| format!("{ms:.2} ms"));
    let ours = match cost.our_cpu_ms {
        Some(_) => cpu(cost.our_cpu_ms),
        None => "not measured (several devices at once)".to_owned(),
    };
    let polls = if cost.polls == 1 { "1 poll".to_owned() } else { format!("{} polls", cost.polls) };
    format!(
        "{:.2} ms round trip (median of {polls})\nCPU here: {ours}\nCPU there: {} ({})",
        cost.round_trip_ms,
        cpu(cost.device_cpu_ms),
        cost.device_cpu_of
    )
}
