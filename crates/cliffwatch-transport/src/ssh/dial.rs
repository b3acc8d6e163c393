use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, Handle};
use russh::{AlgorithmKind, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use super::algorithms;
use super::client::{Client, Seen, Shared};
use super::error::SshError;
use super::host_key::{Distrust, KeyFamily, Trust};
use super::wire::{Wire, WireSwitch};

/// A connection whose host key is trusted, before anybody has logged in.
pub(super) struct Dialed {
    pub(super) handle: Handle<Client>,
    pub(super) switch: WireSwitch,
    pub(super) shared: Shared,
    /// The far end in messages.
    pub(super) peer: String,
    /// The address that answered; not known behind a jump host.
    pub(super) far: Option<SocketAddr>,
}

/// What both sides must agree on.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) trust: Arc<Trust>,
    pub(super) families: Vec<KeyFamily>,
    pub(super) legacy: bool,
    pub(super) keepalive: Duration,
}

/// Connects to the first address that answers. Each one may take its share of the time that is left, so
/// that a dead first address never hides a living second one.
pub(super) async fn tcp(
    addresses: &[SocketAddr],
    source: Option<IpAddr>,
    deadline: Instant,
) -> Result<TcpStream, SshError> {
    let mut last = None;
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(1);
        let peer = address.to_string();
        match timeout(share, tcp_one(*address, source)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                last = Some(SshError::Connect { peer, io: error.kind(), reason: error.to_string() });
            }
            Err(_) => last = Some(SshError::Timeout { peer, doing: "connecting" }),
        }
    }
    let host = "the device".to_owned();
    Err(last.unwrap_or(SshError::Resolve { host, reason: "the answer holds no address".into() }))
}

async fn tcp_one(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    // Without it a new channel takes 48 ms instead of 4: Nagle's algorithm meets delayed acknowledgements.
    socket.set_nodelay(true)?;
    socket.connect(address).await
}

/// Exchanges keys over a stream and checks the host key. Nothing that authenticates us is sent. With an
/// error comes the family of the host key that was shown.
pub(super) async fn handshake<S>(
    stream: S,
    peer: &str,
    terms: &Terms,
) -> Result<Dialed, (SshError, Option<KeyFamily>)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = algorithms::config(terms.legacy, &terms.families, terms.keepalive);
    let shared = Shared::default();
    let handler = Client { trust: Arc::clone(&terms.trust), shared: shared.clone() };
    let (wire, switch) = Wire::new(stream);
    match client::connect_stream(Arc::new(config), wire, handler).await {
        Ok(handle) => Ok(Dialed { handle, switch, shared, peer: peer.to_owned(), far: None }),
        Err(error) => {
            let seen = shared.seen();
            Err((failure(error, peer, &seen, terms.legacy), seen.family))
        }
    }
}

fn failure(error: Error, peer: &str, seen: &Seen, legacy: bool) -> SshError {
    let peer = peer.to_owned();
    if let (Some(key), Some(distrust)) = (&seen.host_key, &seen.distrust) {
        let Distrust { expected, hint, contradicted } = distrust.clone();
        return SshError::HostKey { peer, seen: vec![key.clone()], expected, hint, contradicted };
    }
    let doing = "exchanging keys";
    match error {
        Error::NoCommonAlgo { kind, theirs, .. } => {
            let what = match kind {
                AlgorithmKind::Kex => "key exchange",
                AlgorithmKind::Key => "host key",
                AlgorithmKind::Cipher => "cipher",
                AlgorithmKind::Compression => "compression",
                AlgorithmKind::Mac => "mac",
            };
            let theirs = super::client::printable(&theirs.join(","));
            SshError::NoCommonAlgorithm { peer, what, theirs, legacy }
        }
        Error::IO(error) => SshError::Closed { peer, doing, reason: error.to_string().to_lowercase() },
        Error::HUP | Error::Disconnect => {
            let reason = seen.farewell.as_ref().map(|farewell| farewell.reason.clone());
            SshError::Closed { peer, doing, reason: reason.unwrap_or_else(|| "no reason given".into()) }
        }
        other => SshError::Protocol { peer, reason: other.to_string().to_lowercase() },
    }
}
