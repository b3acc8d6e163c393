//! The running thing: schedules polls, folds them into observations and alerts, stores and releases them.
//! No platform in it.
//!
//! ```text
//! tick -> SessionSource::poll -> Poll -> Ingest -> Observation -> rules -> backlog -> writer -> store
//!                                                                  \-> outbox -> released events
//! ```
//!
//! [`Service`] starts it all and stops it in order; [`Handle`] is what the API and the commands hold.

mod backlog;
pub mod clock;
mod handle;
mod housekeeping;
mod journal;
pub mod live;
mod ourselves;
mod outbox;
mod pipeline;
pub mod replay;
mod resume;
mod scheduler;
mod service;
mod startup;
mod stats;
#[cfg(feature = "testkit")]
pub mod testkit;
mod writer;

pub use handle::{Busy, Handle, ReloadError, word};
pub use scheduler::{CANARY_EVERY, Changes};
pub use service::{Options, Plan, Service, StartError, StoreOpener};
pub use stats::{Histogram, Stats};

#[cfg(test)]
mod tests;
