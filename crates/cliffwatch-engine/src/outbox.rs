//! Holds events until they are durable, then releases them to those who tell people.
//!
//! An event is released once the store has it, or after half a second once our own journal has it:
//! whichever comes first. So what was told is never forgotten, and never waits for the database.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cliffwatch_model::{AlertEvent, Severity};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::stats::Stats;

/// How long an event waits for the store before the journal takes its place; the design's number.
const COMMIT_PATIENCE: Duration = Duration::from_millis(500);
/// Released events that a slow listener may lag behind before it misses some; the store has them all.
const RELEASED_MAX: usize = 4_096;

/// Events on their way to people.
#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
    released: broadcast::Sender<Arc<AlertEvent>>,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct State {
    held: VecDeque<Held>,
    /// Ids that only the journal has, or will have in a moment.
    journaled: HashSet<String>,
    journal: Option<Journal>,
}

#[derive(Debug)]
struct Held {
    event: AlertEvent,
    since: Instant,
    stored: bool,
}

impl Outbox {
    /// Opens the journal and takes what it holds: told before, perhaps not stored.
    pub(crate) fn open(path: &Path, stats: Arc<Stats>) -> std::io::Result<(Self, Vec<AlertEvent>)> {
        let (journal, kept) = Journal::open(path)?;
        if let Some(copy) = kept.damaged {
            tracing::error!(copy = %copy.display(), "Some of the events journal cannot be read; a copy was kept.");
        }
        let journaled = kept.events.iter().map(|event| event.id.clone()).collect();
        let state = State { held: VecDeque::new(), journaled, journal: Some(journal) };
        let (released, _) = broadcast::channel(RELEASED_MAX);
        Ok((Self { state: Mutex::new(state), changed: Notify::new(), released, stats }, kept.events))
    }

    /// Takes new events. Those that nobody is to be told of are made as durable as the others, so that an
    /// alert never lacks its beginning, and are not released.
    pub(crate) fn hold(&self, events: &[AlertEvent]) {
        let since = Instant::now();
        self.lock().held.extend(events.iter().map(|event| Held {
            event: event.clone(),
            since,
            stored: false,
        }));
        self.changed.notify_one();
    }

    /// The store has these events now.
    pub(crate) fn stored(&self, events: &[AlertEvent]) {
        let ids: HashSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
        let mut state = self.lock();
        for held in &mut state.held {
            held.stored = held.stored || ids.contains(held.event.id.as_str());
        }
        state.journaled.retain(|id| !ids.contains(id.as_str()));
        drop(state);
        self.changed.notify_one();
    }

    /// Listens to released events.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<AlertEvent>> {
        self.released.subscribe()
    }

    /// Releases events as they become durable, until the stop; then whatever is left.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let wake = self.release_due(false).await;
            tokio::select! {
                () = self.changed.notified() => {}
                () = stop.cancelled() => {}
                () = tokio::time::sleep_until(wake.unwrap_or_else(far_future)) => {}
            }
        }
        self.release_due(true).await;
    }

    /// Releases what is stored or has waited long enough, in order, and tells when the next is due.
    async fn release_due(self: &Arc<Self>, all: bool) -> Option<Instant> {
        let now = Instant::now();
        let (due, unstored, wake) = self.lock().take_due(now, all);
        if !unstored.is_empty() || self.lock().can_clear() {
            self.write_journal(unstored).await;
        }
        for event in due.into_iter().filter(|event| event.told) {
            self.release(event);
        }
        wake
    }

    async fn write_journal(self: &Arc<Self>, unstored: Vec<AlertEvent>) {
        let outbox = Arc::clone(self);
        let written = tokio::task::spawn_blocking(move || outbox.append(&unstored)).await;
        if let Ok(Err(error)) = written {
            Stats::add(&self.stats.journal_failures_total, 1);
            tracing::error!(%error, "The events journal cannot be written; a restart may tell these events again.");
        }
    }

    /// Runs on a thread that may wait for the disk; the lock is not held meanwhile.
    fn append(&self, events: &[AlertEvent]) -> std::io::Result<()> {
        let Some(mut journal) = self.lock().journal.take() else { return Ok(()) };
        let result = if events.is_empty() { journal.clear() } else { journal.append(events) };
        let mut state = self.lock();
        if result.is_err() {
            state.journaled.retain(|id| events.iter().all(|event| event.id != *id));
        }
        state.journal = Some(journal);
        result
    }

    fn release(&self, event: AlertEvent) {
        self.stats.events_released_total.fetch_add(1, Ordering::Relaxed);
        let (id, state) = (event.id.as_str(), event.state.as_str());
        let (device, rule, severity) = (event.device.as_str(), event.rule.as_str(), event.severity.as_str());
        let summary = event.summary.as_str();
        match event.severity {
            Severity::Info => tracing::info!(id, state, device, rule, severity, summary, "Alert."),
            Severity::Warning | Severity::Critical => {
                tracing::warn!(id, state, device, rule, severity, summary, "Alert.");
            }
        }
        let _nobody_listens_yet = self.released.send(Arc::new(event)).is_err();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The events to release now, those of them that the store does not have, and when the next is due.
    fn take_due(&mut self, now: Instant, all: bool) -> (Vec<AlertEvent>, Vec<AlertEvent>, Option<Instant>) {
        let (mut due, mut unstored) = (Vec::new(), Vec::new());
        // In order, so that a resolution never overtakes its alert.
        while let Some(held) = self.held.pop_front() {
            if !(all || held.stored || now >= held.since + COMMIT_PATIENCE) {
                let wake = held.since + COMMIT_PATIENCE;
                self.held.push_front(held);
                return (due, unstored, Some(wake));
            }
            if !held.stored {
                // From now on: the store may take it while it is being written.
                self.journaled.insert(held.event.id.clone());
                unstored.push(held.event.clone());
            }
            due.push(held.event);
        }
        (due, unstored, None)
    }

    fn can_clear(&self) -> bool {
        self.journaled.is_empty() && self.journal.as_ref().is_some_and(|journal| !journal.is_empty())
    }
}

fn far_future() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}
