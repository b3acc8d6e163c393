use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};
use sha2::{Digest as _, Sha256};

/// The one key that opens every device of a fleet.
#[derive(Clone, Debug)]
pub struct LoginKey(PrivateKey);

impl LoginKey {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> std::io::Result<Self> {
        let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519);
        key.map(Self).map_err(std::io::Error::other)
    }

    /// The key in this file, in OpenSSH's format. Where there is no file, one is made that only its owner
    /// may read.
    ///
    /// # Errors
    /// When the file holds something else, or cannot be made.
    pub fn in_file(path: &Path) -> std::io::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => PrivateKey::from_openssh(text).map(Self).map_err(std::io::Error::other),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let new = Self::random()?;
                let text = new.0.to_openssh(LineEnding::LF).map_err(std::io::Error::other)?;
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
                file.write_all(text.as_bytes())?;
                Ok(new)
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        self.0.public_key()
    }
}

/// The host key of a device: the same at each start, so that an inventory with its pin stays right. It is
/// no secret, since it protects nothing.
pub(crate) fn host_key(device: &str, other: bool) -> PrivateKey {
    let role: &[u8] = if other { b"another host key of " } else { b"host key of " };
    let seed: [u8; 32] = Sha256::new().chain_update(role).chain_update(device).finalize().into();
    PrivateKey::from(Ed25519Keypair::from_seed(&seed))
}

/// `SHA256:…`, as `ssh-keygen -l` prints it.
pub(crate) fn pin(key: &PrivateKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_keys_stay_and_differ() {
        assert_eq!(pin(&host_key("gw-1", false)), pin(&host_key("gw-1", false)));
        assert_ne!(pin(&host_key("gw-1", false)), pin(&host_key("gw-1", true)));
        assert_ne!(pin(&host_key("gw-1", false)), pin(&host_key("gw-2", false)));
    }

    #[test]
    fn a_login_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let made = LoginKey::in_file(&path).unwrap();
        assert_eq!(LoginKey::in_file(&path).unwrap().public(), made.public());
        std::fs::write(&path, "no key").unwrap();
        assert!(LoginKey::in_file(&path).is_err());
    }
}
