//! Linux conntrack over a held SSH session, with nothing installed on the host and no right that every
//! login does not have.
//!
//! What is asked is in `fetch.rs`, how it is understood in `parse.rs`; both ways to a host, SSH and the
//! machine's own files, lead through the same parser. The README beside this crate says what is read,
//! what it costs and what cannot be known.

mod access;
mod config;
mod evidence;
mod factory;
mod fetch;
mod local;
mod log;
mod login;
mod parse;
mod paths;
mod probe;
mod remedy;
mod source;

pub use config::{ConntrackStats, LinuxSettings, NamespacesFrom};
pub use factory::LinuxFactory;
pub use parse::Decoder;
