//! What is wrong with a table, why, how sure that is, and what to do.

use serde::{Deserialize, Serialize};

use crate::table::words;
use crate::{AlertState, DeviceName, Fix, Platform, Severity, TableId, Timestamp};

words! {
    /// What a table suffers from. The order is that of a diagnosis among findings of one severity.
    Pattern {
        /// At its limit, and new connections are refused.
        HardFull = "hard_full",
        /// No source port is left to translate to, whatever the fill.
        PortExhaustion = "port_exhaustion",
        /// The device freed a little of a full table: it is full again soon.
        Swept = "swept",
        /// Entries are thrown out to let new ones in.
        Shedding = "shedding",
        /// The device itself is short of memory.
        MemoryPressure = "memory_pressure",
        /// New connections are refused, and the fill does not explain it.
        Refusing = "refusing",
        /// Flows lost a race for one entry or translation.
        Clash = "clash",
        /// Sudden growth by few sources, or of flows that nobody answers.
        Attack = "attack",
        /// Sudden growth: the traffic of another gateway came here.
        Failover = "failover",
        /// Sudden growth: an application opens connections again and again.
        Malfunction = "malfunction",
        /// Sudden growth of which the kind is not known.
        Surge = "surge",
        /// The limit was lowered.
        LimitLowered = "limit_lowered",
        /// Entries are made and never end.
        Leak = "leak",
        /// Too small for normal operation.
        Undersized = "undersized",
        /// Idle entries are held for too long.
        StaleTimeouts = "stale_timeouts",
        /// Its hash has too few buckets: looking entries up takes long, and very long chains lose packets.
        HashSick = "hash_sick",
        /// Many packets belong to no connection.
        InvalidStorm = "invalid_storm",
        /// A configured quota holds connections back.
        Quota = "quota",
        /// Near or above a worst case that only one destination would make true.
        PerDestination = "per_destination",
        /// It is not in use, or mirrors its peer.
        Inactive = "inactive",
        /// Nothing speaks for trouble.
        Calm = "calm",
        /// Too little is known.
        Unknown = "unknown",
    }
}

impl Pattern {
    /// Whether it says why, and not only what happens now.
    pub fn is_cause(self) -> bool {
        matches!(
            self,
            Self::PortExhaustion
                | Self::Attack
                | Self::Failover
                | Self::Malfunction
                | Self::Surge
                | Self::LimitLowered
                | Self::Leak
                | Self::Undersized
                | Self::StaleTimeouts
        )
    }
}

words! {
    /// How sure a finding is.
    Confidence {
        /// One sign that other causes leave, too; look at what would refute it first.
        Low = "low",
        /// The course of the count shows it, and nothing that was measured speaks against it.
        Medium = "medium",
        /// The device's own counters or its listed entries prove it, or several measures agree.
        High = "high",
    }
}

words! {
    /// How one step of a diagnosis came out.
    Standing {
        /// As it should be.
        Fine = "fine",
        /// Worth a look.
        Suspect = "suspect",
        /// Wrong.
        Wrong = "wrong",
        /// Not known.
        Unknown = "unknown",
    }
}

/// A number that was read, or computed from such.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is: `used`, or the device's own name of a counter.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what: `entries`, `%`, `per second`.
    pub unit: String,
}

/// One thing that a table suffers from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub pattern: Pattern,
    /// How much it matters now.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// One sentence for a person.
    pub summary: String,
    /// The numbers that decided.
    pub figures: Vec<Figure>,
    /// What would show that it is something else.
    pub refuted_by: Vec<String>,
}

/// One step of the way that a person would go.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// What is asked.
    pub question: String,
    /// How it came out.
    pub standing: Standing,
    /// The answer.
    pub answer: String,
    /// The numbers behind it.
    pub figures: Vec<Figure>,
}

/// Something that could not be judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unjudged {
    /// What.
    pub what: String,
    /// Which evidence is missing.
    pub why: String,
    /// How to get it.
    pub how: String,
}

/// What would help, and against which finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// What it helps against.
    pub against: Pattern,
    /// What to do, in the words of the platform where it has any.
    #[serde(flatten)]
    pub fix: Fix,
}

/// An alert that is open on the table or its device, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OpenRule {
    /// The rule's id.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// Where it stands.
    pub state: AlertState,
    /// Since when the condition holds.
    pub onset: Timestamp,
}

/// What is wrong with a table, why, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// The device.
    pub device: DeviceName,
    /// Its platform.
    pub platform: Platform,
    /// The table.
    pub table_id: TableId,
    /// The table as people read it.
    pub table: String,
    /// When the table was last read: everything is as of then.
    pub at: Option<Timestamp>,
    /// The gravest finding.
    pub pattern: Pattern,
    /// Why, where it is known; the gravest finding that is a cause.
    pub cause: Option<Pattern>,
    /// How sure the gravest finding is.
    pub confidence: Confidence,
    /// The worst severity of the findings; absent where there is none.
    pub severity: Option<Severity>,
    /// What and why, for a person.
    pub summary: String,
    /// The steps of the diagnosis.
    pub steps: Vec<Step>,
    /// Everything that was found, the gravest first.
    pub findings: Vec<Finding>,
    /// What would help, the most effective first. It is never applied.
    pub fixes: Vec<Advice>,
    /// What could not be judged.
    pub unjudged: Vec<Unjudged>,
    /// What is open on the table and its device.
    pub alerts: Vec<OpenRule>,
}

impl Diagnosis {
    /// Whether nobody has to do anything now.
    pub fn is_fine(&self) -> bool {
        self.pattern != Pattern::Unknown && self.severity.is_none_or(|severity| severity < Severity::Warning)
    }
}
