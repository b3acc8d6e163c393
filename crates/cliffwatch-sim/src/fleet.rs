use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_source::Clock;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::device::{Device, Running, Shared};
use crate::fault::Fault;
use crate::keys::{self, LoginKey};
use crate::record::{Record, Undocumented};
use crate::share::Share;

/// Devices of one fleet: two bytes of address.
const DEVICES_MAX: usize = 60_000;
/// Connections that wait to be accepted: a poller's start comes all at once.
const BACKLOG: u32 = 4_096;
/// The pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How a fleet is run.
pub struct Options {
    /// The port of all its devices; 0 for any that is free.
    pub port: u16,
    /// The time of day on its devices.
    pub clock: Arc<dyn Clock>,
    /// What opens them.
    pub login: LoginKey,
    /// A device that was asked anything undocumented talks to nobody any more, so that a test cannot miss it.
    pub strict: bool,
}

/// Why a fleet could not start.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No address for so many.
    #[error("{0} devices are more than a fleet can have: {DEVICES_MAX}")]
    TooMany(usize),
    /// A name occurs twice.
    #[error("two devices have the name `{0}`")]
    Twice(String),
    /// No listener.
    #[error(
        "cannot listen on port {port} of 127.0.0.0/8: {source} (binding to the loopback interface wants Linux 5.7 or CAP_NET_RAW)"
    )]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
}

/// Devices that are being simulated. They go when it is dropped.
pub struct Fleet {
    devices: Vec<Arc<Running>>,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Fleet {
    /// Starts to listen. The time of all series and faults begins now.
    ///
    /// # Errors
    /// When there are too many devices, two of one name, or the port is taken.
    pub fn start(devices: Vec<Device>, options: Options) -> Result<Self, FleetError> {
        if devices.len() > DEVICES_MAX {
            return Err(FleetError::TooMany(devices.len()));
        }
        let listen = |source| FleetError::Listen { port: options.port, source };
        let listener = listener(options.port).map_err(listen)?;
        let port = listener.local_addr().map_err(listen)?.port();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            clock: options.clock,
            login: options.login.public().clone(),
            strict: options.strict,
            record: Record::default(),
            changed: watch::Sender::new(()),
        });
        let mut names = std::collections::HashSet::new();
        if let Some(twice) = devices.iter().find(|device| !names.insert(&device.name)) {
            return Err(FleetError::Twice(twice.name.clone()));
        }
        let devices: Vec<Arc<Running>> = devices
            .into_iter()
            .zip(addresses())
            .map(|(device, address)| {
                Arc::new(Running::new(device, SocketAddrV4::new(address, port), Arc::clone(&shared)))
            })
            .collect();
        let stop = CancellationToken::new();
        let by_address = devices.iter().map(|device| (*device.address.ip(), Arc::clone(device))).collect();
        tokio::spawn(accept(listener, by_address, stop.clone()));
        Ok(Self { devices, shared, stop })
    }

    /// Where a device listens.
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        self.devices.iter().find(|device| device.device.name == name).map(|device| device.address.into())
    }

    /// The fingerprint of a device's host key: `SHA256:…`.
    pub fn pin(&self, name: &str) -> Option<String> {
        let known = self.devices.iter().any(|device| device.device.name == name);
        known.then(|| keys::pin(&keys::host_key(name, false)))
    }

    /// Adds a fault to a part of the fleet; to how many devices.
    pub fn break_down(&self, share: &Share, fault: Fault) -> usize {
        let broken = self.part(share).inspect(|device| device.add(fault)).count();
        self.shared.changed.send_replace(());
        broken
    }

    /// Takes the faults away that [`Fleet::break_down`] added; from how many devices.
    pub fn heal(&self, share: &Share) -> usize {
        let healed = self.part(share).inspect(|device| device.heal()).count();
        self.shared.changed.send_replace(());
        healed
    }

    fn part(&self, share: &Share) -> impl Iterator<Item = &Arc<Running>> {
        let numbered = self.devices.iter().enumerate();
        numbered.filter(|(number, it)| share.holds(*number, &it.device.name)).map(|(_, device)| device)
    }

    /// The commands that no list holds, the first hundred. A test wants none.
    pub fn undocumented(&self) -> Vec<Undocumented> {
        self.shared.record.all_undocumented()
    }

    /// How often this documented command was answered, by any device.
    pub fn answered(&self, command: &str) -> u64 {
        self.shared.record.times(command)
    }

    /// How many logins succeeded.
    pub fn logins(&self) -> u64 {
        self.shared.record.logins()
    }

    pub(crate) fn devices(&self) -> &[Arc<Running>] {
        &self.devices
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fleet").field("devices", &self.devices.len()).finish_non_exhaustive()
    }
}

/// One listener for all: bound to no address, so that it hears them all, and to the loopback interface, so
/// that it hears nothing else.
fn listener(port: u16) -> std::io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind_device(Some(b"lo"))?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
    socket.listen(BACKLOG)
}

/// 127.77.0.1 and what follows, without those that look like a network or a broadcast.
fn addresses() -> impl Iterator<Item = Ipv4Addr> {
    (0..=u8::MAX).flat_map(|high| (1..u8::MAX).map(move |low| Ipv4Addr::new(127, 77, high, low)))
}

async fn accept(listener: TcpListener, devices: HashMap<Ipv4Addr, Arc<Running>>, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "A connection could not be accepted.");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(SocketAddr::V4(local)) = stream.local_addr() else { continue };
        if let Some(device) = devices.get(local.ip()) {
            let serve = Arc::clone(device).serve(stream);
            let stop = stop.clone();
            connections.spawn(async move { stop.run_until_cancelled(serve).await });
        }
    }
}
