//! Answers of any bytes to who fills a table: no panic, a share is one, and nothing that is listed is of another table.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use cliffwatch_model::{Platform, Timestamp};
use cliffwatch_source::SourceFactory as _;
use cliffwatch_source::testkit::plain_target;
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;
use libfuzzer_sys::fuzz_target;

/// A captured answer is read from a file of this name; one folder for each process that fuzzes.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("cliffwatch-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(FOLDER.join("evidence.txt"), bytes).unwrap();
    let factory = LinuxFactory::new(SshHub::new());
    let target = plain_target("device", &Platform::new("linux").unwrap(), None);
    let Ok(readings) = factory.decode(&FOLDER, &target, Timestamp::from_secs(1_700_000_000)) else { return };
    for item in readings.iter().flat_map(|reading| &reading.evidence) {
        if item.what == "shares" {
            let shares = item.value.as_object().unwrap().values().filter_map(|share| share.as_f64());
            shares.for_each(|share| assert!((0.0..=1.0).contains(&share), "{item:?}"));
        }
        assert!(item.value.to_string().len() < 64 * 1024, "{} is too large", item.what);
    }
});
