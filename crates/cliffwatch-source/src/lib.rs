//! The seam between the engine and a platform.
//!
//! A platform is one [`SourceFactory`] for the life of the process, which opens one [`SessionSource`] for
//! each device. `poll` is the one method that must be written: the engine keeps the schedule, the
//! deadline, the back-off, the counting and the restarts, so that no platform can forget them.

mod dial;
mod factory;
mod probe;
mod secret;
mod secret_ref;
mod settings;
mod source;
mod target;
#[cfg(feature = "testkit")]
pub mod testkit;

pub use dial::{Connection, Dial, DialError, Stream};
pub use factory::{
    Access, AccessWhen, DecodeError, HubStatus, OpenError, Opened, Problem, SourceFactory, Weight,
};
pub use probe::{
    Captured, Fact, Identity, PollCost, ProbeContext, ProbeReport, Tier, TierState, Trust, own_cpu_time,
};
pub use secret::Secret;
pub use secret_ref::{Expansion, SecretError, SecretRef};
pub use settings::{Settings, SettingsError};
pub use source::{Clock, PollContext, SessionSource};
pub use target::{Canary, CanaryFrom, Credential, HostKey, JumpHost, SshOptions, Target};
