use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the system asks of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM or SIGINT: to end.
    Stop,
    /// SIGHUP: to load the configuration again.
    Reload,
}

/// The signals, taken over from their defaults.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// # Errors
    /// When the system does not let us handle them.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next of them.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }

    /// The next that asks to end.
    pub(super) async fn stop(&mut self) {
        while self.next().await != Asked::Stop {}
    }
}
