//! What would help, in figures. The words are the platform's.

use std::net::IpAddr;

use cliffwatch_model::{Bound, Finding, Pattern, PoolAddresses, Remedy, TableKind, Unit};

use super::case::Case;
use super::sight::Newest;

/// Headroom over the observed peak (mission: four times).
const HEADROOM: u64 = 4;
/// Buckets: a quarter of the limit.
const ENTRIES_A_BUCKET: u64 = 4;
/// A timeout is worth lowering when this share of the entries is idle for longer.
const IDLE_SHARE_MIN: f64 = 0.05;
/// Source ports of one address towards one destination: 1024 to 65535.
const PORTS_AN_ADDRESS: u64 = 64_512;
/// What providers of gateways document: ports that one address has towards one destination, and how many
/// addresses a gateway may have.
const PROVIDERS: [(u64, u64); 2] = [(PORTS_AN_ADDRESS, 16), (55_000, 8)];
/// The same where a gateway spans zones: for each of them.
const ADDRESSES_A_ZONE: u64 = 32;

/// What more room helps against, for good or for a time.
const ROOM_HELPS: [Pattern; 9] = [
    Pattern::HardFull,
    Pattern::Swept,
    Pattern::Shedding,
    Pattern::Undersized,
    Pattern::Leak,
    Pattern::Failover,
    Pattern::Malfunction,
    Pattern::Attack,
    Pattern::Surge,
];

/// The remedies against what was found, the most effective first.
pub(crate) fn find(case: &Case<'_>, findings: &[Finding]) -> Vec<(Pattern, Remedy)> {
    let mut fixes: Vec<(Pattern, Remedy)> = Vec::new();
    let has = |pattern: Pattern| findings.iter().any(|finding| finding.pattern == pattern);
    for finding in findings {
        let against = |remedy: Option<Remedy>| remedy.map(|remedy| (finding.pattern, remedy));
        match finding.pattern {
            Pattern::LimitLowered => fixes.extend(against(restore(case))),
            Pattern::PortExhaustion => {
                let known = addresses(case).or_else(|| grow(case));
                fixes.extend(against(Some(
                    known.unwrap_or(Remedy::WidenPool { per_address: PORTS_AN_ADDRESS }),
                )));
            }
            Pattern::Attack | Pattern::Surge => fixes.extend(against(Some(limit_rate(case)))),
            Pattern::Malfunction | Pattern::Leak => {
                fixes.extend(against(Some(Remedy::FindSources { sources: holders(case) })));
            }
            Pattern::StaleTimeouts => fixes.extend(against(lower(case).or_else(|| review(case)))),
            Pattern::HashSick => fixes.extend(against(buckets(case))),
            _ => {}
        }
    }
    if !has(Pattern::Inactive) {
        let against = ROOM_HELPS.into_iter().find(|pattern| has(*pattern)).unwrap_or(Pattern::Undersized);
        fixes.extend(raise(case).map(|remedy| (against, remedy)));
        if !has(Pattern::StaleTimeouts) && case.is_high() {
            fixes.extend(lower(case).map(|remedy| (against, remedy)));
        }
        // A higher limit comes with buckets of its own.
        if !has(Pattern::HashSick) && raise(case).is_none() {
            fixes.extend(buckets(case).map(|remedy| (Pattern::HashSick, remedy)));
        }
    }
    if has(Pattern::HardFull) || has(Pattern::Swept) {
        fixes.push((Pattern::HardFull, Remedy::ExemptPoller));
    }
    fixes
}

/// Four times what was seen, where the limit gives less.
fn raise(case: &Case<'_>) -> Option<Remedy> {
    let (limit, peak) = case.hard_limit().zip(case.peak())?;
    let entries = peak.checked_mul(HEADROOM)?;
    // A pool that is a member is filled before the next one is used: its own fill asks for nothing.
    if entries <= limit || peak == 0 || !case.is_read_alone() {
        return None;
    }
    if case.is_pool() {
        return Some(grown(case, peak, limit, entries));
    }
    Some(Remedy::RaiseLimit { peak, entries })
}

/// A pool whose ports ran out: by its own count, or by the worst case that it is bound to.
fn grow(case: &Case<'_>) -> Option<Remedy> {
    let limit = case.bound_per_destination().or_else(|| case.hard_limit().filter(|_| case.is_pool()))?;
    let peak = case.peak().filter(|peak| *peak > 0)?;
    let wanted = peak.checked_mul(HEADROOM).filter(|wanted| *wanted > limit)?;
    Some(grown(case, peak, limit, wanted))
}

fn grown(case: &Case<'_>, peak: u64, limit: u64, wanted: u64) -> Remedy {
    Remedy::GrowPool {
        peak,
        limit,
        wanted,
        unit: case.newest.unit,
        addresses: pool_addresses(case, limit, wanted),
    }
}

/// How many public addresses such a pool is short of, where it counts ports.
fn pool_addresses(case: &Case<'_>, limit: u64, wanted: u64) -> Option<PoolAddresses> {
    let Newest { table, unit, capacity, .. } = case.newest;
    let ports = matches!(table.kind, TableKind::NatPool | TableKind::SnatPorts);
    if !ports || !matches!(unit, Unit::Ports | Unit::Connections) {
        return None;
    }
    let documented = capacity.is_ok_and(|it| it.bound == Bound::PerDestination);
    let provider = PROVIDERS.iter().find(|(ports, _)| documented && limit.is_multiple_of(*ports));
    let per_address = provider.map_or(PORTS_AN_ADDRESS, |(ports, _)| *ports);
    let zoned = table.part.keys().any(|key| key.contains("zone"));
    let at_most = provider.map(|(_, most)| if zoned { ADDRESSES_A_ZONE.max(*most) } else { *most });
    // One address of several is what the table may be about.
    let present = if table.part.contains_key("address") { 1 } else { limit.div_ceil(per_address) };
    let needed = wanted.div_ceil(per_address);
    let add = needed.min(at_most.unwrap_or(u64::MAX)).saturating_sub(present);
    Some(PoolAddresses { per_address, present, add, at_most })
}

fn addresses(case: &Case<'_>) -> Option<Remedy> {
    let ports = case.gathered.ports()?;
    // A rule with a range has no more than that.
    let of = ports.range.filter(|range| *range == ports.used).unwrap_or(ports.of);
    let wanted = ports.used.checked_mul(HEADROOM)?.div_ceil(of.max(1));
    let add = wanted.checked_sub(1).filter(|add| *add > 0)?;
    Some(Remedy::AddAddresses { address: ports.address, used_ports: ports.used, ports_per_address: of, add })
}

fn lower(case: &Case<'_>) -> Option<Remedy> {
    let idle = case.gathered.idle().into_iter().find(|idle| idle.share >= IDLE_SHARE_MIN)?;
    Some(Remedy::LowerTimeout {
        setting: idle.setting,
        from_seconds: idle.from_seconds,
        to_seconds: idle.to_seconds,
        idle_entries: idle.entries,
        share: idle.share,
    })
}

fn review(case: &Case<'_>) -> Option<Remedy> {
    let table = &*case.newest.table.name;
    let (name, seconds) = case.device.established.iter().find(|(name, _)| name.starts_with(table))?;
    let setting = name.strip_suffix("_seconds").unwrap_or(name).to_owned();
    Some(Remedy::ReviewTimeout { setting, seconds: u64::try_from(*seconds).ok()? })
}

fn buckets(case: &Case<'_>) -> Option<Remedy> {
    let (buckets, limit) = case.sizes.buckets.zip(case.hard_limit())?;
    let advised = limit.div_ceil(ENTRIES_A_BUCKET);
    (advised > buckets).then_some(Remedy::AddBuckets { buckets, limit, advised })
}

fn restore(case: &Case<'_>) -> Option<Remedy> {
    let (now, before) = super::lowered_limit(case)?;
    Some(Remedy::RestoreLimit { before, now })
}

fn holders(case: &Case<'_>) -> Vec<(IpAddr, u64)> {
    case.gathered.sources().into_iter().map(|source| (source.address, source.entries)).collect()
}

fn limit_rate(case: &Case<'_>) -> Remedy {
    Remedy::LimitRate { sources: holders(case) }
}
