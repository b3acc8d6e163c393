use std::net::SocketAddrV4;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cliffwatch_model::Timestamp;
use cliffwatch_source::Clock;
use russh::keys::PublicKey;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::fault::{Fault, Span};
use crate::linux::{self, LinuxHost};
use crate::record::Record;

/// Connections to one device at once. A poller needs one, and one beside it; a real device has a limit, too.
const CONNECTIONS_MAX: usize = 16;
/// How often a device that hangs looks whether it still does.
const HUNG_STEP: Duration = Duration::from_millis(250);
/// How long a connection that is never answered is kept; any poller gives up earlier.
const SILENCE_MAX: Duration = Duration::from_secs(600);

/// One device: a name, what it is, and what is wrong with it when.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its name in the inventory.
    pub name: String,
    /// What it is.
    pub platform: Platform,
    /// What is wrong with it.
    pub faults: Vec<Span>,
}

/// What a device is. Each platform brings its definition and the protocol that it speaks.
#[derive(Clone, Debug)]
pub enum Platform {
    /// A Linux host, over SSH.
    Linux(LinuxHost),
}

impl Platform {
    /// Its name in the inventory.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linux(_) => "linux",
        }
    }
}

/// What all devices of a fleet share.
pub(crate) struct Shared {
    pub(crate) started: Instant,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) login: PublicKey,
    pub(crate) strict: bool,
    pub(crate) record: Record,
    /// Told when a fault was added or taken away.
    pub(crate) changed: watch::Sender<()>,
}

/// A device that is listened for.
pub(crate) struct Running {
    pub(crate) device: Device,
    pub(crate) address: SocketAddrV4,
    pub(crate) shared: Arc<Shared>,
    /// Faults of now, besides those of its definition.
    added: Mutex<Vec<Fault>>,
    connections: AtomicUsize,
    /// It was asked something undocumented and is strict: it talks to nobody any more.
    offended: AtomicBool,
}

impl Running {
    pub(crate) fn new(device: Device, address: SocketAddrV4, shared: Arc<Shared>) -> Self {
        let (added, connections) = (Mutex::default(), AtomicUsize::new(0));
        Self { device, address, shared, added, connections, offended: AtomicBool::new(false) }
    }

    /// Time since the start.
    pub(crate) fn time(&self) -> Duration {
        self.shared.started.elapsed()
    }

    /// The time of day that the device believes in.
    pub(crate) fn date(&self) -> Timestamp {
        self.shared.clock.now()
    }

    pub(crate) fn add(&self, fault: Fault) {
        self.added.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    pub(crate) fn heal(&self) {
        self.added.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes a command that is not documented. Whether the device still talks.
    pub(crate) fn refuse(&self, command: &str) -> bool {
        self.shared.record.undocumented(&self.device.name, command);
        self.offended.fetch_or(self.shared.strict, Ordering::Relaxed);
        self.shared.changed.send_replace(());
        !self.shared.strict
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.find(|other| (other == fault).then_some(())).is_some()
    }

    /// How much later its answers come.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.find(|fault| match fault {
            Fault::Slow(time) => Some(time),
            _ => None,
        })
    }

    fn find<T>(&self, pick: impl Fn(Fault) -> Option<T>) -> Option<T> {
        let now = self.time();
        let planned =
            self.device.faults.iter().filter(|span| span.holds(now)).find_map(|span| pick(span.fault));
        let added = || {
            let added = self.added.lock().unwrap_or_else(PoisonError::into_inner);
            added.iter().find_map(|fault| pick(*fault))
        };
        planned.or_else(added)
    }

    fn is_silent(&self) -> bool {
        self.has(Fault::Hung)
            || match &self.device.platform {
                Platform::Linux(host) => host.is_in_gap(self.time()),
            }
    }

    /// Waits while the device hangs.
    pub(crate) async fn while_hung(&self) {
        while self.is_silent() {
            sleep(HUNG_STEP).await;
        }
    }

    /// Waits until open connections are to be cut.
    pub(crate) async fn cutting(&self) {
        let mut changed = self.shared.changed.subscribe();
        while !self.has(Fault::Closes) && !self.offended.load(Ordering::Relaxed) {
            let now = self.time();
            let planned =
                self.device.faults.iter().filter(|span| span.fault == Fault::Closes && span.from > now);
            let next = planned.map(|span| self.shared.started + span.from).min();
            tokio::select! {
                () = until(next) => {}
                told = changed.changed() => if told.is_err() { return },
            }
        }
    }

    /// Deals with one connection, to its end.
    pub(crate) async fn serve(self: Arc<Self>, stream: TcpStream) {
        if self.connections.fetch_add(1, Ordering::Relaxed) < CONNECTIONS_MAX {
            self.answer(stream).await;
        }
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    async fn answer(self: &Arc<Self>, mut stream: TcpStream) {
        if self.has(Fault::Closes) || self.offended.load(Ordering::Relaxed) {
            return;
        }
        if self.is_silent() || self.has(Fault::TableFull) {
            let _the_poller_never_left = timeout(SILENCE_MAX, swallow(&mut stream)).await.is_err();
            return;
        }
        match &self.device.platform {
            Platform::Linux(_) => linux::serve(Arc::clone(self), stream).await,
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Reads until the far end has gone.
async fn swallow(stream: &mut TcpStream) {
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}
