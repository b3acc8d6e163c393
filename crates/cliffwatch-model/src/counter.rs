use std::time::Duration;

use crate::table::words;
use crate::{CounterName, TableKind};

words! {
    /// What an increase of a counter means.
    CounterClass {
        /// A new connection was lost.
        Refused = "refused",
        /// A configured quota did its job.
        PolicyLimit = "policy_limit",
        /// An existing entry was thrown out to make room.
        Evicted = "evicted",
        /// Two flows wanted the same translation.
        Collision = "collision",
        /// A sign of strain that loses nothing yet.
        Pressure = "pressure",
    }
}

words! {
    /// What a counter's number is.
    CounterKind {
        /// It grows until its epoch ends.
        Cumulative = "cumulative",
        /// A sum over a period that the provider closes.
        Period = "period",
        /// How many were pushed to us since the last poll.
        Event = "event",
    }
}

/// A counter as a source read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// What an increase means.
    pub class: CounterClass,
    /// The number.
    pub reading: CounterReading,
}

/// The number of a counter, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CounterReading {
    /// Totals since the epoch began, one per part (per CPU on Linux): each part wraps on its own.
    Cumulative {
        /// Width of one part: 32 or 64.
        bits: CounterBits,
        /// At least one part.
        parts: Vec<u64>,
    },
    /// The sum over the period that ends at the sample's `observed_at`.
    Period {
        /// The sum.
        value: u64,
        /// The length of the period.
        period: Duration,
        /// Whether the provider may still correct it.
        provisional: bool,
    },
    /// Pushed events since the last poll.
    Event {
        /// How many.
        value: u64,
    },
}

impl Counter {
    /// A 64-bit cumulative counter in one part.
    pub fn cumulative(class: CounterClass, total: u64) -> Self {
        Self { class, reading: CounterReading::Cumulative { bits: CounterBits::B64, parts: vec![total] } }
    }

    /// Which kind it is.
    pub fn kind(&self) -> CounterKind {
        match self.reading {
            CounterReading::Cumulative { .. } => CounterKind::Cumulative,
            CounterReading::Period { .. } => CounterKind::Period,
            CounterReading::Event { .. } => CounterKind::Event,
        }
    }

    /// The total, the period's sum or the number of events.
    pub fn value(&self) -> u64 {
        match &self.reading {
            CounterReading::Cumulative { parts, .. } => parts.iter().fold(0, |sum, p| sum.saturating_add(*p)),
            CounterReading::Period { value, .. } | CounterReading::Event { value } => *value,
        }
    }
}

/// The width of a cumulative counter's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CounterBits {
    /// Wraps at 2^32, as the kernel's per-CPU `unsigned int`s do.
    B32,
    /// Wraps at 2^64: in practice never.
    B64,
}

impl CounterBits {
    /// The width as a number.
    pub fn as_u8(self) -> u8 {
        match self {
            Self::B32 => 32,
            Self::B64 => 64,
        }
    }

    /// The width from a number.
    pub fn from_u8(bits: u8) -> Option<Self> {
        match bits {
            32 => Some(Self::B32),
            64 => Some(Self::B64),
            _ => None,
        }
    }

    /// How far a part moved, or nothing where it went back.
    ///
    /// A wrap and a decrease look alike: the shorter way round the circle decides, so a part that lost a
    /// little was decreased, and one that lost nearly everything near the top wrapped.
    pub fn advance(self, before: u64, now: u64) -> Option<u64> {
        if now >= before {
            return Some(now - before);
        }
        let (mask, half) = match self {
            Self::B32 => (u64::from(u32::MAX), 1 << 31),
            Self::B64 => (u64::MAX, 1 << 63),
        };
        let forward = now.wrapping_sub(before) & mask;
        (before <= mask && forward < half).then_some(forward)
    }
}

/// The counter of the same table whose increase may be the same lost packet.
///
/// Linux counts an unresolved clash in `insert_failed` AND in `drop` (net/netfilter/nf_conntrack_core.c,
/// `__nf_conntrack_confirm`), so the two must not be added.
pub fn paired_counter(kind: TableKind, counter: &CounterName) -> Option<&'static str> {
    (kind == TableKind::Conntrack && counter.as_str() == "insert_failed").then_some("drop")
}

/// What a counter that loses nothing yet is a sign of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A chain of the hash is longer than the device wants to search.
    LongChains,
    /// A packet belongs to no connection.
    Invalid,
    /// Two packets raced for one entry, and nothing was lost: the device settles such races itself.
    RacesSettled,
}

/// What an increase of this counter is a sign of, beyond its class.
///
/// Linux (net/netfilter/nf_conntrack_core.c): `chaintoolong` since 5.15, `clash_resolve` since 5.10.
pub fn sign_of(kind: TableKind, counter: &CounterName) -> Option<Sign> {
    if kind != TableKind::Conntrack {
        return None;
    }
    match counter.as_str() {
        "chaintoolong" => Some(Sign::LongChains),
        "invalid" => Some(Sign::Invalid),
        "clash_resolve" => Some(Sign::RacesSettled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_and_decreases_are_told_apart() {
        let top = u64::from(u32::MAX);
        assert_eq!(CounterBits::B32.advance(5, 9), Some(4));
        assert_eq!(CounterBits::B32.advance(top - 4, 3), Some(8));
        assert_eq!(CounterBits::B32.advance(7, 3), None);
        assert_eq!(CounterBits::B64.advance(u64::MAX - 4, 3), Some(8));
        assert_eq!(CounterBits::B64.advance(1000, 990), None);
        assert_eq!(CounterBits::B32.advance(top + 10, 3), None, "it was never 32 bits wide");
    }
}
