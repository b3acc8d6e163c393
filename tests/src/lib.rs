//! The lab: what the tests of the whole are made of.
//!
//! Every part is real (the kernel's conntrack in a network namespace, Debian's sshd, Postgres, our own binary) and every
//! part cleans up when it is dropped, and when the test is killed. A test says what it needs of the machine first:
//!
//! ```no_run
//! use cliffwatch_tests::{Netns, Rules, Sshd, needs};
//!
//! if !needs(&[Netns::NEEDS, Sshd::NEEDS]) {
//!     return;
//! }
//! let netns = Netns::new(Rules::default());
//! let sshd = Sshd::inside(&netns);
//! assert_eq!(sshd.logins(), 0);
//! ```

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    reason = "where the lab cannot be built the test fails, aloud"
)]

mod command;
mod conntrack;
mod conntrack_lock;
mod daemon;
mod eventually;
mod fake_clock;
mod flows;
mod history;
mod http;
mod inventory;
mod netns;
mod postgres;
mod service;
mod skip;
mod sshd;
mod staged;
pub mod truths;
mod undo;
mod watch;

pub use command::{command, program, run};
pub use conntrack::Conntrack;
pub use conntrack_lock::{ConntrackLock, Limits};
pub use daemon::{Daemon, Signal};
pub use eventually::eventually;
pub use fake_clock::FakeClock;
pub use flows::{FLOWS_MAX, Flows, Kind, Opened, Plan};
pub use history::History;
pub use http::{Http, Response};
pub use inventory::Inventory;
pub use netns::{Netns, Rules};
pub use postgres::Postgres;
pub use service::{Service, Setup, binary, built};
pub use skip::{Need, needs, skip};
pub use sshd::Sshd;
pub use staged::{Scene, Staged};
pub use undo::Undo;
pub use watch::{Alert, Told};
