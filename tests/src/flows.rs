//! Real UDP and TCP flows inside a namespace, over its loopback: what fills the table.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{ChildStdin, Stdio};

use serde_json::Value;

use crate::daemon::Daemon;
use crate::netns::Netns;

/// No test may open more of a kind: the kernel's other users share its memory, and sockets are files.
pub const FLOWS_MAX: u32 = 5_000;

/// Whether the kernel may evict the flows to make room.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// One datagram without an answer: evictable. (TCP is so only with [`crate::netns::Rules::silent_peer`].)
    #[default]
    Unassured,
    /// Answered datagrams over more than 2 s, a complete TCP handshake: the kernel never evicts them.
    Assured,
    /// TCP closed by both ends as soon as it is open: TIME_WAIT for 120 s. The kernel's sweep takes these.
    Closed,
}

/// What to open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// UDP flows.
    pub udp: u32,
    /// TCP flows.
    pub tcp: u32,
    /// Of which kind.
    pub kind: Kind,
    /// How many in a second, of each protocol; `None`: as fast as it goes.
    pub per_second: Option<u32>,
}

/// What came of it, when every flow was tried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opened {
    /// Datagrams that the kernel took. A full table refuses some with an error.
    pub udp: u64,
    /// Finished handshakes.
    pub tcp: u64,
    /// Handshakes without an end so far.
    pub tcp_pending: u64,
}

/// Open flows: one process holds them until drop.
#[derive(Debug)]
pub struct Flows {
    process: Daemon,
    _hold: ChildStdin,
}

impl Netns {
    /// Starts to open flows inside, and holds them.
    ///
    /// # Panics
    ///
    /// When the plan is beyond [`FLOWS_MAX`], or the process does not start.
    pub fn open_flows(&self, plan: Plan) -> Flows {
        let Plan { udp, tcp, kind, per_second } = plan;
        assert!(udp <= FLOWS_MAX && tcp <= FLOWS_MAX, "at most {FLOWS_MAX} flows of a kind, not {plan:?}");
        let mut command = self.exec(opener());
        command.args([udp, tcp, per_second.unwrap_or(0)].map(|number| number.to_string()));
        command.arg(match kind {
            Kind::Unassured => "unassured",
            Kind::Assured => "assured",
            Kind::Closed => "closed",
        });
        let mut process = Daemon::spawn(command.stdin(Stdio::piped()).stdout(Stdio::piped()));
        let hold = process.child().stdin.take().expect("a pipe");
        Flows { process, _hold: hold }
    }
}

impl Flows {
    /// Waits until every flow of the plan was tried (TCP: given 2.5 s, beyond one repeated SYN).
    ///
    /// # Panics
    ///
    /// When the process fails or is asked twice.
    pub fn wait_opened(&mut self) -> Opened {
        let output = self.process.child().stdout.take().expect("to be asked once");
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).expect("a line");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        let number = |name: &str| said[name].as_u64().expect("a number");
        Opened { udp: number("udp"), tcp: number("tcp"), tcp_pending: number("tcp_pending") }
    }
}

/// The program beside the tests that opens the flows; cargo builds it with them.
fn opener() -> PathBuf {
    crate::service::profile_folder().join("cliffwatch-flows")
}
