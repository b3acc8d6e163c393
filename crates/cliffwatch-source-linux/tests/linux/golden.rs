//! Captured replies, and what must come out of them.

use std::path::Path;

use cliffwatch_model::wire::PollLine;
use cliffwatch_source::SourceFactory as _;
use cliffwatch_source::testkit::{no_panic_on_damaged_replies, plain_target, run_golden};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

fn fixtures() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures"))
}

#[test]
fn captured_replies_give_what_is_expected() {
    let report = run_golden(&LinuxFactory::new(SshHub::new()), fixtures()).unwrap();
    assert!(report.differences.is_empty(), "{}", report.differences.join("\n"));
    assert!(report.cases >= 40 && report.errors_expected >= 5, "{report:?}");
}

/// A reply that lost or changed one byte may lose parts, never gain a limit or a count that it did not say.
#[test]
fn damaged_replies_do_no_harm() {
    let factory = LinuxFactory::new(SshHub::new());
    let target = plain_target("device", &factory.platform(), None);
    let mut tried = 0;
    for case in ["dash-limit-waits", "no-procfs-netlink"] {
        let scratch = tempfile::tempdir().unwrap();
        tried +=
            no_panic_on_damaged_replies(&factory, &fixtures().join(case), &target, scratch.path()).unwrap();
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn a_reply_that_is_cut_anywhere_keeps_its_numbers_or_loses_them() {
    let factory = LinuxFactory::new(SshHub::new());
    let target = plain_target("device", &factory.platform(), None);
    let reply = std::fs::read(fixtures().join("6.18-17-columns/reply.txt")).unwrap();
    let known = std::fs::read_to_string(fixtures().join("6.18-17-columns/expected.jsonl")).unwrap();
    let known: PollLine = serde_json::from_str(&known).unwrap();
    let mut whole = 0;
    for cut in 0..reply.len() {
        let mut decoder = cliffwatch_source_linux::Decoder::new(&target).unwrap();
        let at = cliffwatch_model::Timestamp::from_secs(1_700_000_000);
        let Ok(reading) = decoder.decode(&reply[..cut], at, None) else { continue };
        let sample = &reading.samples[0];
        assert!(matches!(sample.used, None | Some(1234)), "at {cut}: {:?}", sample.used);
        assert!(sample.capacity.is_err() || sample.capacity.unwrap().limit.get() == 262_144, "at {cut}");
        assert!(sample.counters.values().all(|counter| counter.value() <= 7), "at {cut}: {sample:?}");
        let changed =
            reading.device_settings.iter().find(|(name, value)| known.device_settings[*name] != **value);
        assert_eq!(changed, None, "at {cut}");
        whole += usize::from(sample.used.is_some() && sample.capacity.is_ok());
    }
    assert!(whole > reply.len() / 2, "{whole}");
}
