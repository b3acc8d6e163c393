//! The only crate that opens a connection to a device.
//!
//! [`ssh`] holds one session per device and answers one cheap question per poll on it.

pub mod ssh;
mod tcp;

pub use tcp::dial;
