use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use cliffwatch_model::{Ask, Device, NameError, PollerName};
use cliffwatch_rules::{Maintenance, RuleSet};
use cliffwatch_source::{Clock, Dial, SourceFactory, Target};
use cliffwatch_store::{Retention, Store, StoreError};
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backlog::Backlog;
use crate::clock::SystemClock;
use crate::handle::{Handle, ReloadRequest};
use crate::housekeeping;
use crate::live::Live;
use crate::ourselves::{self, OurselvesFactory};
use crate::outbox::Outbox;
use crate::pipeline::{Input, Parts, Pipeline};
use crate::scheduler::{Changes, Scheduler, Shared, Sources};
use crate::startup;
use crate::stats::Stats;
use crate::writer::Writer;

/// Polls that may wait for the pipeline. It takes microseconds a poll: more waiting means it is stuck, and
/// then pollers shall wait, too.
const POLLS_WAITING_MAX: usize = 1_024;
/// Questions that may wait for the scheduler.
const ASKS_WAITING_MAX: usize = 256;
/// Reloads that may wait.
const RELOADS_WAITING_MAX: usize = 4;
/// How long polls under way may take to end at a stop, and then the last commit.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the store: again and again while it is away.
pub type StoreOpener = Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Store>, StoreError>> + Send + Sync>;

/// What the service does; a reload brings another.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The devices.
    pub targets: Vec<Target>,
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// When devices are worked on.
    pub maintenance: Arc<[Maintenance]>,
    /// How long history is kept.
    pub retention: Retention,
}

/// What the service is started with.
pub struct Options {
    /// Our name among the pollers.
    pub poller: PollerName,
    /// Where the events journal lies.
    pub journal: PathBuf,
    /// Opens the store.
    pub store: StoreOpener,
    /// The platforms.
    pub factories: Vec<Arc<dyn SourceFactory>>,
    /// Makes the connections of canaries on this machine.
    pub dial: Dial,
    /// What to do.
    pub plan: Plan,
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The events journal cannot be used.
    #[error("the events journal `{path}` cannot be used: {error}")]
    Journal {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The store can never be used as it is. (One that is merely away does not stop the start.)
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A reserved name is not valid: a defect.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// The running service.
pub struct Service {
    handle: Handle,
    inputs: mpsc::Sender<Input>,
    scheduler: Arc<Mutex<Scheduler>>,
    reloads: Mutex<mpsc::Receiver<ReloadRequest>>,
    retention: watch::Sender<Retention>,
    ourselves: Target,
    stops: Stops,
    tasks: Tasks,
}

/// Stopped one after the other: who produces first.
struct Stops {
    polling: CancellationToken,
    storing: CancellationToken,
}

struct Tasks {
    pipeline: JoinHandle<()>,
    writer: JoinHandle<()>,
    outbox: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
}

impl Service {
    /// Starts polling. The store may be away: sessions are held and polls buffered until it comes.
    ///
    /// # Errors
    /// When the journal cannot be used, or the store never can.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let Options { poller, journal, store, mut factories, dial, plan } = options;
        let stats = Arc::new(Stats::default());
        let clock = Arc::new(SystemClock::new());
        let own = ourselves::platform()?;
        factories.push(Arc::new(OurselvesFactory {
            platform: own.clone(),
            stats: Arc::clone(&stats),
            clock: Some(Arc::clone(&clock)),
        }));
        let system_clock = Arc::clone(&clock);
        let clock: Arc<dyn Clock> = clock;
        let (outbox, journaled) = Outbox::open(&journal, Arc::clone(&stats))
            .map_err(|error| StartError::Journal { path: journal.clone(), error })?;
        let opened = startup::first_open(&store, &*clock, &stats).await?;
        let ourselves = ourselves::target(own);
        let (inputs, incoming) = mpsc::channel(POLLS_WAITING_MAX);
        let (asks, asked) = mpsc::channel(ASKS_WAITING_MAX);
        let (reloads, reload_requests) = mpsc::channel(RELOADS_WAITING_MAX);
        let (store_found, store_seen) = watch::channel(None);
        let stops = Stops { polling: CancellationToken::new(), storing: CancellationToken::new() };
        let handle = Handle {
            live: Arc::new(Live::default()),
            stats,
            outbox: Arc::new(outbox),
            clock,
            poller,
            store: store_seen,
            rules: Arc::new(ArcSwap::new(Arc::clone(&plan.rules))),
            factories: Arc::new(factories),
            inputs: inputs.clone(),
            reloads,
            last_reload_ok: Arc::new(AtomicBool::new(true)),
        };
        let backlog = Arc::new(Backlog::default());
        let parts = handle.parts(Arc::clone(&backlog), asks, journaled, Arc::clone(&plan.maintenance));
        let targets = with_ourselves(plan.targets, &ourselves);
        let pipeline = Pipeline::new(plan.rules, devices(&targets), parts);
        let pipeline = tokio::spawn(startup::run_pipeline(pipeline, incoming));
        let shared = Arc::new(handle.shared(&inputs, dial, plan.maintenance, stops.polling.clone()));
        let scheduler = Arc::new(Mutex::new(Scheduler::new(shared)));
        let (retention, retained) = watch::channel(plan.retention);
        let gaps = startup::resume(opened, &handle, &inputs, &store_found).await;
        if let Some(newest) = gaps.values().max() {
            system_clock.not_before(*newest);
        }
        let writer = handle.writer(backlog);
        let others = vec![
            tokio::spawn(route_asks(asked, Arc::clone(&scheduler))),
            tokio::spawn(housekeeping::retain(handle.clone(), retained, stops.storing.clone())),
            tokio::spawn(startup::find_store(
                store,
                handle.clone(),
                inputs.clone(),
                store_found,
                stops.storing.clone(),
            )),
        ];
        let tasks = Tasks {
            pipeline,
            writer: tokio::spawn(writer.run(stops.storing.clone())),
            outbox: tokio::spawn(Arc::clone(&handle.outbox).run(stops.storing.clone())),
            others,
        };
        scheduler.lock().await.apply(targets, &gaps).await;
        let reloads = Mutex::new(reload_requests);
        Ok(Self { handle, inputs, scheduler, reloads, retention, ourselves, stops, tasks })
    }

    /// What the API and the commands may know and ask.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// The next request for a reload, with the way to answer it.
    pub async fn reload_requested(&self) -> Option<ReloadRequest> {
        self.reloads.lock().await.recv().await
    }

    /// Takes a new plan. Only devices that differ are touched.
    pub async fn apply(&self, plan: Plan) -> Changes {
        let targets = with_ourselves(plan.targets, &self.ourselves);
        self.handle.rules.store(Arc::clone(&plan.rules));
        let maintenance = Arc::clone(&plan.maintenance);
        let configure = Input::Configure { rules: plan.rules, maintenance, devices: devices(&targets) };
        let _stopping = self.inputs.send(configure).await.is_err();
        self.retention.send_replace(plan.retention);
        let mut scheduler = self.scheduler.lock().await;
        scheduler.maintain(plan.maintenance);
        scheduler.apply(targets, &HashMap::new()).await
    }

    /// Notes how a reload went, for `/metrics`.
    pub fn reloaded(&self, succeeded: bool) {
        self.handle.last_reload_ok.store(succeeded, Ordering::Relaxed);
    }

    /// Stops in order: no new polls, those under way to the end, everything stored, everything released.
    pub async fn stop(self) {
        let deadline = Instant::now() + STOP_TIMEOUT;
        self.stops.polling.cancel();
        let scheduler = self.scheduler.lock().await;
        let late = tokio::time::timeout_at(deadline, scheduler.stopped()).await.is_err();
        drop(scheduler);
        if late {
            tracing::warn!("Some polls did not end in time and were dropped.");
        }
        let _ended_already = self.inputs.send(Input::SaveAll).await.is_err();
        let _ended_already = self.inputs.send(Input::Stop).await.is_err();
        drop(self.inputs);
        finish(self.tasks.pipeline, deadline, "pipeline").await;
        self.stops.storing.cancel();
        finish(self.tasks.writer, deadline + STOP_TIMEOUT, "writer").await;
        finish(self.tasks.outbox, deadline + STOP_TIMEOUT, "outbox").await;
        for task in self.tasks.others {
            task.abort();
        }
        if let Some(store) = self.handle.store() {
            let _late = tokio::time::timeout(STOP_TIMEOUT, store.close()).await.is_err();
        }
    }
}

impl Handle {
    fn parts(
        &self,
        backlog: Arc<Backlog>,
        asks: mpsc::Sender<Ask>,
        journaled: Vec<cliffwatch_model::AlertEvent>,
        maintenance: Arc<[Maintenance]>,
    ) -> Parts {
        Parts {
            clock: Arc::clone(&self.clock),
            backlog,
            outbox: Arc::clone(&self.outbox),
            live: Arc::clone(&self.live),
            stats: Arc::clone(&self.stats),
            asks,
            journaled,
            maintenance,
        }
    }

    fn shared(
        &self,
        pipeline: &mpsc::Sender<Input>,
        dial: Dial,
        maintenance: Arc<[Maintenance]>,
        stop: CancellationToken,
    ) -> Shared {
        Shared {
            clock: Arc::clone(&self.clock),
            poller: self.poller.clone(),
            factories: Arc::clone(&self.factories),
            live: Arc::clone(&self.live),
            stats: Arc::clone(&self.stats),
            pipeline: pipeline.clone(),
            origin: Instant::now(),
            stop,
            sources: Sources::default(),
            dial,
            maintenance: ArcSwap::from_pointee(maintenance),
        }
    }

    fn writer(&self, backlog: Arc<Backlog>) -> Writer {
        Writer {
            backlog,
            outbox: Arc::clone(&self.outbox),
            store: self.store.clone(),
            clock: Arc::clone(&self.clock),
            poller: self.poller.clone(),
            stats: Arc::clone(&self.stats),
        }
    }
}

async fn route_asks(mut asked: mpsc::Receiver<Ask>, scheduler: Arc<Mutex<Scheduler>>) {
    while let Some(ask) = asked.recv().await {
        scheduler.lock().await.ask(ask);
    }
}

async fn finish(mut task: JoinHandle<()>, deadline: Instant, name: &str) {
    if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
        task.abort();
        tracing::error!(task = name, "A part of the service did not stop in time.");
    }
}

fn with_ourselves(mut targets: Vec<Target>, ourselves: &Target) -> Vec<Target> {
    targets.push(ourselves.clone());
    targets
}

fn devices(targets: &[Target]) -> Vec<Arc<Device>> {
    targets.iter().map(|target| Arc::clone(&target.device)).collect()
}
