//! Simulated hosts as the adapter sees them, over real SSH.

mod lab;

mod answers;
mod faults;
mod strictness;
