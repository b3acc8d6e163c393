use std::collections::{BTreeMap, HashMap};

use cliffwatch_source::{Problem as SourceProblem, Target, Weight};

use super::Scope;
use super::address::canonical;
use super::canary::Dialers;
use super::credential::Logins;
use super::device::Surroundings;
use super::file::{DependencyFile, DeviceFile};
use super::jump::Jumps;
use super::layer::Layers;
use super::parts::{Part, Parts};
use crate::diagnostics::{Position, Problem, Report};
use crate::registry::Registry;
use crate::yaml::{At, read};

/// Turns the parts of all files into targets, checking each device by itself, against the others, and
/// with its platform.
pub(super) fn build(
    parts: &Parts<'_>,
    registry: &Registry,
    scope: Scope<'_>,
    report: &mut Report,
) -> Vec<Target> {
    let logins = Logins::read(parts, scope.secrets, report);
    let jumps = Jumps::read(parts, &logins, scope.pins, report);
    check_dependencies(parts, report);
    let around = Surroundings {
        registry,
        layers: Layers::read(parts, registry, report),
        logins,
        jumps,
        dependencies: parts.dependencies.keys().copied().collect(),
        devices: parts.devices.iter().filter_map(|part| part.node.text("name")).collect(),
        dialers: Dialers::of(parts, registry),
    };
    let mut unique = Unique::default();
    let mut targets = Vec::with_capacity(parts.devices.len());
    for part in &parts.devices {
        let Some(file) = read::<DeviceFile>(part.node, report) else { continue };
        if !unique.check(&file, report) {
            continue;
        }
        let login_named = around.login_of(&file).is_some();
        let Some(target) = around.target(part, file, report) else { continue };
        // A login that is named and not there was said already; the platform would only miss it.
        let said = login_named && target.credential.is_none();
        let said = if said { "credential" } else { "" };
        let unsaid = |problem: &SourceProblem| {
            problem.field != said && (scope.pins || problem.weight != Weight::Unpinned)
        };
        check_with_platform(&target, part, &around, unsaid, report);
        if carries(&target.device.labels, scope.only) {
            targets.push(target);
        }
    }
    targets
}

/// Names and addresses that were seen, and where.
#[derive(Default)]
struct Unique {
    names: HashMap<String, Position>,
    addresses: HashMap<String, (String, Position)>,
}

impl Unique {
    /// Whether the device is not a second one under a known name.
    fn check(&mut self, file: &DeviceFile, report: &mut Report) -> bool {
        let name = &file.name;
        if let Some(first) = self.names.get(&name.value) {
            report.push(
                Problem::error(
                    name.at,
                    format!(
                        "duplicate device `{}`: it stands at {} as well",
                        name.value,
                        report.place(*first)
                    ),
                )
                .hint("each device has a name of its own"),
            );
            // The same device twice has the same address twice, and so on: one mistake, said once.
            return false;
        }
        self.names.insert(name.value.clone(), name.at);
        let Some(address) = &file.address else { return true };
        match self.addresses.get(&canonical(&address.value)) {
            Some((other, first)) => report.push(
                Problem::error(
                    address.at,
                    format!(
                        "devices `{other}` and `{}` have one address, `{}`; `{other}` stands at {}",
                        name.value,
                        address.value,
                        report.place(*first)
                    ),
                )
                .hint("a device is polled once: remove one of them"),
            ),
            None => {
                self.addresses.insert(canonical(&address.value), (name.value.clone(), address.at));
            }
        }
        true
    }
}

/// What the platform itself says of the device, at the place in the file that it is about.
fn check_with_platform(
    target: &Target,
    part: &Part<'_>,
    around: &Surroundings<'_>,
    unsaid: impl Fn(&SourceProblem) -> bool,
    report: &mut Report,
) {
    let Some(factory) = around.registry.factory(&target.device.platform) else { return };
    for problem in factory.check(target).into_iter().filter(unsaid) {
        let (at, message) = match shared_place(&problem.field, target, around) {
            Some(at) => (at, problem.message),
            None => {
                let message =
                    format!("device `{}`, {}: {}", target.device.name, problem.field, problem.message);
                (part.node.find(&problem.field), message)
            }
        };
        report.push(match problem.weight {
            Weight::Error | Weight::Unpinned => Problem::error(at, message),
            Weight::Warning => Problem::warning(at, message),
        });
    }
}

/// Where a field stands that belongs to something devices share: said once, and there.
fn shared_place(field: &str, target: &Target, around: &Surroundings<'_>) -> Option<Position> {
    match field {
        "credential" => around.logins.place(&target.credential.as_ref()?.name),
        "jump_host.credential" => around.logins.place(&target.jump.as_ref()?.credential.name),
        field if field.starts_with("jump_host.") => around.jumps.place(&target.jump.as_ref()?.name),
        _ => None,
    }
}

fn check_dependencies(parts: &Parts<'_>, report: &mut Report) {
    for (name, part) in &parts.dependencies {
        let Some(file) = read::<DependencyFile>(part.node, report) else { continue };
        check_host_and_port(&file.tcp, report);
        let message = format!("dependency `{name}` is not tried yet in this version: it has no effect");
        report.push(Problem::warning(part.at, message));
    }
}

fn check_host_and_port(address: &At<String>, report: &mut Report) {
    let port = address.value.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) {
        let message = format!("`{}` is not a host with a port", address.value);
        report.push(Problem::error(address.at, message).hint("write `tcp: \"192.0.2.1:22\"`"));
    }
}

fn carries(labels: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(label, value)| labels.get(label) == Some(value))
}
