use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use cliffwatch_model::{ErrorKind, EvidenceItem, Reachability, Reading, SourceError, TableKey, Timestamp};
use tokio::time::Instant;

use crate::{Connection, DialError, ProbeContext, ProbeReport};

/// What time it is, by our own clock. The engine has the one implementation that reads the system's.
pub trait Clock: Send + Sync {
    /// Now. It never goes back within a process.
    fn now(&self) -> Timestamp;
}

/// What a poll is given.
#[derive(Clone, Copy)]
pub struct PollContext<'a> {
    /// Stamps what arrives: a sample's `observed_at` is our clock at the reply.
    pub clock: &'a dyn Clock,
    /// How long the whole call may take. The engine enforces it as well, by dropping the call.
    pub deadline: Duration,
}

impl fmt::Debug for PollContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollContext").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// One device of one platform: a held session and the calls on it.
///
/// The engine calls at most one of `poll` and `backfill` at a time, and at most one of the questions
/// beside it. A call may be dropped at its deadline: what it held must then be dropped or remade.
/// `Debug` must not show a secret.
#[async_trait]
pub trait SessionSource: fmt::Debug + Send + Sync {
    /// Reads the device once.
    ///
    /// # Errors
    /// When nothing could be read; what is missing inside an otherwise good reading is a fault.
    async fn poll(&self, cx: &PollContext<'_>) -> Result<Reading, SourceError>;

    /// Reads the history between two instants, oldest first, where the platform keeps one.
    ///
    /// # Errors
    /// When the platform keeps one and it could not be read.
    async fn backfill(
        &self,
        _cx: &PollContext<'_>,
        _from: Timestamp,
        _to: Timestamp,
    ) -> Result<Vec<Reading>, SourceError> {
        Ok(Vec::new())
    }

    /// Finds out who fills a table, bounded in time, rows and bytes; nothing where the platform cannot.
    ///
    /// # Errors
    /// When it can and did not succeed.
    async fn evidence(
        &self,
        _cx: &PollContext<'_>,
        _table: &TableKey,
    ) -> Result<Vec<EvidenceItem>, SourceError> {
        Ok(Vec::new())
    }

    /// Tries a NEW connection beside the held one, without logging in, and measures the held one at that
    /// moment; nothing where the platform cannot. A held session that does not answer then is no
    /// `held_ms`: both together are the finding.
    ///
    /// # Errors
    /// When the attempt itself could not be made. A connection that is refused is a result.
    async fn try_new_connection(&self, _cx: &PollContext<'_>) -> Result<Option<Reachability>, SourceError> {
        Ok(None)
    }

    /// Connects once and finds out what can be read, what is missing and what a poll costs. Only a person
    /// asks for it; what it sends that polls do not is listed as `probe`.
    async fn probe(&self, cx: &ProbeContext<'_>) -> ProbeReport {
        let asked = Instant::now();
        ProbeReport::of_poll(self.poll(&cx.poll).await, asked.elapsed())
    }

    /// Opens a TCP connection from the device to another host, over what is held: never by a new login.
    ///
    /// # Errors
    /// Tells a connection that failed from one that could not be tried.
    async fn dial(&self, _to: SocketAddr) -> Result<Connection, DialError> {
        let message = "this platform opens no connections for us";
        Err(DialError::NotTried(SourceError::new(ErrorKind::Unreachable, message)))
    }

    /// Standing warnings that an operator should see: a legacy key exchange, a fallback to slower polls.
    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    /// Ends the session in good order. The source is not polled again.
    async fn close(&self) {}
}
