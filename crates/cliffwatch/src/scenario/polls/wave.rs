//! Traffic over days in whole numbers: the same on every machine.

use std::time::Duration;

use cliffwatch_model::Timestamp;

use crate::scenario::file::{DailyFile, WaveFile};

const DAY_S: i64 = 86_400;
const WEEK_S: i64 = 604_800;
/// The day's wave is lowest at 03:00 and highest at 15:00.
const LOWEST_S: i64 = 10_800;

/// What the wave adds at an instant.
pub(super) fn value(wave: &WaveFile, at: Timestamp, start: Timestamp) -> u64 {
    let seconds = at.as_micros().div_euclid(1_000_000);
    let since = seconds.saturating_sub(start.as_micros().div_euclid(1_000_000)).max(0);
    let mut day = i128::from(wave.day) * i128::from(swing(seconds)) / 10_000;
    if is_weekend(seconds) {
        day = day * i128::from(wave.weekend_percent.unwrap_or(100)) / 100;
    }
    let growth = i128::from(wave.week_growth) * i128::from(since) / i128::from(WEEK_S);
    let noise = i128::from(noise(seconds)) * i128::from(wave.noise) / i128::from(u32::MAX);
    let daily: i128 = wave.daily.iter().map(|daily| i128::from(spike(daily, seconds))).sum();
    u64::try_from(day + growth + noise + daily).unwrap_or(u64::MAX)
}

/// From 0 to 10,000 and back over a day: two parabolas, which come within 6 % of a sine.
fn swing(seconds: i64) -> i64 {
    let phase = (seconds - LOWEST_S).rem_euclid(DAY_S);
    let half = DAY_S / 2;
    // 0 at the lowest, `half` at the highest.
    let rise = if phase <= half { phase } else { DAY_S - phase };
    let quarter = half / 2;
    let bend = |x: i64| 5_000 * x / quarter * x / quarter;
    if rise <= quarter { bend(rise) } else { 10_000 - bend(half - rise) }
}

/// 1970-01-01 was a Thursday.
fn is_weekend(seconds: i64) -> bool {
    matches!((seconds.div_euclid(DAY_S) + 3).rem_euclid(7), 5 | 6)
}

/// SplitMix64 of the second: even, without a pattern that a slope could follow.
fn noise(seconds: i64) -> u32 {
    let mut z = seconds.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(0)
}

fn spike(daily: &DailyFile, seconds: i64) -> u64 {
    let whole = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    let since = (seconds - whole(daily.at.0)).rem_euclid(DAY_S);
    let left = whole(daily.for_.0) - since;
    if left <= 0 {
        return 0;
    }
    let ramp = daily.ramp.map_or(0, |ramp| whole(ramp.0));
    let edge = since.min(left);
    if edge >= ramp {
        return daily.add;
    }
    let added = i128::from(daily.add) * i128::from(edge) / i128::from(ramp);
    u64::try_from(added).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_goes_up_and_down() {
        let at = |hour: i64| swing(hour * 3_600);
        assert_eq!([3, 9, 15, 21].map(at), [0, 5_000, 10_000, 5_000]);
        assert!((0..86_400).map(swing).all(|value| (0..=10_000).contains(&value)));
        assert!(is_weekend(1_772_323_200) && !is_weekend(1_772_409_600), "a Sunday and a Monday");
    }
}
