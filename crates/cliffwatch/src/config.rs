//! The configuration: a flag beats the environment, which beats `cliffwatch.yaml`, which beats the default,
//! and each value remembers which it was.

mod access;
mod environment;
mod file;

mod load;
mod maintenance;
mod origin;
mod show;
mod sources;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use cliffwatch_api::TlsFiles;
use cliffwatch_model::PollerName;
use cliffwatch_rules::{Maintenance, Zone};
use cliffwatch_source::SecretRef;
use cliffwatch_store::StoreUrl;
use schemars::Schema;

pub(crate) use environment::check_variables;
pub(crate) use file::{MetricsAccess, TokenScope};
pub(crate) use load::load;
pub(crate) use maintenance::{timezone, warn_unmatched};
pub(crate) use origin::{Given, Origin};
pub(crate) use show::shown;
pub(crate) use sources::Flags;

use crate::inventory::NamedPath;
use crate::value::Span;

/// How Cliffwatch runs.
#[derive(Debug)]
pub(crate) struct Config {
    pub poller: Given<PollerName>,
    pub only: Given<BTreeMap<String, String>>,
    pub listen: Given<SocketAddr>,
    pub tls: Option<Given<TlsFiles>>,
    pub allow_plaintext: Given<bool>,
    pub store: Given<StoreUrl>,
    pub store_password: Option<Given<SecretRef>>,
    pub data_dir: Given<PathBuf>,
    pub inventory: Given<Vec<NamedPath>>,
    pub rules: Given<Vec<NamedPath>>,
    pub retention: Retention,
    pub timezone: Given<Zone>,
    pub maintenance: Vec<Given<Maintenance>>,
    pub tokens: Vec<Token>,
    pub metrics: Given<MetricsAccess>,
}

/// How long each kind of history is kept.
#[derive(Clone, Debug)]
pub(crate) struct Retention {
    pub samples: Given<Span>,
    pub rollups: Given<Span>,
    pub polls: Given<Span>,
    pub events: Given<Span>,
}

/// One who may ask.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub name: String,
    pub scope: TokenScope,
    pub secret: Given<SecretRef>,
}

/// The JSON schema of `cliffwatch.yaml`.
pub(crate) fn schema() -> Schema {
    schemars::schema_for!(file::ConfigFile)
}
