//! What should change, in figures: picked from an alert and what was gathered for it. The words are the platform's.

use cliffwatch_model::{AlertEvent, EvidenceItem, Remedy};
use serde_json::Value;

use crate::RuleKind;

/// Headroom over the observed peak (mission: four times).
const HEADROOM: u64 = 4;
/// A timeout is worth lowering when this share of the entries is idle for longer.
const IDLE_SHARE_MIN: f64 = 0.05;
/// An address is short of ports from this share on.
const PORTS_SHARE_MIN: f64 = 0.5;

/// The remedies for an alert of this kind, the most effective first. None for a kind that no setting cures.
pub fn remedies(kind: RuleKind, alert: &AlertEvent, gathered: &[EvidenceItem]) -> Vec<Remedy> {
    let mut remedies = Vec::new();
    if !matches!(
        kind,
        RuleKind::UtilizationHigh | RuleKind::UtilizationCritical | RuleKind::Refusing | RuleKind::Shedding
    ) {
        return remedies;
    }
    remedies.extend(items(gathered, "snat_ports").filter_map(add_addresses).take(1));
    remedies.extend(raise_limit(alert));
    // The mildest that does something: a longer timeout breaks fewer connections.
    remedies.extend(items(gathered, "lower_timeouts").filter_map(lower_timeout).take(1));
    if matches!(kind, RuleKind::UtilizationCritical | RuleKind::Refusing) {
        remedies.push(Remedy::ExemptPoller);
    }
    remedies
}

/// The entries of an evidence item that is a list.
fn items<'a>(gathered: &'a [EvidenceItem], what: &'a str) -> impl Iterator<Item = &'a Value> {
    let lists = gathered.iter().filter(move |item| item.what == what);
    lists.filter_map(|item| item.value.as_array()).flatten()
}

/// Where the table itself is short: at a low fill another shortage refuses, and a higher limit cures nothing.
fn raise_limit(alert: &AlertEvent) -> Option<Remedy> {
    let figure = |name: &str| alert.evidence.get(name).and_then(Value::as_u64);
    let (peak, limit) = (figure("used")?, figure("limit")?);
    let entries = peak.checked_mul(HEADROOM)?;
    (entries > limit && peak > limit / 2).then_some(Remedy::RaiseLimit { peak, entries })
}

fn lower_timeout(item: &Value) -> Option<Remedy> {
    let figure = |name: &str| item.get(name).and_then(Value::as_u64);
    let share = item.get("share_idle_longer").and_then(Value::as_f64)?;
    (share >= IDLE_SHARE_MIN).then_some(Remedy::LowerTimeout {
        setting: item.get("setting")?.as_str()?.to_owned(),
        from_seconds: figure("timeout_seconds")?,
        to_seconds: figure("to_seconds")?,
        idle_entries: figure("entries_idle_longer")?,
        share,
    })
}

fn add_addresses(item: &Value) -> Option<Remedy> {
    let figure = |name: &str| item.get(name).and_then(Value::as_u64);
    let share = item.get("share").and_then(Value::as_f64)?;
    let (used_ports, ports) = (figure("used_ports")?, figure("ports")?);
    let wanted = used_ports.checked_mul(HEADROOM)?.div_ceil(ports.max(1));
    (share >= PORTS_SHARE_MIN).then_some(Remedy::AddAddresses {
        address: item.get("address")?.as_str()?.parse().ok()?,
        used_ports,
        ports_per_address: ports,
        add: wanted.saturating_sub(1),
    })
}
