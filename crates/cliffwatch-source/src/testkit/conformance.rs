use std::fs;
use std::path::Path;
use std::time::Duration;

use cliffwatch_model::{ErrorKind, Timestamp};
use tokio::net::TcpListener;

use super::FixedClock;
use crate::{PollContext, SessionSource, SourceFactory, Target};

/// Damaged variants of each captured file that are tried: every prefix would take minutes for long ones.
const DAMAGES_PER_FILE_MAX: usize = 400;

/// A device that accepts connections and never answers.
#[derive(Debug)]
pub struct Stuck(TcpListener);

impl Stuck {
    /// Listens on the loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn listen() -> std::io::Result<Self> {
        TcpListener::bind("127.0.0.1:0").await.map(Self)
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the socket is gone.
    pub fn address(&self) -> std::io::Result<String> {
        self.0.local_addr().map(|address| address.to_string())
    }
}

/// A poll of a device that accepts and never answers ends at its deadline, as a timeout.
///
/// # Errors
/// With what happened instead.
pub async fn deadline_is_honoured(source: &dyn SessionSource) -> Result<(), String> {
    let deadline = Duration::from_millis(300);
    let cx = PollContext { clock: &FixedClock(Timestamp::from_secs(0)), deadline };
    // Ten times the deadline: far beyond what a busy machine adds, far below any default timeout.
    match tokio::time::timeout(deadline * 10, source.poll(&cx)).await {
        Err(_) => Err(format!("the poll ran on past ten times its deadline of {deadline:?}")),
        Ok(Err(error)) if error.kind == ErrorKind::Timeout => Ok(()),
        Ok(other) => Err(format!("the poll of a silent device gave {other:?}, not a timeout")),
    }
}

/// Decoding replies that are cut off, or have one byte changed, never panics; what still decodes has no
/// table that uses a limit of its own making (a capacity always has an origin by type, so only the
/// arithmetic is checked here).
///
/// # Errors
/// With the file that cannot be read, or the reading that makes no sense.
pub fn no_panic_on_damaged_replies(
    factory: &dyn SourceFactory,
    case: &Path,
    target: &Target,
    scratch: &Path,
) -> Result<usize, String> {
    let mut tried = 0;
    for entry in fs::read_dir(case).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_os_string();
        fs::copy(&path, scratch.join(&name)).map_err(|e| e.to_string())?;
    }
    for entry in fs::read_dir(case).map_err(|e| e.to_string())? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_os_string();
        let whole = fs::read(&path).map_err(|e| e.to_string())?;
        let step = (whole.len() / DAMAGES_PER_FILE_MAX).max(1);
        for at in (0..whole.len()).step_by(step) {
            for damaged in damages(&whole, at) {
                fs::write(scratch.join(&name), damaged).map_err(|e| e.to_string())?;
                check(factory, target, scratch)?;
                tried += 1;
            }
        }
        fs::write(scratch.join(&name), &whole).map_err(|e| e.to_string())?;
    }
    Ok(tried)
}

/// The text cut at a byte, and the text with that byte flipped.
fn damages(whole: &[u8], at: usize) -> [Vec<u8>; 2] {
    let mut flipped = whole.to_vec();
    if let Some(byte) = flipped.get_mut(at) {
        *byte ^= 0xa5;
    }
    [whole.get(..at).unwrap_or_default().to_vec(), flipped]
}

fn check(factory: &dyn SourceFactory, target: &Target, folder: &Path) -> Result<(), String> {
    for reading in factory.decode(folder, target, Timestamp::from_secs(0)).unwrap_or_default() {
        for sample in &reading.samples {
            let fill = sample.used.and_then(|used| Some(sample.capacity.ok()?.utilization(used)));
            if fill.is_some_and(|fill| !fill.is_finite()) {
                return Err(format!("a damaged reply gave a fill of {fill:?}"));
            }
        }
    }
    Ok(())
}

/// Neither a target nor a source shows a secret that the test planted.
///
/// # Errors
/// With what showed it.
pub fn no_secret_in_debug(target: &Target, source: &dyn SessionSource, canary: &str) -> Result<(), String> {
    for (what, text) in [("the target", format!("{target:?}")), ("the source", format!("{source:?}"))] {
        if text.contains(canary) {
            return Err(format!("{what} shows the secret"));
        }
    }
    Ok(())
}
