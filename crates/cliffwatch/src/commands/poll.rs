use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_model::wire::PollLine;
use cliffwatch_model::{
    Bound, CounterClass, ErrorKind, Poll, PollHeader, PollerName, Reading, Sample, SourceError, Trigger,
};
use cliffwatch_source::{Clock, PollContext, SourceFactory, Target};
use tokio::task::JoinSet;

use super::setup::{Depth, Setup};
use super::{CommandError, Status, choice, table};
use crate::cli::{FailOn, PollArgs, TableOrJson};
use crate::registry::Registry;

/// Devices that are polled at once: each costs a login and a key exchange on both sides.
const POLLS_AT_ONCE_MAX: usize = 64;
/// How long the end of a session may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The fill at which a table is critical: the built-in rule's line.
const CRITICAL_UTILIZATION: f64 = 0.9;

pub(super) async fn run(args: &PollArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let registry = Registry::new();
    let depth = Depth { secrets: false, devices: true, pins: true };
    let setup = Setup::load_good(&args.config.flags(), &registry, depth)?;
    let targets = choice::chosen(&setup.targets, &args.devices)?;
    let polls = poll_all(targets, &registry, &setup.config.poller.value).await;
    match args.format {
        TableOrJson::Table => table::write(out, rows(&polls))?,
        TableOrJson::Json => {
            for poll in &polls {
                serde_json::to_writer(&mut *out, &PollLine::from(poll)).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
    }
    out.flush()?;
    let critical = args.fail_on == Some(FailOn::Critical) && polls.iter().any(is_critical);
    let failed = polls.iter().any(|poll| poll.result.is_err());
    Ok(if failed || critical { Status::NotFine } else { Status::Fine })
}

/// Polls each device once, in the order of the inventory.
async fn poll_all(targets: Vec<Target>, registry: &Registry, poller: &PollerName) -> Vec<Poll> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut polls = Vec::with_capacity(targets.len());
    let mut running = JoinSet::new();
    for (place, target) in targets.into_iter().enumerate() {
        let Some(factory) = registry.factory(&target.device.platform).cloned() else { continue };
        if running.len() >= POLLS_AT_ONCE_MAX {
            polls.extend(running.join_next().await.and_then(Result::ok));
        }
        let (clock, poller) = (Arc::clone(&clock), poller.clone());
        running.spawn(async move { (place, poll_one(&target, &*factory, &*clock, poller).await) });
    }
    polls.extend(running.join_all().await);
    polls.sort_by_key(|(place, _)| *place);
    polls.into_iter().map(|(_, poll)| poll).collect()
}

async fn poll_one(
    target: &Target,
    factory: &dyn SourceFactory,
    clock: &dyn Clock,
    poller: PollerName,
) -> Poll {
    let device = &target.device;
    let started_at = clock.now();
    let result = read(target, factory, clock).await;
    let header = PollHeader {
        device: device.name.clone(),
        platform: device.platform.clone(),
        poller,
        seq: 1,
        trigger: Trigger::Tick,
        started_at,
        finished_at: clock.now(),
        interval: device.interval,
        late: false,
        lag: Duration::ZERO,
    };
    Poll { header, result }
}

async fn read(
    target: &Target,
    factory: &dyn SourceFactory,
    clock: &dyn Clock,
) -> Result<Reading, SourceError> {
    let opened =
        factory.open(target).map_err(|error| SourceError::new(ErrorKind::Auth, error.to_string()))?;
    let deadline = target.device.timeout;
    let cx = PollContext { clock, deadline };
    let result = tokio::time::timeout(deadline, opened.source.poll(&cx)).await;
    let _late = tokio::time::timeout(CLOSE_TIMEOUT, opened.source.close()).await.is_err();
    let mut reading = result.unwrap_or_else(|_elapsed| {
        Err(SourceError::new(ErrorKind::Timeout, format!("no answer within {deadline:?}")))
    })?;
    configure(&mut reading, target);
    Ok(reading)
}

/// Puts the inventory's limits in the place of the device's.
pub(super) fn configure(reading: &mut Reading, target: &Target) {
    for sample in &mut reading.samples {
        let bound = sample.capacity.map_or(Bound::Hard, |capacity| capacity.bound);
        if let Some(configured) = target.device.capacity.capacity_of(&sample.table, bound) {
            sample.capacity = Ok(configured);
        }
    }
}

fn utilization(sample: &Sample) -> Option<f64> {
    Some(sample.capacity.ok()?.utilization(sample.used?))
}

/// A per-destination bound is a worst case and never warns by itself.
fn is_critical(poll: &Poll) -> bool {
    let full = |sample: &Sample| {
        let hard = sample.capacity.is_ok_and(|capacity| capacity.bound == Bound::Hard);
        hard && utilization(sample).is_some_and(|utilization| utilization >= CRITICAL_UTILIZATION)
    };
    poll.result.as_ref().is_ok_and(|reading| reading.samples.iter().any(full))
}

fn rows(polls: &[Poll]) -> Vec<Vec<String>> {
    let head = ["DEVICE", "TABLE", "USED", "CAPACITY", "FILL", "REFUSED", "EVICTED", "STATE"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for poll in polls {
        let device = poll.header.device.to_string();
        match &poll.result {
            Ok(reading) => {
                rows.extend(reading.samples.iter().map(|sample| sample_row(&device, sample)));
                for fault in &reading.faults {
                    let hint = fault.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                    rows.push(note_row(&device, format!("{}: {}{hint}", fault.what, fault.message)));
                }
            }
            Err(error) => {
                let hint = error.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                rows.push(note_row(&device, format!("{}: {}{hint}", error.kind.as_str(), error.message)));
            }
        }
    }
    rows
}

fn sample_row(device: &str, sample: &Sample) -> Vec<String> {
    let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    let total = |class: CounterClass| {
        let mut values = sample.counters.values().filter(|counter| counter.class == class).map(|c| c.value());
        values.next().map(|first| first + values.sum::<u64>())
    };
    let capacity = match sample.capacity {
        Ok(capacity) => capacity.limit.to_string(),
        Err(reason) => reason.to_string(),
    };
    vec![
        device.to_owned(),
        sample.table.path(),
        number(sample.used),
        capacity,
        utilization(sample).map_or("-".to_owned(), |utilization| format!("{:.1}%", utilization * 100.0)),
        number(total(CounterClass::Refused)),
        number(total(CounterClass::Evicted)),
        sample.state.to_string(),
    ]
}

fn note_row(device: &str, note: String) -> Vec<String> {
    let mut row = vec![device.to_owned()];
    row.resize(7, "-".to_owned());
    row.push(note);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(used: u64, capacity: &str) -> Poll {
        let line = format!(
            r#"{{"device":"d","finished_at":"2026-03-01T00:00:00Z","outcome":"ok","tables":[{{"scope":{{"kind":"netns","name":"host"}},
            "kind":"conntrack","name":"nf_conntrack","used":{used},"capacity":{capacity},
            "counters":{{"drop":{{"class":"refused","total":3}},"insert_failed":{{"class":"refused","total":4}}}}}}]}}"#
        );
        serde_json::from_str::<PollLine>(&line).unwrap().into_poll(1, Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn a_table_is_critical_from_nine_tenths_of_a_hard_limit() {
        let hard = r#"{"limit":100,"origin":"reported"}"#;
        assert!(is_critical(&poll(90, hard)));
        assert!(!is_critical(&poll(89, hard)));
        let worst_case = r#"{"limit":100,"origin":"documented","bound":"per_destination"}"#;
        assert!(!is_critical(&poll(150, worst_case)));
        assert!(!is_critical(&poll(150, "null")));
    }

    #[test]
    fn a_row_tells_what_is_known() {
        let rows = rows(&[poll(25, r#"{"limit":100,"origin":"reported"}"#), poll(7, "null")]);
        assert_eq!(
            rows[1],
            ["d", "netns/host/conntrack/nf_conntrack", "25", "100", "25.0%", "7", "-", "tracking"]
        );
        assert_eq!(rows[2][3..5], ["not_told", "-"]);
    }
}
