//! A [`Handle`] without a running service behind it, for the tests of what holds one.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use cliffwatch_model::{AlertEvent, Device, DeviceName, Observation, PollerName, Timestamp};
use cliffwatch_rules::RuleSet;
use cliffwatch_source::{Clock, SourceFactory};
use cliffwatch_store::Store;
use tokio::sync::{mpsc, oneshot, watch};

use crate::handle::ReloadRequest;
use crate::live::{DeviceStatus, Live};
use crate::outbox::Outbox;
use crate::{Changes, Handle, ReloadError, Stats};

/// A service that stands still: what is known is what a test says.
pub struct Still {
    handle: Handle,
    store: watch::Sender<Option<Arc<dyn Store>>>,
    reloads: mpsc::Receiver<ReloadRequest>,
}

struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Still {
    /// A service with the built-in rules that knows nothing, at this instant.
    ///
    /// # Errors
    /// When its journal cannot be made in the folder.
    pub fn new(
        folder: &Path,
        poller: PollerName,
        now: Timestamp,
        factories: Vec<Arc<dyn SourceFactory>>,
    ) -> std::io::Result<Self> {
        let stats = Arc::new(Stats::default());
        let (outbox, _) = Outbox::open(&folder.join("events.journal"), Arc::clone(&stats))?;
        let (store, store_seen) = watch::channel(None);
        let (asked, reloads) = mpsc::channel(1);
        let handle = Handle {
            live: Arc::new(Live::default()),
            stats,
            outbox: Arc::new(outbox),
            clock: Arc::new(Stopped(now)),
            poller,
            store: store_seen,
            rules: Arc::new(ArcSwap::from_pointee(RuleSet::builtin())),
            factories: Arc::new(factories),
            reloads: asked,
            last_reload_ok: Arc::new(AtomicBool::new(true)),
        };
        Ok(Self { handle, store, reloads })
    }

    /// What is to be tested holds this.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Takes a device from the inventory.
    pub fn know(&self, device: Arc<Device>) {
        self.handle.live.know(device);
    }

    /// Takes an observation and what the rules made of it.
    pub fn observe(&self, observation: &Observation, events: &[AlertEvent]) {
        self.handle.live.take(observation, events);
    }

    /// Changes what is known of a device otherwise.
    pub fn update(&self, device: &DeviceName, change: impl FnOnce(&mut DeviceStatus)) {
        self.handle.live.update(device, change);
    }

    /// The store comes or goes.
    pub fn set_store(&self, store: Option<Arc<dyn Store>>) {
        self.store.send_replace(store);
    }

    /// The last reload took effect, or did not.
    pub fn set_reloaded(&self, succeeded: bool) {
        self.handle.last_reload_ok.store(succeeded, Ordering::Relaxed);
    }

    /// Waits for a request for a reload.
    pub async fn reload_requested(&mut self) -> Option<oneshot::Sender<Result<Changes, ReloadError>>> {
        self.reloads.recv().await
    }
}
