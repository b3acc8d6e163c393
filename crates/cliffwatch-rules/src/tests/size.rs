use std::time::Duration;

use cliffwatch_model::{Counter, CounterClass, CounterName, CounterReading};

use super::lab::Lab;

/// What is remembered of a table, at most: in memory, and in its saved row.
const BYTES_MAX: usize = 8 * 1024;

/// Two weeks in which every counter rises at every poll, both rates are known and nothing stays as it is.
#[test]
fn a_table_is_remembered_in_eight_kilobytes() {
    let mut lab = Lab::new();
    lab.limit(4_000_000_000);
    lab.interval = 60;
    let mut total = 0;
    for n in 0..16 * 1_440u64 {
        if n == 16 * 1_440 - 60 {
            // Windows hold most where readings come fast.
            lab.interval = 10;
        }
        total += 4_000_000_000;
        for (name, class) in [
            ("drop", CounterClass::Refused),
            ("insert_failed", CounterClass::Refused),
            ("early_drop", CounterClass::Evicted),
            ("clash", CounterClass::Collision),
            ("quota", CounterClass::PolicyLimit),
        ] {
            let name = CounterName::new(name).unwrap();
            lab.table().counters.insert(name, Counter::cumulative(class, total));
        }
        let sum =
            CounterReading::Period { value: total, period: Duration::from_secs(60), provisional: false };
        for (name, reading) in [("pushed", CounterReading::Event { value: total }), ("sum", sum)] {
            let counter = Counter { class: CounterClass::Refused, reading };
            lab.table().counters.insert(CounterName::new(name).unwrap(), counter);
        }
        if n % 3 == 2 {
            lab.now += lab.interval;
        }
        lab.table().used = Some(3_000_000_000 + n * 7_919 % 1_000_000_000);
        (lab.table().setup_rate, lab.table().teardown_rate) = (Some(1e6), Some(9e5));
        lab.poll();
        lab.seen.clear();
        lab.events.clear();
    }
    let table = lab.table().table.clone();
    let bytes = lab.engine.table(&table.device, table.id()).bytes();
    assert!(bytes <= BYTES_MAX, "{bytes} bytes in memory");
    let rows = lab.engine.save(&table.device);
    let row = rows.into_iter().find_map(|(id, text)| id.and(text)).unwrap().len();
    assert!(row <= BYTES_MAX, "{row} bytes saved");
    println!("{bytes} bytes in memory, {row} bytes saved");
}
