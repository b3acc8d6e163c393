use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cliffwatch_model::{
    ErrorKind, EvidenceItem, Fault, FaultKind, NewConnection, Reachability, Reading, SourceError, TableKey,
};
use cliffwatch_source::{Connection, DialError, PollContext, ProbeContext, ProbeReport, SessionSource};
use cliffwatch_transport::ssh::{Mode, Reply, Script, SshError, SshHub, SshSession, SshTarget};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::config::{ConntrackStats, LinuxSettings, NamespacesFrom};
use crate::evidence::Questions;
use crate::fetch::{Pace, Part, census, script};
use crate::local::{self, Local};
use crate::log;
use crate::login::Plan;
use crate::parse::{Decoder, Sections};
use crate::probe;

/// How often a secret that the device rejects is looked up again: it may be a program that asks a vault.
const SECRET_PAUSE: Duration = Duration::from_secs(30);
/// How long a new connection is waited for: Linux sends a SYN three times in it (at 0, 1 and 3 s), so that
/// a lost packet is no finding.
const NEW_CONNECTION_PATIENCE: Duration = Duration::from_secs(5);

/// The least time for a first census; after it a poll must have twice what the last one took. A timeout
/// ends the held shell, so that one which came is not risked again for a while.
const CENSUS_TIME_MIN: Duration = Duration::from_millis(300);
const CENSUS_PAUSE: Duration = Duration::from_secs(120);
/// Of a poll's time, what is left after a census that is late: the rest of the poll is not lost with it.
const CENSUS_LEAVES: u32 = 10;

/// One Linux host.
#[derive(Debug)]
pub(crate) struct LinuxSource {
    way: Way,
    stats: ConntrackStats,
    namespaces: NamespacesFrom,
    /// None where the operator wants no table searched.
    questions: Option<Questions>,
    state: Mutex<State>,
}

#[derive(Debug)]
pub(crate) enum Way {
    Local(Local),
    Ssh(Box<Held>),
}

impl Way {
    fn has_lost_its_census(&self) -> bool {
        matches!(self, Self::Ssh(held) if held.has_lost_its_census())
    }
}

#[derive(Debug)]
struct State {
    pace: Pace,
    decoder: Decoder,
}

impl LinuxSource {
    pub(crate) fn new(
        way: Way,
        settings: &LinuxSettings,
        questions: Option<Questions>,
        decoder: Decoder,
    ) -> Self {
        let LinuxSettings { conntrack_stats: stats, namespaces, .. } = *settings;
        let state = Mutex::new(State { pace: Pace::default(), decoder });
        Self { way, stats, namespaces, questions, state }
    }
}

/// A reply, and what was read in it.
pub(crate) struct Answer {
    pub(crate) reading: Reading,
    pub(crate) sections: Sections,
}

impl LinuxSource {
    /// Reads a part, or the one that is due.
    pub(crate) async fn read(&self, part: Option<Part>, cx: &PollContext<'_>) -> Result<Answer, SourceError> {
        let asked = Instant::now();
        let deadline = asked + cx.deadline;
        let mut state = self.state.lock().await;
        let wants_all = state.decoder.wants_all() || self.way.has_lost_its_census();
        let due = if wants_all { Part::All } else { state.pace.due(asked) };
        let part = part.unwrap_or(due);
        let mut missed = None;
        let (sections, replied_at, round_trip) = match &self.way {
            Way::Local(local) => {
                let sections = timeout_at(deadline, local.read(part)).await.map_err(|_| {
                    SourceError::new(ErrorKind::Timeout, "this machine's own files were not read in time")
                })?;
                (sections, cx.clock.now(), None)
            }
            Way::Ssh(held) => {
                let Reply { mut stdout, round_trip, .. } =
                    held.ask(script(part, self.stats, self.namespaces), deadline).await?;
                let replied_at = cx.clock.now();
                let census = if part == Part::All { census(self.namespaces) } else { &[] };
                if !census.is_empty() {
                    let deadline = deadline - cx.deadline / CENSUS_LEAVES;
                    missed = held.count(census, deadline, &mut stdout).await;
                }
                (Sections::parse(&stdout)?, replied_at, Some(round_trip))
            }
        };
        let mut reading = state.decoder.read(&sections, replied_at, round_trip)?;
        reading.faults.extend(missed);
        state.pace.done(part, asked);
        Ok(Answer { reading, sections })
    }

    pub(crate) fn way(&self) -> &Way {
        &self.way
    }

    /// The device's settings, and who logs in.
    pub(crate) async fn settings(&self) -> (LinuxSettings, String) {
        let decoder = &self.state.lock().await.decoder;
        (decoder.settings(), decoder.login().to_owned())
    }
}

#[async_trait]
impl SessionSource for LinuxSource {
    async fn poll(&self, cx: &PollContext<'_>) -> Result<Reading, SourceError> {
        Ok(self.read(None, cx).await?.reading)
    }

    async fn probe(&self, cx: &ProbeContext<'_>) -> ProbeReport {
        probe::probe(self, cx).await
    }

    async fn try_new_connection(&self, cx: &PollContext<'_>) -> Result<Option<Reachability>, SourceError> {
        let Way::Ssh(held) = &self.way else { return Ok(None) };
        let tried = held.session().try_new(NEW_CONNECTION_PATIENCE.min(cx.deadline / 2)).await?;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let new = NewConnection {
            connect_ms: tried.new.connected.map(ms),
            error: tried.new.error.as_ref().map(SshError::kind),
            waited_ms: Some(ms(tried.new.waited)),
        };
        Ok(Some(Reachability { held_ms: tried.held.map(ms), new: Some(new), canary: None }))
    }

    async fn dial(&self, to: SocketAddr) -> Result<Connection, DialError> {
        let Way::Ssh(held) = &self.way else {
            let message = "the device is this machine: write `from: local`";
            return Err(DialError::NotTried(SourceError::new(ErrorKind::Unreachable, message)));
        };
        match held.session().dial(to).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error @ SshError::Connect { .. }) => Err(DialError::Failed(error.kind())),
            Err(error) => Err(DialError::NotTried(error.into())),
        }
    }

    async fn evidence(
        &self,
        cx: &PollContext<'_>,
        table: &TableKey,
    ) -> Result<Vec<EvidenceItem>, SourceError> {
        let Some(questions) = &self.questions else { return Ok(Vec::new()) };
        let deadline = Instant::now() + cx.deadline;
        let namespace = self.namespace(table, deadline).await?;
        let question = questions.about(table.id(), namespace);
        let (listing, log) =
            tokio::join!(self.run(question.script(), deadline), self.run(&log::SCRIPT, deadline));
        let known = self.state.lock().await;
        let name_of = |netns| known.decoder.namespace_of(netns).map(str::to_owned);
        let log = log.ok().and_then(|reply| log::item(&reply, table, questions.login(), name_of));
        match listing.and_then(|reply| question.answer(&reply)) {
            Ok(items) => Ok(items.into_iter().chain(log).collect()),
            // What the log says is worth having alone.
            Err(error) => match log.filter(log::tells_something) {
                Some(log) => Ok(vec![EvidenceItem::not_gathered(table.id(), &error), log]),
                None => Err(error),
            },
        }
    }

    fn warnings(&self) -> Vec<String> {
        match &self.way {
            Way::Local(_) => Vec::new(),
            Way::Ssh(held) => held.warnings(),
        }
    }

    async fn close(&self) {
        if let Way::Ssh(held) = &self.way {
            held.session().close().await;
        }
    }
}

impl LinuxSource {
    /// The namespace that holds a table, by the inode of its statistics; none for the login's own.
    async fn namespace(&self, table: &TableKey, deadline: Instant) -> Result<Option<u64>, SourceError> {
        let state = timeout_at(deadline, self.state.lock()).await;
        let state = state.map_err(|_| SourceError::new(ErrorKind::Busy, "a poll is still under way"))?;
        if **state.decoder.own_table() == *table {
            return Ok(None);
        }
        let inode = state.decoder.namespace_with(table);
        inode.map(Some).ok_or_else(|| SourceError::new(ErrorKind::NoData, "its namespace is no longer there"))
    }

    /// Runs a script beside the polls.
    async fn run(&self, script: &Script, deadline: Instant) -> Result<Vec<u8>, SourceError> {
        match &self.way {
            Way::Local(_) => {
                let words = ["sh", "-c", script.text()];
                let printed = timeout_at(deadline, local::run(&words)).await;
                let late = |_| SourceError::new(ErrorKind::Timeout, "this machine did not answer in time");
                let failed = |error| SourceError::new(ErrorKind::NoData, format!("sh: {error}"));
                Ok(printed.map_err(late)?.map_err(failed)?.into_bytes())
            }
            Way::Ssh(held) => Ok(held.beside(script, deadline).await?.stdout),
        }
    }
}

/// Adds what the scripts print; how long they took.
async fn answers(
    session: &SshSession,
    scripts: &[&Script],
    deadline: Instant,
    reply: &mut Vec<u8>,
) -> Result<Duration, SshError> {
    let mut took = Duration::ZERO;
    for script in scripts {
        let answer = session.ask_slow(script, deadline).await?;
        took += answer.round_trip;
        reply.extend(answer.stdout);
    }
    Ok(took)
}

/// The held session, and what is needed to make it anew with a changed secret.
#[derive(Debug)]
pub(crate) struct Held {
    hub: Arc<SshHub>,
    plan: Plan,
    current: std::sync::Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    session: Arc<SshSession>,
    target: SshTarget,
    looked_at: Option<Instant>,
    census_took: Duration,
    census_at: Option<Instant>,
    census_not_before: Option<Instant>,
}

impl Held {
    pub(crate) fn new(hub: Arc<SshHub>, plan: Plan, target: SshTarget) -> Self {
        let session = Arc::new(hub.session(target.clone()));
        let current = Current {
            session,
            target,
            looked_at: None,
            census_took: Duration::ZERO,
            census_at: None,
            census_not_before: None,
        };
        Self { hub, plan, current: current.into() }
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) async fn ask(&self, script: &Script, deadline: Instant) -> Result<Reply, SshError> {
        let answer = self.session().ask(script, deadline).await;
        let rejected = |error: &SshError| matches!(error.kind(), ErrorKind::Auth | ErrorKind::Breaker);
        match &answer {
            Err(error) if rejected(error) && self.renew(deadline).await => {
                self.session().ask(script, deadline).await
            }
            _ => answer,
        }
    }

    /// Adds the census to the minute's reply. What goes wrong with it leaves the rest as it is.
    async fn count(&self, census: &[&Script], deadline: Instant, reply: &mut Vec<u8>) -> Option<Fault> {
        let session = self.session();
        // A forced command has printed all that it ever prints.
        if session.status().mode == Some(Mode::ForcedCommand) {
            return None;
        }
        let now = Instant::now();
        let needs = (self.current().census_took * 2).max(CENSUS_TIME_MIN);
        let why = if now + needs > deadline || self.pauses_its_census() {
            format!("the poll's timeout is too short for the census, which needs {} ms", needs.as_millis())
        } else {
            match answers(&session, census, deadline, reply).await {
                Ok(took) => {
                    let mut current = self.current();
                    current.census_took = took;
                    current.census_at = Some(now);
                    return None;
                }
                Err(error) => {
                    self.current().census_not_before = Some(now + CENSUS_PAUSE);
                    format!("the census failed: {error}")
                }
            }
        };
        Some(Fault::new("per-namespace counts", FaultKind::Timeout, why))
    }

    /// Whether the shell that kept the last census's list has gone.
    fn has_lost_its_census(&self) -> bool {
        let (status, census_at) = (self.session().status(), self.current().census_at);
        let is_since = |at: Instant| status.shell_for.is_some_and(|age| age >= at.elapsed());
        status.mode == Some(Mode::ShellLoop)
            && census_at.is_some_and(|at| !is_since(at))
            && !self.pauses_its_census()
    }

    fn pauses_its_census(&self) -> bool {
        self.current().census_not_before.is_some_and(|at| Instant::now() < at)
    }

    /// Runs a script in a channel of its own beside the held shell, so that no poll waits for it.
    async fn beside(&self, script: &Script, deadline: Instant) -> Result<Reply, SourceError> {
        let session = self.session();
        if session.status().mode == Some(Mode::ForcedCommand) {
            let why = "the login is bound to one command, and cannot be asked who fills a table";
            return Err(SourceError::new(ErrorKind::NoData, why).with_hint(
                "give it a second key with a POSIX shell, or set `settings: { evidence: false }`",
            ));
        }
        Ok(session.exec(script, deadline).await?)
    }

    /// Makes a new session where the secret has changed since the last one. The hub knows the rejected
    /// one's breaker, and lets one device try the new one first.
    async fn renew(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        {
            let mut current = self.current();
            if current.looked_at.is_some_and(|at| now < at + SECRET_PAUSE) {
                return false;
            }
            current.looked_at = Some(now);
        }
        let plan = self.plan.clone();
        // A file on a network share, or a program, may take its time.
        let read = tokio::task::spawn_blocking(move || plan.target());
        let target = match timeout_at(deadline, read).await {
            Ok(Ok(Ok(target))) => target,
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "A rejected secret could not be read again.");
                return false;
            }
            _ => return false,
        };
        let mut current = self.current();
        let same = |old: &SshTarget| old.login == target.login && old.jump == target.jump;
        if same(&current.target) {
            return false;
        }
        current.session = Arc::new(self.hub.session(target.clone()));
        current.target = target;
        true
    }

    pub(crate) fn session(&self) -> Arc<SshSession> {
        Arc::clone(&self.current().session)
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warnings(&self) -> Vec<String> {
        let status = self.session().status();
        let fallback = match status.mode {
            Some(Mode::Exec) => Some(
                "the login keeps no shell open: each poll starts a process on the device; give it a POSIX shell",
            ),
            Some(Mode::ShellLoop | Mode::ForcedCommand) | None => None,
        };
        status.warnings.into_iter().chain(fallback).map(str::to_owned).collect()
    }
}
