use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{ErrorKind, Fault, FaultKind, Reading, SourceError};
use cliffwatch_source::{OpenError, Opened, PollContext, SessionSource, Target};
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Shared;

/// The first pause after a panic, and the longest: a source that always panics must not spin.
const RESTART_PAUSE: Duration = Duration::from_secs(1);
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(300);
/// How long a source may take to end its session in good order.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The source of one device: opened, reopened after a panic, and exchanged without a gap.
pub(super) struct Session {
    current: Result<Opened, SourceError>,
    /// A changed definition's source, until its first good poll.
    candidate: Option<Opened>,
    panics: u32,
    reopen_at: Option<Instant>,
}

impl Session {
    pub(super) fn open(shared: &Shared, target: &Target) -> Self {
        Self { current: open(shared, target), candidate: None, panics: 0, reopen_at: None }
    }

    pub(super) fn source(&self) -> Option<&Arc<dyn SessionSource>> {
        self.current.as_ref().ok().map(|opened| &opened.source)
    }

    /// What the source pushes, if it does.
    pub(super) fn pushed(&mut self) -> Option<&mut mpsc::Receiver<Reading>> {
        self.current.as_mut().ok()?.pushed.as_mut()
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.source().map(|source| source.warnings()).unwrap_or_default()
    }

    /// Takes a changed definition. The old session stays until the new one has answered, except where
    /// the credential changed: what was revoked must not be used on.
    pub(super) async fn change(
        &mut self,
        shared: &Shared,
        old: &Target,
        new: &Target,
    ) -> Result<(), SourceError> {
        self.abandon_candidate().await;
        if old.credential != new.credential || self.current.is_err() {
            self.close().await;
            *self = Self::open(shared, new);
            return self.current.as_ref().map(|_| ()).map_err(Clone::clone);
        }
        self.candidate = Some(open(shared, new)?);
        Ok(())
    }

    /// Reads the device once, within the deadline.
    pub(super) async fn read(&mut self, shared: &Shared, target: &Target) -> Result<Reading, SourceError> {
        let mut deadline = target.device.timeout;
        let mut missing = None;
        if let Some(candidate) = self.candidate.take() {
            deadline /= 2;
            match self.call(shared, &candidate.source, deadline).await {
                Ok(reading) => {
                    self.close().await;
                    self.current = Ok(candidate);
                    return Ok(reading);
                }
                Err(error) => {
                    missing = Some(not_yet(&error));
                    self.candidate = Some(candidate);
                }
            }
        }
        self.reopen(shared, target)?;
        let source = match &self.current {
            Ok(opened) => Arc::clone(&opened.source),
            Err(error) => return Err(error.clone()),
        };
        let mut reading = self.call(shared, &source, deadline).await?;
        reading.faults.extend(missing);
        Ok(reading)
    }

    /// Opens the source again after a panic, once its pause is over, and after a failed opening.
    fn reopen(&mut self, shared: &Shared, target: &Target) -> Result<(), SourceError> {
        match (&self.current, self.reopen_at) {
            (_, Some(at)) if Instant::now() < at => {
                let message = "the source panicked and is paused before its restart";
                return Err(SourceError::new(ErrorKind::Busy, message));
            }
            (Ok(_), None) => return Ok(()),
            (Ok(_) | Err(_), _) => {}
        }
        self.reopen_at = None;
        self.current = open(shared, target);
        Ok(())
    }

    /// One call, ended by its deadline whatever the source does, and surviving its panic.
    async fn call(
        &mut self,
        shared: &Shared,
        source: &Arc<dyn SessionSource>,
        deadline: Duration,
    ) -> Result<Reading, SourceError> {
        let cx = PollContext { clock: &*shared.clock, deadline };
        let call = AssertUnwindSafe(source.poll(&cx)).catch_unwind();
        match tokio::time::timeout(deadline, call).await {
            Ok(Ok(result)) => {
                self.panics = 0;
                result
            }
            Ok(Err(_panic)) => Err(self.panicked()),
            Err(_elapsed) => {
                Err(SourceError::new(ErrorKind::Timeout, format!("no answer within {deadline:?}")))
            }
        }
    }

    fn panicked(&mut self) -> SourceError {
        let pause = RESTART_PAUSE.saturating_mul(1 << self.panics.min(16)).min(RESTART_PAUSE_MAX);
        self.panics += 1;
        self.reopen_at = Some(Instant::now() + pause);
        SourceError::new(ErrorKind::Busy, format!("the source panicked; it is restarted after {pause:?}"))
            .with_hint("this is a defect of Cliffwatch: please report it with the log of this moment")
    }

    /// How often the source panicked since its last answer.
    pub(super) fn panics(&self) -> u32 {
        self.panics
    }

    async fn abandon_candidate(&mut self) {
        if let Some(candidate) = self.candidate.take() {
            end(&*candidate.source).await;
        }
    }

    /// Ends the session in good order.
    pub(super) async fn close(&mut self) {
        self.abandon_candidate().await;
        if let Some(source) = self.source() {
            end(&**source).await;
        }
    }
}

async fn end(source: &dyn SessionSource) {
    let _a_hung_device_is_left_alone = tokio::time::timeout(CLOSE_TIMEOUT, source.close()).await.is_err();
}

fn open(shared: &Shared, target: &Target) -> Result<Opened, SourceError> {
    let Some(factory) = shared.factory(&target.device) else {
        let message = format!("platform `{}` is not in this build", target.device.platform);
        return Err(SourceError::new(ErrorKind::Unreachable, message));
    };
    factory.open(target).map_err(|error| match error {
        // Without its secret the device cannot be logged in to: for the operator a credential problem.
        OpenError::Secret(error) => SourceError::new(ErrorKind::Auth, error.to_string()),
        OpenError::Settings(error) => SourceError::new(ErrorKind::Unreachable, error.to_string())
            .with_hint("run `cliffwatch check` on the inventory"),
    })
}

fn not_yet(error: &SourceError) -> Fault {
    let message = format!("the changed definition does not answer yet, the old session goes on: {error}");
    Fault { what: "new definition".into(), kind: FaultKind::Unsupported, message, hint: error.hint.clone() }
}
