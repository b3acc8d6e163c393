use std::path::Path;

use cliffwatch_source::HostKey;

use crate::diagnostics::{Problem, Report};
use crate::yaml::{At, OneOrMany};

/// The host key that is trusted: pinned, or looked up in a file, not both. The platform checks the pins.
pub(super) fn host_key(
    pinned: Option<OneOrMany<At<String>>>,
    known_hosts: Option<(&At<String>, &Path)>,
    report: &mut Report,
) -> Option<HostKey> {
    match (pinned.map(|pinned| pinned.0).unwrap_or_default(), known_hosts) {
        (pins, None) if pins.is_empty() => None,
        (pins, None) => Some(HostKey::Pinned(pins.into_iter().map(|pin| pin.value).collect())),
        (pins, Some((file, folder))) => {
            if let Some(pin) = pins.first() {
                report.push(
                    Problem::error(pin.at, "both `host_key` and `known_hosts` are given")
                        .hint("keep one of them"),
                );
            }
            let path = folder.join(&file.value);
            if let Err(error) = std::fs::File::open(&path) {
                let message = format!("known_hosts file `{}` cannot be read: {error}", path.display());
                report.push(Problem::error(file.at, message));
            }
            Some(HostKey::KnownHosts(path))
        }
    }
}
