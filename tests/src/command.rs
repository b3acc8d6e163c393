//! Running the system's own tools.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program by path, or by name: from `PATH`, from the system folders that a user's `PATH` often lacks, or from the newest Postgres.
pub fn program(name: impl AsRef<Path>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).chain(system).collect();
    let mut postgres: Vec<(u32, PathBuf)> = subfolders("/usr/lib/postgresql")
        .filter_map(|folder| Some((folder.file_name()?.to_str()?.parse().ok()?, folder.join("bin"))))
        .collect();
    postgres.sort();
    folders.extend(postgres.into_iter().rev().map(|(_, bin)| bin));
    folders.into_iter().map(|folder| folder.join(&name)).find(|file| file.is_file())
}

/// A command on a [`program`].
///
/// # Panics
///
/// Where the program is missing: the test should have said that it needs it.
pub fn command(name: impl AsRef<Path>) -> Command {
    let name = name.as_ref();
    Command::new(program(name).unwrap_or_else(|| panic!("{} is not installed", name.display())))
}

/// Runs to the end and gives what came on standard output.
///
/// # Panics
///
/// When it does not start or fails, with its standard error.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} did not start: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {errors}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8 from a system tool")
}

pub(crate) fn subfolders(folder: impl AsRef<Path>) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
}
