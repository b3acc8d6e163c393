use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ring::hmac;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, KnownHosts, Marker};
use russh::keys::ssh_key::public::KeyData;
use tokio::io::AsyncReadExt as _;

use super::error::SshError;
use super::target::Address;

/// A known_hosts file of 10,000 hosts with three keys each is about 10 MB; what is longer is a mistake.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// Parsed files, read again when they change: a fleet that reconnects must not parse one for each device.
#[derive(Default)]
pub(super) struct KnownHostsFiles(Mutex<Files>);

type Files = HashMap<PathBuf, (Version, Arc<[Entry]>)>;

/// Tells one state of a file from the next.
type Version = (Option<SystemTime>, u64);

impl KnownHostsFiles {
    /// What the file says about the host now.
    pub(super) async fn find(&self, path: &Path, address: &Address) -> Result<Known, SshError> {
        let entries = self.entries(path).await;
        let failed = |reason| SshError::KnownHosts { path: path.to_owned(), reason };
        Ok(Known::find(&entries.map_err(failed)?, address))
    }

    async fn entries(&self, path: &Path) -> Result<Arc<[Entry]>, String> {
        let file = match tokio::fs::File::open(path).await {
            // A file that was not begun yet knows no host, and the key that is refused is shown.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Arc::default()),
            opened => opened.map_err(|e| e.to_string())?,
        };
        let metadata = file.metadata().await.map_err(|e| e.to_string())?;
        let version = (metadata.modified().ok(), metadata.len());
        if let Some((known, entries)) = self.files().get(path)
            && *known == version
        {
            return Ok(Arc::clone(entries));
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).await.map_err(|e| e.to_string())?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(format!("longer than {MAX_FILE_BYTES} bytes"));
        }
        let entries = parse(&String::from_utf8_lossy(&bytes));
        self.files().insert(path.to_owned(), (version, Arc::clone(&entries)));
        Ok(entries)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines that cannot be read are passed over, as OpenSSH does.
fn parse(text: &str) -> Arc<[Entry]> {
    let spaced = text.replace('\t', " ");
    KnownHosts::new(&spaced).flatten().collect()
}

/// What a known_hosts file says about one host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) trusted: Vec<KeyData>,
    pub(super) revoked: Vec<KeyData>,
}

impl Known {
    /// Host certificates are not used, so that lines of certificate authorities trust nothing.
    fn find(entries: &[Entry], address: &Address) -> Self {
        let name = address.in_known_hosts();
        let mut found = Self::default();
        for entry in entries {
            if !matches(entry.host_patterns(), &name) {
                continue;
            }
            let key = entry.public_key().key_data().clone();
            match entry.marker() {
                None => found.trusted.push(key),
                Some(Marker::Revoked) => found.revoked.push(key),
                Some(Marker::CertAuthority) => {}
            }
        }
        found
    }
}

fn matches(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
        HostPatterns::Patterns(patterns) => {
            let matched = |pattern: &str| glob(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
            let negated = patterns.iter().filter_map(|p| p.strip_prefix('!')).any(matched);
            !negated && patterns.iter().filter(|p| !p.starts_with('!')).any(|p| matched(p))
        }
    }
}

/// `*` stands for any run of characters and `?` for one; nothing else is special.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last `*` was, and how much of the text it has taken: one step back suffices, so that a
    // hostile pattern costs pattern times text at most.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match (pattern.get(p), star) {
            (Some(b'*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(&wanted), _) if wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            (_, Some((at, taken))) => {
                star = Some((at, taken + 1));
                p = at + 1;
                t = taken + 1;
            }
            (_, None) => return false,
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILIG2T/B0l0gaqj3puu510tu9N1OkQ4znY3LYuEm5zCF";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn count(text: &str, address: &str) -> (usize, usize) {
        let known = Known::find(&parse(text), &address.parse().unwrap());
        (known.trusted.len(), known.revoked.len())
    }

    #[test]
    fn plain_hashed_and_port_entries_are_found() {
        let file = format!(
            "# comment\n\nnat.example,192.0.2.1 {KEY}\n[nat.example]:2222\t{OTHER} comment\n\
             |1|O33ESRMWPVkMYIwJ1Uw+n877jTo=|nuuC5vEqXlEZ/8BXQR7m619W6Ak= {KEY}\nnot a line\n"
        );
        assert_eq!(count(&file, "NAT.example"), (1, 0));
        assert_eq!(count(&file, "192.0.2.1"), (1, 0));
        assert_eq!(count(&file, "nat.example:2222"), (1, 0));
        assert_eq!(count(&file, "example.com"), (1, 0), "the hashed line is for example.com");
        assert_eq!(count(&file, "192.0.2.2"), (0, 0));
    }

    #[test]
    fn markers_patterns_and_negations_count() {
        let file =
            format!("@revoked * {OTHER}\n@cert-authority *.example {KEY}\n*.example,!bad.example {KEY}\n");
        assert_eq!(count(&file, "nat.example"), (1, 1));
        assert_eq!(count(&file, "bad.example"), (0, 1));
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("192.0.2.?", "192.0.2.7", true),
            ("192.0.2.?", "192.0.2.17", false),
            ("", "x", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} on {text}");
        }
    }
}
