use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, KeyboardInteractiveAuthResponse as Interactive};
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};
use tokio::time::timeout;

use super::credential::Proof;
use super::dial::Dialed;
use super::error::SshError;

/// The connection has ended when this is waited for; only the notice of it is still under way.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a login ended that did not succeed.
pub(super) enum LoginFailure {
    /// The credential was looked at and refused.
    Rejected(SshError),
    /// The far end hung up in the middle: some do so instead of refusing.
    HungUp(SshError),
    /// Nothing was learned about the credential.
    Other(SshError),
}

impl LoginFailure {
    pub(super) fn into_error(self) -> SshError {
        match self {
            Self::Rejected(error) | Self::HungUp(error) | Self::Other(error) => error,
        }
    }
}

/// Makes exactly one attempt to authenticate.
pub(super) async fn login(
    dialed: &mut Dialed,
    username: &str,
    proof: &mut Proof,
    legacy: bool,
) -> Result<(), LoginFailure> {
    let (result, method) = match proof {
        Proof::Key(key) => {
            let hash = rsa_hash(dialed, &key.algorithm(), legacy).await?;
            let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
            (dialed.handle.authenticate_publickey(username, key).await, "the key")
        }
        Proof::Agent { client, key } => {
            let hash = rsa_hash(dialed, &key.algorithm(), legacy).await?;
            let key = key.as_ref().clone();
            let signed =
                dialed.handle.authenticate_publickey_with(username, key, hash, client.as_mut()).await;
            let refused = |e: russh::AgentAuthError| {
                let reason = format!("the ssh agent did not sign: {}", e.to_string().to_lowercase());
                LoginFailure::Other(SshError::Credential {
                    name: "of the ssh agent".into(),
                    reason,
                    hint: None,
                })
            };
            (Ok(signed.map_err(refused)?), "the agent's key")
        }
        Proof::Password(password) => {
            (with_password(dialed, username, password.expose()).await?, "the password")
        }
    };
    match result {
        Ok(AuthResult::Success) => Ok(()),
        Ok(AuthResult::Failure { remaining_methods, partial_success }) => {
            Err(refusal(dialed, username, method, &remaining_methods, partial_success).await)
        }
        Err(_) => Err(hung_up(dialed, username, method).await),
    }
}

/// The one signature that will be tried with an RSA key, so that a refusal is one refusal.
async fn rsa_hash(
    dialed: &mut Dialed,
    algorithm: &Algorithm,
    legacy: bool,
) -> Result<Option<HashAlg>, LoginFailure> {
    if !matches!(algorithm, Algorithm::Rsa { .. }) {
        return Ok(None);
    }
    match dialed.handle.best_supported_rsa_hash().await {
        Ok(Some(Some(hash))) => Ok(Some(hash)),
        // `server-sig-algs` (RFC 8308 section 3.1) names SHA-1 only, or an old server sends no list.
        Ok(Some(None) | None) if legacy => Ok(None),
        Ok(Some(None)) => Err(LoginFailure::Other(SshError::NoCommonAlgorithm {
            peer: dialed.peer.clone(),
            what: "signature",
            theirs: "ssh-rsa".into(),
            legacy,
        })),
        // Every server that knows one of the SHA-2 signatures knows this one.
        Ok(None) => Ok(Some(HashAlg::Sha256)),
        Err(_) => Err(hung_up(dialed, "", "nothing yet").await),
    }
}

/// Asks which methods there are (`none`, RFC 4252 section 5.2, which counts as no attempt), then gives
/// the password once, in the way that is offered.
async fn with_password(
    dialed: &mut Dialed,
    username: &str,
    password: &str,
) -> Result<Result<AuthResult, russh::Error>, LoginFailure> {
    let offered = match dialed.handle.authenticate_none(username).await {
        Ok(AuthResult::Failure { remaining_methods, .. }) if !remaining_methods.is_empty() => {
            remaining_methods
        }
        other => return Ok(other),
    };
    if offered.contains(&MethodKind::Password) {
        return Ok(dialed.handle.authenticate_password(username, password).await);
    }
    if !offered.contains(&MethodKind::KeyboardInteractive) {
        return Ok(Ok(AuthResult::Failure { remaining_methods: offered, partial_success: false }));
    }
    let mut step = dialed.handle.authenticate_keyboard_interactive_start(username, None).await;
    let mut given = false;
    loop {
        let answers = match step {
            Ok(Interactive::Success) => return Ok(Ok(AuthResult::Success)),
            Ok(Interactive::Failure { remaining_methods, partial_success }) => {
                return Ok(Ok(AuthResult::Failure { remaining_methods, partial_success }));
            }
            // Some servers end with a round that only informs (RFC 4256 section 3.2).
            Ok(Interactive::InfoRequest { prompts, .. }) if prompts.is_empty() => Vec::new(),
            Ok(Interactive::InfoRequest { prompts, .. }) => match prompts.as_slice() {
                [prompt] if !prompt.echo && !given => {
                    given = true;
                    vec![password.to_owned()]
                }
                _ => {
                    let detail = ", it asks for more than a password".into();
                    return Err(LoginFailure::Rejected(rejected(dialed, username, "the password", detail)));
                }
            },
            Err(error) => return Ok(Err(error)),
        };
        step = dialed.handle.authenticate_keyboard_interactive_respond(answers).await;
    }
}

/// The library reports a lost connection as a failure without methods: only how it ended tells the two
/// apart.
async fn refusal(
    dialed: &mut Dialed,
    username: &str,
    method: &'static str,
    remaining: &MethodSet,
    partial: bool,
) -> LoginFailure {
    if remaining.is_empty() && !partial {
        return hung_up(dialed, username, method).await;
    }
    let names: Vec<&str> = remaining.iter().map(<&'static str>::from).collect();
    let names = names.join(", ");
    let detail = if partial {
        format!(" as not enough, it also wants {names}")
    } else {
        format!(", it accepts {names}")
    };
    LoginFailure::Rejected(rejected(dialed, username, method, detail))
}

/// Waits until the connection has ended, then reads the far end's last words.
async fn hung_up(dialed: &mut Dialed, username: &str, method: &'static str) -> LoginFailure {
    // How it ended stands in `seen`; the task's own result says no more, and it may be late.
    drop(timeout(FAREWELL, &mut dialed.handle).await);
    match dialed.shared.seen().farewell {
        Some(farewell) if farewell.refused_login => {
            LoginFailure::Rejected(rejected(dialed, username, method, String::new()))
        }
        farewell => {
            let reason = farewell.map_or_else(|| "no reason given".into(), |farewell| farewell.reason);
            LoginFailure::HungUp(SshError::Closed { peer: dialed.peer.clone(), doing: "logging in", reason })
        }
    }
}

fn rejected(dialed: &Dialed, username: &str, method: &'static str, detail: String) -> SshError {
    SshError::Rejected { peer: dialed.peer.clone(), username: username.to_owned(), method, detail }
}
