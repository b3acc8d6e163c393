//! The commands as a user runs them: the built binary, its output and its exit status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod access;
mod check;
mod configuration;
mod diagnosing;
mod history;
mod mistakes;
mod polling;
mod probing;
mod serving;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The binary in a folder, without what the surroundings of the test say to Cliffwatch.
fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cliffwatch"));
    let names = std::env::vars_os().map(|(name, _)| name);
    for name in names.filter(|name| name.to_string_lossy().starts_with("CLIFFWATCH_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments);
    command
}

fn cliffwatch(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Everything that was said, and how it ended.
fn said(output: &Output) -> String {
    format!("{}{}exit status {}\n", stdout(output), stderr(output), status(output))
}

fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn repository() -> PathBuf {
    crate_folder().join("../..").canonicalize().unwrap()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const THIS_HOST: &str = "devices:\n  - { name: this-host, platform: linux, address: local }\n";
