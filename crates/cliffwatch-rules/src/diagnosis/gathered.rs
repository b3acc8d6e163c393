//! Evidence that a device gave, as numbers. What is not as expected is not there.

use std::net::IpAddr;

use cliffwatch_model::{EvidenceItem, Timestamp};
use serde_json::Value;

/// Sources that are worth naming.
const SOURCES_MAX: usize = 3;
/// A source with less than this share of the entries is one of many.
const SOURCE_SHARE_MIN: f64 = 0.05;

/// What a device said when it was asked who fills a table.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gathered<'a> {
    pub(crate) at: Option<Timestamp>,
    items: &'a [EvidenceItem],
}

/// Somebody, and how many of the entries are theirs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Holder {
    pub(crate) address: IpAddr,
    pub(crate) entries: u64,
    /// 0 to 1.
    pub(crate) share: f64,
}

/// What a lower timeout would free.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Idle {
    pub(crate) setting: String,
    pub(crate) from_seconds: u64,
    pub(crate) to_seconds: u64,
    pub(crate) entries: u64,
    /// 0 to 1.
    pub(crate) share: f64,
}

/// Ports of one address in use towards one destination.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ports {
    pub(crate) address: IpAddr,
    pub(crate) used: u64,
    pub(crate) of: u64,
    /// 0 to 1.
    pub(crate) share: f64,
    /// The ports from the lowest to the highest in use: what a rule with a range leaves.
    pub(crate) range: Option<u64>,
}

impl<'a> Gathered<'a> {
    pub(crate) fn new(found: Option<(Timestamp, &'a [EvidenceItem])>) -> Self {
        found.map_or(Self::default(), |(at, items)| Self { at: Some(at), items })
    }

    /// Whether anything was listed.
    pub(crate) fn is_there(&self) -> bool {
        self.entries().is_some()
    }

    fn item(&self, what: &str) -> Option<&'a Value> {
        self.items.iter().find(|item| item.what == what).map(|item| &item.value)
    }

    fn list(&self, what: &str) -> impl Iterator<Item = &'a Value> {
        self.item(what).and_then(Value::as_array).into_iter().flatten()
    }

    /// The entries that were listed.
    pub(crate) fn entries(&self) -> Option<u64> {
        self.item("listing")?.get("entries_listed")?.as_u64().filter(|entries| *entries > 0)
    }

    /// Why nothing was listed, and what would change that.
    pub(crate) fn not_gathered(&self) -> Option<(&'a str, Option<&'a str>)> {
        let item = self.item("not_gathered")?;
        Some((item.get("message")?.as_str()?, item.get("hint").and_then(Value::as_str)))
    }

    /// The sources with most entries, the biggest first.
    pub(crate) fn sources(&self) -> Vec<Holder> {
        let listed = self.item("top_sources").and_then(|top| top.get("addresses")?.as_array());
        let holder = |item: &Value| {
            Some(Holder {
                address: item.get("address")?.as_str()?.parse().ok()?,
                entries: item.get("entries")?.as_u64()?,
                share: share(item.get("share")?)?,
            })
        };
        let big = listed.into_iter().flatten().filter_map(holder).filter(|it| it.share >= SOURCE_SHARE_MIN);
        big.take(SOURCES_MAX).collect()
    }

    /// How many sources there are, where they could be told apart.
    pub(crate) fn distinct_sources(&self) -> Option<u64> {
        self.item("top_sources")?.get("distinct_addresses")?.as_u64()
    }

    /// The share of the entries that lead to the busiest destination, with its name.
    pub(crate) fn top_destination(&self) -> Option<(String, f64)> {
        let item = self.list("top_destinations").next()?;
        let address = item.get("address")?.as_str()?;
        let name = match item.get("port").and_then(Value::as_u64) {
            Some(port) => format!("{address} port {port}"),
            None => address.to_owned(),
        };
        Some((name, share(item.get("share")?)?))
    }

    /// A share of the entries: `unreplied`, `closing`, …
    pub(crate) fn share_of(&self, what: &str) -> Option<f64> {
        share(self.item("shares")?.get(what)?)
    }

    /// What lower timeouts would free, the mildest first.
    pub(crate) fn idle(&self) -> Vec<Idle> {
        let idle = |item: &Value| {
            let figure = |name: &str| item.get(name)?.as_u64();
            Some(Idle {
                setting: item.get("setting")?.as_str()?.to_owned(),
                from_seconds: figure("timeout_seconds")?,
                to_seconds: figure("to_seconds")?,
                entries: figure("entries_idle_longer")?,
                share: share(item.get("share_idle_longer")?)?,
            })
        };
        self.list("lower_timeouts").filter_map(idle).collect()
    }

    /// The address that is shortest of ports.
    pub(crate) fn ports(&self) -> Option<Ports> {
        let ports = |item: &Value| {
            let figure = |name: &str| item.get(name)?.as_u64();
            let range = figure("lowest_port").zip(figure("highest_port"));
            Some(Ports {
                address: item.get("address")?.as_str()?.parse().ok()?,
                used: figure("used_ports")?,
                of: figure("ports").filter(|ports| *ports > 0)?,
                share: share(item.get("share")?)?,
                range: range.and_then(|(low, high)| high.checked_sub(low)?.checked_add(1)),
            })
        };
        self.list("snat_ports").filter_map(ports).max_by_key(|ports| ports.used)
    }
}

fn share(value: &Value) -> Option<f64> {
    value.as_f64().filter(|share| (0.0..=1.0).contains(share))
}
