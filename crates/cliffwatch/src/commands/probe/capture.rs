use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::Probed;
use crate::commands::CommandError;

/// Keeps the replies of a device in a folder of its own, for its owner's eyes; where they are.
pub(super) fn keep(folder: &Path, probed: &Probed, overwrite: bool) -> Result<Option<String>, CommandError> {
    let name = probed.target.device.name.as_str();
    if probed.report.captured.is_empty() {
        return Ok(None);
    }
    if name.chars().all(|c| c == '.') {
        return Err(CommandError::Usage(format!("device `{name}` cannot be the name of a folder")));
    }
    let place = folder.join(name);
    let failed = |error: io::Error| CommandError::Failed(format!("`{}`: {error}", place.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(&place).map_err(failed)?;
    for captured in &probed.report.captured {
        let path = place.join(&captured.file);
        let failed = |error: io::Error| CommandError::Failed(failure(&path, &error));
        if overwrite && path.exists() {
            // Not written over: a new file has the right mode whatever the old one had.
            fs::remove_file(&path).map_err(failed)?;
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(captured.text.as_bytes()).map_err(failed)?;
    }
    Ok(Some(place.display().to_string()))
}

fn failure(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AlreadyExists => {
            format!("`{}` is there already: choose another folder, or add --overwrite", path.display())
        }
        _ => format!("`{}`: {error}", path.display()),
    }
}
