use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{CapacityOverrides, Device, DeviceName, Platform, TableKind};
use cliffwatch_source::{Settings, SshOptions, Target};

use super::canary::Dialers;
use super::credential::{Logins, unknown_name};
use super::file::{DeviceFile, Layer};
use super::host_key::host_key;
use super::jump::Jumps;
use super::layer::{Layers, Placed, unknown_platform, warn_device};
use super::parts::Part;
use super::timing::{self, Timing};
use crate::diagnostics::{Problem, Report};
use crate::registry::Registry;
use crate::yaml::{At, nearest};

/// Labels that the metrics of a device carry anyway.
const RESERVED_LABELS: [&str; 3] = ["device", "platform", "ha_peer"];

/// What a device may refer to.
pub(super) struct Surroundings<'a> {
    pub registry: &'a Registry,
    pub layers: Layers,
    pub logins: Logins,
    pub jumps: Jumps,
    pub dependencies: BTreeSet<&'a str>,
    pub devices: BTreeSet<&'a str>,
    pub dialers: Dialers<'a>,
}

impl Surroundings<'_> {
    /// Turns one device into what its source is opened with. Nothing where it cannot even be named or has
    /// no platform; every reason is in the report.
    pub(super) fn target(&self, part: &Part<'_>, file: DeviceFile, report: &mut Report) -> Option<Target> {
        warn_device(&file, report);
        let name = device_name(&file.name, report);
        let platform = self.platform(&file.platform, report);
        let (name, platform) = (name?, platform?);
        let layers = self.layers.of(&file.platform.value);
        let labels = labels(&file, layers, report);
        let timing = timing::of(&file, layers, self.interval_min(&platform), report);
        let known_hosts = known_hosts(&file, layers, part);
        let own = file.ssh.and_then(|ssh| ssh.legacy);
        let legacy = own.or_else(|| pick(layers, |layer| layer.ssh.as_ref()?.legacy.as_ref()).copied());
        let settings = settings(&file, layers);
        let source_address =
            file.source_address.as_ref().or_else(|| pick(layers, |l| l.source_address.as_ref()));
        let source_address = source_address.and_then(|address| ip_address(address, report));
        let jump = file.jump_host.as_ref().or_else(|| pick(layers, |layer| layer.jump_host.as_ref()));
        let jump = jump.and_then(|jump| self.jumps.of(jump, report));
        let depends_on = self.depends_on(&file, layers, report);
        let credential = self.login_of(&file).and_then(|login| self.logins.of(login, &name, &labels, report));
        let ha_peer = file.ha_peer.as_ref().and_then(|peer| self.peer(&name, peer, report));
        let capacity = capacity(&file.capacity, report);
        let canary =
            file.canary.as_ref().and_then(|canary| self.dialers.canary(&name, canary, &self.devices, report));
        let Timing { interval, timeout } = timing;
        let address = file.address.map(|address| address.value.into());
        let device =
            Device { name, platform, address, labels, interval, timeout, ha_peer, depends_on, capacity };
        Some(Target {
            device: Arc::new(device),
            credential,
            ssh: SshOptions {
                host_key: host_key(
                    file.host_key,
                    known_hosts.as_ref().map(|(file, folder)| (file, &**folder)),
                    report,
                ),
                legacy: legacy.unwrap_or(false),
            },
            jump,
            source_address,
            settings,
            canary,
        })
    }

    /// The login that the device names, itself or by a layer.
    pub(super) fn login_of<'b>(&'b self, file: &'b DeviceFile) -> Option<&'b At<String>> {
        let layers = self.layers.of(&file.platform.value);
        file.credential.as_ref().or_else(|| pick(layers, |layer| layer.credential.as_ref()))
    }

    fn platform(&self, name: &At<String>, report: &mut Report) -> Option<Platform> {
        let platform = Platform::new(&name.value).ok();
        let known = platform.filter(|platform| self.registry.factory(platform).is_some());
        if known.is_none() {
            report.push(unknown_platform(&name.value, self.registry, name.at));
        }
        known
    }

    fn interval_min(&self, platform: &Platform) -> Duration {
        self.registry.factory(platform).map_or(Duration::ZERO, |factory| factory.interval_min())
    }

    fn depends_on(&self, file: &DeviceFile, layers: [&Placed; 2], report: &mut Report) -> Vec<String> {
        let own = (!file.depends_on.0.is_empty()).then_some(&file.depends_on);
        let given = |layer: &Layer| !layer.depends_on.0.is_empty();
        let Some(list) = own.or_else(|| pick(layers, |l| given(l).then_some(&l.depends_on))) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for name in &list.0 {
            let known = self.dependencies.contains(&*name.value) || self.devices.contains(&*name.value);
            if name.value == file.name.value {
                report.push(Problem::error(name.at, "a device cannot depend on itself"));
            } else if known {
                names.push(name.value.clone());
            } else {
                let all = self.dependencies.iter().chain(&self.devices).copied();
                unknown_name("dependency", "dependencies", name, all, report);
            }
        }
        names
    }

    fn peer(&self, name: &DeviceName, peer: &At<String>, report: &mut Report) -> Option<DeviceName> {
        if peer.value == name.as_str() {
            report.push(Problem::error(peer.at, "a device cannot be its own `ha_peer`"));
            return None;
        }
        if !self.devices.contains(&*peer.value) {
            // Comparing with every name is worth it only for what is shown.
            let close =
                report.has_room().then(|| nearest(&peer.value, self.devices.iter().copied())).flatten();
            let hint = match close {
                Some(known) => format!("did you mean `{known}`?"),
                None => "list the peer as a device; it needs no address of its own".to_owned(),
            };
            report.push(
                Problem::error(peer.at, format!("`ha_peer` `{}` is not a device", peer.value)).hint(hint),
            );
        }
        DeviceName::new(&peer.value).ok()
    }
}

/// The first layer that says something.
pub(super) fn pick<'a, T>(layers: [&'a Placed; 2], of: impl Fn(&'a Layer) -> Option<&'a T>) -> Option<&'a T> {
    layers.into_iter().find_map(|placed| of(&placed.layer))
}

fn device_name(name: &At<String>, report: &mut Report) -> Option<DeviceName> {
    match DeviceName::new(&name.value) {
        Ok(own) if own.is_ourselves() => {
            report.push(
                Problem::error(name.at, format!("the name `{}` is reserved", DeviceName::SELF))
                    .hint("Cliffwatch watches itself under it: choose another name"),
            );
            None
        }
        Ok(own) => Some(own),
        Err(error) => {
            report.push(
                Problem::error(name.at, error.to_string())
                    .hint("allowed are letters, digits and - _ . : @ +"),
            );
            None
        }
    }
}

fn labels(file: &DeviceFile, layers: [&Placed; 2], report: &mut Report) -> BTreeMap<String, String> {
    let inherited = layers.into_iter().rev().flat_map(|placed| &placed.layer.labels);
    let mut labels = BTreeMap::new();
    for (label, value) in inherited.chain(&file.labels) {
        let mut letters = label.chars();
        let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if !first || !letters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            report.push(
                Problem::error(value.at, format!("label `{label}` cannot be the label of a metric"))
                    .hint("a label is letters, digits and `_`, and begins with a letter"),
            );
        } else if RESERVED_LABELS.contains(&&**label) {
            report.push(
                Problem::error(value.at, format!("label `{label}` is reserved")).hint("choose another name"),
            );
        }
        labels.insert(label.clone(), value.value.clone());
    }
    labels
}

fn known_hosts<'a>(
    file: &'a DeviceFile,
    layers: [&'a Placed; 2],
    part: &Part<'_>,
) -> Option<(At<String>, std::path::PathBuf)> {
    if let Some(known_hosts) = &file.known_hosts {
        return Some((known_hosts.clone(), part.folder.to_path_buf()));
    }
    // A pin of the device's own is nearer than a file that it would inherit.
    if file.host_key.is_some() {
        return None;
    }
    let inherited = |placed: &Placed| Some((placed.layer.known_hosts.clone()?, placed.folder.clone()));
    layers.into_iter().find_map(inherited)
}

fn settings(file: &DeviceFile, layers: [&Placed; 2]) -> Settings {
    let mut merged = serde_json::Map::new();
    for layer in layers.into_iter().rev() {
        merged.extend(layer.layer.settings.clone());
    }
    merged.extend(file.settings.clone());
    Settings::new(merged)
}

fn ip_address(address: &At<String>, report: &mut Report) -> Option<std::net::IpAddr> {
    let parsed = address.value.parse().ok();
    if parsed.is_none() {
        report.push(Problem::error(address.at, format!("`{}` is not an IP address of ours", address.value)));
    }
    parsed
}

fn capacity(limits: &BTreeMap<String, At<u64>>, report: &mut Report) -> CapacityOverrides {
    let mut good = BTreeMap::new();
    for (place, limit) in limits {
        let kind = place.rsplit('/').next().unwrap_or(place);
        let parts = place.split('/').count();
        if TableKind::parse(kind).is_none() || parts == 2 || place.split('/').any(str::is_empty) {
            let kinds = TableKind::ALL.iter().map(|kind| kind.as_str()).collect::<Vec<_>>();
            let hint = match nearest(kind, kinds.iter().copied()) {
                Some(known) if known != kind => format!("did you mean `{known}`?"),
                _ => format!("write KIND or SCOPE_KIND/SCOPE_NAME/KIND; kinds are {}", kinds.join(", ")),
            };
            report.push(
                Problem::error(limit.at, format!("capacity of `{place}`: this names no table")).hint(hint),
            );
        }
        match NonZeroU64::new(limit.value) {
            Some(limit) => {
                good.insert(place.clone(), limit);
            }
            None => report.push(Problem::error(limit.at, format!("capacity of `{place}` is 0")).hint(
                "a table with room for nothing cannot be watched; leave it out where the limit is not known",
            )),
        }
    }
    CapacityOverrides::new(good)
}
