use cliffwatch_model::{EvidenceItem, TableId};
use serde_json::{Map, Value, json};

use super::figures::{AGES, Figures, Idle, Snat};

/// Ports that the kernel gives to translated connections, 1024 to 65535 (`nf_nat_core.c`), of one address towards
/// one destination address, port and protocol.
const PORTS: u64 = 64_512;

/// Timeouts that are worth lowering, and to what: established TCP to a day, and to the shortest that RFC 5382 allows
/// (REQ-5); CLOSE_WAIT, which kube-proxy raises to an hour, to the kernel's own.
const LOWER: [(&str, &str, u64); 3] =
    [("tcp", "established", 86_400), ("tcp", "established", 7_440), ("tcp", "close_wait", 60)];

/// The timeout of a TCP state.
fn setting(state: &str) -> String {
    format!("nf_conntrack_tcp_timeout_{state}")
}

/// What an operator sees of a listing.
pub(super) fn of(figures: &Figures, table: TableId) -> Vec<EvidenceItem> {
    let found: [(&str, Option<Value>); 9] = [
        ("listing", Some(listing(figures))),
        ("top_sources", some(figures, top_sources)),
        ("top_destinations", some(figures, top_destinations)),
        ("states", some(figures, |figures| json!(figures.states))),
        ("shares", some(figures, shares)),
        ("idle_ages", (!figures.idle.is_empty()).then(|| idle_ages(figures))),
        ("lower_timeouts", lower_timeouts(figures)),
        ("snat_ports", (!figures.snat.is_empty()).then(|| figures.snat.iter().map(snat).collect())),
        ("usable_headroom", usable_headroom(figures)),
    ];
    let item = |(what, value): (&str, Option<Value>)| {
        Some(EvidenceItem { what: what.to_owned(), table_id: Some(table), value: value? })
    };
    found.into_iter().filter_map(item).collect()
}

/// Of an empty table nothing is said.
fn some(figures: &Figures, value: impl Fn(&Figures) -> Value) -> Option<Value> {
    (figures.rows > 0).then(|| value(figures))
}

/// What the rest is worth: of a table that was not listed whole the entries are a sample.
fn listing(figures: &Figures) -> Value {
    json!({
        "entries_listed": figures.rows,
        "entries_counted": figures.count,
        "limit_entries": figures.limit,
        "complete": is_complete(figures),
        "by": figures.by,
        "entries_by_family": figures.families,
        "lines_not_understood": figures.odd,
    })
}

fn is_complete(figures: &Figures) -> bool {
    figures.exit == Some(0) && figures.odd == 0
}

fn top_sources(figures: &Figures) -> Value {
    let shown = |name: &str, what: Value, entries: u64| json!({ name: what, "entries": entries, "share": share(entries, figures.rows) });
    let addresses =
        figures.sources.iter().map(|(entries, address)| shown("address", json!(address), *entries));
    let networks =
        figures.networks.iter().map(|(entries, network)| shown("network", json!(network), *entries));
    json!({
        "addresses": addresses.collect::<Value>(),
        "networks": networks.collect::<Value>(),
        "distinct_addresses": (figures.beyond == 0).then_some(figures.distinct),
    })
}

fn top_destinations(figures: &Figures) -> Value {
    let shown = figures.destinations.iter().map(|(entries, to)| {
        json!({
            "address": to.address,
            "port": to.port,
            "protocol": to.protocol,
            "entries": entries,
            "share": share(*entries, figures.rows),
        })
    });
    shown.collect()
}

fn shares(figures: &Figures) -> Value {
    let flags = &figures.flags;
    let of = |entries| share(entries, figures.rows);
    json!({
        "unreplied": of(flags.unreplied),
        "assured": of(flags.assured),
        "closing": of(flags.closing),
        "assured_not_closing": of(flags.assured_not_closing),
    })
}

fn idle_ages(figures: &Figures) -> Value {
    let shown = |idle: &Idle| {
        let over: Map<String, Value> =
            AGES.iter().map(|age| (age.to_string(), json!(idle.over(*age)))).collect();
        json!({
            "protocol": idle.protocol,
            "state": idle.state,
            "timeout_seconds": idle.timeout,
            "entries": idle.entries,
            "entries_idle_over_seconds": over,
            "entries_unclear": idle.unclear,
        })
    };
    figures.idle.iter().map(shown).collect()
}

/// What each lower timeout would no longer hold.
fn lower_timeouts(figures: &Figures) -> Option<Value> {
    let freed = LOWER.iter().filter_map(|(protocol, state, to)| {
        let is_it = |idle: &&Idle| idle.protocol == *protocol && idle.state == *state && idle.timeout > *to;
        let idle = figures.idle.iter().find(is_it)?;
        let entries = idle.over(*to);
        Some(json!({
            "setting": setting(state),
            "timeout_seconds": idle.timeout,
            "to_seconds": to,
            "entries_idle_longer": entries,
            "share_idle_longer": share(entries, figures.rows),
        }))
    });
    let freed: Vec<Value> = freed.collect();
    (!freed.is_empty()).then(|| json!(freed))
}

fn snat(snat: &Snat) -> Value {
    json!({
        "address": snat.address,
        "protocol": snat.to.protocol,
        "destination_address": snat.to.address,
        "destination_port": snat.to.port,
        "used_ports": snat.used,
        "ports": PORTS,
        "share": share(snat.used, PORTS),
        // A rule may give less than all ports, and the table does not show it: the ports in use do.
        "lowest_port": snat.lowest,
        "highest_port": snat.highest,
    })
}

/// The limit less what the kernel never gives up for a new entry. Entries that are counted and not listed (not yet
/// confirmed, or dying) may be either.
fn usable_headroom(figures: &Figures) -> Option<Value> {
    let limit = figures.limit.filter(|limit| *limit > 0 && is_complete(figures))?;
    let kept = figures.flags.assured_not_closing;
    let hidden = figures.count.map(|count| count.saturating_sub(figures.rows));
    let usable = limit.saturating_sub(kept);
    Some(json!({
        "limit_entries": limit,
        "assured_not_closing_entries": kept,
        "usable_entries": usable,
        "usable_share": share(usable, limit),
        "not_listed_entries": hidden,
        "usable_entries_at_least": hidden.map(|hidden| usable.saturating_sub(hidden)),
    }))
}

/// A share of 1 with four decimals.
fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole.max(1) as f64 * 1e4).round() / 1e4
}
