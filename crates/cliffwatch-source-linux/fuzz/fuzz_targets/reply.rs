//! Replies of any bytes, two in a row on one device: no panic, and no figure that is no number.
#![no_main]

use cliffwatch_model::{Platform, Timestamp};
use cliffwatch_source::testkit::plain_target;
use cliffwatch_source_linux::Decoder;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let target = plain_target("device", &Platform::new("linux").unwrap(), None);
    let mut decoder = Decoder::new(&target).unwrap();
    // The zero byte parts the two; no reply of a shell has one.
    for reply in bytes.splitn(2, |byte| *byte == 0) {
        let Ok(reading) = decoder.decode(reply, Timestamp::from_secs(1_700_000_000), None) else { continue };
        assert!(reading.load.figures.values().all(|figure| figure.is_finite() && *figure >= 0.0));
        let shares = ["cpu_percent", "softirq_percent", "memory_percent"].map(|name| reading.load.figures.get(name));
        assert!(shares.into_iter().flatten().all(|share| *share <= 100.0));
        for sample in &reading.samples {
            let limit = sample.capacity.ok().map(|capacity| capacity.limit.get());
            assert_eq!(sample.sheds_at, limit.map(|limit| limit / 100 * 95).filter(|floor| *floor > 0));
            assert!(sample.used.is_none_or(|used| used <= u64::from(u32::MAX)));
            assert!(limit.is_none_or(|limit| limit <= u64::from(u32::MAX)));
        }
    }
});
