//! The adapter as the engine sees it: captured replies, and real parts.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod entries;
mod evidence;
mod golden;
mod local;
mod namespaces;
mod probe;
mod properties;
mod recipes;
mod settings;
mod shells;
mod skip;
mod ssh;
mod sshd;
