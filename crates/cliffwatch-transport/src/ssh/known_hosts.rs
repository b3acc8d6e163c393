use ring::hmac;
use russh::keys::ssh_key::known_hosts::{HostPatterns, KnownHosts, Marker};
use russh::keys::ssh_key::public::KeyData;

use super::target::Address;

/// What a known_hosts file says about one host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) trusted: Vec<KeyData>,
    pub(super) revoked: Vec<KeyData>,
}

impl Known {
    /// Lines that cannot be read are passed over, as OpenSSH does. Host certificates are not used, so
    /// that lines of certificate authorities trust nothing.
    pub(super) fn find(text: &str, address: &Address) -> Self {
        let host = address.host().to_ascii_lowercase();
        let name = if address.port() == 22 { host } else { format!("[{host}]:{}", address.port()) };
        let mut found = Self::default();
        let spaced = text.replace('\t', " ");
        for entry in KnownHosts::new(&spaced).flatten() {
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
        let known = Known::find(text, &address.parse().unwrap());
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
