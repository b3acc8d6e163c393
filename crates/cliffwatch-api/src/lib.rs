//! What scripts, dashboards and Prometheus talk to: REST, its OpenAPI document, and `/metrics`.
//!
//! ```text
//! server ─▶ connection ─▶ guard ─▶ auth ─▶ routes/ ─▶ dto/
//!  accept,   TLS, limits   panic,    tokens,   one file a      what JSON
//!  stop                    time,     loopback  resource        looks like
//!                          size
//! ```
//!
//! - Status (devices, tables, open alerts) comes from memory and works while the store is away; history
//!   (samples, polls, closed alerts) comes from the store.
//! - Every error is a problem document (RFC 9457) with a stable `type` and no inner details.
//! - A parameter is documented where it is read: one list serves OpenAPI, the check for unknown names and
//!   the message about them.

mod access;
mod attempts;
mod auth;
mod config;
mod connection;
mod cursor;
mod dto;
mod guard;
mod list;
mod metrics;
mod openapi;
mod origin;
mod patience;
mod problem;
mod query;
mod routes;
mod server;
mod snapshot;
mod tls;

pub use access::Access;
pub use config::{ApiConfig, LISTEN_DEFAULT, Scope, StartError, TlsFiles, Token};
pub use openapi::openapi;
pub use server::Server;
