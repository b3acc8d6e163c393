use std::io::Write;
use std::sync::Arc;

use cliffwatch_engine::clock::SystemClock;
use cliffwatch_engine::replay::{Replay, Summary};
use cliffwatch_model::AlertEvent;
use cliffwatch_rules::{DeviceFacts, RuleSet};
use cliffwatch_source::{Clock as _, Target};
use cliffwatch_store::{HistoryQuery, PageRequest, Store, StoreError};
use serde::Serialize;

use super::setup::{Depth, Setup};
use super::{CommandError, Status, samples, store};
use crate::cli::{ReplayArgs, TextOrJson};
use crate::registry::Registry;
use crate::value::Span;

/// How much history is replayed where nobody says: what is kept by default.
const SINCE: &str = "30d";

/// The last line of `--format json`.
#[derive(Serialize)]
struct SummaryLine {
    summary: Summary,
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
    let mut replays = vec![replay(&setup.rules, &setup.targets)];
    // With rules of its own, what those in force would have done is worth knowing, too.
    if !args.rules.is_empty() && args.format == TextOrJson::Text {
        let in_force = Setup::load_good(&args.config.flags(), &Registry::new(), depth)?;
        replays.push(replay(&in_force.rules, &setup.targets));
    }
    let mut history = History { replays, events: Vec::new() };
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
    history.print(args.format, out)?;
    Ok(Status::Fine)
}

fn replay(rules: &Arc<RuleSet>, targets: &[Target]) -> Replay {
    let mut replay = Replay::new(Arc::clone(rules));
    for target in targets {
        replay.know(DeviceFacts::from(&*target.device));
    }
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
    replays: Vec<Replay>,
    /// Of the first.
    events: Vec<AlertEvent>,
}

impl History {
    fn take(&mut self, mut one: impl FnMut(&mut Replay) -> Vec<AlertEvent>) {
        for (place, replay) in self.replays.iter_mut().enumerate() {
            let events = one(replay);
            if place == 0 {
                self.events.extend(events);
            }
        }
    }

    fn print(mut self, format: TextOrJson, out: &mut dyn Write) -> std::io::Result<()> {
        // Late data makes events of earlier instants.
        self.events.sort_by_key(|event| event.at);
        let mut summaries = self.replays.iter().map(Replay::summary);
        match format {
            TextOrJson::Json => {
                for event in &self.events {
                    serde_json::to_writer(&mut *out, event)?;
                    writeln!(out)?;
                }
                for summary in summaries {
                    serde_json::to_writer(&mut *out, &SummaryLine { summary })?;
                    writeln!(out)?;
                }
            }
            TextOrJson::Text => {
                for event in &self.events {
                    writeln!(out, "{}", event_text(event))?;
                }
                for (name, summary) in ["replayed", "rules in force"].into_iter().zip(&mut summaries) {
                    writeln!(out, "{name}: {}", summary_text(&summary))?;
                }
            }
        }
        out.flush()
    }
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
