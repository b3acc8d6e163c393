use std::net::IpAddr;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use russh::ChannelStream;
use russh::client::Msg;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::connect::{Endpoint, Route};
use super::connection::Connection;
use super::error::SshError;
use super::hub::SshHub;
use super::target::{Address, JumpTarget};

/// Twenty tunnels a second: a jump host forks nothing for one, and a thousand devices are back in 50 s.
const TUNNEL_SPACING: Duration = Duration::from_millis(50);
/// As for a device, see [`SshTarget`](super::SshTarget).
const LOGINS_PER_MINUTE: u32 = 6;
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Devices with the same key share one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JumpKey {
    pub(super) jump: JumpTarget,
    pub(super) source: Option<IpAddr>,
}

/// One held connection to a jump host, made when the first tunnel is asked for.
pub(super) struct JumpHost {
    name: String,
    endpoint: Endpoint,
    route: Route,
    connection: Mutex<Option<Arc<Connection>>>,
    next_tunnel: StdMutex<Option<Instant>>,
}

impl JumpHost {
    pub(super) fn new(key: &JumpKey) -> Self {
        let jump = &key.jump;
        let endpoint = Endpoint {
            name: format!("jump host {}", jump.name),
            address: jump.address.clone(),
            login: jump.login.clone(),
            host_key: jump.host_key.clone(),
            legacy: jump.legacy,
            keepalive: KEEPALIVE,
            logins_per_minute: LOGINS_PER_MINUTE,
            matched: StdMutex::new(None),
        };
        let route = Route::Direct { source: key.source };
        Self {
            name: jump.name.clone(),
            endpoint,
            route,
            connection: Mutex::new(None),
            next_tunnel: StdMutex::new(None),
        }
    }

    /// A stream to the address, as the jump host resolves and reaches it.
    pub(super) async fn open(
        &self,
        hub: &Arc<SshHub>,
        to: &Address,
        deadline: Instant,
    ) -> Result<ChannelStream<Msg>, SshError> {
        // The deadline is met here, so that a hung jump host is not taken for a hung device.
        let late =
            |_| SshError::Timeout { peer: self.endpoint.address.to_string(), doing: "opening a tunnel" };
        let tunnel = timeout_at(deadline, self.tunnel(hub, to, deadline)).await.map_err(late);
        tunnel.flatten().map_err(|error| error.at_jump(&self.name))
    }

    async fn tunnel(
        &self,
        hub: &Arc<SshHub>,
        to: &Address,
        deadline: Instant,
    ) -> Result<ChannelStream<Msg>, SshError> {
        let connection = self.connection(hub, deadline).await?;
        let Some(slot) = self.slot(deadline) else {
            return Err(SshError::Busy { reason: "other logins through it go first".into() });
        };
        sleep_until(slot).await;
        connection.open_tunnel(to).await
    }

    /// A stream to the address over the connection that is held now: never a login.
    pub(super) async fn open_beside(
        &self,
        to: &Address,
        deadline: Instant,
    ) -> Result<ChannelStream<Msg>, SshError> {
        let held = self.connection.try_lock().ok().and_then(|held| held.clone());
        let Some(connection) = held.filter(|connection| !connection.is_closed()) else {
            let reason = "the jump host is not connected".into();
            return Err(SshError::Busy { reason }.at_jump(&self.name));
        };
        match timeout_at(deadline, connection.open_tunnel(to)).await {
            // It could not reach the device: that is what was asked.
            Ok(Err(error @ SshError::Connect { .. })) => Err(error),
            Ok(tunnel) => tunnel.map_err(|error| error.at_jump(&self.name)),
            Err(_) => Err(SshError::Timeout { peer: to.to_string(), doing: "connecting" }),
        }
    }

    async fn connection(&self, hub: &Arc<SshHub>, deadline: Instant) -> Result<Arc<Connection>, SshError> {
        // Held while connecting: whoever comes meanwhile waits for that one login.
        let mut held = self.connection.lock().await;
        if let Some(connection) = held.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        *held = None;
        let connection = Arc::new(self.endpoint.connect(hub, &self.route, deadline).await?);
        *held = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// The next tunnel's turn, if it comes in time.
    fn slot(&self, deadline: Instant) -> Option<Instant> {
        let mut next = self.next_tunnel.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let slot = next.map_or(now, |next| next.max(now));
        (slot < deadline).then(|| {
            *next = Some(slot + TUNNEL_SPACING);
            slot
        })
    }
}
