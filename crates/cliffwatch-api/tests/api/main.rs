//! The API over real sockets: what it answers, to whom, and what it refuses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may"
)]

mod access;
mod client;
mod document;
mod golden;
mod history;
mod hostile;
mod limits;
mod scrape;
mod status;
mod tls;
mod world;
