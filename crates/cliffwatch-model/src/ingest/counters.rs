use crate::{Counter, CounterKind, CounterName, CounterReading, Increase, Sample, Timestamp, paired_counter};

use super::memory::TableMemory;

/// What the counters of a table are compared with.
#[derive(Clone, Copy)]
pub(super) struct Baseline {
    /// They began at zero after our last complete look: the totals themselves are increases.
    pub(super) from_zero: bool,
    /// The reading is older than the newest: cumulative counters cannot be compared.
    pub(super) late: bool,
}

pub(super) struct Moved {
    pub(super) increases: Vec<Increase>,
    pub(super) decreased: bool,
}

/// How each counter moved since its last reading; the table's memory is brought up to now.
pub(super) fn increases(memory: &mut TableMemory, sample: &Sample, baseline: Baseline) -> Moved {
    let mut moved = Moved { increases: Vec::new(), decreased: false };
    let mut counted = Vec::new();
    for (name, counter) in &sample.counters {
        let step = match &counter.reading {
            CounterReading::Cumulative { .. } if baseline.late => Step::Unknown,
            CounterReading::Cumulative { bits, parts } => {
                let before = memory.counters.insert(name.clone(), (sample.observed_at, parts.clone()));
                cumulative(before, sample.observed_at, baseline, |old| advance(*bits, old, parts), parts)
            }
            CounterReading::Period { value, period, .. } => {
                let before = memory
                    .recent
                    .get(&sample.observed_at)
                    .and_then(|instant| instant.periods.get(name))
                    .copied()
                    .unwrap_or(0);
                Step::By(value.saturating_sub(before), u32::try_from(period.as_secs()).unwrap_or(u32::MAX))
            }
            CounterReading::Event { value } => Step::By(*value, since(memory.newest, sample.observed_at)),
        };
        match step {
            Step::By(amount, over) if amount > 0 => counted.push((name, counter, amount, over)),
            Step::By(..) | Step::Unknown => {}
            Step::Decreased => moved.decreased = true,
        }
    }
    let amount_of =
        |wanted: &str| counted.iter().find(|(n, ..)| n.as_str() == wanted).map_or(0, |(_, _, a, _)| *a);
    moved.increases = counted
        .iter()
        .map(|(name, counter, amount, over)| {
            let paired =
                paired_counter(sample.table.kind, name).map_or(0, |other| amount_of(other).min(*amount));
            increase(name, counter, *amount, paired, *over)
        })
        .collect();
    moved
}

enum Step {
    By(u64, u32),
    Decreased,
    Unknown,
}

fn cumulative(
    before: Option<(Timestamp, Vec<u64>)>,
    at: Timestamp,
    baseline: Baseline,
    advance: impl Fn(&[u64]) -> Option<u64>,
    parts: &[u64],
) -> Step {
    let total = || parts.iter().fold(0u64, |sum, part| sum.saturating_add(*part));
    match before {
        _ if baseline.from_zero => Step::By(total(), since(before.map(|(then, _)| then), at)),
        None => Step::Unknown,
        Some((then, old)) => match advance(&old) {
            Some(amount) => Step::By(amount, since(Some(then), at)),
            None => Step::Decreased,
        },
    }
}

/// The sum over the parts, or nothing where a part went back or the number of parts changed.
fn advance(bits: crate::CounterBits, old: &[u64], now: &[u64]) -> Option<u64> {
    if old.len() != now.len() {
        return None;
    }
    old.iter().zip(now).try_fold(0u64, |sum, (old, now)| Some(sum.saturating_add(bits.advance(*old, *now)?)))
}

/// To the nearest second, and 1 at least: a poll that came 2 ms early does not make a rate of 10 s one of
/// 9 s, nor one of a second unknown.
fn since(then: Option<Timestamp>, now: Timestamp) -> u32 {
    then.map_or(0, |then| {
        u32::try_from((now.since(then).as_millis() + 500) / 1_000).unwrap_or(u32::MAX).max(1)
    })
}

fn increase(name: &CounterName, counter: &Counter, amount: u64, paired: u64, over_seconds: u32) -> Increase {
    let kind: CounterKind = counter.kind();
    Increase { counter: name.clone(), class: counter.class, kind, amount, paired, over_seconds }
}
