use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use cliffwatch_source::Secret;
use ring::digest::{self, Digest};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{self, PrivateKey, PublicKey};
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use super::error::SshError;
use super::host_key::fingerprint;
use super::target::{Auth, Credential, KeySource};

/// An RSA key of 16,384 bits is 13 KB of PEM.
const MAX_KEY_FILE_BYTES: u64 = 64 << 10;

/// A credential, ready for one login.
pub(super) struct Loaded {
    /// Differs when the secret differs. It stays in memory.
    pub(super) digest: Digest,
    pub(super) proof: Proof,
}

pub(super) enum Proof {
    Key(Arc<PrivateKey>),
    Password(Secret),
    Agent { client: Box<AgentClient<UnixStream>>, key: Box<PublicKey> },
}

/// Private keys by credential name: opening an encrypted one costs 100 ms of a core (bcrypt), which a
/// fleet that reconnects must not pay per device.
#[derive(Default)]
pub(super) struct KeyRing(Mutex<HashMap<String, (Digest, Arc<PrivateKey>)>>);

impl KeyRing {
    /// Reads and opens what the credential stands for, without a word to the device.
    pub(super) async fn load(&self, credential: &Credential) -> Result<Loaded, SshError> {
        let failed = |reason: String, hint: Option<&'static str>| SshError::Credential {
            name: credential.name.clone(),
            reason,
            hint,
        };
        match &credential.auth {
            Auth::Password(password) => Ok(Loaded {
                digest: hash(&[b"password", password.expose().as_bytes()]),
                proof: Proof::Password(password.clone()),
            }),
            Auth::Key { key, passphrase } => {
                let text = match key {
                    KeySource::Text(text) => text.clone(),
                    KeySource::File(path) => read(path).await.map_err(|reason| {
                        failed(reason, Some("the key file must be readable by the user that runs Cliffwatch"))
                    })?,
                };
                let opens = passphrase.as_ref().map_or("", Secret::expose);
                let digest = hash(&[b"key", text.expose().as_bytes(), opens.as_bytes()]);
                let key = self.open(credential, digest, text, passphrase.clone()).await;
                let (digest, key) = (digest, key.map_err(|(reason, hint)| failed(reason, hint))?);
                Ok(Loaded { digest, proof: Proof::Key(key) })
            }
            Auth::Agent { socket, identity } => {
                let (client, key) = agent(socket.as_deref(), identity.as_deref()).await.map_err(|reason| {
                    failed(reason, Some("name one key by its fingerprint: agent: \"SHA256:…\", as `ssh-add -l` prints it"))
                })?;
                let digest = hash(&[b"agent", fingerprint(&key).as_bytes()]);
                Ok(Loaded { digest, proof: Proof::Agent { client: Box::new(client), key: Box::new(key) } })
            }
        }
    }

    async fn open(
        &self,
        credential: &Credential,
        digest: Digest,
        text: Secret,
        passphrase: Option<Secret>,
    ) -> Result<Arc<PrivateKey>, (String, Option<&'static str>)> {
        // Held while the key is opened, so that a whole fleet waits for one opening.
        let mut ring = self.0.lock().await;
        if let Some((known, key)) = ring.get(&credential.name)
            && known.as_ref() == digest.as_ref()
        {
            return Ok(Arc::clone(key));
        }
        let opened = tokio::task::spawn_blocking(move || {
            keys::decode_secret_key(text.expose(), passphrase.as_ref().map(Secret::expose))
        });
        let key = match opened.await {
            Ok(Ok(key)) => Arc::new(key),
            Ok(Err(keys::Error::KeyIsEncrypted)) => {
                return Err((
                    "the private key is encrypted".into(),
                    Some("give the credential its passphrase"),
                ));
            }
            // The library's words may quote the input: only what kind of failure it was is shown.
            Ok(Err(_)) => {
                let hint = "OpenSSH, PKCS#8 and PEM keys are read; an encrypted one also fails so with a wrong passphrase";
                return Err(("the private key cannot be read".into(), Some(hint)));
            }
            Err(_) => return Err(("opening the private key was cut short".into(), None)),
        };
        ring.insert(credential.name.clone(), (digest, Arc::clone(&key)));
        Ok(key)
    }
}

/// One digest of several parts, each under its length, so that no two neighbours run into each other.
pub(super) fn hash(parts: &[&[u8]]) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    context.finish()
}

async fn read(path: &Path) -> Result<Secret, String> {
    let failed = |e: std::io::Error| format!("cannot read {}: {e}", path.display());
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text).await.map_err(failed)?;
    Ok(Secret::new(text))
}

/// Chooses the one key that will be offered: each further one would be a login attempt of its own.
async fn agent(
    socket: Option<&Path>,
    wanted: Option<&str>,
) -> Result<(AgentClient<UnixStream>, PublicKey), String> {
    let client = match socket {
        Some(path) => AgentClient::connect_uds(path).await,
        None => AgentClient::connect_env().await,
    };
    let mut client = client.map_err(|e| format!("cannot reach the ssh agent: {e}"))?;
    let identities =
        client.request_identities().await.map_err(|e| format!("the ssh agent does not answer: {e}"))?;
    let mut keys: Vec<(PublicKey, String)> = identities
        .into_iter()
        .filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, comment } => Some((key, comment)),
            AgentIdentity::Certificate { .. } => None,
        })
        .filter(|(key, comment)| wanted.is_none_or(|wanted| fingerprint(key) == wanted || comment == wanted))
        .collect();
    match (keys.len(), keys.pop(), wanted) {
        (1, Some((key, _)), _) => Ok((client, key)),
        (0, _, Some(wanted)) => Err(format!("the ssh agent does not hold {wanted}")),
        (0, _, None) => Err("the ssh agent holds no key".into()),
        (held, ..) => Err(format!("the ssh agent holds {held} keys to choose from")),
    }
}
