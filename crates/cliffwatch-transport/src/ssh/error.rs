use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cliffwatch_model::{ErrorKind, SourceError};

use super::host_key::ShownKey;

/// Why a request over SSH gave no reply. The text is a lower-case fragment that names the far end and
/// never holds a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SshError {
    /// The name has no address, and no earlier answer is known.
    #[error("no address for {host}: {reason}")]
    Resolve {
        /// The name asked for.
        host: String,
        /// The resolver's words.
        reason: String,
    },
    /// The TCP connection could not be made.
    #[error("cannot connect to {peer}: {reason}")]
    Connect {
        /// Address and port tried.
        peer: String,
        /// What kind of failure the system reported.
        io: io::ErrorKind,
        /// The system's words.
        reason: String,
    },
    /// Nothing within the deadline.
    #[error("no answer from {peer} within the deadline while {doing}")]
    Timeout {
        /// The far end.
        peer: String,
        /// What was waited for.
        doing: &'static str,
    },
    /// The far end, or something on the way, ended the connection.
    #[error("{peer} closed the connection while {doing}: {reason}")]
    Closed {
        /// The far end.
        peer: String,
        /// What was going on.
        doing: &'static str,
        /// The far end's words, or the library's.
        reason: String,
    },
    /// What answers is not SSH as we know it.
    #[error("{peer} does not speak SSH as expected: {reason}")]
    Protocol {
        /// The far end.
        peer: String,
        /// What was wrong.
        reason: String,
    },
    /// Both sides have no algorithm in common.
    #[error("no common {what} algorithm with {peer}, which offers {theirs}")]
    NoCommonAlgorithm {
        /// The far end.
        peer: String,
        /// `key exchange`, `host key`, `cipher` or `mac`.
        what: &'static str,
        /// The far end's list.
        theirs: String,
        /// Whether the old algorithms were already offered.
        legacy: bool,
    },
    /// The host key is not one that is trusted. Nothing was sent that could authenticate us.
    #[error("host key of {peer} is {}, {expected}", shown(seen))]
    HostKey {
        /// The far end.
        peer: String,
        /// Every key that it showed.
        seen: Vec<ShownKey>,
        /// What was expected instead, as a fragment.
        expected: String,
        /// What to do about it.
        hint: String,
        /// Whether another key was expected; otherwise nothing is known of the host.
        contradicted: bool,
    },
    /// The known_hosts file could not be read, so that no key can be trusted.
    #[error("cannot read known_hosts file {}: {reason}", path.display())]
    KnownHosts {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The device refused the credential.
    #[error("{peer} rejected {method} for user {username}{detail}")]
    Rejected {
        /// The far end.
        peer: String,
        /// The user name that was tried.
        username: String,
        /// `the key`, `the password`, …
        method: &'static str,
        /// What the far end would accept, as a fragment that begins with a separator, or nothing.
        detail: String,
    },
    /// The credential cannot be used at all: nothing was sent to the device.
    #[error("credential {name} cannot be used: {reason}")]
    Credential {
        /// The credential's name in the inventory.
        name: String,
        /// What is wrong with it.
        reason: String,
        /// What to do about it.
        hint: Option<&'static str>,
    },
    /// Not tried: a breaker is open.
    #[error("not tried for another {}: {why}", seconds(*remaining))]
    Breaker {
        /// What opened it.
        why: String,
        /// Until the next try.
        remaining: Duration,
        /// What to do about it.
        hint: Option<&'static str>,
    },
    /// Not tried: waiting between two attempts to connect.
    #[error("not tried, next attempt in {}; the last one: {last}", seconds(*remaining))]
    BackingOff {
        /// Why the last attempt failed.
        last: Box<SshError>,
        /// Until the next attempt.
        remaining: Duration,
    },
    /// Not tried: the device has seen enough logins this minute.
    #[error("not tried for another {}: {cap} logins on this device in the last minute", seconds(*remaining))]
    LoginCap {
        /// The cap, logins per minute.
        cap: u32,
        /// Until a login is allowed again.
        remaining: Duration,
    },
    /// Another request of ours holds the session, or the turn to log in did not come in time.
    #[error("no turn within the deadline: {reason}")]
    Busy {
        /// What was waited for.
        reason: String,
    },
    /// The device refused another channel on the held connection.
    #[error("{peer} refused a new channel: {reason}")]
    ChannelRefused {
        /// The far end.
        peer: String,
        /// The reason given.
        reason: String,
    },
    /// The login may not open connections from the far end to another host.
    #[error("{peer} lets this login open no connection to {to}: administratively prohibited")]
    TunnelDenied {
        /// The far end.
        peer: String,
        /// Where to.
        to: String,
    },
    /// The reply is longer than we read.
    #[error("the reply of {peer} is longer than {cap} bytes")]
    TooLarge {
        /// The far end.
        peer: String,
        /// The cap, bytes.
        cap: usize,
    },
    /// The far side did not run our script to its end.
    #[error("{peer} did not run the script: {reason}")]
    Script {
        /// The far end.
        peer: String,
        /// What happened instead.
        reason: String,
    },
    /// The way to the device broke, not the device.
    #[error("jump host {name}: {source}")]
    Jump {
        /// The jump host's name in the inventory.
        name: String,
        /// What failed there.
        source: Box<SshError>,
    },
    /// [`SshSession::close`](super::SshSession::close) was called.
    #[error("the session was closed")]
    Retired,
}

impl SshError {
    /// The word under which the poll is counted and stored.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { io: io::ErrorKind::ConnectionRefused, .. } => ErrorKind::ConnectionRefused,
            Self::Connect { io: io::ErrorKind::TimedOut, .. } | Self::Timeout { .. } => ErrorKind::Timeout,
            Self::Resolve { .. }
            | Self::TunnelDenied { .. }
            | Self::Connect { .. }
            | Self::Closed { .. }
            | Self::NoCommonAlgorithm { .. } => ErrorKind::Unreachable,
            Self::Protocol { .. } | Self::TooLarge { .. } | Self::Script { .. } => ErrorKind::Parse,
            Self::HostKey { .. } | Self::KnownHosts { .. } => ErrorKind::HostKey,
            Self::Rejected { .. } | Self::Credential { .. } => ErrorKind::Auth,
            Self::Breaker { .. } => ErrorKind::Breaker,
            Self::BackingOff { last, .. } => last.kind(),
            Self::Jump { source, .. } => source.kind(),
            Self::LoginCap { .. } | Self::Busy { .. } | Self::ChannelRefused { .. } => ErrorKind::Busy,
            Self::Retired => ErrorKind::Retired,
        }
    }

    /// What the operator can do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::HostKey { hint, .. } => Some(hint),
            Self::Credential { hint, .. } | Self::Breaker { hint, .. } => *hint,
            Self::BackingOff { last, .. } => last.hint(),
            Self::Jump { source, .. } => source.hint(),
            Self::NoCommonAlgorithm { legacy: false, .. } => {
                Some("for an old appliance set `ssh: { legacy: true }` on the device")
            }
            Self::Connect { io: io::ErrorKind::AddrNotAvailable, .. } => {
                Some("source_address must be an address of this machine")
            }
            Self::Rejected { .. } => Some(
                "check the user name, and that the device accepts this credential: its sshd's log says why not (a locked \
                 account, a shell that is not there); a changed one is tried at once",
            ),
            Self::ChannelRefused { .. } => {
                Some("raise MaxSessions on the device, or close other sessions of this login")
            }
            Self::TunnelDenied { .. } => Some(
                "allow it to this login: `restrict,port-forwarding,permitopen=\"HOST:PORT\"` before its key in \
                 authorized_keys, and `AllowTcpForwarding local` in sshd_config",
            ),
            Self::Script { .. } => {
                Some("give the user a POSIX shell, or a forced command that prints the readings")
            }
            Self::KnownHosts { .. } => Some("make the file readable, or pin the key with `host_key`"),
            _ => None,
        }
    }

    /// Whether something was sent at all.
    pub(super) fn was_tried(&self) -> bool {
        match self {
            Self::Breaker { .. } | Self::BackingOff { .. } | Self::LoginCap { .. } | Self::Busy { .. } => {
                false
            }
            Self::Jump { source, .. } => source.was_tried(),
            _ => true,
        }
    }

    /// Two keys of one host, neither of them trusted; anything else that came later explains nothing.
    pub(super) fn and_also(self, later: Self) -> Self {
        match (self, later) {
            (
                Self::HostKey { peer, mut seen, expected, hint, contradicted },
                Self::HostKey { seen: also, .. },
            ) => {
                seen.extend(also);
                Self::HostKey { peer, seen, expected, hint, contradicted }
            }
            (first, _) => first,
        }
    }

    /// The same failure, of the way to the device.
    pub(super) fn at_jump(self, name: &str) -> Self {
        Self::Jump { name: name.to_owned(), source: Box::new(self) }
    }
}

impl From<SshError> for SourceError {
    fn from(error: SshError) -> Self {
        let plain = Self::new(error.kind(), error.to_string());
        match error.hint() {
            Some(hint) => plain.with_hint(hint),
            None => plain,
        }
    }
}

/// `SHA256:…`, of each key.
fn shown(keys: &[ShownKey]) -> String {
    keys.iter().map(|key| key.fingerprint.as_str()).collect::<Vec<_>>().join(" and ")
}

/// A pause in words: `45 s`, `14 min 20 s`.
fn seconds(pause: Duration) -> String {
    let whole = pause.as_secs().max(1);
    if whole < 60 { format!("{whole} s") } else { format!("{} min {} s", whole / 60, whole % 60) }
}
