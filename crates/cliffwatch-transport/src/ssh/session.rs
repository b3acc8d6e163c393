mod link;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard as StdMutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, timeout, timeout_at};

use self::link::{Link, RUNNING, Request};
use super::connect::{Endpoint, Route};
use super::connection::{Connection, SessionChannel};
use super::error::SshError;
use super::host_key::ShownKey;
use super::hub::{OpenBreaker, SshHub};
use super::jump::JumpHost;
use super::script::Script;
use super::shell::{self, Fault, Reply, ShellLoop};
use super::target::{Address, SshTarget};

/// A request that is under way may take so long to notice that the session is closed.
const CLOSE_PATIENCE: Duration = Duration::from_millis(500);

/// How scripts are run on the held connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A shell stays and is fed one line per poll: the cheapest, and the rule.
    ShellLoop,
    /// The far side keeps no shell for us (a restricted shell): one command per poll.
    Exec,
    /// The login runs one fixed command, or takes commands by their plain text: what it prints is the
    /// reply.
    ForcedCommand,
}

impl Mode {
    /// `shell-loop`, `exec` or `forced-command`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ShellLoop => "shell-loop",
            Self::Exec => "exec",
            Self::ForcedCommand => "forced-command",
        }
    }
}

/// One held connection to one device.
///
/// Nothing is sent before the first request; after a failure the next request connects anew, within what
/// breakers, back-off and login cap allow. Dropping the session cuts the connection, [`Self::close`] ends
/// it politely.
pub struct SshSession {
    hub: Arc<SshHub>,
    endpoint: Endpoint,
    route: Route,
    link: Mutex<Link>,
    view: StdMutex<View>,
    retired: AtomicBool,
}

/// What a session looks like from outside, now.
#[derive(Clone, Debug, Default)]
pub struct SshStatus {
    /// How scripts are run; `None` where not connected.
    pub mode: Option<Mode>,
    /// Age of the held connection; `None` where there is none.
    pub connected_for: Option<Duration>,
    /// Age of the shell that is held on it; `None` where there is none.
    pub shell_for: Option<Duration>,
    /// Logins sent to this device since the start, by every session of it.
    pub logins_total: u64,
    /// What keeps the next login from being sent.
    pub breaker: Option<OpenBreaker>,
    /// The key that the device showed on the held connection.
    pub host_key: Option<ShownKey>,
    /// The device's software: `SSH-2.0-OpenSSH_9.2p1`.
    pub server_version: Option<String>,
    /// Negotiated key exchange.
    pub key_exchange: Option<String>,
    /// Negotiated cipher.
    pub cipher: Option<String>,
    /// Standing warnings for the operator.
    pub warnings: Vec<&'static str>,
}

/// What the status shows, without waiting for a request under way.
#[derive(Default)]
struct View {
    connection: Weak<Connection>,
    shell_since: Option<Instant>,
    mode: Option<Mode>,
}

impl SshSession {
    pub(super) fn new(hub: Arc<SshHub>, target: SshTarget, jump: Option<Arc<JumpHost>>) -> Self {
        let route = jump.map_or(Route::Direct { source: target.source_address }, Route::Through);
        let endpoint = Endpoint {
            name: target.device,
            address: target.address,
            login: target.login,
            host_key: target.host_key,
            legacy: target.legacy,
            keepalive: target.keepalive,
            logins_per_minute: target.logins_per_minute,
            matched: StdMutex::new(None),
        };
        let link = Mutex::new(Link::new());
        Self { hub, endpoint, route, link, view: StdMutex::default(), retired: AtomicBool::new(false) }
    }

    /// Runs the script in the shell that is held on the device and returns what it printed. One request
    /// is made at a time; the others wait for their turn.
    ///
    /// # Errors
    ///
    /// The deadline is the whole request's, login included. After a timeout the connection is taken for dead and
    /// cut, also where the caller stops waiting first; the next request makes a new one.
    pub async fn ask(&self, script: &Script, deadline: Instant) -> Result<Reply, SshError> {
        self.ask_in(script, deadline, false).await
    }

    /// The same for a script that may well take too long.
    ///
    /// # Errors
    ///
    /// A timeout ends the held shell; the connection stays, and the next request starts another shell on it.
    pub async fn ask_slow(&self, script: &Script, deadline: Instant) -> Result<Reply, SshError> {
        self.ask_in(script, deadline, true).await
    }

    async fn ask_in(&self, script: &Script, deadline: Instant, is_slow: bool) -> Result<Reply, SshError> {
        let mut link = self.turn(deadline).await?;
        let mut request = Request { link: &mut link, answered: false, is_slow };
        let answer = timeout_at(deadline, self.ask_on(request.link, script, deadline)).await;
        request.answered = answer.is_ok();
        let answer = answer.unwrap_or_else(|_| Err(self.late(request.link.doing)));
        drop(request);
        self.show(&link);
        answer
    }

    /// Runs the script in a shell of its own beside the held one, so that a slow one delays no poll.
    ///
    /// # Errors
    ///
    /// A timeout ends the script's channel and leaves the held connection alone. A login that is bound to
    /// a forced command runs nothing else: [`SshError::Script`].
    pub async fn exec(&self, script: &Script, deadline: Instant) -> Result<Reply, SshError> {
        let (connection, mode) = {
            let mut link = self.turn(deadline).await?;
            let connected = timeout_at(deadline, self.connected(&mut link, deadline)).await;
            self.show(&link);
            (connected.map_err(|_| self.late("connecting and logging in"))??, link.mode)
        };
        if mode == Mode::ShellLoop {
            let mut shell = ShellLoop::start(&connection, self.channel(&connection, deadline).await?).await?;
            let run = timeout_at(deadline, shell.run(&connection, script)).await;
            match run.map_err(|_| self.late("waiting for the reply"))? {
                Err(Fault::NotOurs { .. }) => {}
                answer => return answer.map_err(|fault| fault.into_error(&connection)),
            }
        }
        let channel = self.channel(&connection, deadline).await?;
        let run = timeout_at(deadline, shell::exec(&connection, channel, script)).await;
        run.map_err(|_| self.late("waiting for the reply"))?.map_err(|fault| fault.into_error(&connection))
    }

    /// Says goodbye to the device and ends the connection. Later requests fail with
    /// [`SshError::Retired`].
    pub async fn close(&self) {
        self.retired.store(true, Ordering::Relaxed);
        let connection = match timeout(CLOSE_PATIENCE, self.link.lock()).await {
            Ok(mut link) => {
                link.shell = None;
                link.connection.take()
            }
            Err(_) => self.view().connection.upgrade(),
        };
        if let Some(connection) = connection {
            connection.close().await;
        }
    }

    /// The connection that is held now, without waiting for a request under way.
    pub(super) fn held(&self) -> Option<Arc<Connection>> {
        self.view().connection.upgrade().filter(|connection| !connection.is_closed())
    }

    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    pub(super) fn address(&self) -> &Address {
        &self.endpoint.address
    }

    /// How the session stands. It waits for nothing.
    pub fn status(&self) -> SshStatus {
        let credential = &self.endpoint.login.credential.name;
        let (breaker, logins_total) = self.hub.standing(&self.endpoint.name, credential);
        let warnings = self.endpoint.legacy.then_some("old SSH algorithms are allowed (ssh.legacy)");
        let plain = SshStatus {
            breaker,
            logins_total,
            warnings: warnings.into_iter().collect(),
            ..SshStatus::default()
        };
        let view = self.view();
        let Some(connection) = view.connection.upgrade().filter(|connection| !connection.is_closed()) else {
            return plain;
        };
        let seen = connection.seen();
        SshStatus {
            mode: view.mode,
            connected_for: Some(connection.since().elapsed()),
            shell_for: view.shell_since.map(|since| since.elapsed()),
            host_key: seen.host_key,
            server_version: seen.server_version,
            key_exchange: seen.key_exchange,
            cipher: seen.cipher,
            ..plain
        }
    }

    async fn turn(&self, deadline: Instant) -> Result<MutexGuard<'_, Link>, SshError> {
        let busy = |_| SshError::Busy { reason: "another request holds the session".into() };
        timeout_at(deadline, self.link.lock()).await.map_err(busy)
    }

    async fn ask_on(&self, link: &mut Link, script: &Script, deadline: Instant) -> Result<Reply, SshError> {
        let held = link.connection.as_ref().is_some_and(|connection| !connection.is_closed());
        match self.ask_once(link, script, deadline).await {
            // The held connection broke while nobody looked (a reboot): one new login saves the poll.
            Err(SshError::Closed { .. }) if held => {
                link.cut();
                self.ask_once(link, script, deadline).await
            }
            answer => answer,
        }
    }

    async fn ask_once(&self, link: &mut Link, script: &Script, deadline: Instant) -> Result<Reply, SshError> {
        let connection = self.connected(link, deadline).await?;
        link.doing = RUNNING;
        if link.mode == Mode::ShellLoop {
            match link.in_loop(&connection, script, deadline).await {
                Err(Fault::NotOurs { .. }) if !link.proven => self.switch(link, Mode::Exec),
                answer => return answer.map_err(|fault| fault.into_error(&connection)),
            }
        }
        if link.mode == Mode::Exec {
            let channel = connection.open_session().await?;
            match shell::exec(&connection, channel, script).await {
                Err(Fault::NotOurs { .. }) => {}
                answer => return answer.map_err(|fault| fault.into_error(&connection)),
            }
        }
        let channel = connection.open_session().await?;
        let answer = shell::exec_bare(&connection, channel, script).await;
        let reply = answer.map_err(|fault| fault.into_error(&connection))?;
        self.switch(link, Mode::ForcedCommand);
        Ok(reply)
    }

    /// The held connection, or a new one.
    async fn connected(&self, link: &mut Link, deadline: Instant) -> Result<Arc<Connection>, SshError> {
        if self.retired.load(Ordering::Relaxed) {
            return Err(SshError::Retired);
        }
        if let Some(connection) = link.connection.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        link.cut();
        link.doing = "connecting and logging in";
        let connection = Arc::new(self.endpoint.connect(&self.hub, &self.route, deadline).await?);
        link.connection = Some(Arc::clone(&connection));
        Ok(connection)
    }

    async fn channel(&self, connection: &Connection, deadline: Instant) -> Result<SessionChannel, SshError> {
        timeout_at(deadline, connection.open_session()).await.map_err(|_| {
            // Whether the channel came into being is not known, and it could not be closed.
            connection.cut();
            self.late("opening a channel")
        })?
    }

    fn late(&self, doing: &'static str) -> SshError {
        SshError::Timeout { peer: self.endpoint.address.to_string(), doing }
    }

    fn switch(&self, link: &mut Link, mode: Mode) {
        if link.mode != mode {
            let device = self.endpoint.name.as_str();
            tracing::info!(
                device,
                mode = mode.as_str(),
                "The login has no shell for us; scripts run in another way."
            );
            link.mode = mode;
        }
    }

    fn show(&self, link: &Link) {
        let mut view = self.view();
        view.mode = Some(link.mode);
        view.shell_since = link.shell.as_ref().map(ShellLoop::since);
        view.connection = link.connection.as_ref().map_or_else(Weak::new, Arc::downgrade);
    }

    fn view(&self) -> StdMutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SshSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshSession")
            .field("device", &self.endpoint.name)
            .field("status", &self.status())
            .finish()
    }
}
