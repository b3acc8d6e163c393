use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// Ends a [`Wire`] when it is dropped.
///
/// The library's task reads a connection until the far end closes it, also when nobody holds its handle
/// any more: during the key exchange, or while a window is full, a hung device would keep task and socket
/// for ever. Dropping the switch ends both.
#[derive(Debug)]
pub(super) struct WireSwitch(#[expect(dead_code, reason = "held for its drop")] oneshot::Sender<()>);

/// A byte stream that fails as soon as its [`WireSwitch`] is gone.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    off: Option<oneshot::Receiver<()>>,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S) -> (Self, WireSwitch) {
        let (on, off) = oneshot::channel();
        (Self { stream, off: Some(off) }, WireSwitch(on))
    }

    /// Whether the switch is gone. Both halves of the stream are polled by the library's one task, so that
    /// one waker is enough.
    fn is_off(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(off) = &mut self.off
            && Pin::new(off).poll(cx).is_ready()
        {
            self.off = None;
        }
        self.off.is_none()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_off(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_off(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_off(cx) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The drop that follows closes the stream; a polite end could wait for ever.
        if self.is_off(cx) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
