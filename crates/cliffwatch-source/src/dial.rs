use std::net::SocketAddr;
use std::pin::Pin;

use cliffwatch_model::{ErrorKind, SourceError};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A TCP connection that a device made for us. It ends when it is dropped.
pub type Connection = Box<dyn Stream>;

/// Makes a TCP connection from the machine that Cliffwatch runs on.
pub type Dial = fn(SocketAddr) -> Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send>>;

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DialError {
    /// It was tried, and the way or the far end failed: a finding.
    Failed(ErrorKind),
    /// It was not tried: no session, or a right is missing. It says nothing of the way.
    NotTried(SourceError),
}
