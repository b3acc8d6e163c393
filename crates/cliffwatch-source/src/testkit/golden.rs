use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cliffwatch_model::wire::PollLine;
use cliffwatch_model::{Poll, PollHeader, PollerName, Reading, Timestamp, Trigger};

use super::plain_target;
use crate::{DecodeError, Settings, SourceFactory};

/// Set this variable to write what came out as what is expected; then read the difference.
const BLESS: &str = "CLIFFWATCH_BLESS";

/// What a run over the golden folders found.
#[derive(Debug, Default)]
pub struct GoldenReport {
    /// Cases that were run.
    pub cases: usize,
    /// Cases that expect an error.
    pub errors_expected: usize,
    /// What differs, one text a case.
    pub differences: Vec<String>,
}

/// Decodes every folder under `fixtures` and compares with its `expected.jsonl`, or with its
/// `expected.err` where it must fail. Exactly one of the two must be there. `settings.json` beside them
/// gives the device's settings.
///
/// # Errors
/// When the folders cannot be read.
pub fn run_golden(factory: &dyn SourceFactory, fixtures: &Path) -> std::io::Result<GoldenReport> {
    let mut report = GoldenReport::default();
    let mut folders: Vec<PathBuf> =
        fs::read_dir(fixtures)?.map(|e| Ok(e?.path())).collect::<std::io::Result<_>>()?;
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        report.cases += 1;
        run_case(factory, folder, &mut report)?;
    }
    Ok(report)
}

fn run_case(factory: &dyn SourceFactory, folder: &Path, report: &mut GoldenReport) -> std::io::Result<()> {
    let (name, got) = match decode(factory, folder) {
        Ok(text) => ("expected.jsonl", text),
        Err(text) => ("expected.err", text),
    };
    let other = if name == "expected.err" { "expected.jsonl" } else { "expected.err" };
    let path = folder.join(name);
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, &got)?;
        let _absent_is_fine = fs::remove_file(folder.join(other)).is_ok();
    }
    report.errors_expected += usize::from(folder.join("expected.err").exists());
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    if folder.join(other).exists() || wanted.trim_end() != got.trim_end() {
        report.differences.push(format!("{}: want {name}:\n{wanted}\ngot:\n{got}", folder.display()));
    }
    Ok(())
}

/// The lines that `cliffwatch decode` would print, or the error with its hint.
fn decode(factory: &dyn SourceFactory, folder: &Path) -> Result<String, String> {
    let mut target = plain_target("device", &factory.platform(), None);
    if let Ok(text) = fs::read_to_string(folder.join("settings.json")) {
        target.settings =
            Settings::new(serde_json::from_str(&text).map_err(|e| format!("settings.json: {e}"))?);
    }
    let at = Timestamp::from_secs(1_700_000_000);
    let readings = factory.decode(folder, &target, at).map_err(|error| match &error {
        DecodeError::Reply(reply) => match &reply.hint {
            Some(hint) => format!("{}: {error}\nhint: {hint}\n", reply.kind.as_str()),
            None => format!("{}: {error}\n", reply.kind.as_str()),
        },
        DecodeError::File { .. } | DecodeError::Settings(_) => format!("{error}\n"),
    })?;
    let lines = readings.into_iter().zip(1..).map(|(reading, seq)| line(factory, reading, seq, at));
    Ok(lines.collect::<Result<Vec<_>, _>>()?.join("\n") + "\n")
}

fn line(factory: &dyn SourceFactory, reading: Reading, seq: u64, at: Timestamp) -> Result<String, String> {
    let target = plain_target("device", &factory.platform(), None);
    let header = PollHeader {
        device: target.device.name.clone(),
        platform: factory.platform(),
        poller: PollerName::new("golden").map_err(|e| e.to_string())?,
        seq,
        trigger: Trigger::Tick,
        started_at: at,
        finished_at: at,
        interval: Duration::from_secs(10),
        late: false,
        lag: Duration::ZERO,
    };
    serde_json::to_string_pretty(&PollLine::from(&Poll { header, result: Ok(reading) }))
        .map_err(|e| e.to_string())
}
