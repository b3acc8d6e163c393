use std::io::{IsTerminal as _, Write};
use std::sync::Arc;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_engine::replay::{Change, Difference, Replay, Summary, differences};
use cliffwatch_model::AlertEvent;
use cliffwatch_rules::{DeviceFacts, Topology};
use cliffwatch_source::Clock as _;
use cliffwatch_store::{HistoryQuery, PageRequest, Store, StoreError};
use serde::Serialize;

use super::setup::{Depth, Setup};
use super::{CommandError, Status, samples, store};
use crate::cli::{ReplayArgs, TextOrJson};
use crate::registry::Registry;
use crate::value::Span;

/// How much history is replayed where nobody says: what is kept by default.
const SINCE: &str = "30d";

/// After how many polls progress is told anew.
const PROGRESS_EVERY: u64 = 5_000;

/// The last line of `--format json`.
#[derive(Serialize)]
struct SummaryLine<'a> {
    summary: Compared<'a>,
}

/// What the replay came to, and beside it what the rules in force would have.
#[derive(Serialize)]
struct Compared<'a> {
    #[serde(flatten)]
    replayed: &'a Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_force: Option<&'a Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Vec<Difference>>,
}

pub(super) async fn run(args: &ReplayArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let mut flags = args.config.flags();
    flags.rules.clone_from(&args.rules);
    let since: Span = args
        .since
        .as_deref()
        .unwrap_or(SINCE)
        .parse()
        .map_err(|error| CommandError::Usage(format!("--since: {error}")))?;
    let depth = Depth { secrets: false, devices: false, pins: true };
    let setup = Setup::load_good(&flags, &Registry::new(), depth)?;
    let mut history = History::new(replay(&setup));
    // With rules of its own, what those in force would have done is worth knowing, too.
    if !args.rules.is_empty() {
        let in_force = Setup::load_good(&args.config.flags(), &Registry::new(), depth)?;
        history.in_force = Some((replay(&in_force), Vec::new()));
    }
    match &args.samples {
        Some(path) => {
            for poll in samples::read(path).map_err(CommandError::Failed)? {
                history.take(|replay| replay.poll(poll.clone()));
            }
        }
        None => {
            let failed = |error: StoreError| {
                let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                CommandError::Failed(format!("store `{}`: {error}{hint}", setup.config.store.value))
            };
            let store = store::opener(&setup.config, true)().await.map_err(failed)?;
            let read = read_store(&*store, since, &mut history).await;
            store.close().await;
            read.map_err(failed)?;
        }
    }
    history.progress.end();
    history.print(args.format, out)?;
    Ok(Status::Fine)
}

fn replay(setup: &Setup) -> Replay {
    let mut replay = Replay::new(Arc::clone(&setup.rules));
    for target in &setup.targets {
        replay.know(DeviceFacts::from(&*target.device));
    }
    let devices = setup.targets.iter().map(|target| &*target.device);
    replay.surround(Topology::new(devices, &setup.rules), Vec::new());
    replay.maintain(setup.maintenance());
    replay
}

async fn read_store(store: &dyn Store, since: Span, history: &mut History) -> Result<(), StoreError> {
    let from = SystemClock::new().now().minus(since.0);
    let query = HistoryQuery { from: Some(from), ..HistoryQuery::default() };
    let mut page = PageRequest::default();
    loop {
        let read = store.observations(&query, &page).await?;
        for observation in &read.items {
            history.take(|replay| replay.observe(observation));
        }
        if read.next.is_none() {
            return Ok(());
        }
        page.cursor = read.next;
    }
}

/// The replay that was asked for, and beside it the one with the rules in force.
struct History {
    replayed: (Replay, Vec<AlertEvent>),
    in_force: Option<(Replay, Vec<AlertEvent>)>,
    progress: Progress,
}

impl History {
    fn new(replay: Replay) -> Self {
        Self { replayed: (replay, Vec::new()), in_force: None, progress: Progress::new() }
    }

    fn take(&mut self, mut one: impl FnMut(&mut Replay) -> Vec<AlertEvent>) {
        for (replay, events) in std::iter::once(&mut self.replayed).chain(&mut self.in_force) {
            events.extend(one(replay));
        }
        self.progress.step();
    }

    fn print(mut self, format: TextOrJson, out: &mut dyn Write) -> std::io::Result<()> {
        // Late data makes events of earlier instants.
        for (_, events) in std::iter::once(&mut self.replayed).chain(&mut self.in_force) {
            events.sort_by_key(|event| event.at);
        }
        let (replay, events) = &self.replayed;
        let replayed = replay.summary();
        let in_force = self.in_force.as_ref().map(|(replay, _)| replay.summary());
        let difference = self.in_force.as_ref().map(|(_, in_force)| differences(events, in_force));
        match format {
            TextOrJson::Json => {
                for event in events {
                    serde_json::to_writer(&mut *out, event)?;
                    writeln!(out)?;
                }
                let summary = Compared { replayed: &replayed, in_force: in_force.as_ref(), difference };
                serde_json::to_writer(&mut *out, &SummaryLine { summary })?;
                writeln!(out)?;
            }
            TextOrJson::Text => {
                for event in events {
                    writeln!(out, "{}", event_text(event))?;
                }
                for difference in difference.iter().flatten() {
                    writeln!(out, "{}", difference_text(difference))?;
                }
                writeln!(out, "replayed: {}", summary_text(&replayed))?;
                if let Some(in_force) = &in_force {
                    writeln!(out, "rules in force: {}", summary_text(in_force))?;
                }
            }
        }
        out.flush()
    }
}

/// How far it is, on a line of the terminal that is written over; elsewhere nothing.
struct Progress {
    shown: bool,
    polls: u64,
}

impl Progress {
    fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), polls: 0 }
    }

    fn step(&mut self) {
        self.polls += 1;
        if self.polls.is_multiple_of(PROGRESS_EVERY) {
            self.say(&format!("\r{} polls replayed", self.polls));
        }
    }

    fn end(&self) {
        if self.polls >= PROGRESS_EVERY {
            self.say("\r\x1b[K");
        }
    }

    fn say(&self, text: &str) {
        if self.shown {
            let _unheard = std::io::stderr().write_all(text.as_bytes()).is_err();
        }
    }
}

fn difference_text(difference: &Difference) -> String {
    let Difference { rule, device, table, change, replayed, in_force } = difference;
    let table = table.as_deref().map(|table| format!(" {table}")).unwrap_or_default();
    let fired = |fired: &Option<cliffwatch_engine::replay::Fired>| {
        fired.as_ref().map_or("never".to_owned(), |fired| format!("{} at {}", fired.severity, fired.at))
    };
    let what = match change {
        Change::OnlyReplayed => format!("only with these rules: {}", fired(replayed)),
        Change::OnlyInForce => format!("only with the rules in force: {}", fired(in_force)),
        Change::Changed => format!("{} instead of {}", fired(replayed), fired(in_force)),
    };
    format!("difference: {rule}  {device}{table}: {what}")
}

fn event_text(event: &AlertEvent) -> String {
    let table = event.table.as_deref().map(|table| format!(" {table}")).unwrap_or_default();
    format!(
        "{}  {:<10} {:<8} {}  {}{table}: {}",
        event.at, event.state, event.severity, event.rule, event.device, event.summary
    )
}

fn summary_text(summary: &Summary) -> String {
    let refusal = summary
        .first_refusal_at
        .map_or("nothing was refused".to_owned(), |at| format!("first refusal at {at}"));
    let lead = summary
        .lead_time_seconds
        .map(|seconds| format!(", {seconds:.0} s after the first alert of its table"));
    let (polls, events, pages) = (summary.polls, summary.events, summary.pages);
    format!("{polls} polls, {events} events, {pages} pages; {refusal}{}", lead.unwrap_or_default())
}
