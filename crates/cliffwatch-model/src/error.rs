use serde::{Deserialize, Serialize};

/// Why a poll gave no reading. The same words are the poll's `outcome`, the `reason` of
/// `cliffwatch_poll_failures_total` and the `outcome` column of the `polls` view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The device rejected the credential.
    Auth,
    /// Not tried: a breaker is open after earlier failures.
    Breaker,
    /// Not tried, or refused for now: the device has no free session, or the source is occupied.
    Busy,
    /// The device's port answered with a refusal (TCP RST).
    ConnectionRefused,
    /// The device's host key is not the pinned one. Never retried with the credential.
    HostKey,
    /// The source answered and holds nothing for the period asked.
    NoData,
    /// The answer could not be understood.
    Parse,
    /// The device left the inventory: its last poll.
    Retired,
    /// The device, or an API on the way, told us to slow down.
    Throttled,
    /// No answer within the deadline.
    Timeout,
    /// TLS could not be established or verified.
    Tls,
    /// No route, no name, or the connection broke.
    Unreachable,
}

impl ErrorKind {
    /// Every kind, in alphabetical order.
    pub const ALL: [Self; 12] = [
        Self::Auth,
        Self::Breaker,
        Self::Busy,
        Self::ConnectionRefused,
        Self::HostKey,
        Self::NoData,
        Self::Parse,
        Self::Retired,
        Self::Throttled,
        Self::Timeout,
        Self::Tls,
        Self::Unreachable,
    ];

    /// The name that users see: snake_case, as in the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Breaker => "breaker",
            Self::Busy => "busy",
            Self::ConnectionRefused => "connection_refused",
            Self::HostKey => "host_key",
            Self::NoData => "no_data",
            Self::Parse => "parse",
            Self::Retired => "retired",
            Self::Throttled => "throttled",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Unreachable => "unreachable",
        }
    }

    /// The kind with this name, as stored or received.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A poll that failed whole: what failed, on what, and what to do about it.
///
/// `message` is a lower-case fragment that reads well after "poll failed: "; it never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct SourceError {
    /// Decides what happens next (retry, breaker) and is what metrics count.
    pub kind: ErrorKind,
    /// What failed.
    pub message: String,
    /// What the operator can do, where that is known.
    pub hint: Option<String>,
}

impl SourceError {
    /// An error without a hint.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// The same error with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Something inside an otherwise good reading that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// What is missing, in the operator's words: `per-namespace counts`.
    pub what: String,
    /// Why, in one word.
    pub kind: FaultKind,
    /// What the device said or what was found instead.
    pub message: String,
    /// The missing right or setting, where that is known.
    #[serde(default)]
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(what: impl Into<String>, kind: FaultKind, message: impl Into<String>) -> Self {
        Self { what: what.into(), kind, message: message.into(), hint: None }
    }

    /// The same fault with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Why a part of a reading is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The login lacks a right.
    Denied,
    /// More than Cliffwatch keeps or reads; the rest was left out.
    Limit,
    /// The answer for this part could not be understood.
    Parse,
    /// Not within the time allowed.
    Timeout,
    /// This device or version does not have it.
    Unsupported,
}
