//! Simulated hosts as the adapter sees them, over real SSH.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "helpers of tests, too")]

mod lab;

mod answers;
mod faults;
mod strictness;
