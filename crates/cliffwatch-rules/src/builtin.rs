//! The rules out of the box: the figures of the design, section 5.

use std::time::Duration;

use cliffwatch_model::Severity;

use crate::{
    Churn, Colliding, Condition, Growth, Headroom, Line, NewConnections, NoParameters, Refusing, RuleKind,
    RuleSpec, Selector, Stale, TimeToFull, Utilization,
};

/// How long a condition must be measured as over, unless a rule says otherwise: traffic that refuses
/// comes in waves, and a full Linux table is swept to 95 % for half a minute before it is full again.
const HOLD: Duration = Duration::from_secs(300);

impl RuleSpec {
    /// The built-in rule of a kind.
    pub fn builtin(kind: RuleKind) -> Self {
        let condition = condition(kind);
        let (severity, for_s, hold) = match kind {
            RuleKind::UtilizationCritical => (Some(Severity::Critical), 60, HOLD),
            RuleKind::NewConnectionsRefused => (Some(Severity::Critical), 0, HOLD),
            RuleKind::UtilizationHigh => (Some(Severity::Warning), 300, HOLD),
            // One late tick is a busy second; a minute of them is a poller that cannot keep up.
            RuleKind::PollLag => (Some(Severity::Warning), 60, HOLD),
            // A poll that succeeds is the whole proof, and a changed limit ends by its own clock.
            RuleKind::Stale | RuleKind::CredentialRejected => (Some(Severity::Warning), 0, Duration::ZERO),
            RuleKind::LimitChanged => (None, 0, Duration::ZERO),
            // A burst of half a minute has risen before it is seen; a minute later it stands.
            RuleKind::GrowthFast | RuleKind::TimeToFull => (None, 60, HOLD),
            RuleKind::Refusing | RuleKind::MemoryPressure => (None, 0, HOLD),
            RuleKind::Headroom => (Some(Severity::Info), 0, HOLD),
            RuleKind::ChurnImbalance
            | RuleKind::Shedding
            | RuleKind::Colliding
            | RuleKind::QuotaReached
            | RuleKind::ClockSkew
            | RuleKind::StoreDown
            | RuleKind::NotifierFailing
            | RuleKind::ClockStep => (Some(Severity::Warning), 0, HOLD),
        };
        Self {
            id: kind.as_str().into(),
            kind,
            severity,
            for_: Duration::from_secs(for_s),
            hold,
            keep_firing_for: Duration::ZERO,
            active_time: None,
            matches: Selector::default(),
            except: None,
            enabled: true,
            condition,
        }
    }
}

fn condition(kind: RuleKind) -> Condition {
    match kind {
        RuleKind::UtilizationCritical => Condition::Utilization(Utilization::critical()),
        RuleKind::UtilizationHigh => Condition::Utilization(Utilization::high()),
        RuleKind::GrowthFast => Condition::Growth(Growth::default()),
        RuleKind::TimeToFull => Condition::TimeToFull(TimeToFull::default()),
        RuleKind::ChurnImbalance => Condition::ChurnImbalance(Churn::default()),
        RuleKind::Headroom => Condition::Headroom(Headroom::default()),
        RuleKind::Shedding => Condition::Shedding(NoParameters {}),
        RuleKind::Refusing => Condition::Refusing(Refusing::default()),
        RuleKind::Colliding => Condition::Colliding(Colliding::default()),
        RuleKind::QuotaReached => Condition::QuotaReached(NoParameters {}),
        RuleKind::LimitChanged => Condition::LimitChanged(NoParameters {}),
        RuleKind::MemoryPressure => Condition::MemoryPressure(NoParameters {}),
        RuleKind::Stale => Condition::Stale(Stale::default()),
        RuleKind::CredentialRejected => Condition::CredentialRejected(NoParameters {}),
        RuleKind::NewConnectionsRefused => Condition::NewConnections(NewConnections::default()),
        RuleKind::ClockSkew => Condition::ClockSkew(Line { raise: 60.0, clear: 30.0 }),
        // A restart of a database takes seconds; longer means that history is held in memory only.
        RuleKind::StoreDown => Condition::StoreDown(Line { raise: 30.0, clear: 1.0 }),
        RuleKind::PollLag => Condition::PollLag(Line { raise: 1.0, clear: 0.5 }),
        RuleKind::NotifierFailing => Condition::NotifierFailing(Line { raise: 1.0, clear: 1.0 }),
        // Time service slews less than this; more moves windows and staleness.
        RuleKind::ClockStep => Condition::ClockStep(Line { raise: 5.0, clear: 1.0 }),
    }
}
