use std::fs::File;

use cliffwatch_api::ApiConfig;

use super::{Config, MetricsAccess, TokenScope};
use crate::diagnostics::{Problem, Report};

impl Config {
    /// The API's part, without the tokens' secrets.
    pub(crate) fn api(&self) -> ApiConfig {
        ApiConfig {
            listen: self.listen.value,
            tls: self.tls.as_ref().map(|tls| tls.value.clone()),
            tokens: Vec::new(),
            metrics_open: self.metrics.value == MetricsAccess::Open,
            allow_plaintext: self.allow_plaintext.value,
        }
    }
}

/// Whether the address may be served like this, and the files are there.
pub(super) fn check(config: &Config, report: &mut Report) {
    if let Some(tls) = &config.tls {
        let at = tls.origin.at();
        let files = [Some(&tls.value.cert), Some(&tls.value.key), tls.value.client_ca.as_ref()];
        for path in files.into_iter().flatten() {
            if let Err(error) = File::open(path) {
                report.push(Problem::error(
                    at,
                    format!("TLS file `{}` cannot be read: {error}", path.display()),
                ));
            }
        }
    }
    // The secrets do not matter to where tokens are needed.
    let token = |token: &super::Token| {
        let scope = match token.scope {
            TokenScope::Read => cliffwatch_api::Scope::Read,
            TokenScope::Write => cliffwatch_api::Scope::Write,
        };
        cliffwatch_api::Token::new(&token.name, scope, "")
    };
    let api = ApiConfig { tokens: config.tokens.iter().map(token).collect(), ..config.api() };
    let at = config.listen.origin.at();
    if let Err(error) = api.check() {
        let text = error.to_string();
        let (message, hint) = text.split_once(": ").unwrap_or((&text, ""));
        report.push(Problem::error(at, message).hint(hint));
        return;
    }
    let guarded = !api.tokens.is_empty() || api.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
    if !api.listen.ip().to_canonical().is_loopback() && !guarded {
        report.push(
            Problem::warning(at, format!("whoever reaches {} can read: there are no tokens", api.listen))
                .hint("configure `auth.tokens`"),
        );
    }
}
