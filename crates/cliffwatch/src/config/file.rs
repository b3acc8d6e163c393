//! What `cliffwatch.yaml` may say, as types: the known keys and the schema both come from here.

use std::collections::BTreeMap;

use cliffwatch_rules::Repeat;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::value::{Later, SecretSpec, Span};
use crate::yaml::{At, OneOrMany};

/// How Cliffwatch runs. Every key is optional; a flag beats the environment, which beats this file.
/// Relative paths start at this file's folder, except those of the store and `data_dir`, which start at the
/// working directory.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(title = "Cliffwatch configuration", deny_unknown_fields)]
pub(super) struct ConfigFile {
    /// Our name among the pollers that share a store.
    pub poller: Option<At<String>>,
    /// Only devices with all of these labels are polled by us.
    #[serde(default)]
    pub only: Option<At<BTreeMap<String, String>>>,
    /// `IP:PORT` to serve REST, the page and /metrics on.
    pub listen: Option<At<String>>,
    /// The certificate to serve with.
    pub tls: Option<At<TlsFile>>,
    /// Whether serving beyond this machine without TLS or without tokens is meant.
    pub allow_plaintext: Option<At<bool>>,
    /// `sqlite:FILE` or `postgres://user@host/db`, without a password.
    pub store: Option<At<String>>,
    /// The store's password.
    pub store_password: Option<At<SecretSpec>>,
    /// Where the events journal is kept; the folder of the SQLite file, or the working directory.
    pub data_dir: Option<At<String>>,
    /// Files, and folders of files.
    #[serde(default)]
    pub inventory: OneOrMany<At<String>>,
    /// Files that add to and override the built-in rules.
    #[serde(default)]
    pub rules: OneOrMany<At<String>>,
    /// How long history is kept.
    #[serde(default)]
    pub retention: RetentionFile,
    /// Who may ask.
    #[serde(default)]
    pub auth: AuthFile,
    pub syslog: Option<At<Later>>,
    pub notify: Option<At<Later>>,
    /// Where the days and hours of active times and maintenance are counted: `Europe/Amsterdam`; UTC where
    /// nothing is said.
    pub timezone: Option<At<String>>,
    /// When devices are worked on: what happens is kept, and told only where it lasts beyond.
    #[serde(default)]
    pub maintenance: OneOrMany<At<MaintenanceFile>>,
}

/// A time in which devices are worked on.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct MaintenanceFile {
    /// Labels that its devices have; `device` is a device's name. Every device where nothing is said.
    #[serde(default, rename = "match")]
    pub matches: BTreeMap<String, At<String>>,
    /// When it first begins, by the clocks of `timezone`: `2026-03-07T22:00`; or with an offset, RFC 3339.
    pub start: At<String>,
    /// How long it lasts.
    pub duration: At<Span>,
    /// Whether it comes again, at the same hour: `day` or `week`.
    #[schemars(with = "Option<String>")]
    pub every: Option<Repeat>,
    /// Whether its devices are not polled meanwhile.
    #[serde(default)]
    pub pause_polling: bool,
}

/// A certificate to serve with.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct TlsFile {
    /// The certificate chain, a PEM file.
    pub cert: At<String>,
    /// Its private key, a PEM file.
    pub key: At<String>,
    /// Who signs the certificates that clients must show, a PEM file.
    pub client_ca: Option<At<String>>,
}

/// How long history is kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct RetentionFile {
    /// Samples, and the increases of counters.
    pub samples: Option<At<Span>>,
    /// Hourly summaries of samples.
    pub rollups: Option<At<Span>>,
    /// Polls.
    pub polls: Option<At<Span>>,
    /// Closed alerts with their events.
    pub events: Option<At<Span>>,
}

/// Who may ask.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct AuthFile {
    /// Those who may; with any, everything but the health routes wants one.
    #[serde(default)]
    pub tokens: Vec<TokenFile>,
    /// Whether /metrics wants a token, too.
    pub metrics: Option<At<MetricsAccess>>,
}

/// One who may ask.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct TokenFile {
    /// A name for logs.
    pub name: At<String>,
    /// What for.
    pub scope: TokenScope,
    /// Where the token is kept.
    pub secret: At<SecretSpec>,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenScope {
    /// To look.
    Read,
    /// To look and to change.
    Write,
}

/// Who may read /metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MetricsAccess {
    /// Whoever has a token, where there are tokens.
    #[default]
    Token,
    /// Everybody.
    Open,
}
