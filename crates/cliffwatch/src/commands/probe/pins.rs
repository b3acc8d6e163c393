use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use cliffwatch_model::Timestamp;
use cliffwatch_source::{HostKey, Identity, Target, Trust};

use super::Probed;
use crate::commands::CommandError;

/// Refuses a file that is there, and one that the inventory trusts: writing to it would trust what was not
/// reviewed.
pub(super) fn check(file: &Path, targets: &[Target]) -> Result<(), CommandError> {
    let known_hosts = |key: &Option<HostKey>| match key {
        Some(HostKey::KnownHosts(path)) => Some(path.clone()),
        Some(HostKey::Pinned(_)) | None => None,
    };
    let own = targets.iter().filter_map(|target| known_hosts(&target.ssh.host_key));
    let jumps = targets.iter().filter_map(|target| known_hosts(&target.jump.as_ref()?.host_key));
    if own.chain(jumps).any(|trusted| place(&trusted) == place(file)) {
        return Err(CommandError::Usage(format!(
            "`{}` is what the inventory trusts: write the keys to another file, review them, and add them to it",
            file.display()
        )));
    }
    if file.exists() {
        return Err(CommandError::Usage(format!(
            "`{}` is there already and is not overwritten: name a new file",
            file.display()
        )));
    }
    Ok(())
}

/// The path without what leads in circles; the file itself need not be there.
fn place(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().unwrap_or_else(|_| parent.to_path_buf());
    parent.join(file.file_name().unwrap_or_default())
}

/// Writes the keys that nobody trusts yet; says what was written.
pub(super) fn write(file: &Path, probed: &[Probed], now: Timestamp) -> Result<String, CommandError> {
    let mut seen = BTreeSet::new();
    let mut body = String::new();
    let (mut unknown, mut contradicted) = (0, 0);
    for one in probed {
        for identity in &one.report.identities {
            let Some(line) = &identity.known_hosts else { continue };
            if !seen.insert(line.clone()) {
                continue;
            }
            match &identity.trust {
                Trust::Trusted => continue,
                Trust::Unknown => unknown += 1,
                Trust::Mismatch(_) => contradicted += 1,
            }
            body.push_str(&entry(one.target.device.name.as_str(), identity, line));
        }
    }
    if unknown + contradicted == 0 {
        return Ok("no host key was shown that is not trusted already: no pins are written".to_owned());
    }
    let text = format!("{}{body}", head(file, now));
    let failed = |error: io::Error| CommandError::Failed(format!("`{}`: {error}", file.display()));
    let mut new = OpenOptions::new().write(true).create_new(true).open(file).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    let warning = match contradicted {
        0 => String::new(),
        n => format!("; {n} contradict what is trusted and are commented out"),
    };
    Ok(format!("{unknown} new host keys to review in {}{warning}", file.display()))
}

fn head(file: &Path, now: Timestamp) -> String {
    format!(
        "# Host keys that were shown to `cliffwatch probe` at {now}. Whoever was in between could have shown their own:\n\
         # 1. Compare each with the device itself, on its console or a way that you trust: the command is above it.\n\
         # 2. Delete what you did not verify.\n\
         # 3. In the inventory write `known_hosts: {}` (in `defaults`, on a device, or on a jump host),\n\
         #    or add the lines to the file that stands there. Only then they are trusted.\n",
        file.display()
    )
}

fn entry(device: &str, identity: &Identity, line: &str) -> String {
    let whose = match &identity.jump_host {
        Some(jump) => format!("jump host {jump}"),
        None => device.to_owned(),
    };
    let Identity { algorithm, value, verify, .. } = identity;
    match &identity.trust {
        Trust::Mismatch(expected) => format!(
            "\n# {whose}: NOT what is trusted, {expected}. The key changed, or somebody is in between.\n\
             # {algorithm} {value}; on the device: {verify}\n#{line}\n"
        ),
        _ => format!("\n# {whose}: {algorithm} {value}; on the device: {verify}\n{line}\n"),
    }
}
