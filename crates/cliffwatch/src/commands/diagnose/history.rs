//! Without a running service: the rules read history again, and know in the end what they would have known.

use std::sync::Arc;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_engine::replay::Replay;
use cliffwatch_engine::word;
use cliffwatch_model::{DeviceName, DeviceSettings, Diagnosis, Observation};
use cliffwatch_rules::{DeviceFacts, Diagnosed};
use cliffwatch_source::Clock as _;
use cliffwatch_store::{HistoryQuery, PageRequest, StoreError};

use super::{Candidate, Found, pick};
use crate::cli::DiagnoseArgs;
use crate::commands::setup::{Depth, Setup};
use crate::commands::{CommandError, samples, store};
use crate::registry::Registry;
use crate::value::Span;

/// How much history is read where nobody says: a week tells what is usual.
const SINCE: &str = "7d";

/// The rules' memory of one device, and its newest settings.
struct Memory {
    replay: Replay,
    device: DeviceName,
    settings: Arc<DeviceSettings>,
    polls: u64,
}

pub(super) async fn diagnose(args: &DiagnoseArgs) -> Result<Found, CommandError> {
    let device = DeviceName::new(&args.device)
        .map_err(|error| CommandError::Usage(format!("`{}` is no device's name: {error}", args.device)))?;
    let registry = Registry::new();
    let depth = Depth { secrets: false, devices: false, pins: false };
    let setup = Setup::load_good(&args.config.flags(), &registry, depth)?;
    let mut memory = Memory {
        replay: Replay::new(Arc::clone(&setup.rules)),
        device: device.clone(),
        settings: Arc::default(),
        polls: 0,
    };
    for target in setup.targets.iter().filter(|target| target.device.name == device) {
        memory.replay.know(DeviceFacts::from(&*target.device));
    }
    let place = match &args.samples {
        Some(path) => {
            for poll in samples::read(path).map_err(CommandError::Failed)? {
                if poll.header.device == device {
                    memory.take_poll(poll);
                }
            }
            format!("`{}`", path.display())
        }
        None => {
            let since: Span = args
                .since
                .as_deref()
                .unwrap_or(SINCE)
                .parse()
                .map_err(|error| CommandError::Usage(format!("--since: {error}")))?;
            memory.read_store(&setup, since).await?;
            format!("store `{}`", setup.config.store.value)
        }
    };
    if memory.polls == 0 {
        return Err(CommandError::Failed(format!("{place} holds no poll of {device} in that time")));
    }
    memory.find(args.table.as_deref(), &registry)
}

impl Memory {
    fn take_poll(&mut self, poll: cliffwatch_model::Poll) {
        if let Ok(reading) = &poll.result
            && !reading.device_settings.is_empty()
        {
            self.settings = Arc::new(reading.device_settings.clone());
        }
        self.polls += 1;
        self.replay.poll(poll);
    }

    fn take(&mut self, observation: &Observation) {
        self.settings = Arc::clone(&observation.device_settings);
        self.polls += 1;
        self.replay.observe(observation);
    }

    async fn read_store(&mut self, setup: &Setup, since: Span) -> Result<(), CommandError> {
        let failed = |error: StoreError| {
            let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
            CommandError::Failed(format!("store `{}`: {error}{hint}", setup.config.store.value))
        };
        let store = store::opener(&setup.config, true)().await.map_err(failed)?;
        let from = SystemClock::new().now().minus(since.0);
        let query =
            HistoryQuery { device: Some(self.device.clone()), from: Some(from), ..HistoryQuery::default() };
        let mut page = PageRequest::default();
        let read = loop {
            match store.observations(&query, &page).await {
                Ok(read) => {
                    read.items.iter().for_each(|observation| self.take(observation));
                    match read.next {
                        Some(next) => page.cursor = Some(next),
                        None => break Ok(()),
                    }
                }
                Err(error) => break Err(failed(error)),
            }
        };
        store.close().await;
        read
    }

    fn find(&self, table: Option<&str>, registry: &Registry) -> Result<Found, CommandError> {
        let tables = self.replay.tables_of(&self.device);
        let candidates: Vec<Candidate> =
            tables.iter().map(|(id, path)| Candidate { id: *id, path: path.to_string() }).collect();
        let others = candidates.len().saturating_sub(1);
        let diagnosed = match table {
            Some(table) => {
                self.replay.diagnose(&self.device, pick(&candidates, self.device.as_str(), table)?.id)
            }
            None => worst(candidates.iter().filter_map(|it| self.replay.diagnose(&self.device, it.id))),
        };
        let diagnosed = diagnosed.ok_or_else(|| {
            CommandError::Failed(format!("no table of {} was read in that time", self.device))
        })?;
        Ok(Found { diagnosis: self.worded(diagnosed, registry), others })
    }

    fn worded(&self, diagnosed: Diagnosed, registry: &Registry) -> Diagnosis {
        let factory = registry.factory(&diagnosed.diagnosis.platform);
        word(diagnosed, factory.map(|factory| &**factory), &self.settings)
    }
}

/// The one with the worst finding, and of those the fullest.
fn worst(all: impl Iterator<Item = Diagnosed>) -> Option<Diagnosed> {
    let fill = |it: &Diagnosed| {
        let figures = it.diagnosis.steps.iter().flat_map(|step| &step.figures);
        figures.into_iter().find(|figure| figure.name == "used_percent").map_or(-1.0, |figure| figure.value)
    };
    all.max_by(|a, b| {
        a.diagnosis.severity.cmp(&b.diagnosis.severity).then_with(|| fill(a).total_cmp(&fill(b)))
    })
}
