//! One held and one new connection through a device, made from a host behind it.
//!
//! New connections only are lost in a full table. So a connection that was made before still works when no
//! new one can be made: that difference is the finding, and a target that is down shows none. A connection
//! that nobody uses cannot tell whether it works; it is therefore asked, with one line, and only when a new
//! one failed twice.

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{CanaryReading, ErrorKind, Fault, FaultKind, HeldState, NewConnection, SourceError};
use cliffwatch_source::{Canary, CanaryFrom, Connection, DialError};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Shared;
use super::answer::Answer;

/// How often a canary looks. Each look holds a fresh connection. Servers close one that says nothing after 20 s (Apache's mod_reqtimeout
/// as Debian sets it) to 120 s (OpenSSH's LoginGraceTime).
pub const CANARY_EVERY: Duration = Duration::from_secs(15);
/// So many looks in a row that found it closed are a target that is of no use.
const CLOSED_MAX: u32 = 2;
/// Linux sends a SYN three times in it (at 0, 1 and 3 s).
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// One failure may be the target's restart.
const ATTEMPTS: u32 = 2;
/// What a server of nearly every protocol answers at once, if only with an error: HTTP, TLS, SSH, SMTP.
const LINE: &[u8] = b"HEAD / HTTP/1.0\r\n\r\n";
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// What a target may have said meanwhile, in reads of 1 KiB; more is not listened to.
const READS_MAX: usize = 16;

/// The canary of one device: at most one look at a time.
pub(super) struct Lookout {
    canary: Option<Canary>,
    held: Arc<Mutex<Held>>,
    next: Instant,
    looking: JoinSet<Answer>,
}

/// What is kept from look to look.
#[derive(Default)]
struct Held {
    connection: Option<Connection>,
    /// Looks in a row that found it closed by the far end.
    closed: u32,
}

/// Makes a new connection.
type Dial = dyn Fn() -> BoxFuture<'static, Result<Connection, DialError>> + Send + Sync;

impl Lookout {
    pub(super) fn new(canary: Option<Canary>) -> Self {
        Self { canary, held: Arc::default(), next: Instant::now(), looking: JoinSet::new() }
    }

    /// The next look is now.
    pub(super) fn hurry(&mut self) {
        self.next = Instant::now();
    }

    /// What the next look saw. Nothing is lost when the caller stops waiting.
    pub(super) async fn next(&mut self, shared: &Arc<Shared>) -> Answer {
        loop {
            let Some(canary) = &self.canary else { return std::future::pending().await };
            if self.looking.is_empty() {
                sleep_until(self.next).await;
                self.next = Instant::now() + CANARY_EVERY;
                self.looking.spawn(look(canary.clone(), Arc::clone(&self.held), Arc::clone(shared)));
            }
            if let Some(Ok(answer)) = self.looking.join_next().await {
                return answer;
            }
        }
    }
}

async fn look(canary: Canary, held: Arc<Mutex<Held>>, shared: Arc<Shared>) -> Answer {
    let mut look = Look { held: held.lock().await };
    let way = canary.clone();
    let dial = move || dial(way.clone(), Arc::clone(&shared)).boxed();
    match look.at(&canary, &dial).await {
        Ok(reading) if look.held.closed >= CLOSED_MAX => Answer::seen_with(reading, short_lived(&canary)),
        Ok(reading) => Answer::seen(reading),
        Err(error) => {
            let message = format!("from {}: {}", canary.from, error.message);
            let kind = if error.hint.is_some() { FaultKind::Denied } else { FaultKind::Unsupported };
            Answer::fault(Fault { what: "canary".into(), kind, message, hint: error.hint })
        }
    }
}

/// Nothing can be found out by a target that hangs up on who says nothing.
fn short_lived(canary: &Canary) -> Fault {
    let every = CANARY_EVERY.as_secs();
    let message =
        format!("{} closes a connection that says nothing within {every} s: none is held", canary.target);
    let hint = "choose a target that keeps one for longer, such as the port of an SSH server";
    Fault { what: "canary".into(), kind: FaultKind::Unsupported, message, hint: Some(hint.into()) }
}

struct Look<'a> {
    held: MutexGuard<'a, Held>,
}

impl Look<'_> {
    async fn at(&mut self, canary: &Canary, dial: &Dial) -> Result<CanaryReading, SourceError> {
        let reading = |held, held_ms, attempts, new| CanaryReading {
            from: canary.from.to_string(),
            target: canary.target.to_string(),
            held,
            held_ms,
            attempts,
            new,
        };
        let before = self.held.connection.as_mut().map(state);
        self.held.closed =
            if before == Some(HeldState::Closed) { self.held.closed.saturating_add(1) } else { 0 };
        let began = Instant::now();
        let mut error = ErrorKind::Timeout;
        for attempt in 1..=ATTEMPTS {
            let asked = Instant::now();
            error = match timeout(CONNECT_PATIENCE, dial()).await {
                Ok(Ok(connection)) => {
                    self.held.connection = Some(connection);
                    let waited_ms = Some(ms(asked));
                    let new = NewConnection { connect_ms: waited_ms, error: None, waited_ms };
                    return Ok(reading(before, None, attempt, new));
                }
                Ok(Err(DialError::NotTried(error))) => return Err(error),
                Ok(Err(DialError::Failed(kind))) => kind,
                Err(_) => ErrorKind::Timeout,
            };
        }
        let new = NewConnection { connect_ms: None, error: Some(error), waited_ms: Some(ms(began)) };
        let (held, held_ms) = match before {
            Some(HeldState::Open) => match self.ask_held(&canary.from).await {
                Some(held_ms) => (Some(HeldState::Open), Some(held_ms)),
                None => (None, None),
            },
            before => (before, None),
        };
        Ok(reading(held, held_ms, ATTEMPTS, new))
    }

    /// Whether the held connection carries a line there and an answer back, and how fast, in milliseconds.
    /// It is used up by that: the next one that can be made takes its place.
    async fn ask_held(&mut self, from: &CanaryFrom) -> Option<f64> {
        let mut held = self.held.connection.take()?;
        if state(&mut held) == HeldState::Closed {
            return None;
        }
        let asked = Instant::now();
        let answer = async {
            held.write_all(LINE).await?;
            held.flush().await?;
            held.read(&mut [0; 1024]).await
        };
        match timeout(ANSWER_PATIENCE, answer).await {
            // To hang up is an answer as well. But what ends in a tunnel may have been reset, or the tunnel.
            Ok(Ok(0)) if *from != CanaryFrom::Local => None,
            Ok(Ok(_)) => Some(ms(asked)),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

/// Whether the far end has closed the connection. What it said is thrown away.
fn state(connection: &mut Connection) -> HeldState {
    let mut said = [0; 1024];
    for _ in 0..READS_MAX {
        match connection.read(&mut said).now_or_never() {
            None => return HeldState::Open,
            Some(Ok(0) | Err(_)) => return HeldState::Closed,
            Some(Ok(_)) => {}
        }
    }
    HeldState::Open
}

async fn dial(canary: Canary, shared: Arc<Shared>) -> Result<Connection, DialError> {
    match &canary.from {
        CanaryFrom::Local => (shared.dial)(canary.target).await,
        CanaryFrom::Device(name) => match shared.sources.of(name) {
            Some(source) => source.dial(canary.target).await,
            None => {
                let message = "this poller does not poll it";
                Err(DialError::NotTried(SourceError::new(ErrorKind::Unreachable, message)))
            }
        },
    }
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{DuplexStream, duplex};

    use super::*;

    fn canary() -> Canary {
        Canary { target: "192.0.2.1:443".parse().unwrap(), from: CanaryFrom::Local }
    }

    fn held() -> (Mutex<Held>, DuplexStream) {
        let (near, far) = duplex(1024);
        (Mutex::new(Held { connection: Some(Box::new(near)), closed: 0 }), far)
    }

    async fn look(held: &Mutex<Held>, dial: &Dial) -> Result<CanaryReading, SourceError> {
        Look { held: held.lock().await }.at(&canary(), dial).await
    }

    fn refused() -> BoxFuture<'static, Result<Connection, DialError>> {
        std::future::ready(Err(DialError::Failed(ErrorKind::ConnectionRefused))).boxed()
    }

    fn silent() -> BoxFuture<'static, Result<Connection, DialError>> {
        pending().boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_held_one_answers_and_no_new_one_is_made() {
        let (held, mut far) = held();
        let target = tokio::spawn(async move {
            let mut line = [0; LINE.len()];
            far.read_exact(&mut line).await.unwrap();
            far.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await.unwrap();
            far
        });
        let seen = look(&held, &silent).await.unwrap();
        assert_eq!((seen.held, seen.attempts), (Some(HeldState::Open), 2));
        assert!(seen.held_ms.is_some(), "{seen:?}");
        assert_eq!(seen.new.error, Some(ErrorKind::Timeout));
        assert!(seen.new.waited_ms.unwrap() >= 10_000.0, "twice five seconds");
        drop(target);
        let again = look(&held, &silent).await.unwrap();
        assert_eq!((again.held, again.held_ms), (None, None), "it was used up, and nothing is known now");
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_is_down_proves_nothing() {
        let (held, _far) = held();
        let seen = look(&held, &silent).await.unwrap();
        assert_eq!((seen.held, seen.held_ms, seen.new.error), (None, None, Some(ErrorKind::Timeout)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_time_that_ended_is_no_finding() {
        let (held, far) = held();
        drop(far);
        let seen = look(&held, &refused).await.unwrap();
        assert_eq!((seen.held, seen.held_ms), (Some(HeldState::Closed), None));
        assert_eq!(seen.new.error, Some(ErrorKind::ConnectionRefused));
    }

    #[tokio::test(start_paused = true)]
    async fn to_hang_up_is_an_answer_unless_it_was_through_a_tunnel() {
        for from in
            [CanaryFrom::Local, CanaryFrom::Device(cliffwatch_model::DeviceName::new("app-host-1").unwrap())]
        {
            let (held, mut far) = held();
            tokio::spawn(async move {
                far.read_exact(&mut [0; LINE.len()]).await.unwrap();
            });
            let local = from == CanaryFrom::Local;
            let canary = Canary { from, ..canary() };
            let seen = Look { held: held.lock().await }.at(&canary, &silent).await.unwrap();
            assert_eq!(seen.held_ms.is_some(), local);
        }
    }

    /// Nothing could ever be found out by it, which somebody should be told.
    #[tokio::test(start_paused = true)]
    async fn a_target_that_never_holds_a_connection_is_counted() {
        let (held, _) = held();
        let dial = || {
            let (near, _closed) = duplex(1024);
            std::future::ready(Ok(Box::new(near) as Connection)).boxed()
        };
        for looks in 1..=CLOSED_MAX {
            look(&held, &dial).await.unwrap();
            assert_eq!(held.lock().await.closed, looks);
        }
        let (near, _far) = duplex(1024);
        held.lock().await.connection = Some(Box::new(near));
        look(&held, &dial).await.unwrap();
        assert_eq!(held.lock().await.closed, 0);
        assert!(short_lived(&canary()).message.contains("192.0.2.1:443 closes"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_one_takes_the_place_of_the_held_one() {
        let (held, mut old) = held();
        let (near, mut far) = duplex(1024);
        let near = std::sync::Mutex::new(Some(near));
        let dial = move || {
            let near = near.lock().unwrap().take().unwrap();
            std::future::ready(Ok(Box::new(near) as Connection)).boxed()
        };
        let seen = look(&held, &dial).await.unwrap();
        assert_eq!((seen.held, seen.attempts, seen.new.error), (Some(HeldState::Open), 1, None));
        assert_eq!(old.read(&mut [0; 8]).await.unwrap(), 0, "the old one is closed");
        assert!(far.read(&mut [0; 8]).now_or_never().is_none(), "and the new one is held");
    }
}
