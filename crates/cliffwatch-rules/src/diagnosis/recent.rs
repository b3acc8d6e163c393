//! What a table's counters did in the last minutes.

use std::time::Duration;

use cliffwatch_model::{
    CounterClass, CounterName, Sign, TableObservation, Timestamp, paired_counter, sign_of,
};

/// Two slots of this length are kept: what is told covers five to ten minutes.
const SLOT_MICROS: i64 = 300_000_000;

/// What a counter's increase means to a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Symptom {
    /// A new connection was refused for want of room.
    Refused,
    /// A new connection was lost to a clash, or for want of a source port.
    Clashed,
    /// An entry was thrown out.
    Evicted,
    /// A quota did its job.
    HeldBack,
    /// Two flows wanted one translation.
    Collided,
    /// A chain of the hash was too long.
    LongChains,
    /// A packet belonged to nothing.
    Invalid,
    /// A race was settled without loss.
    RacesSettled,
}

impl Symptom {
    const COUNT: usize = 8;

    fn bit(self) -> u8 {
        1 << self as u8
    }

    fn of(reading: &TableObservation, counter: &CounterName, class: CounterClass) -> Option<Self> {
        let kind = reading.table.kind;
        Some(match class {
            CounterClass::Refused if paired_counter(kind, counter).is_some() => Self::Clashed,
            CounterClass::Refused => Self::Refused,
            CounterClass::Evicted => Self::Evicted,
            CounterClass::PolicyLimit => Self::HeldBack,
            CounterClass::Collision => Self::Collided,
            CounterClass::Pressure => match sign_of(kind, counter)? {
                Sign::LongChains => Self::LongChains,
                Sign::Invalid => Self::Invalid,
                Sign::RacesSettled => Self::RacesSettled,
            },
        })
    }
}

/// What the counters of a table did in the last five to ten minutes. It is not saved: after a restart it is
/// as old as the process, and [`Recent::span`] says so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent {
    /// The first reading that is counted.
    since: Option<Timestamp>,
    /// The newer slot, in slots since 1970.
    slot: i64,
    /// The symptoms of which a counter was read at all, one bit each.
    read: u8,
    /// How many counters the last reading had.
    counters: u16,
    tallies: [Tally; Symptom::COUNT],
}

#[derive(Clone, Debug, Default)]
struct Tally {
    /// The counter that rose last, by the device's own name.
    counter: Option<CounterName>,
    /// When it last rose.
    at: Timestamp,
    before: u64,
    now: u64,
}

/// How a symptom showed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Seen {
    /// How often, in the time that is covered.
    pub(crate) amount: u64,
    /// The last time.
    pub(crate) at: Timestamp,
    /// The device's own name of the counter.
    pub(crate) counter: CounterName,
}

impl Recent {
    /// Takes a reading; late ones count where they belong, if that is kept still.
    pub(crate) fn take(&mut self, reading: &TableObservation) {
        let at = reading.observed_at;
        // The first increases began before the first reading.
        let over = reading.increases.iter().map(|increase| increase.over_seconds).max().unwrap_or(0);
        let begin = at.minus(Duration::from_secs(over.into()));
        self.since = Some(self.since.map_or(begin, |since| since.min(begin)));
        let slot = at.as_micros().div_euclid(SLOT_MICROS);
        self.turn(slot);
        if slot < self.slot.saturating_sub(1) {
            return;
        }
        self.note_read(reading);
        let current = slot == self.slot;
        let mut twins = 0u64;
        for increase in &reading.increases {
            twins = twins.saturating_add(increase.paired);
            let Some(symptom) = Symptom::of(reading, &increase.counter, increase.class) else { continue };
            self.read |= symptom.bit();
            if let Some(tally) = self.tallies.get_mut(symptom as usize) {
                tally.add(increase.amount, at, &increase.counter, current);
            }
        }
        // What a clash counted a second time was not refused for want of room.
        if let Some(refused) = self.tallies.get_mut(Symptom::Refused as usize) {
            refused.take_back(twins, current);
        }
    }

    /// Which symptoms have a counter: asked again only when there are more or fewer of them.
    fn note_read(&mut self, reading: &TableObservation) {
        let counters = u16::try_from(reading.counters.len()).unwrap_or(u16::MAX);
        if reading.marks.decreased || counters == self.counters {
            return;
        }
        self.counters = counters;
        for (name, counter) in &reading.counters {
            self.read |= Symptom::of(reading, name, counter.class).map_or(0, Symptom::bit);
        }
    }

    fn turn(&mut self, slot: i64) {
        if slot <= self.slot {
            return;
        }
        let next = slot == self.slot.saturating_add(1);
        self.slot = slot;
        for tally in &mut self.tallies {
            tally.before = if next { tally.now } else { 0 };
            tally.now = 0;
        }
    }

    /// How a symptom showed in the minutes before `now`; nothing where it did not.
    pub(crate) fn seen(&self, symptom: Symptom, now: Timestamp) -> Option<Seen> {
        let tally = self.tallies.get(symptom as usize)?;
        let amount = match now.as_micros().div_euclid(SLOT_MICROS).saturating_sub(self.slot) {
            ..=0 => tally.now.saturating_add(tally.before),
            1 => tally.now,
            _ => 0,
        };
        let counter = tally.counter.clone()?;
        (amount > 0).then_some(Seen { amount, at: tally.at, counter })
    }

    /// Whether a counter of it was read, so that nothing seen means nothing happened.
    pub(crate) fn was_read(&self, symptom: Symptom) -> bool {
        self.read & symptom.bit() != 0
    }

    /// How long a time is covered.
    pub(crate) fn span(&self, now: Timestamp) -> Duration {
        let begins = Timestamp::from_micros(self.slot.saturating_sub(1).saturating_mul(SLOT_MICROS));
        self.since.map_or(Duration::ZERO, |since| now.since(since.max(begins)))
    }
}

impl Tally {
    fn add(&mut self, amount: u64, at: Timestamp, counter: &CounterName, current: bool) {
        self.at = if self.counter.is_some() { self.at.max(at) } else { at };
        if self.counter.as_ref() != Some(counter) {
            self.counter = Some(counter.clone());
        }
        let sum = if current { &mut self.now } else { &mut self.before };
        *sum = sum.saturating_add(amount);
    }

    fn take_back(&mut self, twins: u64, current: bool) {
        let sum = if current { &mut self.now } else { &mut self.before };
        *sum = sum.saturating_sub(twins);
    }
}
