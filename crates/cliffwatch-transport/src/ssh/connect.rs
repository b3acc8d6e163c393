use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::credential::{Loaded, hash};
use super::dial::{self, Dialed, Terms};
use super::error::SshError;
use super::gate::{Outcome, Pause, Subjects};
use super::host_key::{HostKeyPolicy, KeyFamily, Trust};
use super::hub::{Applicant, SshHub};
use super::jump::JumpHost;
use super::login::{LoginFailure, login};
use super::target::{Address, Login};

/// One host that we log in to: a device or a jump host.
pub(super) struct Endpoint {
    /// The key of its breaker: the device's name, or `jump host NAME`.
    pub(super) name: String,
    pub(super) address: Address,
    pub(super) login: Login,
    pub(super) host_key: HostKeyPolicy,
    pub(super) legacy: bool,
    pub(super) keepalive: Duration,
    pub(super) logins_per_minute: u32,
    /// The family of host keys that a pin matched: the next connection asks for it first.
    pub(super) matched: Mutex<Option<KeyFamily>>,
}

/// How to get a stream to it.
#[derive(Clone)]
pub(super) enum Route {
    Direct { source: Option<IpAddr> },
    Through(Arc<JumpHost>),
}

impl Endpoint {
    /// Connects and logs in, once, if the breakers allow it.
    pub(super) async fn connect(
        &self,
        hub: &Arc<SshHub>,
        route: &Route,
        deadline: Instant,
    ) -> Result<Connection, SshError> {
        let mut loaded = hub.keys.load(&self.login.credential).await?;
        let trust = Arc::new(Trust::load(&self.host_key, &hub.known_hosts, &self.address).await?);
        let subjects = self.subjects(&loaded, &trust);
        let credential = self.login.credential.name.as_str();
        let who = Applicant { device: &self.name, credential, secret: loaded.digest };
        hub.admit(&who, &subjects, self.logins_per_minute)?;

        let dialed = timeout_at(deadline, self.dial(hub, route, &trust, deadline)).await;
        let dialed = dialed.unwrap_or_else(|_| Err(self.late("connecting")));
        let mut dialed = dialed.inspect_err(|error| hub.failed(&self.name, error, &subjects))?;

        let permit = hub.permit(&who, deadline).await?;
        let login = login(&mut dialed, &self.login.username, &mut loaded.proof, self.legacy);
        let ended = timeout_at(deadline, login).await;
        let ended = ended.unwrap_or_else(|_| Err(LoginFailure::Other(self.late("logging in"))));
        let outcome = match &ended {
            Ok(()) => {
                hub.succeeded(&self.name);
                Outcome::Accepted
            }
            Err(LoginFailure::Rejected(error)) => {
                hub.pause(&self.name, Pause::Rejected, error, &subjects);
                Outcome::Rejected
            }
            Err(LoginFailure::HungUp(error)) => {
                hub.pause(&self.name, Pause::HungUp, error, &subjects);
                Outcome::Unknown
            }
            Err(LoginFailure::Other(error)) => {
                hub.failed(&self.name, error, &subjects);
                Outcome::Unknown
            }
        };
        permit.end(outcome);
        ended.map_err(LoginFailure::into_error)?;
        Ok(self.logged_in(dialed))
    }

    fn logged_in(&self, dialed: Dialed) -> Connection {
        let Dialed { handle, switch, shared, peer, far } = dialed;
        let seen = shared.seen();
        tracing::info!(
            device = self.name,
            peer,
            server = seen.server_version,
            key_exchange = seen.key_exchange,
            "Logged in."
        );
        Connection::new(handle, switch, shared, peer, far)
    }

    fn late(&self, doing: &'static str) -> SshError {
        SshError::Timeout { peer: self.address.to_string(), doing }
    }

    /// Connects and checks the host key. A server shows one key, of the first family that it has in common
    /// with our list; where a pin does not match that one it may still match another.
    async fn dial(
        &self,
        hub: &Arc<SshHub>,
        route: &Route,
        trust: &Arc<Trust>,
        deadline: Instant,
    ) -> Result<Dialed, SshError> {
        let matched = *self.matched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut families = trust.families();
        families.sort_by_key(|family| Some(*family) != matched);
        let mut shown: Option<SshError> = None;
        loop {
            let terms = Terms {
                trust: Arc::clone(trust),
                families: families.clone(),
                legacy: self.legacy,
                keepalive: self.keepalive,
            };
            let error = match self.reach(hub, route, &terms, deadline).await {
                Ok(dialed) => {
                    let family = dialed.shared.seen().family;
                    *self.matched.lock().unwrap_or_else(PoisonError::into_inner) = family;
                    return Ok(dialed);
                }
                Err((error, seen)) => {
                    if let (SshError::HostKey { .. }, Some(family)) = (&error, seen) {
                        families.retain(|other| *other != family);
                    }
                    error
                }
            };
            let again = matches!(error, SshError::HostKey { .. })
                && trust.may_match_another()
                && !families.is_empty();
            // When the server has no further key, what it did show is what the operator needs.
            let error = match shown {
                Some(shown) => shown.and_also(error),
                None => error,
            };
            if !again {
                return Err(error);
            }
            shown = Some(error);
        }
    }

    /// Opens a stream and exchanges keys over it; with an error comes the family of the key that was shown.
    async fn reach(
        &self,
        hub: &Arc<SshHub>,
        route: &Route,
        terms: &Terms,
        deadline: Instant,
    ) -> Result<Dialed, (SshError, Option<KeyFamily>)> {
        let peer = self.address.to_string();
        match route {
            Route::Direct { source } => {
                let addresses = hub.resolver.resolve(&self.address, deadline).await.map_err(|e| (e, None))?;
                let stream = dial::tcp(&addresses, *source, deadline).await.map_err(|e| (e, None))?;
                let far = stream.peer_addr().ok();
                Ok(Dialed { far, ..dial::handshake(stream, &peer, terms).await? })
            }
            Route::Through(jump) => {
                // Boxed, because opening the jump host's own connection comes through here again.
                let tunnel =
                    Box::pin(jump.open(hub, &self.address, deadline)).await.map_err(|e| (e, None))?;
                dial::handshake(tunnel, &peer, terms).await
            }
        }
    }

    fn subjects(&self, loaded: &Loaded, trust: &Trust) -> Subjects {
        let address = self.address.to_string();
        let user = self.login.username.as_bytes();
        Subjects {
            login: hash(&[address.as_bytes(), user, loaded.digest.as_ref()]),
            host_key: hash(&[address.as_bytes(), trust.digest().as_ref()]),
        }
    }
}
