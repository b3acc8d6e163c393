//! The first minute: reaching the store, and going on where its history ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cliffwatch_model::{DeviceName, Timestamp};
use cliffwatch_source::Clock;
use cliffwatch_store::{Store, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::handle::Handle;
use crate::pipeline::{Input, Pipeline};
use crate::resume::{self, Resumed};
use crate::service::StoreOpener;
use crate::stats::Stats;

/// How long the start waits for the store before it goes on without.
const FIRST_OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pauses between attempts to reach a store that is away.
const OPEN_PAUSE: Duration = Duration::from_secs(2);
/// How long polls wait for the store's memory before they are evaluated without it; the design's number.
const WITHOUT_STORE_AFTER: Duration = Duration::from_secs(60);
/// Polls that wait for the store's memory: a minute of ten thousand devices at ten seconds.
const WAITING_POLLS_MAX: usize = 60_000;

/// Opens the store, or gives nothing when it is away. One that can never be used stops the start.
pub(crate) async fn first_open(
    open: &StoreOpener,
    clock: &dyn Clock,
    stats: &Stats,
) -> Result<Option<Arc<dyn Store>>, StoreError> {
    let error = match tokio::time::timeout(FIRST_OPEN_TIMEOUT, open()).await {
        Ok(Ok(store)) => return Ok(Some(store)),
        Ok(Err(error)) if !error.is_retryable() => return Err(error),
        Ok(Err(error)) => error.to_string(),
        Err(_elapsed) => format!("no answer within {FIRST_OPEN_TIMEOUT:?}"),
    };
    tracing::error!(error, "The store is away: devices are polled and alerts go on, nothing is stored yet.");
    let now = u64::try_from(clock.now().as_micros()).unwrap_or(1);
    stats.store_away_since_micros.store(now, Ordering::Relaxed);
    Ok(None)
}

/// Goes on where an opened store's history ends, and tells when each device was last polled.
pub(crate) async fn resume(
    opened: Option<Arc<dyn Store>>,
    handle: &Handle,
    inputs: &mpsc::Sender<Input>,
    found: &watch::Sender<Option<Arc<dyn Store>>>,
) -> HashMap<DeviceName, Timestamp> {
    let Some(store) = opened else { return HashMap::new() };
    match resume::read(&*store, &handle.poller).await {
        Ok(resumed) => {
            let gaps = gaps(&resumed);
            hand_over(store, resumed, inputs, found).await;
            gaps
        }
        Err(error) => {
            tracing::error!(%error, hint = error.hint(), "The store's history cannot be read yet.");
            HashMap::new()
        }
    }
}

/// Keeps trying to reach a store that was away at the start.
pub(crate) async fn find_store(
    open: StoreOpener,
    handle: Handle,
    inputs: mpsc::Sender<Input>,
    found: watch::Sender<Option<Arc<dyn Store>>>,
    stop: CancellationToken,
) {
    while found.borrow().is_none() && !stop.is_cancelled() {
        match try_once(&open, &handle).await {
            Ok((store, resumed)) => {
                hand_over(store, resumed, &inputs, &found).await;
                tracing::info!("The store was reached; its open alerts are continued.");
            }
            Err(error) => {
                tracing::debug!(%error, "The store is still away.");
                let _stopped = tokio::time::timeout(OPEN_PAUSE, stop.cancelled()).await.is_ok();
            }
        }
    }
    // The store's cell lives as long as the service.
    stop.cancelled().await;
}

async fn try_once(open: &StoreOpener, handle: &Handle) -> Result<(Arc<dyn Store>, Resumed), StoreError> {
    let away = || StoreError::Unavailable { what: "no answer in time".into(), hint: None };
    let store = tokio::time::timeout(FIRST_OPEN_TIMEOUT, open()).await.map_err(|_| away())??;
    let resumed = resume::read(&*store, &handle.poller).await?;
    Ok((store, resumed))
}

async fn hand_over(
    store: Arc<dyn Store>,
    resumed: Resumed,
    inputs: &mpsc::Sender<Input>,
    found: &watch::Sender<Option<Arc<dyn Store>>>,
) {
    // First the pipeline, so that its numbers go on from the store's before anything is written.
    let _stopping = inputs.send(Input::Resume(Box::new(resumed))).await.is_err();
    found.send_replace(Some(store));
}

fn gaps(resumed: &Resumed) -> HashMap<DeviceName, Timestamp> {
    resumed.devices.iter().filter_map(|(name, before)| Some((name.clone(), before.polled_at()?))).collect()
}

/// Runs the pipeline. Until the store's memory comes, polls wait; after a minute they are folded without.
pub(crate) async fn run_pipeline(mut pipeline: Pipeline, mut inputs: mpsc::Receiver<Input>) {
    let mut waiting = Vec::new();
    let deadline = Instant::now() + WITHOUT_STORE_AFTER;
    while waiting.len() < WAITING_POLLS_MAX {
        match tokio::time::timeout_at(deadline, inputs.recv()).await {
            Ok(Some(Input::Poll(poll))) => waiting.push(poll),
            Ok(Some(configure @ Input::Configure { .. })) => pipeline.take(configure),
            Ok(Some(Input::Resume(resumed))) => {
                pipeline.take(Input::Resume(resumed));
                break;
            }
            Ok(Some(question @ Input::Diagnose { .. })) => pipeline.take(question),
            Ok(Some(Input::SaveAll | Input::Stop) | None) | Err(_) => break,
        }
    }
    pipeline.start();
    for poll in waiting {
        pipeline.take(Input::Poll(poll));
    }
    while let Some(input) = inputs.recv().await {
        if matches!(input, Input::Stop) {
            break;
        }
        pipeline.take(input);
    }
}
