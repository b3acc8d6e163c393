use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use cliffwatch_engine::Handle;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::connection::{self, STOP_TIMEOUT};
use crate::{Access, ApiConfig, StartError, routes};

/// Connections at a time; more wait in the kernel's queue. Dashboards and scrapers need a few each, and
/// 1024 file descriptors are what a process gets by default.
const CONNECTIONS_MAX: usize = 256;
/// How long to wait when the system refuses a connection for lack of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The API, listening.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    access: Access,
    router: Router,
}

impl Server {
    /// Listens; nothing is answered before [`Server::run`].
    ///
    /// # Errors
    /// When the address is unprotected or taken, or a TLS file cannot be used.
    pub async fn bind(config: &ApiConfig, handle: Handle) -> Result<Self, StartError> {
        config.check()?;
        let access = Access::new(config)?;
        let failed = |error| StartError::Listen { address: config.listen, error };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let router = routes::router(handle, access.clone());
        Ok(Self { listener, address, access, router })
    }

    /// Where it listens, with the port that port 0 became.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a reload may change.
    pub fn access(&self) -> Access {
        self.access.clone()
    }

    /// Answers until the stop, and then lets requests under way end.
    pub async fn run(self, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = accept(&self.listener, &places) => accepted,
            };
            let Some((stream, peer, place)) = accepted else { continue };
            let tls = self.access.rules().tls.clone();
            let (router, stop) = (self.router.clone(), stop.clone());
            connections.spawn(async move {
                connection::serve(stream, peer, tls, router, stop).await;
                drop(place);
            });
        }
        drop(self.listener);
        connections.close();
        if timeout(STOP_TIMEOUT * 2, connections.wait()).await.is_err() {
            tracing::warn!("Some connections to the API did not end in time.");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(error) => {
            tracing::warn!(%error, "A connection to the API could not be accepted.");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
