//! The repository as the checks see it.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;
use walkdir::WalkDir;

/// A file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct SourceFile {
    /// From the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// A member of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// The name in its manifest.
    pub(crate) name: String,
    /// The name of its folder.
    pub(crate) folder: String,
    pub(crate) manifest: Table,
}

impl SourceFile {
    pub(crate) fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// The crate it belongs to, where it is part of what a crate builds.
    pub(crate) fn crate_name(&self) -> Option<&str> {
        let (name, rest) = self.path.strip_prefix("crates/")?.split_once('/')?;
        rest.starts_with("src/").then_some(name)
    }
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the root").to_owned()
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| format!("{} cannot be read: {error}", path.display()))
}

/// Every text that is, or would be, in the repository.
pub(crate) fn files() -> Vec<SourceFile> {
    let ignored = ignored();
    let walk = WalkDir::new(root()).sort_by_file_name().min_depth(1);
    let kept = walk.into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() > 1 || !ignored.iter().any(|ignored| matches(ignored, &name))
    });
    let kept =
        kept.map(|entry| entry.expect("a readable folder")).filter(|entry| entry.file_type().is_file());
    kept.filter_map(|entry| {
        let path = entry.path().strip_prefix(root()).expect("below the root").to_string_lossy().into_owned();
        let text = fs::read_to_string(entry.path()).ok()?; // what is not UTF-8 is a fixture
        Some(SourceFile { path, text })
    })
    .collect()
}

/// The Rust sources of the crates, without their tests.
pub(crate) fn production() -> impl Iterator<Item = SourceFile> {
    files().into_iter().filter(|file| file.is_rust() && file.crate_name().is_some()).map(|mut file| {
        file.text = crate::text::production(&file.text).to_owned();
        file
    })
}

/// Every crate, and the tests.
pub(crate) fn members() -> Vec<Member> {
    let folders = names("crates").into_iter().map(|name| format!("crates/{name}"));
    let folders = folders.chain(["tests".to_owned()]).filter(|folder| root().join(folder).is_dir());
    folders
        .map(|path| {
            let manifest: Table = toml::from_str(&read(format!("{path}/Cargo.toml"))).expect("a manifest");
            let name = manifest.get("package").and_then(|package| package.get("name")?.as_str());
            let name = name.expect("a name").to_owned();
            let folder = path.rsplit('/').next().expect("a name").to_owned();
            Member { name, folder, manifest }
        })
        .collect()
}

/// What is in a folder, sorted.
pub(crate) fn names(folder: impl AsRef<Path>) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// What is at the root, without what git ignores.
pub(crate) fn top_level() -> Vec<String> {
    let ignored = ignored();
    names("").into_iter().filter(|name| !ignored.iter().any(|ignored| matches(ignored, name))).collect()
}

/// The lines of `.gitignore`, which name things at the root.
fn ignored() -> Vec<String> {
    let lines =
        read(".gitignore").lines().map(|line| line.trim_start_matches('/').to_owned()).collect::<Vec<_>>();
    lines.into_iter().filter(|line| !line.is_empty()).chain([".git".to_owned()]).collect()
}

fn matches(ignored: &str, name: &str) -> bool {
    ignored.strip_suffix('*').map_or(ignored == name, |start| name.starts_with(start))
}
