use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// Where the API listens unless told otherwise.
pub const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8473);

/// How the API is served, and to whom.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// The address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// The certificate; without one it is plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Who may ask. With none, everybody who reaches the address may read.
    pub tokens: Vec<Token>,
    /// Whether `/metrics` needs no token.
    pub metrics_open: bool,
    /// Whether the operator accepts an address beyond loopback that TLS or a login does not protect,
    /// because something else does.
    pub allow_plaintext: bool,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: LISTEN_DEFAULT,
            tls: None,
            tokens: Vec::new(),
            metrics_open: false,
            allow_plaintext: false,
        }
    }
}

impl ApiConfig {
    /// Whether the address may be served like this.
    ///
    /// # Errors
    /// When it is beyond loopback and anybody could read, or listen in.
    pub fn check(&self) -> Result<(), StartError> {
        if self.listen.ip().to_canonical().is_loopback() || self.allow_plaintext {
            return Ok(());
        }
        let Some(tls) = &self.tls else { return Err(StartError::Plaintext(self.listen)) };
        if self.tokens.is_empty() && tls.client_ca.is_none() {
            return Err(StartError::Anonymous(self.listen));
        }
        Ok(())
    }
}

/// PEM files of the API's own TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, with its chain.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose clients are let in; without it clients need no certificate.
    pub client_ca: Option<PathBuf>,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// To look.
    Read,
    /// To look and to change.
    Write,
}

/// A bearer token, kept as its hash: memory and cores do not hold the secret.
#[derive(Clone)]
pub struct Token {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) hash: [u8; 32],
}

impl Token {
    /// A token with a name for the log.
    pub fn new(name: impl Into<String>, scope: Scope, secret: &str) -> Self {
        Self { name: name.into(), scope, hash: hash(secret) }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("name", &self.name).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// SHA-256 is enough here: tokens are long and random, so there is nothing to guess slowly.
pub(crate) fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Why the API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Plain HTTP beyond loopback.
    #[error(
        "listen address {0} can be reached from other machines, and what is sent there could be read on the way: configure `tls`, listen on 127.0.0.1, or set `allow_plaintext: true` where a proxy or a private network protects it"
    )]
    Plaintext(SocketAddr),
    /// Nobody has to log in beyond loopback.
    #[error(
        "listen address {0} can be reached from other machines, and anybody could read there: configure `auth.tokens` or `tls.client_ca`, listen on 127.0.0.1, or set `allow_plaintext: true` where something else protects it"
    )]
    Anonymous(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// A TLS file cannot be used.
    #[error("TLS file `{}`: {problem}", path.display())]
    TlsFile {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Certificate and key do not make a server.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listen: &str) -> ApiConfig {
        ApiConfig { listen: listen.parse().unwrap(), ..ApiConfig::default() }
    }

    fn tls(client_ca: Option<&str>) -> Option<TlsFiles> {
        Some(TlsFiles { cert: "c".into(), key: "k".into(), client_ca: client_ca.map(Into::into) })
    }

    #[test]
    fn beyond_loopback_something_must_protect_it() {
        let token = Token::new("grafana", Scope::Read, "secret");
        for loopback in ["127.0.0.1:0", "127.9.9.9:80", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
            config(loopback).check().unwrap();
        }
        for open in ["0.0.0.0:8473", "[::]:8473", "192.0.2.1:8473"] {
            let plain = config(open);
            assert!(matches!(plain.check(), Err(StartError::Plaintext(_))));
            let with_token = ApiConfig { tokens: vec![token.clone()], ..plain.clone() };
            assert!(matches!(with_token.check(), Err(StartError::Plaintext(_))), "the token would be read");
            ApiConfig { allow_plaintext: true, ..plain.clone() }.check().unwrap();
            let encrypted = ApiConfig { tls: tls(None), ..plain.clone() };
            assert!(matches!(encrypted.check(), Err(StartError::Anonymous(_))));
            ApiConfig { tls: tls(None), ..with_token }.check().unwrap();
            ApiConfig { tls: tls(Some("ca")), ..plain }.check().unwrap();
        }
    }

    #[test]
    fn a_token_shows_no_secret() {
        let shown = format!("{:?}", Token::new("grafana", Scope::Read, "canary"));
        assert_eq!(shown, "Token { name: \"grafana\", scope: Read, .. }");
    }
}
