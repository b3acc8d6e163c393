use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_model::wire::PollLine;
use cliffwatch_model::{
    CapacityOverrides, Device, DeviceName, Platform, Poll, PollHeader, PollerName, Trigger,
};
use cliffwatch_source::{Clock as _, DecodeError, Settings, SshOptions, Target};

use super::{CommandError, Status};
use crate::cli::DecodeArgs;
use crate::registry::Registry;

/// The name of the device that captured replies come from, and of who polled it.
const CAPTURED: &str = "captured";
/// Captured replies have no schedule; any interval would do.
const INTERVAL: Duration = Duration::from_secs(10);

pub(super) fn run(args: &DecodeArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let registry = Registry::new();
    let usage = |error: cliffwatch_model::NameError| CommandError::Usage(error.to_string());
    let platform = Platform::new(&args.platform).map_err(usage)?;
    let Some(factory) = registry.factory(&platform) else {
        let known = registry.names().join(", ");
        return Err(CommandError::Usage(format!(
            "platform `{platform}` is not known; this version has: {known}"
        )));
    };
    let target = target(platform, usage)?;
    let clock = SystemClock::new();
    let now = clock.now();
    let readings = factory
        .decode(&args.folder, &target, now)
        .map_err(|error| CommandError::Failed(format!("`{}`: {}", args.folder.display(), said(&error))))?;
    for (reading, seq) in readings.into_iter().zip(1..) {
        let header = PollHeader {
            device: target.device.name.clone(),
            platform: target.device.platform.clone(),
            poller: PollerName::new(CAPTURED).map_err(usage)?,
            seq,
            trigger: Trigger::Tick,
            started_at: now,
            finished_at: now,
            interval: INTERVAL,
            late: false,
            lag: Duration::ZERO,
        };
        let line = PollLine::from(&Poll { header, result: Ok(reading) });
        serde_json::to_writer(&mut *out, &line).map_err(std::io::Error::from)?;
        writeln!(out)?;
    }
    out.flush()?;
    Ok(Status::Fine)
}

/// What is wrong, and what helps.
fn said(error: &DecodeError) -> String {
    match error {
        DecodeError::Reply(reply) => {
            let hint = reply.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            format!("{}: {}{hint}", reply.kind.as_str(), reply.message)
        }
        DecodeError::File { .. } | DecodeError::Settings(_) => error.to_string(),
    }
}

fn target(
    platform: Platform,
    usage: impl Fn(cliffwatch_model::NameError) -> CommandError,
) -> Result<Target, CommandError> {
    let device = Device {
        name: DeviceName::new(CAPTURED).map_err(usage)?,
        platform,
        address: None,
        labels: BTreeMap::new(),
        interval: INTERVAL,
        timeout: INTERVAL,
        ha_peer: None,
        depends_on: Vec::new(),
        capacity: CapacityOverrides::default(),
    };
    Ok(Target {
        device: Arc::new(device),
        credential: None,
        ssh: SshOptions::default(),
        jump: None,
        source_address: None,
        settings: Settings::default(),
        canary: None,
    })
}
