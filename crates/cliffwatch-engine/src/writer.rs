//! The one task that writes to the store: whole batches, each in one transaction, again until they are in.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cliffwatch_model::PollerName;
use cliffwatch_source::Clock;
use cliffwatch_store::{Store, StoreError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::backlog::{Backlog, Entry, to_batch};
use crate::outbox::Outbox;
use crate::stats::Stats;

/// How long polls without events may wait for others to share their transaction.
const LINGER: Duration = Duration::from_millis(100);
/// The design's bound on one commit. The store has a deadline of its own; this one holds for any store.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses after a failed commit: from the first to the longest.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Writes the backlog to the store.
pub(crate) struct Writer {
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) store: watch::Receiver<Option<Arc<dyn Store>>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) poller: PollerName,
    pub(crate) stats: Arc<Stats>,
}

impl Writer {
    /// Runs until the stop, then writes once more what is left.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut pause = RETRY_PAUSE;
        while !stop.is_cancelled() {
            let Some(store) = self.wait_for_work(&stop).await else { continue };
            if self.write(&*store).await {
                pause = RETRY_PAUSE;
            } else {
                let _stopped = tokio::time::timeout(pause, stop.cancelled()).await.is_ok();
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            }
        }
        let store = self.store.borrow().clone();
        if let Some(store) = store {
            while !self.backlog.is_empty() && self.write(&*store).await {}
        }
        let lost = Stats::read(&self.stats.backlog_observations);
        if lost > 0 {
            tracing::warn!(
                polls = lost,
                "Stopped while the store was away: these polls are lost; events are kept in the journal."
            );
        }
    }

    /// Waits for something to write and a store to write to.
    async fn wait_for_work(&mut self, stop: &CancellationToken) -> Option<Arc<dyn Store>> {
        if self.backlog.is_empty() {
            tokio::select! {
                () = self.backlog.pushed.notified() => {}
                () = stop.cancelled() => return None,
            }
        }
        let store = tokio::select! {
            store = self.store.wait_for(Option::is_some) => store.ok()?.clone(),
            () = stop.cancelled() => return None,
        };
        if !self.backlog.has_events() {
            tokio::select! {
                () = tokio::time::sleep(LINGER) => {}
                () = self.backlog.urgent.notified() => {}
                () = stop.cancelled() => {}
            }
        }
        store
    }

    /// One batch, and whether it is in.
    async fn write(&self, store: &dyn Store) -> bool {
        let entries = self.backlog.take_batch(&self.stats);
        if entries.is_empty() {
            return true;
        }
        match self.commit(store, &entries).await {
            Ok(()) => true,
            Err(error) if error.is_retryable() => {
                self.failed(&error);
                self.backlog.put_back(entries, &self.stats);
                false
            }
            Err(error) => self.write_singly(store, entries, &error).await,
        }
    }

    /// One entry of the batch is refused for good: the others must not be lost with it.
    async fn write_singly(&self, store: &dyn Store, entries: Vec<Entry>, error: &StoreError) -> bool {
        tracing::error!(%error, hint = error.hint(), "The store refused a batch; its polls are written one by one.");
        let mut entries = std::collections::VecDeque::from(entries);
        while let Some(entry) = entries.pop_front() {
            match self.commit(store, std::slice::from_ref(&entry)).await {
                Ok(()) => {}
                Err(error) if error.is_retryable() => {
                    self.failed(&error);
                    entries.push_front(entry);
                    self.backlog.put_back(entries.into(), &self.stats);
                    return false;
                }
                Err(error) => {
                    Stats::add(&self.stats.observations_dropped_total, 1);
                    tracing::error!(%error, hint = error.hint(), "The store refused one poll for good; it is dropped.");
                }
            }
        }
        true
    }

    async fn commit(&self, store: &dyn Store, entries: &[Entry]) -> Result<(), StoreError> {
        let batch = to_batch(&self.poller, entries);
        let committed = tokio::time::timeout(COMMIT_TIMEOUT, store.commit(&batch)).await;
        committed.unwrap_or_else(|_elapsed| {
            Err(StoreError::Unavailable { what: format!("no commit within {COMMIT_TIMEOUT:?}"), hint: None })
        })?;
        Stats::add(&self.stats.commits_total, 1);
        if self.stats.store_away_since_micros.swap(0, Ordering::Relaxed) != 0 {
            tracing::info!("The store is back.");
        }
        self.outbox.stored(&batch.events);
        Ok(())
    }

    fn failed(&self, error: &StoreError) {
        Stats::add(&self.stats.commit_failures_total, 1);
        let now = u64::try_from(self.clock.now().as_micros()).unwrap_or(1);
        let away = &self.stats.store_away_since_micros;
        if away.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::error!(%error, hint = error.hint(), "The store is away; polling and alerts go on.");
        }
    }
}
