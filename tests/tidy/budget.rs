//! Files that can be seen whole.

use crate::text::production;
use crate::workspace::SourceFile;

/// The aim is about 150.
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: i64 = 70;

fn too_long(file: &SourceFile) -> Option<String> {
    let lines = production(&file.text).lines().count();
    (lines > FILE_LINES_MAX).then(|| format!("{} has {lines} lines, at most {FILE_LINES_MAX}", file.path))
}

/// Whether clippy keeps functions short: its threshold, and the lint that CI denies.
fn function_budget(clippy: &toml::Table, root: &toml::Table) -> Option<String> {
    let threshold = clippy.get("too-many-lines-threshold").and_then(toml::Value::as_integer);
    let lint = root
        .get("workspace")
        .and_then(|workspace| workspace.get("lints")?.get("clippy")?.get("too_many_lines"));
    let kept = threshold == Some(FUNCTION_LINES_MAX) && lint.and_then(toml::Value::as_str) == Some("warn");
    (!kept).then(|| {
        format!("clippy does not keep functions to {FUNCTION_LINES_MAX} lines: {threshold:?}, {lint:?}")
    })
}

mod tests {
    use super::{function_budget, too_long};
    use crate::expect_none;
    use crate::workspace::{SourceFile, files, read};

    #[test]
    fn files_can_be_seen_whole() {
        expect_none(files().iter().filter(|file| file.is_rust()).filter_map(too_long));
    }

    #[test]
    fn a_long_file_is_seen() {
        let file = |text: String| SourceFile { path: "long.rs".into(), text };
        assert_eq!(too_long(&file("x\n".repeat(401))).as_deref(), Some("long.rs has 401 lines, at most 400"));
        assert_eq!(too_long(&file("x\n".repeat(400) + "#[cfg(test)]\nmod tests {\n}\n")), None);
    }

    #[test]
    fn clippy_keeps_functions_short() {
        let table = |path: &str| toml::from_str(&read(path)).expect("TOML");
        expect_none(function_budget(&table("clippy.toml"), &table("Cargo.toml")));
    }

    #[test]
    fn a_lifted_function_budget_is_seen() {
        let root = toml::from_str("[workspace.lints.clippy]\ntoo_many_lines = \"warn\"").expect("TOML");
        let clippy =
            |lines: i64| toml::from_str(&format!("too-many-lines-threshold = {lines}")).expect("TOML");
        assert_eq!(function_budget(&clippy(70), &root), None);
        assert!(function_budget(&clippy(100), &root).is_some());
        assert!(function_budget(&clippy(70), &toml::Table::new()).is_some());
    }
}
