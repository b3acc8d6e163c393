mod canary;

use std::io::Write;
use std::time::Duration;

use cliffwatch_model::Platform;
use cliffwatch_source::{Access, AccessWhen, SourceFactory};
use serde::Serialize;

use super::setup::{Depth, Setup};
use super::{CommandError, Status, choice};
use crate::cli::{AccessArgs, TextOrJson};
use crate::registry::Registry;
use crate::value::Span;

/// What is read once a minute whatever the interval is.
const MINUTE: Duration = Duration::from_secs(60);

/// All that can be sent to one device, or to any device of a platform.
#[derive(Serialize)]
struct AccessList {
    platform: String,
    /// Absent where it holds for all devices of the platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    #[serde(flatten)]
    access: Access,
    /// How often at most, where the schedule of a device says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    every_seconds: Option<f64>,
}

pub(super) fn run(args: &AccessArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let registry = Registry::new();
    let lists = match &args.name {
        None => registry.factories().iter().map(|factory| whole(&**factory)).collect(),
        Some(name) => vec![of_name(name, args, &registry)?],
    };
    match args.format {
        TextOrJson::Json => {
            serde_json::to_writer_pretty(&mut *out, &lists).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        TextOrJson::Text => lists.iter().try_for_each(|list| print(list, out))?,
    }
    out.flush()?;
    Ok(Status::Fine)
}

/// A platform needs no inventory; any other name is a device.
fn of_name(name: &str, args: &AccessArgs, registry: &Registry) -> Result<AccessList, CommandError> {
    if let Some(factory) = Platform::new(name).ok().and_then(|platform| registry.factory(&platform)) {
        return Ok(whole(&**factory));
    }
    let depth = Depth { secrets: false, devices: true, pins: false };
    let setup = Setup::load_good(&args.config.flags(), registry, depth)?;
    let target = choice::named(&setup.targets, name)?;
    let device = &target.device;
    let unknown = || CommandError::Failed(format!("platform `{}` is not known", device.platform));
    let factory = registry.factory(&device.platform).ok_or_else(unknown)?;
    let entry = |access: Access| {
        let every = match access.when {
            AccessWhen::Poll => Some(device.interval),
            AccessWhen::Minute => Some(device.interval.max(MINUTE)),
            AccessWhen::Canary => Some(cliffwatch_engine::CANARY_EVERY),
            AccessWhen::Session | AccessWhen::Ask | AccessWhen::Probe => None,
        };
        Entry { access, every_seconds: every.map(|every| every.as_secs_f64()) }
    };
    let list = factory.access_of(target).into_iter().chain(canary::of_device(target, &setup.targets));
    Ok(AccessList {
        platform: device.platform.to_string(),
        device: Some(device.name.to_string()),
        entries: list.map(entry).collect(),
    })
}

fn whole(factory: &dyn SourceFactory) -> AccessList {
    let list = factory.access().into_iter().chain(canary::of_platform(factory));
    let entries = list.map(|access| Entry { access, every_seconds: None }).collect();
    AccessList { platform: factory.platform().to_string(), device: None, entries }
}

fn print(list: &AccessList, out: &mut dyn Write) -> Result<(), CommandError> {
    match &list.device {
        Some(device) => {
            writeln!(out, "{device} ({}): everything that its settings let be sent", list.platform)?
        }
        None => writeln!(out, "{}: everything that can ever be sent to a device", list.platform)?,
    }
    for (number, Entry { access, every_seconds }) in (1..).zip(&list.entries) {
        let mark = if matches!(access.when, AccessWhen::Ask) { " [ask only]" } else { "" };
        writeln!(out, "\n{number}. {}{mark}", access.name)?;
        writeln!(out, "   when:  {}", when(access.when, *every_seconds))?;
        writeln!(out, "   right: {}", access.right)?;
        for line in access.action.lines() {
            writeln!(out, "     {line}")?;
        }
    }
    writeln!(out)?;
    Ok(())
}

fn when(when: AccessWhen, every_seconds: Option<f64>) -> String {
    let every = every_seconds.map(|seconds| Span(Duration::from_secs_f64(seconds)));
    match (when, every) {
        (AccessWhen::Session, _) => "when a session begins".to_owned(),
        (AccessWhen::Poll, None) => "with each poll".to_owned(),
        (AccessWhen::Poll, Some(every)) => format!("with each poll, every {every}"),
        (AccessWhen::Minute, Some(every)) if every.0 > MINUTE => format!("every {every}"),
        (AccessWhen::Minute, _) => "about once a minute".to_owned(),
        (AccessWhen::Ask, _) => "only when a rule asks: a table is nearly full, or refusals rise".to_owned(),
        (AccessWhen::Canary, _) => {
            format!(
                "every {}, and when a rule asks; only with a `canary`",
                Span(cliffwatch_engine::CANARY_EVERY)
            )
        }
        (AccessWhen::Probe, _) => "only by `cliffwatch probe`".to_owned(),
    }
}
