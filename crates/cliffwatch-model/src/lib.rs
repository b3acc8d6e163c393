//! The nouns of Cliffwatch, and the pure arithmetic on them.
//!
//! Nothing here waits, opens anything or knows what time it is: time is an argument. Inner types are
//! plain values; [`wire`] holds the one serialised form of a poll.

mod alert;
mod capacity;
mod counter;
mod device;
mod diagnosis;
mod error;
mod ingest;
mod name;
mod observation;
mod poll;
mod remedy;
mod sample;
pub mod series;
mod table;
mod time;
pub mod wire;

pub use alert::{AlertEvent, AlertState, Ask, AskKind, Severity};
pub use capacity::{Bound, Capacity, CapacityOrigin, CapacityOverrides, CapacityReason};
pub use counter::{
    Counter, CounterBits, CounterClass, CounterKind, CounterReading, Sign, paired_counter, sign_of,
};
pub use device::Device;
pub use diagnosis::{
    Advice, Confidence, Diagnosis, Figure, Finding, OpenRule, Pattern, Standing, Step, Unjudged,
};
pub use error::{ErrorKind, Fault, FaultKind, SourceError};
pub use ingest::{Ingest, IngestMemory, LIVE_TABLES_MAX};
pub use name::{CounterName, DeviceName, Epoch, GroupName, NAME_BYTES_MAX, NameError, Platform, PollerName};
pub use observation::{CounterTotal, Increase, Marks, Observation, TableObservation};
pub use poll::{
    CanaryReading, EvidenceItem, HeldState, Load, MemoryState, NewConnection, Outcome, Poll, PollHeader,
    Reachability, Reading, Setting, Trigger,
};
pub use remedy::{ConfigFile, DeviceSettings, Fix, PoolAddresses, Remedy};
pub use sample::Sample;
pub use table::{Role, Scope, TableId, TableKey, TableKind, TableState, Unit};
pub use time::Timestamp;
