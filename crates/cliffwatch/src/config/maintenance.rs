use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::{DeviceName, Timestamp};
use cliffwatch_rules::{Maintenance, Repeat, Zone};
use serde_json::{Value, json};

use super::file::MaintenanceFile;
use super::{Given, Origin};
use crate::diagnostics::{Position, Problem, Report};
use crate::value::Span;
use crate::yaml::{At, nearest};

/// Times in which devices are worked on that may be configured: more than a person oversees.
const MAINTENANCE_MAX: usize = 64;
/// In `match`, the device's name; every other key is a label.
const DEVICE: &str = "device";
const DAY: Duration = Duration::from_secs(86_400);

/// The zone of this name; UTC where there is none.
pub(crate) fn timezone(file: Option<At<String>>, report: &mut Report) -> Given<Zone> {
    let Some(At { value: name, at }) = file else { return Given::default(Zone::default()) };
    match Zone::named(&name) {
        Some(zone) => Given::new(zone, Origin::File(at)),
        None => {
            let names: Vec<String> = Zone::names().collect();
            let hint = match nearest(&name, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write a name of the IANA database, such as `Europe/Amsterdam`".to_owned(),
            };
            report.push(Problem::error(at, format!("`{name}` is not a time zone")).hint(hint));
            Given::default(Zone::default())
        }
    }
}

/// What is configured, without what is wrong with it.
pub(super) fn maintenance(
    files: Vec<At<MaintenanceFile>>,
    zone: &Zone,
    report: &mut Report,
) -> Vec<Given<Maintenance>> {
    if let Some(first_too_many) = files.get(MAINTENANCE_MAX) {
        let message = format!("{} times of maintenance; at most {MAINTENANCE_MAX} are possible", files.len());
        report.push(Problem::error(first_too_many.at, message));
    }
    files.into_iter().filter_map(|file| one(file, zone, report)).collect()
}

fn one(file: At<MaintenanceFile>, zone: &Zone, report: &mut Report) -> Option<Given<Maintenance>> {
    let At { value: file, at } = file;
    let start = start(&file.start, zone, report);
    check_duration(&file.duration, file.every, report);
    let mut labels = file.matches;
    let device = match labels.remove(DEVICE) {
        Some(At { value, at }) => Some(device(&value, at, report)?),
        None => None,
    };
    let maintenance = Maintenance {
        labels: labels.into_iter().map(|(label, value)| (label, value.value)).collect(),
        device,
        start: start?,
        duration: file.duration.value.0,
        every: file.every,
        zone: zone.clone(),
        pause_polling: file.pause_polling,
    };
    Some(Given::new(maintenance, Origin::File(at)))
}

fn start(text: &At<String>, zone: &Zone, report: &mut Report) -> Option<Timestamp> {
    let start = Timestamp::parse(&text.value).or_else(|| zone.parse(&text.value));
    if start.is_none() {
        let message = format!("`{}` is not a time", text.value);
        let hint = "write `2026-03-07T22:00` (by the clocks of `timezone`) or `2026-03-07T22:00:00+01:00`";
        report.push(Problem::error(text.at, message).hint(hint));
    }
    start
}

fn check_duration(duration: &At<Span>, every: Option<Repeat>, report: &mut Report) {
    let (least, word) = match every {
        Some(Repeat::Day) => (DAY, "day"),
        Some(Repeat::Week) => (DAY * 7, "week"),
        None => (Duration::MAX, ""),
    };
    if duration.value.0.is_zero() {
        report.push(Problem::error(duration.at, "it would last no time").hint("write at least `1m`"));
    } else if duration.value.0 >= least {
        let message = format!("what comes every {word} and lasts {} never ends", duration.value);
        report.push(Problem::error(duration.at, message).hint(format!("write less than `{}`", Span(least))));
    }
}

fn device(name: &str, at: Position, report: &mut Report) -> Option<DeviceName> {
    let device = DeviceName::new(name);
    if let Err(error) = &device {
        report.push(Problem::error(at, format!("`device`: {error}")));
    }
    device.ok()
}

/// Warns of what is for no device.
pub(crate) fn warn_unmatched<'a>(
    maintenance: &[Given<Maintenance>],
    devices: impl Iterator<Item = (&'a DeviceName, &'a BTreeMap<String, String>)> + Clone,
    report: &mut Report,
) {
    for given in maintenance {
        if !devices.clone().any(|(name, labels)| given.value.is_for(name, labels)) {
            let message = "no device of the inventory matches: this maintenance has no effect";
            report.push(Problem::warning(given.origin.at(), message));
        }
    }
}

/// As `config show` has it.
pub(super) fn shown(maintenance: &Maintenance) -> Value {
    let mut matches = json!(maintenance.labels);
    if let (Value::Object(map), Some(device)) = (&mut matches, &maintenance.device) {
        map.insert(DEVICE.to_owned(), json!(device));
    }
    json!({
        "match": matches,
        "start": maintenance.start,
        "duration": Span(maintenance.duration).to_string(),
        "every": maintenance.every,
        "pause_polling": maintenance.pause_polling,
    })
}
