//! The adapter as the engine sees it: captured replies, and real parts.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;
mod properties;
mod settings;
