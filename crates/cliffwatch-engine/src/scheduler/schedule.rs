use std::time::Duration;

use cliffwatch_model::DeviceName;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// When a device is polled: on a grid whose phase is a hash of its name, so that load is even and a
/// restart changes nothing, and once soon after the start, so that nobody waits for a first reading.
#[derive(Debug)]
pub(super) struct Schedule {
    origin: Instant,
    phase: Duration,
    interval: Duration,
    next: Instant,
}

/// A tick, and how many before it passed while the device was still being polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) due: Instant,
    pub(super) missed: u64,
}

impl Schedule {
    /// A schedule from `now` on. The first tick comes within `spread`, which may be longer than an interval.
    pub(super) fn new(
        device: &DeviceName,
        interval: Duration,
        origin: Instant,
        now: Instant,
        spread: Duration,
    ) -> Self {
        let share = share_of(device);
        let first = now + spread.mul_f64(share);
        Self { origin, phase: interval.mul_f64(share), interval, next: first }
    }

    /// When the next tick is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Takes the tick that is due and moves on to the first one after `now`: missed ticks are counted,
    /// never caught up in a burst.
    pub(super) fn take(&mut self, now: Instant) -> Tick {
        let due = self.next;
        let after_due = self.grid_after(due + self.interval / 2);
        let next = self.grid_after(now.max(due + self.interval / 2));
        let missed = next.saturating_duration_since(after_due).as_nanos() / self.interval.as_nanos().max(1);
        self.next = next;
        Tick { due, missed: u64::try_from(missed).unwrap_or(u64::MAX) }
    }

    /// Follows a changed interval from the next tick on.
    pub(super) fn change(&mut self, device: &DeviceName, interval: Duration, now: Instant) {
        self.interval = interval;
        self.phase = interval.mul_f64(share_of(device));
        self.next = self.grid_after(now);
    }

    /// The first instant of the grid strictly after `at`.
    fn grid_after(&self, at: Instant) -> Instant {
        let start = self.origin + self.phase;
        let passed = at.saturating_duration_since(start).as_nanos() / self.interval.as_nanos().max(1);
        if at < start {
            return start;
        }
        let steps = u32::try_from(passed + 1).unwrap_or(u32::MAX);
        start + self.interval.saturating_mul(steps)
    }
}

/// A number from 0 to 1 that is the device's own.
fn share_of(device: &DeviceName) -> f64 {
    let digest: [u8; 32] = Sha256::digest(device.as_str().as_bytes()).into();
    let [a, b, c, d, ..] = digest;
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Duration = Duration::from_secs(10);

    fn schedule() -> (Schedule, Instant) {
        let now = Instant::now();
        (Schedule::new(&DeviceName::new("gw").unwrap(), TEN, now, now, Duration::ZERO), now)
    }

    #[test]
    fn the_first_tick_comes_at_once_and_the_rest_on_the_grid() {
        let (mut schedule, now) = schedule();
        assert_eq!(schedule.take(now), Tick { due: now, missed: 0 });
        let second = schedule.next();
        assert!(second > now + TEN / 2 && second <= now + TEN * 3 / 2);
        assert_eq!(schedule.take(second).missed, 0);
        assert_eq!(schedule.next(), second + TEN);
    }

    #[test]
    fn missed_ticks_are_counted_and_not_caught_up() {
        let (mut schedule, now) = schedule();
        schedule.take(now);
        let second = schedule.next();
        let tick = schedule.take(second + TEN * 3 + TEN / 2);
        assert_eq!(tick, Tick { due: second, missed: 3 });
        assert_eq!(schedule.next(), second + TEN * 4);
    }

    #[test]
    fn phases_spread_over_the_interval() {
        let now = Instant::now();
        let mut early = 0;
        for n in 0..1000 {
            let name = DeviceName::new(&format!("host-{n}")).unwrap();
            let schedule = Schedule::new(&name, TEN, now, now, TEN);
            early += usize::from(schedule.next() < now + TEN / 2);
        }
        assert!((400..600).contains(&early), "{early} of 1000 in the first half");
    }
}
