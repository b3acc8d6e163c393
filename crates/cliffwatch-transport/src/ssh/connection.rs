use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{Handle, Msg};
use russh::{
    ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelStream, ChannelWriteHalf, Disconnect, Error,
};
use tokio::time::{Duration, Instant, sleep, timeout};

use super::client::{Client, Seen, Shared};
use super::error::SshError;
use super::target::Address;
use super::wire::WireSwitch;

/// How long a polite end may take before the connection is cut.
const GOODBYE: Duration = Duration::from_millis(500);
const GOODBYE_STEP: Duration = Duration::from_millis(5);
/// A far end that cannot reach where a tunnel leads says so after its own patience with TCP: 127 s on Linux.
const TUNNEL_PATIENCE: Duration = Duration::from_secs(180);

/// One authenticated connection.
pub(super) struct Connection {
    handle: Handle<Client>,
    switch: Mutex<Option<WireSwitch>>,
    shared: Shared,
    peer: String,
    far: Option<SocketAddr>,
    since: Instant,
}

impl Connection {
    pub(super) fn new(
        handle: Handle<Client>,
        switch: WireSwitch,
        shared: Shared,
        peer: String,
        far: Option<SocketAddr>,
    ) -> Self {
        Self { handle, switch: Mutex::new(Some(switch)), shared, peer, far, since: Instant::now() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }

    pub(super) fn peer(&self) -> &str {
        &self.peer
    }

    /// The address that it was made to; not known behind a jump host.
    pub(super) fn far(&self) -> Option<SocketAddr> {
        self.far
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    pub(super) fn seen(&self) -> Seen {
        self.shared.seen()
    }

    /// Ends it now, whatever the far end does.
    pub(super) fn cut(&self) {
        self.switch.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Says goodbye, then ends it.
    pub(super) async fn close(&self) {
        let deadline = Instant::now() + GOODBYE;
        let said = self.handle.disconnect(Disconnect::ByApplication, "closed by Cliffwatch", "en");
        if matches!(tokio::time::timeout_at(deadline, said).await, Ok(Ok(()))) {
            while !self.is_closed() && Instant::now() < deadline {
                sleep(GOODBYE_STEP).await;
            }
        }
        self.cut();
    }

    /// The error of a connection that has ended.
    pub(super) fn closed(&self, doing: &'static str) -> SshError {
        let reason =
            self.seen().farewell.map_or_else(|| "no reason given".into(), |farewell| farewell.reason);
        SshError::Closed { peer: self.peer.clone(), doing, reason }
    }

    /// A new session channel.
    pub(super) async fn open_session(&self) -> Result<SessionChannel, SshError> {
        match self.handle.channel_open_session().await {
            Ok(channel) => {
                let (read, write) = channel.split();
                Ok(SessionChannel { read: Some(read), write: Some(write) })
            }
            Err(Error::ChannelOpenFailure(failure)) => {
                Err(SshError::ChannelRefused { peer: self.peer.clone(), reason: words(&failure) })
            }
            Err(_) => Err(self.closed("opening a channel")),
        }
    }

    /// The time of a round trip that costs the far end nothing: a request that it knows nothing of, and
    /// must answer (RFC 4254 section 4).
    pub(super) async fn ping(&self) -> Result<Duration, SshError> {
        let asked = Instant::now();
        let answered = self.handle.send_ping().await.is_ok();
        // The library also gives up waiting, without an error, when the connection ends.
        if answered && !self.is_closed() {
            Ok(asked.elapsed())
        } else {
            Err(self.closed("waiting for a sign of life"))
        }
    }

    /// A stream through this host to another one (RFC 4254 section 7.2).
    ///
    /// Whoever stops waiting leaves nothing behind: a tunnel that comes too late is closed.
    pub(super) async fn open_tunnel(self: &Arc<Self>, to: &Address) -> Result<ChannelStream<Msg>, SshError> {
        let (connection, to) = (Arc::clone(self), to.clone());
        let opening = tokio::spawn(async move {
            timeout(TUNNEL_PATIENCE, connection.tunnel(&to)).await.unwrap_or_else(|_| {
                Err(SshError::Timeout { peer: to.to_string(), doing: "opening a tunnel" })
            })
        });
        opening.await.unwrap_or_else(|_| Err(self.closed("opening a tunnel")))
    }

    async fn tunnel(&self, to: &Address) -> Result<ChannelStream<Msg>, SshError> {
        // The originator is for the far end's log; our own address says nothing there.
        let opened = self.handle.channel_open_direct_tcpip(to.host(), u32::from(to.port()), "127.0.0.1", 0);
        match opened.await {
            Ok(channel) => Ok(channel.into_stream()),
            Err(Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited)) => {
                Err(SshError::TunnelDenied { peer: self.peer.clone(), to: to.to_string() })
            }
            Err(Error::ChannelOpenFailure(ChannelOpenFailure::ConnectFailed)) => {
                let reason = format!("it could not reach {to}");
                let io = std::io::ErrorKind::HostUnreachable;
                Err(SshError::Connect { peer: to.to_string(), io, reason })
            }
            // It did not try: that says nothing of the way.
            Err(Error::ChannelOpenFailure(failure)) => {
                let reason = format!("{} opens no tunnel to {to}: {}", self.peer, words(&failure));
                Err(SshError::Busy { reason })
            }
            Err(_) => Err(self.closed("opening a tunnel")),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.cut();
    }
}

/// RFC 4254 section 5.1.
fn words(failure: &ChannelOpenFailure) -> String {
    match failure {
        ChannelOpenFailure::AdministrativelyProhibited => "administratively prohibited".into(),
        ChannelOpenFailure::ConnectFailed => "connect failed".into(),
        ChannelOpenFailure::UnknownChannelType => "unknown channel type".into(),
        ChannelOpenFailure::ResourceShortage => "resource shortage".into(),
        ChannelOpenFailure::Other { code, .. } => format!("code {code}"),
    }
}

/// What is sent at once. A connection keeps its buffers at the largest size that they ever had: a script of some
/// kilobytes, which is sent once, would stay in memory for as long as the session.
const PIECE_BYTES: usize = 1_024;

/// A session channel that is closed when it is dropped: devices count open ones (`MaxSessions`).
pub(super) struct SessionChannel {
    read: Option<ChannelReadHalf>,
    write: Option<ChannelWriteHalf<Msg>>,
}

impl SessionChannel {
    /// The next message; `None` when the channel has ended.
    pub(super) async fn next(&mut self) -> Option<ChannelMsg> {
        self.read.as_mut()?.wait().await
    }

    /// Throws away what has come in; whether the channel has ended.
    pub(super) async fn drain(&mut self) -> bool {
        loop {
            let message = tokio::select! {
                biased;
                message = self.next() => message,
                () = std::future::ready(()) => return false,
            };
            if matches!(message, None | Some(ChannelMsg::Close | ChannelMsg::Eof)) {
                return true;
            }
        }
    }

    /// Asks the far end to run a command. Its answer comes as a message.
    pub(super) async fn exec(&self, command: String) -> Result<(), Error> {
        self.writer()?.exec(true, command).await
    }

    /// Sends bytes to the command's standard input.
    pub(super) async fn send(&self, text: String) -> Result<(), Error> {
        for piece in text.into_bytes().chunks(PIECE_BYTES) {
            self.writer()?.data_bytes(piece.to_vec()).await?;
        }
        Ok(())
    }

    /// Ends the command's standard input.
    pub(super) async fn end_of_input(&self) -> Result<(), Error> {
        self.writer()?.eof().await
    }

    fn writer(&self) -> Result<&ChannelWriteHalf<Msg>, Error> {
        self.write.as_ref().ok_or(Error::SendError)
    }
}

impl Drop for SessionChannel {
    fn drop(&mut self) {
        // The reader goes first: the library's task may be waiting for room in it, and could not take the
        // close.
        self.read = None;
        if let (Some(write), Ok(runtime)) = (self.write.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { write.close().await });
        }
    }
}
