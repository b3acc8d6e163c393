//! Simulated devices that speak the real protocols, driven by the series notation that scenarios and tests
//! share: thousands of them in one process, for tests, the demo and load.
//!
//! A [`Fleet`] listens once, for all its devices: Linux routes the whole of 127.0.0.0/8 to itself, so that
//! each device has an address of its own without anything being set up. What a device is asked is compared
//! literally with the list that its adapter gives for change control; anything else is refused and recorded.
//!
//! State is computed when it is asked for, from the series and the time since the start. `fleet.rs` and
//! `device.rs` are what all platforms share; `linux.rs` is the first of them.

mod device;
mod fault;
mod fleet;
mod inventory;
mod keys;
pub mod linux;
mod record;
mod scenario;
mod share;
mod track;

pub use device::{Device, Platform};
pub use fault::{Fault, FaultError, Span};
pub use fleet::{Fleet, FleetError, Options};
pub use inventory::Polling;
pub use keys::LoginKey;
pub use record::Undocumented;
pub use scenario::{BUILTIN, Scenario, ScenarioError};
pub use share::{Share, ShareError};
pub use track::Track;
