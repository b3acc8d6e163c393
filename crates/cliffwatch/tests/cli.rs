//! The commands as a user runs them: the built binary, its output and its exit status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn cliffwatch(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cliffwatch"));
    let ours = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CLIFFWATCH_")
    });
    for name in ours {
        command.env_remove(name);
    }
    command.current_dir(folder).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    let status = output.status.code().map_or("none".to_owned(), |code| code.to_string());
    let mut said = String::from_utf8(output.stdout.clone()).unwrap();
    said.push_str(&String::from_utf8(output.stderr.clone()).unwrap());
    said.push_str(&format!("exit status {status}\n"));
    said
}

fn crate_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn examples() -> PathBuf {
    crate_folder().join("../../examples").canonicalize().unwrap()
}

/// Each folder of `tests/bad` is a configuration with a mistake, and `expected.txt` what `check` says of it, to the
/// letter. `CLIFFWATCH_WRITE_EXPECTED=1` writes them anew, to be read before they are committed.
#[test]
fn every_mistake_has_its_own_message() {
    let write = std::env::var_os("CLIFFWATCH_WRITE_EXPECTED").is_some();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(crate_folder().join("tests/bad"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() > 40, "cases were lost: {}", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let actual = said(&cliffwatch(&case, &["check"]));
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        assert!(
            !actual.contains("hunter2") && !actual.contains("aHVudGVyMg"),
            "{name} shows a secret:\n{actual}"
        );
        let expected = case.join("expected.txt");
        if write {
            std::fs::write(expected, actual).unwrap();
        } else if std::fs::read_to_string(expected).unwrap_or_default() != actual {
            wrong.push(format!("== {name}\n{actual}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
