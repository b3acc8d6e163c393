use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelOpenFailure, Disconnect, Names};

use super::host_key::{Distrust, KeyFamily, ShownKey, Trust};

/// A device's words in an error are cut here.
const MAX_REASON_CHARS: usize = 200;

/// What one connection has shown of itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) host_key: Option<ShownKey>,
    pub(super) family: Option<KeyFamily>,
    /// Set where that key is not trusted.
    pub(super) distrust: Option<Distrust>,
    /// `SSH-2.0-OpenSSH_9.2p1`.
    pub(super) server_version: Option<String>,
    /// Negotiated key exchange and cipher.
    pub(super) key_exchange: Option<String>,
    pub(super) cipher: Option<String>,
    /// The far end's last words.
    pub(super) farewell: Option<Farewell>,
}

/// Why the connection ended.
#[derive(Clone, Debug)]
pub(super) struct Farewell {
    pub(super) reason: String,
    /// The far end said that no further attempt to authenticate is welcome.
    pub(super) refused_login: bool,
}

/// Shared between the library's task and ours.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Seen>>);

impl Shared {
    pub(super) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Our side of the library's callbacks.
pub(super) struct Client {
    pub(super) trust: Arc<Trust>,
    pub(super) shared: Shared,
}

/// Refuses every channel that the far end wants to open: nothing of ours is for it to use, and each
/// would take memory.
macro_rules! refuse {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            async fn $name(
                &mut self,
                _: Channel<Msg>,
                $($argument: $type,)*
                reply: ChannelOpenHandle,
                _: &mut Session,
            ) -> Result<(), Self::Error> {
                $(let _ = $argument;)*
                reply.reject(ChannelOpenFailure::AdministrativelyProhibited).await;
                Ok(())
            }
        )*
    };
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        // Certificates are never asked for.
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else { return Ok(false) };
        let distrust = self.trust.distrust(key);
        let trusted = distrust.is_none();
        self.shared.with(|seen| {
            seen.host_key = Some(ShownKey::of(key));
            seen.family = KeyFamily::of(&key.algorithm());
            seen.distrust = distrust;
        });
        Ok(trusted)
    }

    async fn kex_done(
        &mut self,
        _: Option<&[u8]>,
        names: &Names,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let version = printable(&String::from_utf8_lossy(session.remote_sshid()));
        self.shared.with(|seen| {
            seen.server_version = Some(version);
            seen.key_exchange = Some(names.kex.as_ref().to_owned());
            seen.cipher = Some(names.cipher.as_ref().to_owned());
        });
        Ok(())
    }

    async fn disconnected(&mut self, reason: DisconnectReason<Self::Error>) -> Result<(), Self::Error> {
        let farewell = match &reason {
            DisconnectReason::ReceivedDisconnect(info) => Farewell {
                reason: printable(&info.message),
                // OpenSSH says "Too many authentication failures" under the code of a protocol error.
                refused_login: matches!(info.reason_code, Disconnect::NoMoreAuthMethodsAvailable)
                    || info.message.contains("authentication failures"),
            },
            DisconnectReason::Error(error) => {
                let refused_login = matches!(error, russh::Error::NoAuthMethod);
                Farewell { reason: printable(&error.to_string().to_lowercase()), refused_login }
            }
        };
        self.shared.with(|seen| seen.farewell = Some(farewell));
        match reason {
            DisconnectReason::ReceivedDisconnect(_) => Ok(()),
            DisconnectReason::Error(error) => Err(error),
        }
    }

    refuse! {
        server_channel_open_forwarded_tcpip(host: &str, port: u32, from: &str, from_port: u32);
        server_channel_open_forwarded_streamlocal(path: &str);
        server_channel_open_agent_forward();
        server_channel_open_unknown();
        server_channel_open_session();
        server_channel_open_direct_tcpip(host: &str, port: u32, from: &str, from_port: u32);
        server_channel_open_direct_streamlocal(path: &str);
        server_channel_open_x11(from: &str, from_port: u32);
    }
}

/// A far end's text in one of our messages: one short line without control characters.
pub(super) fn printable(text: &str) -> String {
    let line: String =
        text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON_CHARS).collect();
    if line.is_empty() { "no reason given".into() } else { line }
}
