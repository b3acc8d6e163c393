//! A NEW connection beside the held one: does the device still let anybody in?

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};

use super::connect::Route;
use super::connection::Connection;
use super::dial;
use super::error::SshError;
use super::session::SshSession;
use super::target::Address;

/// What a server may say before it identifies itself, in bytes (RFC 4253 section 4.2 sets no limit): a page
/// of legal text.
const PREAMBLE_BYTES_MAX: usize = 8 * 1024;
/// How its identification begins (RFC 4253 section 4.2).
const IDENTIFICATION: &[u8] = b"SSH-";
/// A polite end of a connection that is of no further use may take so long.
const GOODBYE: Duration = Duration::from_millis(500);

/// The held connection and a new one, at the same moment.
#[derive(Clone, Debug)]
pub struct Beside {
    /// Round trip on the held connection: the slower of two, one at the start of the attempt and one after
    /// its end, so that a broken path does not pass for a living one. `None` where one of them was not
    /// answered.
    pub held: Option<Duration>,
    /// The new connection.
    pub new: NewAttempt,
}

/// One new connection, without a login.
#[derive(Clone, Debug)]
pub struct NewAttempt {
    /// How long TCP took to make it; `None` where it did not.
    pub connected: Option<Duration>,
    /// From its first packet to its end.
    pub waited: Duration,
    /// Why it is of no use: no connection, or a server that does not identify itself.
    pub error: Option<SshError>,
}

impl SshSession {
    /// Makes ONE new connection to the same address and port beside the held one, as far as the server's
    /// identification (RFC 4253 section 4.2), and ends it. Nobody logs in: no breaker counts it, and no
    /// secret is touched. Behind a jump host it goes through the connection that is held there.
    ///
    /// The new connection may take `patience`, the held one `patience` again after it.
    ///
    /// # Errors
    ///
    /// When the attempt could not be made: nothing is held to compare with, or the fault is on our side or
    /// the jump host's. A connection that fails is a result.
    pub async fn try_new(&self, patience: Duration) -> Result<Beside, SshError> {
        let held = self.held().ok_or_else(|| SshError::Busy { reason: "no connection is held".into() })?;
        let (before, new) = tokio::join!(timeout(patience, held.ping()), self.attempt(&held, patience));
        let new = new?;
        let Ok(Ok(before)) = before else { return Ok(Beside { held: None, new }) };
        let after = timeout(patience, held.ping()).await.ok().and_then(Result::ok);
        Ok(Beside { held: after.map(|after| after.max(before)), new })
    }

    /// Opens a connection from the device to another host over the held connection (`direct-tcpip`,
    /// RFC 4254 section 7.2): never by a login.
    ///
    /// # Errors
    ///
    /// [`SshError::Connect`] when the device could not reach it; [`SshError::TunnelDenied`] when this login
    /// may not ask for that; [`SshError::Busy`] when no connection is held.
    pub async fn dial(
        &self,
        to: SocketAddr,
    ) -> Result<impl AsyncRead + AsyncWrite + Unpin + Send + use<>, SshError> {
        let held = self.held().ok_or_else(|| SshError::Busy { reason: "no connection is held".into() })?;
        held.open_tunnel(&Address::from(to)).await
    }

    async fn attempt(&self, held: &Arc<Connection>, patience: Duration) -> Result<NewAttempt, SshError> {
        let began = Instant::now();
        let deadline = began + patience;
        match self.route() {
            Route::Direct { source } => {
                let unknown =
                    || SshError::Busy { reason: "the address of the held connection is not known".into() };
                let far = held.far().ok_or_else(unknown)?;
                measure(began, deadline, dial::tcp(&[far], *source, deadline)).await
            }
            Route::Through(jump) => {
                measure(began, deadline, jump.open_beside(self.address(), deadline)).await
            }
        }
    }
}

async fn measure<S: AsyncRead + AsyncWrite + Unpin>(
    began: Instant,
    deadline: Instant,
    connecting: impl Future<Output = Result<S, SshError>>,
) -> Result<NewAttempt, SshError> {
    let mut stream = match connecting.await {
        Ok(stream) => stream,
        Err(error) if is_ours(&error) => return Err(error),
        Err(error) => {
            return Ok(NewAttempt { connected: None, waited: began.elapsed(), error: Some(error) });
        }
    };
    let connected = began.elapsed();
    let greeted = timeout_at(deadline, greeting(&mut stream)).await;
    let error = greeted.unwrap_or_else(|_| Err(late())).err();
    let waited = began.elapsed();
    let _gone_either_way = timeout(GOODBYE, stream.shutdown()).await;
    Ok(NewAttempt { connected: Some(connected), waited, error })
}

/// Whether the fault lies on our side, or with the jump host.
fn is_ours(error: &SshError) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    match error {
        SshError::Timeout { .. } => false,
        SshError::Connect { io, .. } => !matches!(
            io,
            ConnectionAborted
                | ConnectionRefused
                | ConnectionReset
                | HostUnreachable
                | NetworkUnreachable
                | TimedOut
        ),
        _ => true,
    }
}

/// Reads until the server has identified itself.
async fn greeting(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), SshError> {
    let mut line_begins = true;
    let mut line = Vec::with_capacity(IDENTIFICATION.len());
    for _ in 0..PREAMBLE_BYTES_MAX {
        let byte = stream.read_u8().await.map_err(|error| closed(&error))?;
        if byte == b'\n' {
            (line_begins, line) = (true, Vec::with_capacity(IDENTIFICATION.len()));
        } else if line_begins {
            line.push(byte);
            if line == IDENTIFICATION {
                return Ok(());
            }
            line_begins = line.len() < IDENTIFICATION.len();
        }
    }
    Err(SshError::Protocol { peer: PEER.into(), reason: "no identification in its first lines".into() })
}

const PEER: &str = "the new connection";

fn late() -> SshError {
    SshError::Timeout { peer: PEER.into(), doing: "waiting for the server's identification" }
}

fn closed(error: &io::Error) -> SshError {
    let doing = "waiting for the server's identification";
    SshError::Closed { peer: PEER.into(), doing, reason: error.to_string() }
}
