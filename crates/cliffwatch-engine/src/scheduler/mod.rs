//! One task per device that only produces polls, into one bounded channel.
//!
//! A full channel makes a task wait; a tick that passes meanwhile is counted. A slow, dead or panicking
//! device costs itself only.

mod answer;
mod canary;
mod device;
mod schedule;
mod session;
mod sources;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use cliffwatch_model::{Ask, Device, DeviceName, PollerName, Timestamp};
use cliffwatch_rules::Maintenance;
use cliffwatch_source::{Clock, Dial, SourceFactory, Target};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::live::Live;
use crate::pipeline::Input;
use crate::stats::Stats;
pub use canary::CANARY_EVERY;
use device::DeviceTask;
pub(crate) use sources::Sources;

/// Changes that may wait for one device; a reload sends one, a retirement another.
const CONTROLS_MAX: usize = 4;
/// Questions that may wait for one device; more are dropped, since the rules ask again.
const ASKS_MAX: usize = 4;
/// At the start one device more is polled after each such step, so that thousands do not log in at once: a
/// login costs one core up to 2 ms, and what is late after its first one is late for its polls, too.
const START_STEP: Duration = Duration::from_millis(4);

/// What every device task shares.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) poller: PollerName,
    pub(crate) factories: Arc<Vec<Arc<dyn SourceFactory>>>,
    pub(crate) live: Arc<Live>,
    pub(crate) stats: Arc<Stats>,
    pub(crate) pipeline: mpsc::Sender<Input>,
    pub(crate) origin: Instant,
    pub(crate) stop: CancellationToken,
    pub(crate) sources: Sources,
    /// For canaries on this machine.
    pub(crate) dial: Dial,
    /// When devices are worked on.
    pub(crate) maintenance: ArcSwap<Arc<[Maintenance]>>,
}

impl Shared {
    pub(crate) fn factory(&self, device: &Device) -> Option<&Arc<dyn SourceFactory>> {
        self.factories.iter().find(|factory| factory.platform() == device.platform)
    }
}

/// What a reload changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Changes {
    /// Devices that are new.
    pub added: usize,
    /// Devices that are no longer there.
    pub retired: usize,
    /// Devices whose definition differs.
    pub changed: usize,
    /// Devices that were not touched.
    pub unchanged: usize,
}

/// The device tasks.
pub(crate) struct Scheduler {
    shared: Arc<Shared>,
    tasks: TaskTracker,
    devices: HashMap<DeviceName, Running>,
}

struct Running {
    target: Target,
    control: mpsc::Sender<Control>,
    asks: mpsc::Sender<Ask>,
}

/// What a device task is told.
enum Control {
    Change(Box<Target>),
    Retire,
}

impl Scheduler {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, tasks: TaskTracker::new(), devices: HashMap::new() }
    }

    /// Brings the tasks in line with the inventory; only devices that differ are touched. `gaps` holds
    /// when each device was last polled before our start.
    pub(crate) async fn apply(
        &mut self,
        targets: Vec<Target>,
        gaps: &HashMap<DeviceName, Timestamp>,
    ) -> Changes {
        let mut changes = Changes::default();
        let kept: std::collections::HashSet<DeviceName> =
            targets.iter().map(|t| t.device.name.clone()).collect();
        let retired: Vec<DeviceName> =
            self.devices.keys().filter(|name| !kept.contains(*name)).cloned().collect();
        for name in retired {
            changes.retired += 1;
            if let Some(running) = self.devices.remove(&name) {
                let _stopping_anyway = running.control.send(Control::Retire).await.is_err();
            }
        }
        let spread = START_STEP.saturating_mul(u32::try_from(targets.len()).unwrap_or(u32::MAX));
        for target in targets {
            match self.devices.get_mut(&target.device.name) {
                Some(running) if running.target == target => changes.unchanged += 1,
                Some(running) => {
                    changes.changed += 1;
                    running.target = target.clone();
                    let _stopping_anyway =
                        running.control.send(Control::Change(Box::new(target))).await.is_err();
                }
                None => {
                    changes.added += 1;
                    let gap = gaps.get(&target.device.name).copied();
                    self.start(target, spread, gap);
                }
            }
        }
        changes
    }

    fn start(&mut self, target: Target, spread: Duration, gap: Option<Timestamp>) {
        let (control, controls) = mpsc::channel(CONTROLS_MAX);
        let (asks, asked) = mpsc::channel(ASKS_MAX);
        self.shared.live.know(Arc::clone(&target.device));
        let name = target.device.name.clone();
        let task = DeviceTask::new(Arc::clone(&self.shared), target.clone(), spread);
        self.tasks.spawn(task.run(controls, asked, gap));
        self.devices.insert(name, Running { target, control, asks });
    }

    /// Takes when devices are worked on.
    pub(crate) fn maintain(&self, maintenance: Arc<[Maintenance]>) {
        self.shared.maintenance.store(Arc::new(maintenance));
    }

    /// Hands a question to its device. One that does not fit is dropped: the rules ask again.
    pub(crate) fn ask(&self, ask: Ask) {
        if let Some(running) = self.devices.get(&ask.device) {
            let _full_is_fine = running.asks.try_send(ask).is_err();
        }
    }

    /// Waits until every task has ended, after the stop was called.
    pub(crate) async fn stopped(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
