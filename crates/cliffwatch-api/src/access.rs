use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use tokio_rustls::TlsAcceptor;

use crate::config::hash;
use crate::{ApiConfig, Scope, StartError, Token, tls};

/// Who may ask, and under which certificate: what a reload may change while the API is served.
#[derive(Clone)]
pub struct Access {
    /// What is listened on, whatever a later configuration says.
    listen: SocketAddr,
    rules: Arc<ArcSwap<Rules>>,
}

/// One generation of it.
pub(crate) struct Rules {
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) metrics_open: bool,
    tokens: Vec<Token>,
}

impl Access {
    pub(crate) fn new(config: &ApiConfig) -> Result<Self, StartError> {
        Ok(Self { listen: config.listen, rules: Arc::new(ArcSwap::from_pointee(Rules::read(config)?)) })
    }

    /// Takes tokens and TLS files anew; new connections and requests are judged by them. The address that
    /// is listened on stays.
    ///
    /// # Errors
    /// When a file cannot be used or that address would be unprotected; nothing changes then.
    pub fn apply(&self, config: &ApiConfig) -> Result<(), StartError> {
        ApiConfig { listen: self.listen, ..config.clone() }.check()?;
        self.rules.store(Arc::new(Rules::read(config)?));
        Ok(())
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Access").field(&self.rules().tokens).finish()
    }
}

impl Rules {
    fn read(config: &ApiConfig) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
        Ok(Self { tls, metrics_open: config.metrics_open, tokens: config.tokens.clone() })
    }

    /// Whether a token is needed at all.
    pub(crate) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    /// The name and scope of the token that was presented.
    ///
    /// Every token is compared in full, so the time taken tells neither which one nor how much of it was right.
    pub(crate) fn known(&self, presented: &str) -> Option<(&str, Scope)> {
        let presented = hash(presented);
        let mut found = u64::MAX;
        for (place, token) in (0_u64..).zip(&self.tokens) {
            let same: Choice = token.hash.ct_eq(&presented);
            found.conditional_assign(&place, same);
        }
        let token = self.tokens.get(usize::try_from(found).ok()?)?;
        Some((&token.name, token.scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_its_secret_only() {
        let tokens = vec![Token::new("a", Scope::Read, "one"), Token::new("b", Scope::Write, "two")];
        let access = Access::new(&ApiConfig { tokens, ..ApiConfig::default() }).unwrap();
        let rules = access.rules();
        assert_eq!(rules.known("one"), Some(("a", Scope::Read)));
        assert_eq!(rules.known("two"), Some(("b", Scope::Write)));
        assert_eq!(rules.known(""), None);
        assert_eq!(rules.known("one "), None);
    }

    #[test]
    fn a_reload_that_fails_changes_nothing() {
        let tokens = vec![Token::new("a", Scope::Read, "one")];
        let access = Access::new(&ApiConfig { tokens, ..ApiConfig::default() }).unwrap();
        let files =
            crate::TlsFiles { cert: "/nonexistent/c".into(), key: "/nonexistent/k".into(), client_ca: None };
        let error = access.apply(&ApiConfig { tls: Some(files), ..ApiConfig::default() }).unwrap_err();
        assert!(error.to_string().starts_with("TLS file `/nonexistent/c`: "), "{error}");
        assert!(access.rules().known("one").is_some());
        access.apply(&ApiConfig::default()).unwrap();
        assert!(!access.rules().has_tokens());
    }

    #[test]
    fn what_is_listened_on_stays_protected() {
        let listen = "0.0.0.0:8473".parse().unwrap();
        let open = ApiConfig { listen, allow_plaintext: true, ..ApiConfig::default() };
        let access = Access::new(&open).unwrap();
        let error = access.apply(&ApiConfig::default()).unwrap_err();
        assert!(matches!(error, StartError::Plaintext(address) if address == listen), "{error}");
    }
}
