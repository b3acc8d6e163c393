use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cliffwatch_model::{Ask, AskKind, ErrorKind, Poll, PollHeader, Reading, SourceError, Timestamp, Trigger};
use cliffwatch_rules::paused_until;
use cliffwatch_source::{PollContext, Target};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::answer::{Answer, question};
use super::canary::Lookout;
use super::schedule::{Schedule, Tick};
use super::session::Session;
use super::{Control, Shared};
use crate::pipeline::Input;

/// Pushed readings of one device become at most one poll in this time.
const URGENT_PAUSE: Duration = Duration::from_secs(1);
/// How long history may take to be read before the live polls begin; the design's number.
const BACKFILL_TIMEOUT: Duration = Duration::from_secs(10);
/// A question delays no poll, so that it may take longer than one: a new connection is given 5 s, and the
/// held one as much again.
const QUESTION_TIMEOUT_MIN: Duration = Duration::from_secs(12);

/// Polls one device until it is retired or the service stops.
pub(super) struct DeviceTask {
    shared: Arc<Shared>,
    target: Target,
    session: Session,
    schedule: Schedule,
    answer: Option<Answer>,
    lookout: Lookout,
}

impl DeviceTask {
    pub(super) fn new(shared: Arc<Shared>, target: Target, spread: Duration) -> Self {
        let session = Session::open(&shared, &target);
        let device = &target.device;
        let schedule = Schedule::new(&device.name, device.interval, shared.origin, Instant::now(), spread);
        let lookout = Lookout::new(target.canary.clone());
        Self { shared, target, session, schedule, answer: None, lookout }
    }

    pub(super) async fn run(
        mut self,
        mut controls: mpsc::Receiver<Control>,
        mut asks: mpsc::Receiver<Ask>,
        gap: Option<Timestamp>,
    ) {
        let stop = self.shared.stop.clone();
        self.backfill(gap).await;
        let mut asking: JoinSet<Option<Answer>> = JoinSet::new();
        let mut urgent_after = Instant::now();
        loop {
            // Looked at once for each tick at least.
            let paused = self.is_paused();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                control = controls.recv() => match control {
                    Some(Control::Change(target)) => self.change(*target).await,
                    Some(Control::Retire) | None => {
                        self.retire().await;
                        break;
                    }
                },
                Some(Ok(Some(answer))) = asking.join_next() => self.keep(answer),
                () = tokio::time::sleep_until(self.schedule.next()) => self.tick().await,
                seen = self.lookout.next(&self.shared), if !paused => self.keep(seen),
                Some(ask) = asks.recv(), if asking.is_empty() => self.start_asking(&ask, &mut asking),
                Some(reading) = pushed(self.session.pushed(), urgent_after) => {
                    urgent_after = Instant::now() + URGENT_PAUSE;
                    let now = self.shared.clock.now();
                    self.send(self.header(Trigger::Urgent, now, now, false), Ok(reading)).await;
                }
            }
        }
        self.shared.sources.forget(&self.target.device.name);
        self.session.close().await;
    }

    async fn tick(&mut self) {
        let tick = self.schedule.take(Instant::now());
        let slip = Instant::now().saturating_duration_since(tick.due);
        let late = slip > self.target.device.interval;
        let started_at = self.shared.clock.now();
        let panics = self.session.panics();
        let mut result = match self.paused_until(started_at) {
            Some(until) => Err(paused(until)),
            None => self.session.read(&self.shared, &self.target).await,
        };
        self.shared.sources.know(&self.target.device.name, self.session.source());
        if let Ok(reading) = &mut result
            && let Some(answer) = self.answer.take()
        {
            answer.into_reading(reading);
        }
        self.note(tick, slip, self.session.panics() > panics);
        let header = self.header(Trigger::Tick, started_at, self.shared.clock.now(), late);
        self.send(header, result).await;
        self.send_late_answer().await;
    }

    /// Two questions may be answered between two polls.
    fn keep(&mut self, answer: Answer) {
        match &mut self.answer {
            Some(kept) => kept.join(answer),
            None => self.answer = Some(answer),
        }
    }

    /// An answer that no good poll carried for an interval gets a poll of its own.
    async fn send_late_answer(&mut self) {
        let interval = self.target.device.interval;
        let waited = |answer: &mut Answer| answer.since.elapsed() >= interval;
        if let Some(answer) = self.answer.take_if(waited) {
            let mut reading = Reading::default();
            answer.into_reading(&mut reading);
            let now = self.shared.clock.now();
            self.send(self.header(Trigger::Answer, now, now, false), Ok(reading)).await;
        }
    }

    /// Counts what the tick tells about the schedule and the source.
    fn note(&self, tick: Tick, slip: Duration, panicked: bool) {
        let stats = &self.shared.stats;
        stats.missed_ticks_total.fetch_add(tick.missed, Ordering::Relaxed);
        stats.missed_ticks_unreported.fetch_add(tick.missed, Ordering::Relaxed);
        let micros = u64::try_from(slip.as_micros()).unwrap_or(u64::MAX);
        stats.slip_micros_max.fetch_max(micros, Ordering::Relaxed);
        stats.slip.note(slip);
        let warnings = self.session.warnings();
        self.shared.live.update(&self.target.device.name, |status| {
            status.missed_ticks_total += tick.missed;
            status.panics_total += u64::from(panicked);
            status.slip = slip;
            status.warnings = warnings;
        });
    }

    async fn change(&mut self, target: Target) {
        let old = std::mem::replace(&mut self.target, target);
        if old.canary != self.target.canary {
            self.lookout = Lookout::new(self.target.canary.clone());
        }
        self.shared.live.know(Arc::clone(&self.target.device));
        if old.device.interval != self.target.device.interval {
            let device = &self.target.device;
            self.schedule.change(&device.name, device.interval, Instant::now());
        }
        if needs_new_session(&old, &self.target)
            && let Err(error) = self.session.change(&self.shared, &old, &self.target).await
        {
            tracing::warn!(device = %self.target.device.name, %error, "The changed definition cannot be opened.");
        }
    }

    /// The last poll of a device that left the inventory: it closes the device's alerts.
    async fn retire(&mut self) {
        let now = self.shared.clock.now();
        let error = SourceError::new(ErrorKind::Retired, "the device left the inventory");
        self.send(self.header(Trigger::Tick, now, now, false), Err(error)).await;
    }

    /// Reads what a platform kept while we were away, before the first live poll.
    async fn backfill(&mut self, gap: Option<Timestamp>) {
        let now = self.shared.clock.now();
        let interval = self.target.device.interval;
        let due = |since: &Timestamp| now.since(*since) > interval * 2 && self.paused_until(now).is_none();
        let (Some(since), Some(source)) = (gap.filter(due), self.session.source()) else {
            return;
        };
        let cx = PollContext { clock: &*self.shared.clock, deadline: BACKFILL_TIMEOUT };
        match tokio::time::timeout(BACKFILL_TIMEOUT, source.backfill(&cx, since, now)).await {
            Ok(Ok(readings)) => {
                for reading in readings {
                    let at = self.shared.clock.now();
                    self.send(self.header(Trigger::Backfill, now, at, false), Ok(reading)).await;
                }
            }
            Ok(Err(error)) => {
                tracing::warn!(device = %self.target.device.name, %error, "The history of the gap could not be read.");
            }
            Err(_elapsed) => {
                tracing::warn!(device = %self.target.device.name, "The history of the gap took too long.");
            }
        }
    }

    /// Until when the device is worked on and not polled.
    fn paused_until(&self, now: Timestamp) -> Option<Timestamp> {
        let device = &self.target.device;
        paused_until(&self.shared.maintenance.load(), &device.name, &device.labels, now)
    }

    fn is_paused(&self) -> bool {
        self.paused_until(self.shared.clock.now()).is_some()
    }

    fn start_asking(&mut self, ask: &Ask, asking: &mut JoinSet<Option<Answer>>) {
        if self.is_paused() {
            return;
        }
        if ask.kind == AskKind::TryNewConnection {
            self.lookout.hurry();
        }
        if let Some(source) = self.session.source() {
            let work = question(
                Arc::clone(source),
                Arc::clone(&self.shared),
                self.target.device.timeout.max(QUESTION_TIMEOUT_MIN),
                ask.clone(),
            );
            asking.spawn(work);
        }
    }

    fn header(
        &self,
        trigger: Trigger,
        started_at: Timestamp,
        finished_at: Timestamp,
        late: bool,
    ) -> PollHeader {
        let device = &self.target.device;
        PollHeader {
            device: device.name.clone(),
            platform: device.platform.clone(),
            poller: self.shared.poller.clone(),
            // The pipeline numbers the polls: it knows where the store's numbers end.
            seq: 0,
            trigger,
            started_at,
            finished_at,
            interval: device.interval,
            late,
            lag: Duration::ZERO,
        }
    }

    async fn send(&self, header: PollHeader, result: Result<Reading, SourceError>) {
        let _the_pipeline_ended =
            self.shared.pipeline.send(Input::Poll(Poll { header, result })).await.is_err();
    }
}

/// What a tick finds while its device is worked on.
fn paused(until: Timestamp) -> SourceError {
    let message = format!("not polled during maintenance, until {until}");
    SourceError::new(ErrorKind::Busy, message)
}

/// Whether a changed definition reaches the device in another way. Labels, limits and times do not.
fn needs_new_session(old: &Target, new: &Target) -> bool {
    old.device.platform != new.device.platform
        || old.device.address != new.device.address
        || old.credential != new.credential
        || old.ssh != new.ssh
        || old.jump != new.jump
        || old.source_address != new.source_address
        || old.settings != new.settings
}

/// The next pushed reading, not before `after`. Never ready for a source that pushes nothing.
async fn pushed(receiver: Option<&mut mpsc::Receiver<Reading>>, after: Instant) -> Option<Reading> {
    let receiver = receiver?;
    tokio::time::sleep_until(after).await;
    receiver.recv().await
}
