use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use cliffwatch_rules::{Maintenance, RuleSet};
use cliffwatch_source::Target;

use super::CommandError;
use crate::config::{self, Config, Flags};
use crate::diagnostics::{Problem, Report};
use crate::inventory::{self, Scope};
use crate::registry::Registry;
use crate::rules_file;

/// Everything that the operator wrote, read and checked.
pub(super) struct Setup {
    pub config: Config,
    pub targets: Vec<Target>,
    pub rules: Arc<RuleSet>,
    pub report: Report,
}

/// How far to check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    /// Whether secrets are looked at where they are kept.
    pub secrets: bool,
    /// Whether an inventory without devices is an error.
    pub devices: bool,
    /// Whether a host without a trusted host key is an error.
    pub pins: bool,
}

impl Setup {
    /// Reads everything; the report says whether it can be used.
    pub(super) fn load(flags: &Flags, registry: &Registry, depth: Depth) -> Self {
        let mut report = Report::default();
        let names: Vec<String> =
            std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        config::check_variables(names.iter().map(String::as_str), &mut report);
        let config = config::load(flags, &environment, depth.secrets, &mut report);
        let rules = rules_file::load(&config.rules.value, &config.timezone.value, &mut report);
        let scope = Scope { only: &config.only.value, secrets: depth.secrets, pins: depth.pins };
        let targets = inventory::load(&config.inventory.value, registry, scope, &mut report);
        if !targets.is_empty() {
            let devices = targets.iter().map(|target| (&target.device.name, &target.device.labels));
            config::warn_unmatched(&config.maintenance, devices, &mut report);
        }
        if depth.devices && targets.is_empty() && report.errors() == 0 {
            report.push(no_devices(&config));
        }
        Self { config, targets, rules, report }
    }

    /// When devices are worked on.
    pub(super) fn maintenance(&self) -> Arc<[Maintenance]> {
        self.config.maintenance.iter().map(|given| given.value.clone()).collect()
    }

    /// The same where nothing may be wrong: warnings go to standard error, errors end the command.
    pub(super) fn load_good(flags: &Flags, registry: &Registry, depth: Depth) -> Result<Self, CommandError> {
        let setup = Self::load(flags, registry, depth).usable()?;
        warn(&setup.report.to_text());
        Ok(setup)
    }

    /// Itself, unless something is wrong.
    pub(super) fn usable(self) -> Result<Self, CommandError> {
        match self.report.errors() {
            0 => Ok(self),
            _ => Err(CommandError::Configuration(self.report.to_text())),
        }
    }
}

/// Warnings go to people only: what a script reads, `check` tells.
fn warn(text: &str) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() && !text.is_empty() {
        let _unheard = stderr.write_all(text.as_bytes()).is_err();
    }
}

fn no_devices(config: &Config) -> Problem {
    let devices = "devices:\n  - { name: this-host, platform: linux, address: local }";
    if config.inventory.value.is_empty() {
        return Problem::error(None, "there is no inventory").hint(format!(
            "write `inventory.yaml`, or name a file with --inventory; this is a whole one:\n{devices}"
        ));
    }
    let only = &config.only.value;
    if !only.is_empty() {
        let labels =
            only.iter().map(|(label, value)| format!("{label}={value}")).collect::<Vec<_>>().join(", ");
        return Problem::error(
            config.only.origin.at(),
            format!("no device of the inventory has the labels {labels}"),
        );
    }
    Problem::error(config.inventory.origin.at(), "the inventory has no devices")
        .hint(format!("this is a whole one:\n{devices}"))
}

pub(super) fn environment(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}
