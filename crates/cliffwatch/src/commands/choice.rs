//! The devices that a command names.

use cliffwatch_source::Target;

use super::CommandError;
use crate::yaml::nearest;

/// The device of this name.
pub(super) fn named<'a>(targets: &'a [Target], name: &str) -> Result<&'a Target, CommandError> {
    let known = targets.iter().find(|target| target.device.name.as_str() == name);
    known.ok_or_else(|| {
        let close = nearest(name, targets.iter().map(|target| target.device.name.as_str()));
        let hint = close.map(|close| format!("; did you mean `{close}`?")).unwrap_or_default();
        CommandError::Usage(format!("device `{name}` is not in the inventory{hint}"))
    })
}

/// The devices of these names, in their order; all of them where none is named.
pub(super) fn chosen(targets: &[Target], names: &[String]) -> Result<Vec<Target>, CommandError> {
    match names {
        [] => Ok(targets.to_vec()),
        names => names.iter().map(|name| named(targets, name).cloned()).collect(),
    }
}

/// Those that carry every one of the labels.
pub(super) fn matching(targets: &[Target], labels: &[(String, String)]) -> Vec<Target> {
    let carries =
        |target: &&Target| labels.iter().all(|(label, value)| target.device.labels.get(label) == Some(value));
    targets.iter().filter(carries).cloned().collect()
}
