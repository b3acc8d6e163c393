//! How often the built-in rules page and warn about healthy traffic, and how early they tell of what is not.
//!
//! `cargo bench -p cliffwatch-rules --bench calm -- [TABLE_MONTHS_AT_60_S [TABLE_MONTHS_AT_10_S]]` (default 24
//! and an eighth of that). The traffic is made up and the same on every run: a day and a week with their own
//! shapes, growth of 2 % a week, noise that lasts,
//! bursts with heavy tails, deploys that drop a part of the connections and get it back, steps that stay.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing)]

#[path = "calm/traffic.rs"]
mod traffic;
#[path = "calm/watch.rs"]
mod watch;

use traffic::{Healthy, Random};
use watch::{Told, Watch};

const MONTH_S: i64 = 30 * 86_400;
const TABLES_A_POLL: usize = 8;

fn main() {
    let mut months = std::env::args().skip(1).filter_map(|arg| arg.parse::<usize>().ok());
    let slow = months.next().unwrap_or(24);
    let fast = months.next().unwrap_or(slow.div_ceil(8));
    for interval in [10, 60] {
        lead_times(interval);
    }
    calm(60, slow);
    calm(10, fast);
}

/// Healthy tables for a month each.
fn calm(interval: i64, months: usize) {
    let mut told = Told::default();
    let mut high = 0.0f64;
    for batch in 0..months.div_ceil(TABLES_A_POLL) {
        let mut tables: Vec<Healthy> =
            (0..TABLES_A_POLL).map(|n| Healthy::new((batch * TABLES_A_POLL + n) as u64, interval)).collect();
        let mut watch = Watch::new(tables.iter().map(|table| table.limit).collect(), interval);
        for at in (0..MONTH_S).step_by(interval.unsigned_abs() as usize) {
            let used: Vec<u64> = tables.iter_mut().map(|table| table.next(at)).collect();
            for (used, table) in used.iter().zip(&tables) {
                high = high.max(*used as f64 / table.limit as f64);
            }
            watch.poll(at, &used, &mut told);
        }
    }
    let months = months.div_ceil(TABLES_A_POLL) * TABLES_A_POLL;
    println!("healthy, every {interval} s: {months} table-months, the fullest at {:.0} %", high * 100.0);
    for ((rule, severity), count) in &told.firing {
        println!("  {rule} {severity}: {count} ({:.3} a table-month)", *count as f64 / months as f64);
    }
    let warned = told.warned.len();
    println!("  warnings and pages in all: {warned} ({:.3} a table-month)", warned as f64 / months as f64);
    for line in told.warned.iter().take(40) {
        println!("    {line}");
    }
}

/// A surge from 20 % to full in four minutes and in ten, and a leak of ten hours: the seconds from the first
/// warning and from the first page to full, the worst of twenty with noise.
fn lead_times(interval: i64) {
    for (name, seconds) in [("surge of 4 min", 240), ("surge of 10 min", 600), ("leak of 10 h", 36_000)] {
        let mut warned: Option<i64> = Some(i64::MAX);
        let mut paged = warned;
        for seed in 0..20 {
            let (full, told) = fill(seed, seconds, interval);
            let lead = |at: Option<i64>| at.map(|at| full - at);
            // No time at all is the worst.
            (warned, paged) = (warned.min(lead(told.first_warning)), paged.min(lead(told.first_page)));
        }
        println!("{name}, every {interval} s: warned {warned:?} s and paged {paged:?} s before it was full");
    }
}

/// A table that fills within so many seconds, after two quiet hours.
fn fill(seed: u64, seconds: i64, interval: i64) -> (i64, Told) {
    let mut random = Random::new(seed);
    let (limit, start) = (262_144u64, 7_200 + 7 * seed as i64);
    let mut watch = Watch::new(vec![limit], interval);
    let mut told = Told::default();
    let full = start + seconds;
    for at in (0..=full).step_by(interval.unsigned_abs() as usize) {
        let rise = (at - start).max(0) as f64 / seconds as f64;
        let level = (0.2 + 0.8 * rise) * (1.0 + 0.01 * random.normal());
        watch.poll(at, &[((limit as f64) * level.min(1.0)) as u64], &mut told);
    }
    (full, told)
}
