use std::collections::BTreeMap;
use std::path::Path;

use super::file::InventoryFile;
use super::folder::InventoryNode;
use crate::diagnostics::{Position, Problem, Report};
use crate::yaml::{Key, Node, Value, read};

/// The parts of all files, by name, not yet read.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub defaults: Option<Part<'a>>,
    pub platform_defaults: Named<'a>,
    pub credentials: Named<'a>,
    pub jump_hosts: Named<'a>,
    pub dependencies: Named<'a>,
    pub devices: Vec<Part<'a>>,
}

/// A part under a name of its own.
pub(super) type Named<'a> = BTreeMap<&'a str, Part<'a>>;

/// One item: where it is named, what it says, and where relative paths in it start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub at: Position,
    pub node: &'a Node,
    pub folder: &'a Path,
}

impl<'a> Parts<'a> {
    pub(super) fn collect(files: &'a [InventoryNode], report: &mut Report) -> Self {
        let mut parts = Self::default();
        for file in files {
            let _known: Option<InventoryFile> = read(&file.root, report);
            parts.take_defaults(file, report);
            take_named("platform_defaults", file, &mut parts.platform_defaults, report);
            take_named("credentials", file, &mut parts.credentials, report);
            take_named("jump_hosts", file, &mut parts.jump_hosts, report);
            take_named("dependencies", file, &mut parts.dependencies, report);
            parts.take_devices(file, report);
        }
        parts
    }

    /// They hold for all files, so two files cannot both have them.
    fn take_defaults(&mut self, file: &'a InventoryNode, report: &mut Report) {
        let Some((key, node)) = file.root.entry("defaults") else { return };
        match self.defaults {
            Some(first) => report.push(
                Problem::error(key.at, format!("`defaults` stands at {} as well", report.place(first.at)))
                    .hint("defaults hold for all files: keep them in one"),
            ),
            None => self.defaults = Some(part(key, node, file)),
        }
    }

    fn take_devices(&mut self, file: &'a InventoryNode, report: &mut Report) {
        let Some((_, list)) = file.root.entry("devices") else { return };
        match &list.value {
            Value::List(items) => {
                self.devices.extend(items.iter().map(|node| Part {
                    at: node.at,
                    node,
                    folder: &file.folder,
                }));
            }
            Value::Null => {}
            _ => report.push(
                Problem::error(list.at, format!("expected a list of devices, found {}", list.kind()))
                    .hint("begin each device with `- name: …`"),
            ),
        }
    }
}

fn take_named<'a>(section: &str, file: &'a InventoryNode, into: &mut Named<'a>, report: &mut Report) {
    let Some((_, map)) = file.root.entry(section) else { return };
    if !matches!(map.value, Value::Map(_) | Value::Null) {
        let message = format!("expected a mapping of names, found {}", map.kind());
        report.push(Problem::error(map.at, message).hint(format!("write `{section}: {{ NAME: {{ … }} }}`")));
    }
    for (key, node) in map.entries() {
        match into.get(&*key.text) {
            Some(first) => report.push(
                Problem::error(
                    key.at,
                    format!("duplicate name `{}`: it stands at {} as well", key.text, report.place(first.at)),
                )
                .hint(format!("names in `{section}` are unique over all files")),
            ),
            None => {
                into.insert(&key.text, part(key, node, file));
            }
        }
    }
}

fn part<'a>(key: &Key, node: &'a Node, file: &'a InventoryNode) -> Part<'a> {
    Part { at: key.at, node, folder: &file.folder }
}
