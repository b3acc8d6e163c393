//! The SSH transport against real OpenSSH servers on loopback, and against one of our own for what
//! OpenSSH cannot be made to do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout
)]

mod beside;
mod credentials;
mod faults;
mod held;
mod host_keys;
mod modes;
mod routes;
mod simulated;
mod sshd;
