//! One normalised history in SQLite or Postgres.
//!
//! [`Store`] is the seam: the engine writes whole batches through it, one transaction each, and reads back
//! exactly what it wrote. Both engines run the same statements on the same schema; users read the stable
//! views of `migrations/`, never the tables behind them.

mod batch;
mod connections;
mod convert;
mod cursor;
mod engine;
mod error;
mod fault;
mod migrate;
mod open;
mod postgres;
mod read;
mod records;
mod retain;
mod row;
mod sql_store;
mod sqlite;
mod store;
mod text;
mod url;
mod write;

pub use batch::{Batch, Committed, DeviceChange, MemoryChange, RuleStateChange};
pub use error::StoreError;
pub use open::{OpenOptions, open};
pub use store::{
    AlertFilter, AlertHistory, DeviceRecord, DeviceResume, HistoryQuery, Order, PAGE_ITEMS_MAX, Page,
    PageRequest, Resume, Retained, Retention, RuleState, RuleStateRow, SamplePoint, SampleQuery, Store,
    StoreKind, TableNow,
};
pub use url::StoreUrl;
