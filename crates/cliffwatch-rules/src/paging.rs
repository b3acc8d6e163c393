//! From alerts to what people are told: the second pure function.
//!
//! ```text
//! events, in merged order ─▶ paging ─▶ incident ids on the events
//!                              │
//!                              └─▶ notices: a page per incident, a digest of warnings per hour
//! ```
//!
//! - An incident holds the open warnings and criticals of one device (or HA pair) and scope. Critical in more
//!   than [`SCOPES_MAX`] scopes of one device is one incident of the device, which takes in the others.
//! - Becoming critical pages, once per incident. A page that a silence or a dependency that is down holds
//!   back is made when that ends, if the incident is critical still.
//! - It never changes rule state, and never takes an event out of history.
//! - What happens at one instant is decided when time has passed it, so the order in which devices report
//!   inside an instant changes no page; nor does it matter into which parts the events are split.

mod incident;
mod incidents;
mod scope;
mod silence;
mod topology;

use cliffwatch_model::{AlertEvent, Timestamp};
use serde::Serialize;

pub use incidents::{CRITICAL_AGAIN_AFTER, DIGEST_EVERY, Incidents, SCOPES_MAX};
pub use silence::{Matches, Repeat, Silence};
pub use topology::Topology;

/// What paging needs to know beside the events.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// Which devices belong together, and which need which.
    pub topology: &'a Topology,
    /// What nobody is to be paged for, and when. Maintenance windows are silences that repeat.
    pub silences: &'a [Silence],
}

/// What people are to be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// Somebody must look now.
    Page {
        /// When it was due.
        at: Timestamp,
        /// For what; an incident pages once.
        incident_id: String,
        /// The device, or both of an HA pair joined by `+`.
        subject: String,
        /// Where in it; absent for the device as a whole.
        scope: Option<String>,
    },
    /// Somebody should look today.
    Digest {
        /// The end of the time it covers.
        at: Timestamp,
        /// Incidents with a new warning, in order.
        incident_ids: Vec<String>,
    },
}

/// Takes events in their merged order: gives each the id of its incident, and tells what fell due before the
/// instant of the last one. What is due at that instant is told when time goes on: by later events, or by
/// [`Incidents::settle`].
pub fn paging<'e>(
    events: impl IntoIterator<Item = &'e mut AlertEvent>,
    open: &mut Incidents,
    around: Surroundings<'_>,
) -> Vec<Notice> {
    let mut notices = Vec::new();
    for event in events {
        notices.extend(open.settle(event.at, around));
        open.take(event, around);
    }
    notices
}

#[cfg(test)]
mod tests;
