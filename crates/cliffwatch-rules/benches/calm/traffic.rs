//! Healthy traffic, made up.

use std::f64::consts::TAU;

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers everywhere.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Seeds that lie close together must not give one sequence, shifted.
        let mut seeded = Self(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5851_f42d_4c95_7f2d);
        Self(seeded.next() ^ seeded.next().rotate_left(32))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.share()
    }

    /// Mean 0, deviation 1 (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * self.share().max(1e-300).ln()).sqrt() * (TAU * self.share()).cos()
    }

    /// Pareto: at least `least`, with a tail that is the heavier the smaller `alpha`.
    pub(crate) fn pareto(&mut self, least: f64, alpha: f64) -> f64 {
        least / self.share().max(1e-9).powf(1.0 / alpha)
    }
}

/// A table that is never in trouble: its peaks stay below 65 % of the limit.
pub(crate) struct Healthy {
    pub(crate) limit: u64,
    random: Random,
    interval: f64,
    /// Share of the limit at the peak of the first week.
    peak: f64,
    /// Share of the peak at night, and at weekends.
    night: f64,
    weekend: f64,
    /// When the working day begins and how long its ramp lasts, in hours.
    morning: f64,
    ramp: f64,
    /// Noise that lasts: its size, its time in seconds, its state.
    noise: (f64, f64, f64),
    /// Bursts: how much of the count, how fast it rises and falls.
    burst: f64,
    burst_target: f64,
    burst_fall_s: f64,
    /// A deploy: the part of the connections that is away, and how fast it returns.
    away: f64,
    back_s: f64,
    /// What steps left behind.
    step: f64,
    /// A job every night: its hour and size.
    nightly: Option<(f64, f64)>,
}

/// Of the limit: healthy tables do not pass it, however long a tail is.
const HIGHEST: f64 = 0.65;

impl Healthy {
    pub(crate) fn new(seed: u64, interval: i64) -> Self {
        let mut random = Random::new(seed);
        let mut pick = |low, high| random.between(low, high);
        let (peak, night, weekend) = (pick(0.15, 0.55), pick(0.3, 0.8), pick(0.5, 1.0));
        let (morning, ramp, size, time) =
            (pick(6.0, 9.0), pick(0.5, 3.0), pick(0.01, 0.04), pick(120.0, 900.0));
        let nightly = (pick(0.0, 1.0) < 0.3).then(|| (pick(0.0, 5.0), pick(0.1, 0.5)));
        Self {
            limit: 262_144,
            interval: interval as f64,
            peak,
            night,
            weekend,
            morning,
            ramp,
            noise: (size, time, 0.0),
            burst: 0.0,
            burst_target: 0.0,
            burst_fall_s: 300.0,
            away: 0.0,
            back_s: 120.0,
            step: 1.0,
            nightly,
            random,
        }
    }

    /// The count, `at` seconds after a Monday's midnight.
    pub(crate) fn next(&mut self, at: i64) -> u64 {
        let (day, hour) = (at / 86_400, (at % 86_400) as f64 / 3_600.0);
        let weekend = if day % 7 >= 5 { self.weekend } else { 1.0 };
        let growth = 1.02f64.powf(at as f64 / (7.0 * 86_400.0));
        let rise = smooth((hour - self.morning) / self.ramp)
            - smooth((hour - self.morning - 9.0) / (self.ramp * 2.0));
        let shape = (self.night + (1.0 - self.night) * rise * weekend) * growth;
        let job = self.nightly.map_or(0.0, |(start, size)| {
            smooth((hour - start) / 0.05) * size - smooth((hour - start - 0.5) / 0.2) * size
        });
        self.drift();
        let (_, _, noise) = self.noise;
        let white = 0.003 * self.random.normal();
        let share = self.peak
            * (shape + job * 0.5)
            * self.step
            * (1.0 + noise + self.burst + white)
            * (1.0 - self.away);
        (share.clamp(0.0, HIGHEST) * self.limit as f64) as u64
    }

    fn drift(&mut self) {
        let dt = self.interval;
        let (size, time, state) = self.noise;
        let keep = (-dt / time).exp();
        self.noise.2 = state * keep + size * (1.0 - keep * keep).sqrt() * self.random.normal();
        // Four bursts a day, of 4 % at least, with a heavy tail.
        if self.random.share() < 4.0 * dt / 86_400.0 {
            self.burst_target = self.random.pareto(0.04, 1.6).min(0.8);
            self.burst_fall_s = self.random.between(60.0, 900.0);
        }
        if self.burst < self.burst_target {
            self.burst = (self.burst + self.burst_target * dt / 60.0).min(self.burst_target);
            if self.burst >= self.burst_target {
                self.burst_target = 0.0;
            }
        } else {
            self.burst *= (-dt / self.burst_fall_s).exp();
        }
        // Two deploys a day drop a tenth to two thirds of the connections; one in ten leaves a step.
        if self.random.share() < 2.0 * dt / 86_400.0 {
            self.away = self.random.between(0.1, 0.65);
            self.back_s = self.random.between(20.0, 300.0);
            if self.random.share() < 0.1 {
                self.step *= self.random.between(0.85, 1.15);
                self.step = self.step.clamp(0.8, 1.25);
            }
        }
        self.away *= (-dt / self.back_s).exp();
    }
}

fn smooth(x: f64) -> f64 {
    let x = x.clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}
