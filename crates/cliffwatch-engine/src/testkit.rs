//! A [`Handle`] without a running service behind it, for the tests of what holds one.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use cliffwatch_model::{AlertEvent, Device, DeviceName, Observation, PollerName, Timestamp};
use cliffwatch_rules::{Engine, RuleSet};
use cliffwatch_source::{Clock, SourceFactory};
use cliffwatch_store::Store;
use tokio::sync::{mpsc, oneshot, watch};

use crate::handle::ReloadRequest;
use crate::live::{DeviceStatus, Live};
use crate::outbox::Outbox;
use crate::pipeline::Input;
use crate::{Changes, Handle, ReloadError, Stats};

/// A service that stands still: what is known is what a test says.
pub struct Still {
    handle: Handle,
    store: watch::Sender<Option<Arc<dyn Store>>>,
    reloads: mpsc::Receiver<ReloadRequest>,
    /// What diagnoses; the events of tests are their own.
    engine: Arc<Mutex<Engine>>,
}

/// Answers what the pipeline of a running service would.
async fn answer(mut questions: mpsc::Receiver<Input>, engine: Arc<Mutex<Engine>>) {
    while let Some(question) = questions.recv().await {
        let Input::Diagnose { device, table, answer } = question else { continue };
        let found = engine.lock().unwrap_or_else(PoisonError::into_inner).diagnose(&device, table);
        let _nobody_waits = answer.send(found).is_err();
    }
}

struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
}

impl Still {
    /// A service with the built-in rules that knows nothing, at this instant. To be made within a runtime.
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
        let (inputs, questions) = mpsc::channel(1);
        let rules = Arc::new(RuleSet::builtin());
        let engine = Arc::new(Mutex::new(Engine::new(Arc::clone(&rules))));
        tokio::spawn(answer(questions, Arc::clone(&engine)));
        let handle = Handle {
            live: Arc::new(Live::default()),
            stats,
            outbox: Arc::new(outbox),
            clock: Arc::new(Stopped(now)),
            poller,
            store: store_seen,
            rules: Arc::new(ArcSwap::new(rules)),
            factories: Arc::new(factories),
            inputs,
            reloads: asked,
            last_reload_ok: Arc::new(AtomicBool::new(true)),
        };
        Ok(Self { handle, store, reloads, engine })
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
        let _events_are_the_tests_own =
            self.engine.lock().unwrap_or_else(PoisonError::into_inner).observe(observation);
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
