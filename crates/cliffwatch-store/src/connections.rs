use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::StoreError;
use crate::engine::{Engine, Purpose};

/// Connections of one purpose. A connection is used again only after it was given back: one whose call
/// failed, was cancelled or ran out of time is closed, because nobody knows what it is still doing.
pub(crate) struct Connections<E: Engine> {
    engine: Arc<E>,
    purpose: Purpose,
    max: u32,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<E::Connection>>,
}

/// A connection in use.
pub(crate) struct Lease<E: Engine> {
    pub(crate) connection: E::Connection,
    _permit: OwnedSemaphorePermit,
}

impl<E: Engine> Connections<E> {
    pub(crate) fn new(engine: Arc<E>, purpose: Purpose, max: u32) -> Self {
        let permits = usize::try_from(max).unwrap_or(1);
        Self { engine, purpose, max, permits: Arc::new(Semaphore::new(permits)), idle: Mutex::default() }
    }

    /// An idle connection or a new one; waits while all are in use.
    pub(crate) async fn lease(&self) -> Result<Lease<E>, StoreError> {
        let closed = |_| StoreError::Invalid("the store is closed".to_owned());
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(closed)?;
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.engine.connect(self.purpose).await?,
        };
        Ok(Lease { connection, _permit: permit })
    }

    /// Does something long on a connection of its own, with the deadline of a migration.
    pub(crate) async fn apart<T>(
        &self,
        work: impl AsyncFnOnce(&mut E::Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let deadline = Purpose::Migrate.deadline();
        let worked = timeout(deadline, async {
            let mut connection = self.engine.connect(self.purpose).await?;
            let done = work(&mut connection).await;
            E::disconnect(connection).await;
            done
        });
        let late = || StoreError::unavailable(format!("not finished within {} s", deadline.as_secs()));
        worked.await.unwrap_or_else(|_| Err(late()))
    }

    /// Keeps a connection that did what it was asked.
    pub(crate) fn give_back(&self, lease: Lease<E>) {
        if !self.permits.is_closed() {
            self.idle().push(lease.connection);
        }
    }

    /// Closes the idle connections: after one was lost, the others are as dead.
    pub(crate) fn forget_idle(&self) {
        self.idle().clear();
    }

    /// Refuses new leases, waits a little for those in use and says goodbye on the idle ones. A server that
    /// does not take the goodbye loses the connection anyway.
    pub(crate) async fn close(&self, wait: Duration) {
        let in_use = timeout(wait, self.permits.acquire_many(self.max)).await;
        self.permits.close();
        drop(in_use);
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            drop(timeout(wait, E::disconnect(connection)).await);
        }
    }

    pub(crate) fn engine(&self) -> &E {
        &self.engine
    }

    fn idle(&self) -> MutexGuard<'_, Vec<E::Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
