use std::path::PathBuf;

use super::{cliffwatch, crate_folder, folder, said};

/// Each folder of `tests/bad` is a configuration with a mistake, and `expected.txt` what `check` says of it, to
/// the letter. `CLIFFWATCH_WRITE_EXPECTED=1` writes them anew, to be read before they are committed.
#[test]
fn every_mistake_has_its_own_message() {
    let write = std::env::var_os("CLIFFWATCH_WRITE_EXPECTED").is_some();
    let entries = std::fs::read_dir(crate_folder().join("tests/bad")).unwrap();
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
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

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = folder(&[]);
    std::fs::write(folder.path().join("inventory.yaml"), "#".repeat(17 * 1024 * 1024)).unwrap();
    assert_eq!(
        said(&cliffwatch(folder.path(), &["check"])),
        "error: `inventory.yaml` cannot be read: it is larger than 16 MiB; split it and name the folder instead\n\n\
         1 error, 0 warnings\nexit status 2\n"
    );
}

#[test]
fn a_service_does_not_start_with_mistakes() {
    let output = cliffwatch(&crate_folder().join("tests/bad/unknown-key"), &["serve"]);
    let said = said(&output);
    assert!(said.starts_with("error: unknown key `intervall`\n --> inventory.yaml:5:5\n"), "{said}");
    assert!(said.ends_with("exit status 2\n"), "{said}");
}

#[test]
fn wrong_usage_is_status_2() {
    let folder = folder(&[("inventory.yaml", super::THIS_HOST)]);
    for arguments in [
        &[][..],
        &["sreve"],
        &["check", "--no-such-flag"],
        &["check", "-c", "missing.yaml"],
        &["poll", "no-such-device"],
        &["decode", "no-such-platform", "."],
        &["replay", "--since", "soon"],
        &["schema", "nothing"],
    ] {
        let output = cliffwatch(folder.path(), arguments);
        assert_eq!(super::status(&output), 2, "{arguments:?}: {}", said(&output));
    }
}

#[test]
fn a_device_that_is_not_there_is_suggested() {
    let folder = folder(&[("inventory.yaml", super::THIS_HOST)]);
    let output = cliffwatch(folder.path(), &["poll", "thishost"]);
    assert_eq!(
        super::stderr(&output),
        "error: device `thishost` is not in the inventory; did you mean `this-host`?\n"
    );
}
