//! The whole line on the real thing: a kernel's conntrack table that fills, read over a held session of Debian's sshd by
//! the real binary, into SQLite and Postgres, to an alert in REST, SQL, `/metrics` and the log.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a part of a test that fails, fails the test"
)]

mod asymmetry;
mod churn;
mod evidence;
mod examples;
mod filling;
mod kinds;
mod namespaces;
mod record;
mod signatures;
