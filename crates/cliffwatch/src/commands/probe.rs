mod capture;
mod json;
mod pins;
mod text;

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_model::{ErrorKind, SourceError};
use cliffwatch_source::{Clock, PollContext, ProbeContext, ProbeReport, SourceFactory, Target};
use tokio::task::JoinSet;

use super::setup::{Depth, Setup};
use super::{CommandError, Status, choice, poll};
use crate::cli::{ProbeArgs, TextOrJson};
use crate::registry::Registry;

/// Devices that are probed at once: each costs a login and some dozen requests.
const PROBES_AT_ONCE_MAX: usize = 16;
/// Requests that a probe may need the device's timeout for, besides those that it bounds itself.
const REQUESTS_MAX: u32 = 6;
/// For those that it bounds itself, and the end of the session.
const REST: Duration = Duration::from_secs(5);

/// A device, and what was found.
struct Probed {
    target: Target,
    report: ProbeReport,
    /// Where its replies were kept.
    captured: Option<String>,
}

pub(super) async fn run(args: &ProbeArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let registry = Registry::new();
    let depth = Depth { secrets: false, devices: true, pins: false };
    let setup = Setup::load_good(&args.config.flags(), &registry, depth)?;
    let targets = if args.all {
        choice::matching(&setup.targets, &args.labels)
    } else {
        choice::chosen(&setup.targets, &args.devices)?
    };
    if targets.is_empty() {
        return Err(CommandError::Usage("no device of the inventory has these labels".to_owned()));
    }
    if let Some(file) = &args.pins {
        pins::check(file, &setup.targets)?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut probed = probe_all(targets, &registry, &clock, args.capture.is_some()).await;
    if let Some(folder) = &args.capture {
        for one in &mut probed {
            one.captured = capture::keep(folder, one, args.overwrite)?;
        }
    }
    for one in &probed {
        match args.format {
            TextOrJson::Text => text::print(one, out)?,
            TextOrJson::Json => json::print(one, out)?,
        }
    }
    if let Some(file) = &args.pins {
        let note = pins::write(file, &probed, clock.now())?;
        if args.format == TextOrJson::Text {
            writeln!(out, "{note}")?;
        }
    }
    out.flush()?;
    let failed = probed.iter().any(|one| one.report.error.is_some());
    Ok(if failed { Status::NotFine } else { Status::Fine })
}

/// Probes each device once, in the order in which they were named.
async fn probe_all(
    targets: Vec<Target>,
    registry: &Registry,
    clock: &Arc<dyn Clock>,
    capture: bool,
) -> Vec<Probed> {
    let mut progress = Progress::new(targets.len());
    let alone = targets.len() == 1;
    let mut found: Vec<Option<ProbeReport>> = targets.iter().map(|_| None).collect();
    let mut keep = |place: usize, report| {
        if let Some(slot) = found.get_mut(place) {
            *slot = Some(report);
        }
        progress.step();
    };
    let mut running = JoinSet::new();
    for (place, target) in targets.iter().enumerate() {
        let Some(factory) = registry.factory(&target.device.platform).cloned() else { continue };
        if running.len() >= PROBES_AT_ONCE_MAX
            && let Some(Ok((place, report))) = running.join_next().await
        {
            keep(place, report);
        }
        let (clock, target) = (Arc::clone(clock), target.clone());
        running.spawn(async move { (place, probe_one(&target, &*factory, &*clock, alone, capture).await) });
    }
    while let Some(ended) = running.join_next().await {
        if let Ok((place, report)) = ended {
            keep(place, report);
        }
    }
    progress.end();
    let lost = || ProbeReport::failed(SourceError::new(ErrorKind::Busy, "the probe ended in the middle"));
    let pairs = targets.into_iter().zip(found);
    pairs
        .map(|(target, report)| Probed { target, report: report.unwrap_or_else(lost), captured: None })
        .collect()
}

async fn probe_one(
    target: &Target,
    factory: &dyn SourceFactory,
    clock: &dyn Clock,
    alone: bool,
    capture: bool,
) -> ProbeReport {
    let opened = match factory.open(target) {
        Ok(opened) => opened,
        Err(error) => return ProbeReport::failed(SourceError::new(ErrorKind::Auth, error.to_string())),
    };
    let timeout = target.device.timeout;
    let cx = ProbeContext { poll: PollContext { clock, deadline: timeout }, alone, capture };
    let bound = timeout * REQUESTS_MAX + REST;
    let report = tokio::time::timeout(bound, opened.source.probe(&cx)).await;
    let _late = tokio::time::timeout(REST, opened.source.close()).await.is_err();
    let mut report = report.unwrap_or_else(|_elapsed| {
        ProbeReport::failed(SourceError::new(ErrorKind::Timeout, format!("not done within {bound:?}")))
    });
    if let Some(reading) = &mut report.reading {
        poll::configure(reading, target);
    }
    report
}

/// Tells people how far it is.
struct Progress {
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { done: 0, all, shown: all > 1 && io::stderr().is_terminal() }
    }

    fn step(&mut self) {
        self.done += 1;
        self.say(&format!("\r{} of {} devices", self.done, self.all));
    }

    fn end(&self) {
        self.say("\r\u{1b}[K");
    }

    fn say(&self, text: &str) {
        if self.shown {
            let _unheard = write!(io::stderr(), "{text}").is_err();
        }
    }
}
