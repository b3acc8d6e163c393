use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    Ask, AskKind, CanaryReading, ErrorKind, EvidenceItem, Fault, FaultKind, Reachability, Reading,
    SourceError,
};
use cliffwatch_source::{PollContext, SessionSource};
use tokio::time::Instant;

use super::Shared;

/// What came of a question, until a poll carries it.
#[derive(Debug)]
pub(super) struct Answer {
    evidence: Vec<EvidenceItem>,
    /// A new connection, and the held one at that moment.
    beside: Option<Reachability>,
    canary: Option<CanaryReading>,
    /// Why there is no answer: an operator who finds none wants to know.
    faults: Vec<Fault>,
    /// When the question was asked.
    pub(super) since: Instant,
}

impl Answer {
    fn new() -> Self {
        Self { evidence: Vec::new(), beside: None, canary: None, faults: Vec::new(), since: Instant::now() }
    }

    /// What a host behind the device saw.
    pub(super) fn seen(canary: CanaryReading) -> Self {
        Self { canary: Some(canary), ..Self::new() }
    }

    /// The same, and why it may be of no use.
    pub(super) fn seen_with(canary: CanaryReading, fault: Fault) -> Self {
        Self { canary: Some(canary), ..Self::fault(fault) }
    }

    /// Why it saw nothing.
    pub(super) fn fault(fault: Fault) -> Self {
        Self { faults: vec![fault], ..Self::new() }
    }

    /// Takes up the answer to the next question.
    pub(super) fn join(&mut self, next: Self) {
        self.evidence.extend(next.evidence);
        self.faults.extend(next.faults);
        self.beside = next.beside.or(self.beside.take());
        self.canary = next.canary.or(self.canary.take());
    }

    pub(super) fn into_reading(self, reading: &mut Reading) {
        reading.evidence.extend(self.evidence);
        reading.faults.extend(self.faults);
        if let Some(beside) = self.beside {
            reading.reachability = beside;
        }
        if self.canary.is_some() {
            reading.reachability.canary = self.canary;
        }
    }
}

/// Asks a source; nothing where the platform has no answer to such a question.
pub(super) async fn question(
    source: Arc<dyn SessionSource>,
    shared: Arc<Shared>,
    deadline: Duration,
    ask: Ask,
) -> Option<Answer> {
    let cx = PollContext { clock: &*shared.clock, deadline };
    let mut answer = Answer::new();
    let work = async {
        match (&ask.kind, &ask.table) {
            (AskKind::TryNewConnection, _) => answer.beside = source.try_new_connection(&cx).await?,
            (AskKind::Evidence, Some(table)) => answer.evidence = source.evidence(&cx, table).await?,
            (AskKind::Evidence, None) => {}
        }
        Ok::<(), SourceError>(())
    };
    let answered = tokio::time::timeout(deadline, work).await.unwrap_or_else(|_elapsed| {
        Err(SourceError::new(ErrorKind::Timeout, format!("no answer within {deadline:?}")))
    });
    if let Err(error) = answered {
        tracing::info!(device = %ask.device, %error, "A question could not be answered.");
        match (&ask.kind, &ask.table) {
            (AskKind::Evidence, Some(table)) => {
                answer.evidence.push(EvidenceItem::not_gathered(table.id(), &error));
            }
            _ => answer.faults.push(unanswered(error)),
        }
    }
    let is_empty = answer.evidence.is_empty() && answer.beside.is_none() && answer.faults.is_empty();
    (!is_empty).then_some(answer)
}

/// Why a new connection was not tried.
fn unanswered(error: SourceError) -> Fault {
    let kind = match error.kind {
        ErrorKind::Auth | ErrorKind::Breaker | ErrorKind::HostKey | ErrorKind::Tls => FaultKind::Denied,
        ErrorKind::Busy | ErrorKind::Throttled => FaultKind::Limit,
        ErrorKind::ConnectionRefused | ErrorKind::Timeout | ErrorKind::Unreachable => FaultKind::Timeout,
        ErrorKind::NoData | ErrorKind::Retired => FaultKind::Unsupported,
        ErrorKind::Parse => FaultKind::Parse,
    };
    Fault { what: "new connection".to_owned(), kind, message: error.message, hint: error.hint }
}
