use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cliffwatch_model::{AlertEvent, DeviceName, Observation, PollerName, Timestamp};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::connections::{Connections, Lease};
use crate::engine::{Engine, Purpose};
use crate::write::{self, Ids};
use crate::{
    AlertFilter, AlertHistory, Batch, Committed, DeviceRecord, HistoryQuery, Page, PageRequest, Resume,
    Retained, Retention, SamplePoint, SampleQuery, Store, StoreError, StoreKind, TableNow, read, retain,
};

/// Questions that are answered at once. Enough for a page that asks for several things; few enough that
/// readers leave the writer its share of two cores.
const READERS_MAX: u32 = 4;
/// How long [`Store::close`] waits for what is under way, per purpose.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// The store on one engine.
pub(crate) struct SqlStore<E: Engine> {
    writer: Connections<E>,
    readers: Connections<E>,
    read_only: bool,
    /// Also what makes writers wait for each other.
    ids: Mutex<Ids>,
}

impl<E: Engine> SqlStore<E> {
    pub(crate) fn new(engine: E, read_only: bool) -> Self {
        let engine = Arc::new(engine);
        Self {
            writer: Connections::new(Arc::clone(&engine), Purpose::Write, 1),
            readers: Connections::new(engine, Purpose::Read, READERS_MAX),
            read_only,
            ids: Mutex::default(),
        }
    }

    /// Asks something on a connection for reading, within the deadline.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut E::Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let asked = async {
            let mut lease = self.readers.lease().await?;
            let answer = question(&mut lease.connection).await;
            settle(&self.readers, lease, answer)
        };
        let answer = timeout(Purpose::Read.deadline(), asked).await;
        answer.unwrap_or_else(|_| Err(late("the question was not answered", Purpose::Read)))
    }

    /// Does something in one transaction, within the deadline. What is known of ids is forgotten where that
    /// fails: ids that were rolled back must not be used again.
    async fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&mut E::Connection, &mut Ids) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        if self.read_only {
            return Err(StoreError::Invalid("the store is open for reading only".to_owned()));
        }
        let transaction = async {
            let mut kept = self.ids.lock().await;
            let mut ids = std::mem::take(&mut *kept);
            let mut lease = self.writer.lease().await?;
            let connection = &mut lease.connection;
            let done = async {
                E::execute(connection, E::BEGIN, Vec::new()).await?;
                let done = work(connection, &mut ids).await?;
                E::execute(connection, "COMMIT", Vec::new()).await?;
                Ok(done)
            };
            let done = done.await;
            if done.is_ok() {
                *kept = ids;
            }
            settle(&self.writer, lease, done)
        };
        let done = timeout(Purpose::Write.deadline(), transaction).await;
        done.unwrap_or_else(|_| Err(late("the transaction was not finished", Purpose::Write)))
    }
}

/// Keeps the connection after a success. After a failure it is closed; where the database was lost, the idle
/// ones are as well.
fn settle<E: Engine, T>(
    connections: &Connections<E>,
    lease: Lease<E>,
    answer: Result<T, StoreError>,
) -> Result<T, StoreError> {
    match &answer {
        Ok(_) => connections.give_back(lease),
        Err(error) if error.is_retryable() => connections.forget_idle(),
        Err(_) => {}
    }
    answer
}

fn late(what: &str, purpose: Purpose) -> StoreError {
    StoreError::unavailable(format!("{what} within {} s", purpose.deadline().as_secs()))
}

impl<E: Engine> fmt::Debug for SqlStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({})", E::KIND.as_str())
    }
}

#[async_trait]
impl<E: Engine> Store for SqlStore<E> {
    fn kind(&self) -> StoreKind {
        E::KIND
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.ask(async |connection| E::execute(connection, "SELECT 1", Vec::new()).await.map(drop)).await
    }

    async fn commit(&self, batch: &Batch) -> Result<Committed, StoreError> {
        self.transact(async |connection, ids| write::batch::<E>(connection, ids, batch).await).await
    }

    async fn resume(&self, poller: &PollerName) -> Result<Resume, StoreError> {
        self.ask(async |connection| read::resume::<E>(connection, poller).await).await
    }

    async fn observations(
        &self,
        query: &HistoryQuery,
        page: &PageRequest,
    ) -> Result<Page<Observation>, StoreError> {
        self.ask(async |connection| read::observations::<E>(connection, query, page).await).await
    }

    async fn samples(
        &self,
        query: &SampleQuery,
        page: &PageRequest,
    ) -> Result<Page<SamplePoint>, StoreError> {
        self.ask(async |connection| read::samples::<E>(connection, query, page).await).await
    }

    async fn tables(
        &self,
        device: Option<&DeviceName>,
        page: &PageRequest,
    ) -> Result<Page<TableNow>, StoreError> {
        self.ask(async |connection| read::tables::<E>(connection, device, page).await).await
    }

    async fn devices(&self, page: &PageRequest) -> Result<Page<DeviceRecord>, StoreError> {
        self.ask(async |connection| read::devices::<E>(connection, page).await).await
    }

    async fn alerts(&self, filter: &AlertFilter, page: &PageRequest) -> Result<Page<AlertEvent>, StoreError> {
        self.ask(async |connection| read::alerts::<E>(connection, filter, page).await).await
    }

    async fn alert(&self, alert_id: &str) -> Result<Option<AlertHistory>, StoreError> {
        self.ask(async |connection| read::alert::<E>(connection, alert_id).await).await
    }

    async fn retain(&self, retention: &Retention, now: Timestamp) -> Result<Retained, StoreError> {
        let retain = async |connection: &mut E::Connection, ids: &mut Ids| {
            let retained = retain::retain::<E>(connection, retention, now).await?;
            if retained.identities > 0 {
                *ids = Ids::default();
            }
            Ok(retained)
        };
        self.transact(retain).await
    }

    async fn backup(&self, path: &Path) -> Result<(), StoreError> {
        // As long as the file is large: a connection of its own, outside the readers' deadline.
        self.readers.apart(async |connection| E::backup(connection, path).await).await
    }

    async fn close(&self) {
        self.writer.close(CLOSE_WAIT).await;
        self.readers.close(CLOSE_WAIT).await;
        self.writer.engine().release();
    }
}
