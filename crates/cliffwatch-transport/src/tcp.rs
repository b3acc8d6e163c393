use std::io::{ErrorKind as Io, Result};
use std::net::SocketAddr;
use std::pin::Pin;

use cliffwatch_model::{ErrorKind, SourceError};
use cliffwatch_source::{Connection, DialError};
use tokio::net::{TcpSocket, TcpStream};

/// Makes a TCP connection from the machine that Cliffwatch runs on. How long it may take is the caller's.
///
/// # Errors
/// `Failed` where the way or the far end refused it; `NotTried` where this machine could not even try, as
/// without a free file descriptor.
pub fn dial(
    to: SocketAddr,
) -> Pin<Box<dyn Future<Output = std::result::Result<Connection, DialError>> + Send>> {
    Box::pin(connection(to))
}

async fn connection(to: SocketAddr) -> std::result::Result<Connection, DialError> {
    match connect(to).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(match error.kind() {
            Io::ConnectionRefused => DialError::Failed(ErrorKind::ConnectionRefused),
            Io::TimedOut => DialError::Failed(ErrorKind::Timeout),
            Io::HostUnreachable | Io::NetworkUnreachable | Io::ConnectionReset => {
                DialError::Failed(ErrorKind::Unreachable)
            }
            _ => DialError::NotTried(SourceError::new(ErrorKind::Unreachable, error.to_string())),
        }),
    }
}

async fn connect(to: SocketAddr) -> Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_keepalive(true)?;
    socket.connect(to).await
}
