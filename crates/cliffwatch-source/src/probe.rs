//! What one look at a device tells the operator who is about to watch it.

use std::time::Duration;

use cliffwatch_model::{Reading, SourceError};
use serde::Serialize;

use crate::PollContext;

/// What a probe is given.
#[derive(Clone, Copy, Debug)]
pub struct ProbeContext<'a> {
    /// As a poll has it; the deadline is that of each single request.
    pub poll: PollContext<'a>,
    /// Whether nothing else works in this process: only then its CPU time is the cost of these polls.
    pub alone: bool,
    /// Whether the raw replies are wanted, redacted.
    pub capture: bool,
}

/// What a probe found; one that failed tells what it saw before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeReport {
    /// How the hosts on the way, and the device, proved who they are.
    pub identities: Vec<Identity>,
    /// What can be read, beginning with what needs the least right.
    pub tiers: Vec<Tier>,
    /// What is worth knowing of the device and of the way to it.
    pub facts: Vec<Fact>,
    /// What a poll costs.
    pub cost: Option<PollCost>,
    /// What a poll read.
    pub reading: Option<Reading>,
    /// The raw replies, redacted, where they were wanted: the layout of the golden folders.
    pub captured: Vec<Captured>,
    /// Why the device could not be probed.
    pub error: Option<SourceError>,
}

impl ProbeReport {
    /// A device that could not be probed.
    pub fn failed(error: SourceError) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    /// A device of which one poll told all that is known.
    pub fn of_poll(result: Result<Reading, SourceError>, took: Duration) -> Self {
        match result {
            Ok(reading) => {
                Self { reading: Some(reading), cost: Some(PollCost::round_trip(took)), ..Self::default() }
            }
            Err(error) => Self::failed(error),
        }
    }
}

/// A host key or certificate that was shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The jump host that showed it; the device itself where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jump_host: Option<String>,
    /// Where it was shown.
    pub address: String,
    /// The field of the inventory that pins it: `host_key`.
    pub field: &'static str,
    /// What to write there.
    pub value: String,
    /// What kind of key it is: `ssh-ed25519`.
    pub algorithm: String,
    /// Whether the inventory trusts it.
    pub trust: Trust,
    /// Its line of a known_hosts file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_hosts: Option<String>,
    /// How to see the same value on the device itself.
    pub verify: String,
}

/// Whether what was shown is what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// It is.
    Trusted,
    /// Nothing was expected: it is to be verified, then pinned.
    Unknown,
    /// Something else was expected, which is told here.
    Mismatch(String),
}

/// One step of what can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tier {
    /// Its place: 0 needs the least.
    pub number: u8,
    /// What is read on it.
    pub name: &'static str,
    /// Whether it can be.
    #[serde(flatten)]
    pub state: TierState,
    /// What was found.
    pub detail: String,
}

/// Whether something can be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TierState {
    /// Yes.
    Available,
    /// The login lacks a right.
    Missing {
        /// What to do on the device, word for word; with a setting where one is needed as well.
        right: String,
    },
    /// A setting of the inventory would bring it.
    Off {
        /// What to write.
        setting: String,
    },
    /// This device or version does not have it; the detail says why.
    Unsupported,
    /// It could not be found out.
    Unknown,
}

/// Something worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is about.
    pub name: &'static str,
    /// What is known.
    pub value: String,
}

/// What one poll costs, on average.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PollCost {
    /// How many polls were measured.
    pub polls: u32,
    /// Round trip, in milliseconds: the median.
    pub round_trip_ms: f64,
    /// CPU time of this process, in milliseconds.
    pub our_cpu_ms: Option<f64>,
    /// CPU time of the device, in milliseconds.
    pub device_cpu_ms: Option<f64>,
    /// What the device's figure has in it and what not, or why there is none.
    pub device_cpu_of: String,
}

impl PollCost {
    /// A cost of which only the round trip is known.
    pub fn round_trip(took: Duration) -> Self {
        Self {
            polls: 1,
            round_trip_ms: took.as_secs_f64() * 1e3,
            our_cpu_ms: None,
            device_cpu_ms: None,
            device_cpu_of: "not measured on this platform".to_owned(),
        }
    }
}

/// One raw reply, redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// The name of its file: `01-all.txt`.
    pub file: String,
    /// What the file holds.
    pub text: String,
}

/// CPU time of this process so far, by the kernel's own books of its threads (`/proc/PID/schedstat`, in
/// nanoseconds); nothing where the kernel does not keep them.
pub fn own_cpu_time() -> Option<Duration> {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat"));
        // A thread may end between the list and its file; what it used is then lost.
        let Ok(text) = text else { continue };
        total += Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?);
    }
    Some(total)
}
