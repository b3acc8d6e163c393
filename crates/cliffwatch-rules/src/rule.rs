use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{DeviceName, Platform, Severity, TableKind, Timestamp};
use serde::{Deserialize, Serialize};

use crate::span;
use crate::verdict::Verdict;
use crate::{ActiveTime, Condition, DeviceFacts};

/// The longest rule id, in bytes: it is part of ids, labels and state rows.
pub const RULE_ID_BYTES_MAX: usize = 64;

/// What a rule watches for; also the id of the kind's built-in rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleKind {
    /// A table is nearly full.
    UtilizationCritical,
    /// A table fills.
    UtilizationHigh,
    /// A table grows fast.
    GrowthFast,
    /// A table will be full soon.
    TimeToFull,
    /// More entries are made than end.
    ChurnImbalance,
    /// Existing entries are thrown out to make room.
    Shedding,
    /// New connections are lost.
    Refusing,
    /// Flows compete for the same translation.
    Colliding,
    /// A configured quota holds connections back.
    QuotaReached,
    /// A table is sized for less than it should be.
    Headroom,
    /// A limit was lowered or raised, or a table stopped tracking.
    LimitChanged,
    /// The device says that it is short of memory.
    MemoryPressure,
    /// The device cannot be read.
    Stale,
    /// The device rejects our credential.
    CredentialRejected,
    /// The held session answers, and a new connection does not get in.
    NewConnectionsRefused,
    /// The device's clock is off.
    ClockSkew,
    /// We cannot store.
    StoreDown,
    /// We poll late.
    PollLag,
    /// We cannot tell anybody.
    NotifierFailing,
    /// Our own clock jumped.
    ClockStep,
}

impl RuleKind {
    /// Every kind, in the order in which a reading meets their rules.
    pub const ALL: [Self; 20] = [
        Self::UtilizationCritical,
        Self::UtilizationHigh,
        Self::GrowthFast,
        Self::TimeToFull,
        Self::ChurnImbalance,
        Self::Shedding,
        Self::Refusing,
        Self::Colliding,
        Self::QuotaReached,
        Self::Headroom,
        Self::LimitChanged,
        Self::MemoryPressure,
        Self::Stale,
        Self::CredentialRejected,
        Self::NewConnectionsRefused,
        Self::ClockSkew,
        Self::StoreDown,
        Self::PollLag,
        Self::NotifierFailing,
        Self::ClockStep,
    ];

    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UtilizationCritical => "utilization-critical",
            Self::UtilizationHigh => "utilization-high",
            Self::GrowthFast => "growth-fast",
            Self::TimeToFull => "time-to-full",
            Self::ChurnImbalance => "churn-imbalance",
            Self::Headroom => "headroom",
            Self::Shedding => "shedding",
            Self::Refusing => "refusing",
            Self::Colliding => "colliding",
            Self::QuotaReached => "quota-reached",
            Self::LimitChanged => "limit-changed",
            Self::MemoryPressure => "memory-pressure",
            Self::Stale => "stale",
            Self::CredentialRejected => "credential-rejected",
            Self::NewConnectionsRefused => "new-connections-refused",
            Self::ClockSkew => "clock-skew",
            Self::StoreDown => "store-down",
            Self::PollLag => "poll-lag",
            Self::NotifierFailing => "notifier-failing",
            Self::ClockStep => "clock-step",
        }
    }

    /// The kind with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// What rules of this kind look at.
    pub fn subject(self) -> Subject {
        match self {
            Self::UtilizationCritical
            | Self::UtilizationHigh
            | Self::GrowthFast
            | Self::TimeToFull
            | Self::ChurnImbalance
            | Self::Headroom
            | Self::Shedding
            | Self::Refusing
            | Self::Colliding
            | Self::QuotaReached => Subject::Tables,
            Self::LimitChanged => Subject::Both,
            Self::MemoryPressure
            | Self::Stale
            | Self::CredentialRejected
            | Self::NewConnectionsRefused
            | Self::ClockSkew => Subject::Devices,
            Self::StoreDown | Self::PollLag | Self::NotifierFailing | Self::ClockStep => Subject::Ourselves,
        }
    }
}

impl fmt::Display for RuleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the rules of a kind look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Each table.
    Tables,
    /// Each device.
    Devices,
    /// Each table, and each device for itself.
    Both,
    /// The device that stands for this process.
    Ourselves,
}

/// One rule: a kind with its parameters, and whom it is for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleSpec {
    /// The unique name: part of every alert's identity.
    pub id: Arc<str>,
    /// What it watches for.
    pub kind: RuleKind,
    /// How much it matters; absent where the kind decides by how bad it is.
    pub severity: Option<Severity>,
    /// How long the condition must hold before the alert fires.
    #[serde(rename = "for", with = "span")]
    pub for_: Duration,
    /// How long it must be measured as over before the alert is resolved.
    #[serde(with = "span")]
    pub hold: Duration,
    /// How long the alert stays firing after the condition was last held, however clear it is measured.
    #[serde(with = "span")]
    pub keep_firing_for: Duration,
    /// When it may raise; at all times where nothing is said.
    pub active_time: Option<ActiveTime>,
    /// Whom it is for.
    #[serde(rename = "match")]
    pub matches: Selector,
    /// Whom it is not for, of those that match: where another rule of the kind takes its place.
    pub except: Option<Selector>,
    /// Whether it is in use.
    pub enabled: bool,
    /// The kind's parameters.
    #[serde(flatten)]
    pub condition: Condition,
}

impl RuleSpec {
    /// Whether the rule looks at the device itself.
    pub(crate) fn is_for_device(&self, facts: &DeviceFacts) -> bool {
        let subject = match self.kind.subject() {
            Subject::Devices | Subject::Both => true,
            Subject::Ourselves => facts.name.is_ourselves(),
            Subject::Tables => false,
        };
        subject && self.is_for(facts, None)
    }

    /// Whether the rule looks at tables of this kind on the device.
    pub(crate) fn is_for_table(&self, facts: &DeviceFacts, kind: TableKind) -> bool {
        matches!(self.kind.subject(), Subject::Tables | Subject::Both) && self.is_for(facts, Some(kind))
    }

    /// Whether the rule may raise at this time.
    pub(crate) fn is_active(&self, at: Timestamp) -> bool {
        self.active_time.as_ref().is_none_or(|time| time.holds(at))
    }

    /// The verdict with the severity that the rule sets. Outside its active time it raises nothing, and what it
    /// raised before stays.
    pub(crate) fn graded(&self, verdict: Verdict, at: Timestamp) -> Verdict {
        match (verdict, self.severity) {
            (Verdict::Raised(_), _) if !self.is_active(at) => Verdict::Between,
            (Verdict::Raised(_), Some(severity)) => Verdict::Raised(severity),
            (verdict, _) => verdict,
        }
    }

    fn is_for(&self, facts: &DeviceFacts, kind: Option<TableKind>) -> bool {
        let excepted = self.except.as_ref().is_some_and(|except| except.matches(facts, kind));
        self.enabled && self.matches.matches(facts, kind) && !excepted
    }
}

/// Chooses devices and tables. What is not named matches; what is named must all match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    /// The device's labels.
    pub labels: BTreeMap<String, String>,
    /// The device's name.
    pub device: Option<DeviceName>,
    /// The device's platform.
    pub platform: Option<Platform>,
    /// The table's kind; a rule with one never looks at a device itself.
    pub table: Option<TableKind>,
}

impl Selector {
    fn matches(&self, facts: &DeviceFacts, kind: Option<TableKind>) -> bool {
        self.labels.iter().all(|(key, value)| facts.labels.get(key) == Some(value))
            && self.device.as_ref().is_none_or(|device| *device == facts.name)
            && self.platform.as_ref().is_none_or(|platform| *platform == facts.platform)
            && self.table.is_none_or(|table| Some(table) == kind)
    }
}
