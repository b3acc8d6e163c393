//! Manifests: what is said once, in the root, and what must be listed.

use toml::{Table, Value};

use crate::workspace::Member;

const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// Lints, package keys and versions of dependencies come from the root.
fn not_inherited(member: &Member) -> Vec<String> {
    let Member { name, manifest, .. } = member;
    let package =
        INHERITED.iter().filter(|key| !is_inherited(manifest.get("package").and_then(|it| it.get(**key))));
    let package = package.map(|key| format!("{name} does not inherit package.{key}"));
    let lints = (!is_inherited(manifest.get("lints"))).then(|| format!("{name} does not inherit the lints"));
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = sections.iter().filter_map(|section| manifest.get(*section)?.as_table());
    let own = tables.flatten().filter(|(_, value)| !is_inherited(Some(value)));
    let own = own.map(|(dependency, _)| format!("{name} has a version of its own for {dependency}"));
    package.chain(lints).chain(own).collect()
}

fn is_inherited(value: Option<&Value>) -> bool {
    value.and_then(|value| value.get("workspace")?.as_bool()) == Some(true)
}

/// The tests of the whole are not found by cargo: a file that is not listed would never run.
fn unlisted(manifest: &Table, files: &[String]) -> Vec<String> {
    let listed = manifest.get("test").and_then(Value::as_array).into_iter().flatten();
    let listed: Vec<&str> = listed.filter_map(|test| test.get("path")?.as_str()).collect();
    let missing = files.iter().filter(|file| !listed.contains(&file.as_str()));
    missing.map(|file| format!("tests/{file} is not listed as a [[test]]")).collect()
}

/// Commands that cargo refuses since the workspace has several programs.
fn nameless_runs(text: &str) -> Vec<String> {
    let runs = text.lines().filter(|line| line.contains("cargo run") && !line.contains(" --bin "));
    runs.map(|line| format!("`{}` names no program with --bin", line.trim())).collect()
}

mod tests {
    use super::{nameless_runs, not_inherited, unlisted};
    use crate::expect_none;
    use crate::workspace::{Member, files, members, read};

    #[test]
    fn what_the_readme_says_to_run_is_one_program() {
        let readme = read("README.md");
        assert!(readme.contains("cargo run --release --bin cliffwatch -- serve"), "the first command");
        expect_none(nameless_runs(&readme));
        assert_eq!(nameless_runs("cargo run --release -- serve").len(), 1);
    }

    #[test]
    fn what_is_common_is_said_once() {
        expect_none(members().iter().flat_map(not_inherited));
    }

    #[test]
    fn a_crate_of_its_own_mind_is_seen() {
        let manifest = "[package]\nname = \"x\"\nversion = \"1\"\n[dependencies]\nserde = \"1\"\ntokio.workspace = true\n";
        let manifest = toml::from_str(manifest).expect("TOML");
        let complaints = not_inherited(&Member { name: "x".into(), folder: "x".into(), manifest });
        assert_eq!(complaints.len(), 7, "{complaints:?}");
    }

    #[test]
    fn every_test_of_the_whole_is_listed() {
        let tests = members().into_iter().find(|member| member.folder == "tests").expect("the tests");
        let files: Vec<String> = files()
            .into_iter()
            .filter_map(|file| {
                let path = file.path.strip_prefix("tests/")?;
                let is_root = path.ends_with(".rs") && !path.contains('/') || path.ends_with("/main.rs");
                let elsewhere = path.starts_with("src/") || path.starts_with("benches/");
                (is_root && !elsewhere).then(|| path.to_owned())
            })
            .collect();
        assert!(files.contains(&"tidy/main.rs".to_owned()));
        expect_none(unlisted(&tests.manifest, &files));
    }

    #[test]
    fn a_test_that_would_never_run_is_seen() {
        let manifest = toml::from_str("[[test]]\nname = \"lab\"\npath = \"lab.rs\"\n").expect("TOML");
        assert_eq!(unlisted(&manifest, &["lab.rs".to_owned(), "new.rs".to_owned()]).len(), 1);
    }
}
