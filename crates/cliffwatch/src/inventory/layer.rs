use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::file::{DeviceFile, Layer};
use super::parts::{Part, Parts};
use crate::diagnostics::{Position, Problem, Report};
use crate::registry::{self, Registry};
use crate::value::Later;
use crate::yaml::{At, nearest, read};

/// What devices take over: a platform's layer before the one for all.
#[derive(Debug, Default)]
pub(super) struct Layers {
    defaults: Placed,
    platforms: BTreeMap<String, Placed>,
    none: Placed,
}

/// A layer and the folder that relative paths in it start from.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub layer: Layer,
    pub folder: PathBuf,
}

impl Layers {
    pub(super) fn read(parts: &Parts<'_>, registry: &Registry, report: &mut Report) -> Self {
        let mut platforms = BTreeMap::new();
        for (name, part) in &parts.platform_defaults {
            if registry::comes_later(name) {
                let message =
                    format!("platform `{name}` is not in this version yet: its defaults have no effect");
                report.push(Problem::warning(part.at, message));
            } else if !registry.names().iter().any(|known| known == name) {
                report.push(unknown_platform(name, registry, part.at));
            }
            platforms.insert((*name).to_owned(), placed(part, report));
        }
        let defaults = parts.defaults.map(|part| placed(&part, report)).unwrap_or_default();
        Self { defaults, platforms, none: Placed::default() }
    }

    /// The layers that a device of this platform stands on, the nearer first.
    pub(super) fn of(&self, platform: &str) -> [&Placed; 2] {
        [self.platforms.get(platform).unwrap_or(&self.none), &self.defaults]
    }
}

fn placed(part: &Part<'_>, report: &mut Report) -> Placed {
    let layer: Layer = read(part.node, report).unwrap_or_default();
    warn_later(
        [("tls", layer.tls), ("proxy", layer.proxy), ("vrf", layer.vrf), ("timezone", layer.timezone)],
        report,
    );
    Placed { layer, folder: Path::to_path_buf(part.folder) }
}

/// Says of every key in use that belongs to a later version that it has no effect.
pub(super) fn warn_later<const N: usize>(keys: [(&str, Option<At<Later>>); N], report: &mut Report) {
    for (key, later) in keys {
        if let Some(later) = later {
            report.push(Problem::warning(
                later.at,
                format!("`{key}` is not in this version yet: it has no effect"),
            ));
        }
    }
}

/// The device's own keys of later versions.
pub(super) fn warn_device(file: &DeviceFile, report: &mut Report) {
    let keys = [("tls", file.tls), ("proxy", file.proxy), ("vrf", file.vrf), ("timezone", file.timezone)];
    warn_later(keys, report);
}

/// An unknown platform is an error, in a layer as in a device.
pub(super) fn unknown_platform(name: &str, registry: &Registry, at: Position) -> Problem {
    let names = registry.names();
    let hint = match nearest(name, names.iter().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`?"),
        None => {
            format!("this version has: {}; later versions will have: {}", names.join(", "), registry::later())
        }
    };
    let what = if registry::comes_later(name) { "is not in this version yet" } else { "is not known" };
    Problem::error(at, format!("platform `{name}` {what}")).hint(hint)
}
