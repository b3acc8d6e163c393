//! The rules: observations in, alert events out. Pure.
//!
//! ```text
//! Observation ─▶ Engine::observe ─▶ events, asks
//!                  │ per device and table:
//!                  │   memory      what conditions need of the past (windows, last limit, misses)
//!                  │   condition   newest reading + memory ─▶ raised / between / clear / unknown
//!                  └   lifecycle   verdict ─▶ pending, firing, recovering, resolved, stale, gone
//! ```
//!
//! - No clock: time is `observed_at` of a table's reading and `finished_at` of a device's poll.
//! - No data is a verdict of its own, unknown, and changes nothing: a gap neither resets a pending alert
//!   nor resolves a firing one.
//! - The engine reads the observation and the device's configuration ([`DeviceFacts`]), nothing else, so a
//!   stored observation gives what the live one gave. Ids are hashes of rule, table and onset.
//! - Too few readings resolve nothing: an alert that is read as over needs half of the readings of its window.
//! - Outside a rule's active time nothing new is raised; while a device is worked on nobody is told. Both are
//!   functions of `observed_at`, so that a replay sees the same.
//! - A late reading (older than the table's newest, or a correction of it) fills windows and may raise
//!   `refusing`; it moves no onset and resolves nothing.
//!
//! To read on: `engine.rs`, then `table.rs`, `conditions/`, `lifecycle.rs`.

mod active_time;
mod baseline;
mod builtin;
mod churn;
mod coarse;
mod conditions;
mod coverage;
mod device;
mod diagnosis;
mod engine;
mod event;
mod flaps;
mod lane;
mod lifecycle;
mod load;
mod maintenance;
mod observe;
mod outlook;
mod paging;
mod periods;
mod phase;
mod ring;
mod rule;
mod ruleset;
mod signals;
mod slope;
mod span;
mod state;
mod summary;
mod table;
mod tracks;
mod trend;
mod verdict;
mod week;
mod window;
mod zone;

pub use active_time::ActiveTime;
pub use conditions::ourselves::figures;
pub use conditions::{
    Churn, Colliding, Condition, Growth, Headroom, Line, NewConnections, NoParameters, Refusing, Stale,
    TimeToFull, Utilization,
};
pub use diagnosis::Diagnosed;
pub use engine::{DeviceFacts, Engine, OpenAlert, Verdicts};
pub use maintenance::{Maintenance, maintained_until, paused_until};
pub use outlook::{Forecast, Outlook};
pub use paging::{
    CRITICAL_AGAIN_AFTER, DIGEST_EVERY, Incidents, Matches, Notice, Repeat, SCOPES_MAX, Silence,
    Surroundings, Topology, paging,
};
pub use rule::{RULE_ID_BYTES_MAX, RuleKind, RuleSpec, Selector, Subject};
pub use ruleset::{RULES_MAX, RuleEntry, RuleError, RuleSet};
pub use span::parse_span;
pub use state::StateError;
pub use zone::Zone;

#[cfg(test)]
mod tests;
