use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cliffwatch_model::{AlertEvent, DeviceName, DeviceSettings, Diagnosis, PollerName, Remedy, TableId};
use cliffwatch_rules::{Diagnosed, RuleSet};
use cliffwatch_source::{Clock, HubStatus, SourceFactory};
use cliffwatch_store::Store;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::live::Live;
use crate::outbox::Outbox;
use crate::pipeline::Input;
use crate::scheduler::Changes;
use crate::stats::Stats;

/// Asks whoever started the service to load its configuration again.
pub(crate) type ReloadRequest = oneshot::Sender<Result<Changes, ReloadError>>;

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The new configuration cannot be used; the old one stays in force. Every problem on a line.
    #[error("the new configuration was refused and the old one stays in force:\n{0}")]
    Refused(String),
    /// The service is stopping, or another reload is waiting already.
    #[error("no reload now: the service is stopping, or too many reloads are waiting")]
    Busy,
}

/// The pipeline answers within microseconds once it is asked: longer means that it is stuck.
const DIAGNOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no diagnosis now: the service is stopping, or too busy")]
pub struct Busy;

/// A diagnosis with its remedies in the words of a platform, or in plain ones where it has none.
pub fn word(
    diagnosed: Diagnosed,
    factory: Option<&dyn SourceFactory>,
    settings: &DeviceSettings,
) -> Diagnosis {
    let own = |remedy: &Remedy| factory.and_then(|factory| factory.fix(remedy, settings));
    diagnosed.worded(|remedy| own(remedy).unwrap_or_else(|| remedy.plain()))
}

/// What the API and the commands may know and ask of the running service.
#[derive(Clone)]
pub struct Handle {
    pub(crate) live: Arc<Live>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) poller: PollerName,
    pub(crate) store: watch::Receiver<Option<Arc<dyn Store>>>,
    pub(crate) rules: Arc<ArcSwap<RuleSet>>,
    pub(crate) factories: Arc<Vec<Arc<dyn SourceFactory>>>,
    /// Questions to the pipeline, which alone knows the rules' memory.
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) reloads: mpsc::Sender<ReloadRequest>,
    pub(crate) last_reload_ok: Arc<std::sync::atomic::AtomicBool>,
}

impl Handle {
    /// What is known now, in memory.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// How the service itself is doing.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Our clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Our name among the pollers.
    pub fn poller(&self) -> &PollerName {
        &self.poller
    }

    /// The store, once it was reached.
    pub fn store(&self) -> Option<Arc<dyn Store>> {
        self.store.borrow().clone()
    }

    /// The rules in force.
    pub fn rules(&self) -> Arc<RuleSet> {
        self.rules.load_full()
    }

    /// What is wrong with a table, why and what to do, as of its newest reading. Nothing for a table that is
    /// not known.
    ///
    /// # Errors
    /// When the service is stopping, or too busy to answer soon.
    pub async fn diagnose(&self, device: &DeviceName, table: TableId) -> Result<Option<Diagnosis>, Busy> {
        let (answer, answered) = oneshot::channel();
        let question = Input::Diagnose { device: device.clone(), table, answer };
        let asked = async {
            self.inputs.send(question).await.map_err(|_stopped| Busy)?;
            answered.await.map_err(|_stopped| Busy)
        };
        let found = tokio::time::timeout(DIAGNOSE_TIMEOUT, asked).await.map_err(|_elapsed| Busy)??;
        Ok(found.map(|diagnosed| self.worded(device, diagnosed)))
    }

    fn worded(&self, device: &DeviceName, diagnosed: Diagnosed) -> Diagnosis {
        let platform = diagnosed.diagnosis.platform.clone();
        let factory = self.factories.iter().find(|factory| factory.platform() == platform);
        let settings = self.live.device(device).map(|status| Arc::clone(&status.device_settings));
        let settings = settings.unwrap_or_default();
        word(diagnosed, factory.map(|factory| &**factory), &settings)
    }

    /// How the platforms' shared parts are doing.
    pub fn hubs(&self) -> Vec<HubStatus> {
        self.factories.iter().flat_map(|factory| factory.hubs()).collect()
    }

    /// Whether the service does all of its work: it has a configuration, and the store has taken a batch.
    pub fn is_ready(&self) -> bool {
        Stats::read(&self.stats.commits_total) > 0 && Stats::read(&self.stats.store_away_since_micros) == 0
    }

    /// Whether the last reload took effect; true before the first.
    pub fn last_reload_succeeded(&self) -> bool {
        self.last_reload_ok.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Alert events as they are released.
    pub fn released(&self) -> broadcast::Receiver<Arc<AlertEvent>> {
        self.outbox.listen()
    }

    /// Loads the configuration again. A bad one changes nothing.
    ///
    /// # Errors
    /// When the configuration was refused, or the service is stopping.
    pub async fn reload(&self) -> Result<Changes, ReloadError> {
        let (answer, answered) = oneshot::channel();
        self.reloads.try_send(answer).map_err(|_| ReloadError::Busy)?;
        answered.await.unwrap_or(Err(ReloadError::Busy))
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("poller", &self.poller).finish_non_exhaustive()
    }
}
