//! The inventory: files and folders of files, merged, checked, and turned into what sources are opened with.
//!
//! All files form one inventory: a credential of one may be used by a device of another, and names are
//! unique over all of them.

mod address;
mod canary;
mod credential;
mod device;
mod file;
mod fleet;
mod folder;
mod host_key;
mod jump;
mod layer;
mod parts;
mod timing;

use std::collections::BTreeMap;

use cliffwatch_source::Target;
use schemars::Schema;

pub(crate) use folder::NamedPath;

use crate::diagnostics::Report;
use crate::registry::Registry;

/// What of the inventory is asked for, and how far it is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    /// Only devices with all of these labels are ours; empty: all of them.
    pub only: &'a BTreeMap<String, String>,
    /// Whether secrets are looked at where they are kept.
    pub secrets: bool,
    /// Whether a device or jump host without a trusted host key is an error. It is not to those who never
    /// log in, nor to `probe`, which shows the key.
    pub pins: bool,
}

/// Reads and checks the inventory. The targets are good for use only when the report has no error.
pub(crate) fn load(
    paths: &[NamedPath],
    registry: &Registry,
    scope: Scope<'_>,
    report: &mut Report,
) -> Vec<Target> {
    let files = folder::load_all(paths, report);
    let parts = parts::Parts::collect(&files, report);
    fleet::build(&parts, registry, scope, report)
}

/// The JSON schema of an inventory file.
pub(crate) fn schema() -> Schema {
    schemars::schema_for!(file::InventoryFile)
}
