//! Who looks from behind a device whether new connections still pass.

use std::collections::BTreeSet;

use cliffwatch_model::{DeviceName, Platform};
use cliffwatch_source::{Canary, CanaryFrom};

use super::file::CanaryFile;
use super::parts::Parts;
use crate::diagnostics::{Problem, Report};
use crate::registry::Registry;
use crate::yaml::{At, nearest};

/// The machine that Cliffwatch runs on.
const LOCAL: &str = "local";

/// The devices that connections can be made from.
pub(super) struct Dialers<'a>(BTreeSet<&'a str>);

impl<'a> Dialers<'a> {
    pub(super) fn of(parts: &Parts<'a>, registry: &Registry) -> Self {
        let dials = |platform: &str, address: Option<&str>| {
            let factory =
                Platform::new(platform).ok().and_then(|platform| registry.factory(&platform).cloned());
            factory.is_some_and(|factory| factory.dials(address))
        };
        let named = parts.devices.iter().filter_map(|part| {
            let (name, platform) = (part.node.text("name")?, part.node.text("platform")?);
            dials(platform, part.node.text("address")).then_some(name)
        });
        Self(named.collect())
    }

    /// The canary of a device; nothing where it cannot look, with every reason in the report.
    pub(super) fn canary(
        &self,
        device: &DeviceName,
        canary: &At<CanaryFile>,
        devices: &BTreeSet<&str>,
        report: &mut Report,
    ) -> Option<Canary> {
        let CanaryFile { target, from } = &canary.value;
        let address = target.value.parse().ok();
        if address.is_none() {
            let message = format!("`canary.target` `{}` is not an address with a port", target.value);
            let hint =
                "write `target: \"203.0.113.10:443\"`; a name would make its lookup a part of the test";
            report.push(Problem::error(target.at, message).hint(hint));
        }
        let Some(from) = from else {
            let hint = "write `from: DEVICE`, a device of this inventory behind it, or `from: local`";
            report.push(
                Problem::warning(canary.at, "`canary` does not say `from` where to look: it has no effect")
                    .hint(hint),
            );
            return None;
        };
        let from = self.from(device, from, devices, report)?;
        Some(Canary { target: address?, from })
    }

    fn from(
        &self,
        device: &DeviceName,
        from: &At<String>,
        devices: &BTreeSet<&str>,
        report: &mut Report,
    ) -> Option<CanaryFrom> {
        let problem = if from.value == LOCAL {
            return Some(CanaryFrom::Local);
        } else if from.value == device.as_str() {
            Problem::error(from.at, "a canary cannot look from the device itself")
                .hint("a connection from there does not pass through it: name a device behind it, or `local`")
        } else if !devices.contains(&*from.value) {
            let close = report.has_room().then(|| nearest(&from.value, devices.iter().copied())).flatten();
            let hint = match close {
                Some(known) => format!("did you mean `{known}`?"),
                None => "name a device of this inventory, or `local`".to_owned(),
            };
            Problem::error(from.at, format!("`canary.from` `{}` is not a device", from.value)).hint(hint)
        } else if !self.0.contains(&*from.value) {
            let message = format!("`canary.from`: connections cannot be made from `{}`", from.value);
            Problem::error(from.at, message).hint("name a device that is reached over SSH, or `local`")
        } else {
            return DeviceName::new(&from.value).ok().map(CanaryFrom::Device);
        };
        report.push(problem);
        None
    }
}
