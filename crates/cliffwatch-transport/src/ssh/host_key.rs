use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use ring::digest;
use russh::keys::ssh_key::Fingerprint;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::error::SshError;
use super::known_hosts::{Known, KnownHostsFiles};
use super::target::Address;

/// Which host keys are trusted. There is no way to trust any key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostKeyPolicy {
    /// Exactly these keys.
    Pinned(Vec<HostKeyPin>),
    /// The entries of an OpenSSH known_hosts file, as it stands at each connection.
    KnownHosts(PathBuf),
    /// Nothing was configured: the connection is refused, and the error shows what to paste.
    Unset,
}

/// A `SHA256:…` fingerprint as `ssh-keygen -l` and `ssh` print it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostKeyPin(String);

/// The text is not a fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host key fingerprint: write SHA256: and 43 characters, as `ssh-keygen -lf` prints them"
)]
pub struct HostKeyPinError(String);

impl FromStr for HostKeyPin {
    type Err = HostKeyPinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match Fingerprint::from_str(text.trim_end_matches('=')) {
            Ok(fingerprint @ Fingerprint::Sha256(_)) => Ok(Self(fingerprint.to_string())),
            _ => Err(HostKeyPinError(text.to_owned())),
        }
    }
}

impl fmt::Display for HostKeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A host key that a server showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownKey {
    /// `ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`.
    pub algorithm: String,
    /// `SHA256:…` as OpenSSH prints it: what is pinned.
    pub fingerprint: String,
    /// The key itself in OpenSSH's form, algorithm first: what follows the host in a known_hosts file.
    pub public: String,
}

impl ShownKey {
    pub(super) fn of(key: &PublicKey) -> Self {
        let algorithm = key.algorithm().to_string();
        Self { algorithm, fingerprint: fingerprint(key), public: key.to_openssh().unwrap_or_default() }
    }
}

/// Why a key is not trusted.
#[derive(Clone, Debug)]
pub(super) struct Distrust {
    /// What was expected instead, as a fragment.
    pub(super) expected: String,
    /// What to do.
    pub(super) hint: String,
    /// Whether another key was expected; otherwise nothing is known of the host.
    pub(super) contradicted: bool,
}

/// The kinds of host key that a server may hold side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyFamily {
    Ed25519,
    Ecdsa,
    Rsa,
}

impl KeyFamily {
    pub(super) const ALL: [Self; 3] = [Self::Ed25519, Self::Ecdsa, Self::Rsa];

    pub(super) fn of(algorithm: &Algorithm) -> Option<Self> {
        match algorithm {
            Algorithm::Ed25519 => Some(Self::Ed25519),
            Algorithm::Ecdsa { .. } => Some(Self::Ecdsa),
            Algorithm::Rsa { .. } => Some(Self::Rsa),
            _ => None,
        }
    }
}

/// A policy as it stands at the moment of one connection.
#[derive(Debug)]
pub(super) struct Trust {
    policy: HostKeyPolicy,
    known: Known,
}

impl Trust {
    pub(super) async fn load(
        policy: &HostKeyPolicy,
        files: &KnownHostsFiles,
        address: &Address,
    ) -> Result<Self, SshError> {
        let known = match policy {
            HostKeyPolicy::KnownHosts(path) => files.find(path, address).await?,
            HostKeyPolicy::Pinned(_) | HostKeyPolicy::Unset => Known::default(),
        };
        Ok(Self { policy: policy.clone(), known })
    }

    /// The families to ask for, those with a known key first: a server shows one key, of the first family
    /// that it has (RFC 4253 section 7.1).
    pub(super) fn families(&self) -> Vec<KeyFamily> {
        let known: Vec<_> =
            self.known.trusted.iter().filter_map(|key| KeyFamily::of(&key.algorithm())).collect();
        let mut families = KeyFamily::ALL.to_vec();
        families.sort_by_key(|family| !known.contains(family));
        families
    }

    /// Whether another key of the same server could still be trusted.
    pub(super) fn may_match_another(&self) -> bool {
        matches!(self.policy, HostKeyPolicy::Pinned(_))
    }

    /// `None` where the key is trusted.
    pub(super) fn distrust(&self, key: &PublicKey) -> Option<Distrust> {
        let seen = fingerprint(key);
        let unknown = |expected, hint| Some(Distrust { expected, hint, contradicted: false });
        let other = |expected, hint| Some(Distrust { expected, hint, contradicted: true });
        match &self.policy {
            HostKeyPolicy::Pinned(pins) if pins.iter().any(|pin| pin.0 == seen) => None,
            HostKeyPolicy::Pinned(pins) => other(format!("not the pinned {}", list(pins)), changed(&seen)),
            HostKeyPolicy::KnownHosts(_) if self.known.revoked.contains(key.key_data()) => {
                let advice = "this key was revoked in known_hosts: find out who answers with it";
                other("which known_hosts marks as revoked".into(), advice.into())
            }
            HostKeyPolicy::KnownHosts(_) if self.known.trusted.contains(key.key_data()) => None,
            HostKeyPolicy::KnownHosts(path) if self.known.trusted.is_empty() => {
                let advice = format!(
                    "if this is the device's key, add it to {} or pin it: host_key: \"{seen}\"",
                    path.display()
                );
                unknown(format!("for which {} has no entry", path.display()), advice)
            }
            HostKeyPolicy::KnownHosts(_) => {
                let known: Vec<_> = self.known.trusted.iter().map(fingerprint_of).collect();
                other(format!("known_hosts has {}", list(&known)), changed(&seen))
            }
            HostKeyPolicy::Unset => {
                let advice = format!("if this is the device's key, pin it: host_key: \"{seen}\"");
                unknown("and no host key is configured".into(), advice)
            }
        }
    }

    /// Changes when what is trusted changes: a breaker that a wrong key opened is closed by that.
    pub(super) fn digest(&self) -> digest::Digest {
        let text = format!("{:?}{:?}", self.policy, self.known);
        digest::digest(&digest::SHA256, text.as_bytes())
    }
}

/// `SHA256:…` as OpenSSH prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn fingerprint_of(key: &russh::keys::ssh_key::public::KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn changed(seen: &str) -> String {
    format!(
        "the key changed, or somebody is in between; if the device was reinstalled, set host_key: \"{seen}\""
    )
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join(" or ")
}
