use std::time::Duration;

use cliffwatch_model::{
    CounterClass, CounterKind, CounterName, CounterTotal, TableKey, TableObservation, paired_counter,
};

/// Ports below this are few, and most systems use none of them for what they translate.
const FIRST_HIGH_PORT: u32 = 1_024;

/// What the counters of one reading say, by meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Signals {
    /// Connections lost for want of an entry: polled counters.
    pub(crate) refused: u64,
    /// The same, as sums over a provider's period: what is new of them.
    pub(crate) refused_in_period: u64,
    /// All that was lost in the period that the reading is of, as far as is known now; absent where that was
    /// not read.
    pub(crate) sum_of_period: Option<u64>,
    /// The length of that period, where anything was lost in it.
    pub(crate) period: Duration,
    /// What was attempted in it, where a sum says so by its name: `ConnectionAttemptCount`, `….Attempted`.
    pub(crate) attempts: Option<u64>,
    /// What came of them, named so too: `ConnectionEstablishedCount`.
    pub(crate) established: Option<u64>,
    /// The same, as the device pushed them.
    pub(crate) refused_pushed: u64,
    /// Those of them on a tier of ports below 1024: all or none.
    pub(crate) pushed_of_low_ports: u64,
    /// Connections lost to a clash or for want of a source port: counters that share their increase with
    /// another one, which is not counted again.
    pub(crate) clashes: u64,
    pub(crate) evicted: u64,
    pub(crate) held_back: u64,
    pub(crate) collisions: u64,
    /// The classes of which a counter was read and can be compared.
    pub(crate) read: Classes,
    /// The longest time that an increase spreads over.
    pub(crate) over: Duration,
}

impl Signals {
    pub(crate) fn of(reading: &TableObservation) -> Self {
        let mut signals = Self::default();
        if !reading.marks.decreased {
            for (name, counter) in &reading.counters {
                // The first total of a cumulative counter is history and says nothing of now.
                if !(reading.marks.appeared && counter.kind == CounterKind::Cumulative) {
                    signals.read.insert(counter.class);
                }
                if counter.kind == CounterKind::Period {
                    signals.take_sum(name, counter);
                }
            }
        }
        let mut twins = 0u64;
        for increase in &reading.increases {
            twins = twins.saturating_add(increase.paired);
            let over = Duration::from_secs(increase.over_seconds.into());
            signals.over = signals.over.max(over);
            let is_clash = || paired_counter(reading.table.kind, &increase.counter).is_some();
            let sum = match (increase.class, increase.kind) {
                (CounterClass::Refused, _) if is_clash() => &mut signals.clashes,
                (CounterClass::Refused, CounterKind::Cumulative) => &mut signals.refused,
                (CounterClass::Refused, CounterKind::Period) => {
                    signals.period = signals.period.max(over);
                    &mut signals.refused_in_period
                }
                (CounterClass::Refused, CounterKind::Event) => &mut signals.refused_pushed,
                (CounterClass::Evicted, _) => &mut signals.evicted,
                (CounterClass::PolicyLimit, _) => &mut signals.held_back,
                (CounterClass::Collision, _) => &mut signals.collisions,
                (CounterClass::Pressure, _) => continue,
            };
            *sum = sum.saturating_add(increase.amount);
        }
        signals.refused = signals.refused.saturating_sub(twins);
        if is_low_tier(&reading.table) {
            signals.pushed_of_low_ports = signals.refused_pushed;
        }
        signals
    }

    fn take_sum(&mut self, name: &CounterName, counter: &CounterTotal) {
        let is = |word: &str| name.as_str().to_ascii_lowercase().contains(word);
        let sum = match counter.class {
            CounterClass::Refused => &mut self.sum_of_period,
            CounterClass::Pressure if is("attempt") => &mut self.attempts,
            CounterClass::Pressure if is("established") => &mut self.established,
            _ => return,
        };
        *sum = Some(sum.unwrap_or(0).saturating_add(counter.value));
    }

    /// What is judged by its number: clashes, or what was pushed of a tier of low ports. No table has both.
    pub(crate) fn counted(&self) -> u64 {
        self.clashes.saturating_add(self.pushed_of_low_ports)
    }

    /// Every new connection that was lost, each once.
    pub(crate) fn lost(&self) -> u64 {
        [self.refused, self.refused_in_period, self.refused_pushed, self.clashes]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// Whether the table is a tier of low ports: `tier=1-511`.
fn is_low_tier(table: &TableKey) -> bool {
    let last = table.part.get("tier").and_then(|tier| tier.rsplit_once('-'));
    last.and_then(|(_, last)| last.parse::<u32>().ok()).is_some_and(|last| last < FIRST_HIGH_PORT)
}

/// A set of counter classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Classes(u8);

impl Classes {
    fn bit(class: CounterClass) -> u8 {
        1 << class as u8
    }

    fn insert(&mut self, class: CounterClass) {
        self.0 |= Self::bit(class);
    }

    pub(crate) fn has(self, class: CounterClass) -> bool {
        self.0 & Self::bit(class) != 0
    }
}
