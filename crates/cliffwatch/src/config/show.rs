use cliffwatch_source::SecretRef;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Config, Given, maintenance};
use crate::diagnostics::Report;
use crate::inventory::NamedPath;

/// One value that is in force, and where it comes from. Secrets are shown as references, never read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Shown {
    pub key: &'static str,
    pub value: Value,
    pub origin: String,
}

/// All that is in force, in the order of the documentation.
pub(crate) fn shown(config: &Config, report: &Report) -> Vec<Shown> {
    let mut list = List { report, shown: Vec::new() };
    list.add("poller", &config.poller, |name| json!(name.as_str()));
    list.add("only", &config.only, |labels| json!(labels));
    list.add("listen", &config.listen, |address| json!(address.to_string()));
    if let Some(tls) = &config.tls {
        list.add("tls", tls, |tls| json!({ "cert": tls.cert, "key": tls.key, "client_ca": tls.client_ca }));
    }
    list.add("allow_plaintext", &config.allow_plaintext, |allow| json!(allow));
    list.add("store", &config.store, |url| json!(url.to_string()));
    if let Some(password) = &config.store_password {
        list.add("store_password", password, reference);
    }
    list.add("data_dir", &config.data_dir, |folder| match folder.as_os_str().is_empty() {
        true => json!("."),
        false => json!(folder),
    });
    list.add("inventory", &config.inventory, |list| paths(list));
    list.add("rules", &config.rules, |list| paths(list));
    list.add("retention.samples", &config.retention.samples, |span| json!(span.to_string()));
    list.add("retention.rollups", &config.retention.rollups, |span| json!(span.to_string()));
    list.add("retention.polls", &config.retention.polls, |span| json!(span.to_string()));
    list.add("retention.events", &config.retention.events, |span| json!(span.to_string()));
    list.add("timezone", &config.timezone, |zone| json!(zone.name()));
    for maintenance in &config.maintenance {
        list.add("maintenance", maintenance, maintenance::shown);
    }
    for token in &config.tokens {
        list.add(
            "auth.tokens",
            &token.secret,
            |secret| json!({ "name": token.name, "scope": token.scope, "secret": reference(secret) }),
        );
    }
    list.add("auth.metrics", &config.metrics, |metrics| json!(metrics));
    list.shown
}

struct List<'a> {
    report: &'a Report,
    shown: Vec<Shown>,
}

impl List<'_> {
    fn add<T>(&mut self, key: &'static str, given: &Given<T>, show: impl FnOnce(&T) -> Value) {
        let origin = given.origin.shown(self.report);
        self.shown.push(Shown { key, value: show(&given.value), origin });
    }
}

fn paths(paths: &[NamedPath]) -> Value {
    paths.iter().map(|named| json!(named.path)).collect()
}

fn reference(secret: &SecretRef) -> Value {
    match secret {
        SecretRef::File(path) => json!({ "file": path }),
        SecretRef::Env(name) => json!({ "env": name }),
        SecretRef::Command(words) => json!({ "command": words }),
    }
}
