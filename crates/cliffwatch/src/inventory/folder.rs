use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::diagnostics::{Position, Problem, Report};
use crate::yaml::{self, Node};

/// Files of one folder that are read: a file per device of a large fleet; more is a wrong folder.
const FILES_MAX: usize = 20_000;

/// What the name of an inventory file in a folder ends with; JSON is YAML.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// A file or folder, and where it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    pub path: PathBuf,
    pub at: Option<Position>,
}

/// A file of the inventory.
#[derive(Debug)]
pub(super) struct InventoryNode {
    /// The folder that relative paths in it start from.
    pub folder: PathBuf,
    pub root: Node,
}

/// Reads every file, folders in the order of their files' names. A file that is named twice is read once.
pub(super) fn load_all(paths: &[NamedPath], report: &mut Report) -> Vec<InventoryNode> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for named in paths {
        let found = match found_in(&named.path) {
            Ok(found) => found,
            Err(reason) => {
                let message = format!("`{}` cannot be read: {reason}", named.path.display());
                report.push_unreadable(Problem::error(named.at, message));
                continue;
            }
        };
        for path in found {
            // What cannot be resolved cannot be read either, which `load` reports.
            if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                continue;
            }
            if let Some(root) = yaml::load(&path, named.at, report) {
                let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
                files.push(InventoryNode { folder, root });
            }
        }
    }
    files
}

fn found_in(path: &Path) -> Result<Vec<PathBuf>, String> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| error.to_string())? {
        let file = entry.map_err(|error| error.to_string())?.path();
        let hidden = file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let ours =
            file.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        if ours && !hidden && !file.is_dir() {
            found.push(file);
        }
        if found.len() > FILES_MAX {
            return Err(format!("the folder has more than {FILES_MAX} files"));
        }
    }
    found.sort();
    Ok(found)
}
