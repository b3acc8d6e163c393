//! Where things are.

const TOP_LEVEL: &[&str] = &["Cargo.toml", "crates", "migrations", "deploy", "examples", "tests"];
/// What tools demand by place.
const TOP_LEVEL_TOOLS: &[&str] = &[
    ".ci",
    ".config",
    ".gitignore",
    "Cargo.lock",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

/// Every adapter is the same inside.
const ADAPTER_PARTS: &[&str] =
    &["README.md", "src/config.rs", "src/fetch.rs", "src/lib.rs", "src/parse.rs", "src/remedy.rs"];

fn strangers(top_level: &[String]) -> Vec<String> {
    let known = |name: &str| TOP_LEVEL.contains(&name) || TOP_LEVEL_TOOLS.contains(&name);
    let strangers = top_level.iter().filter(|name| !known(name));
    strangers.map(|name| format!("{name} does not belong at the top level")).collect()
}

/// The map has a line for each crate, with more on it than the name.
fn unmapped(map: &str, crates: &[String]) -> Vec<String> {
    let tells = |line: &str, name: &str| {
        let is_name = |part: &str| part == name;
        let of_name = |c: char| !c.is_ascii_alphanumeric() && c != '-';
        line.split(of_name).any(is_name) && line.split_whitespace().count() > 3
    };
    let unmapped = crates.iter().filter(|name| !map.lines().any(|line| tells(line, name)));
    unmapped.map(|name| format!("crates/README.md has no line for {name}")).collect()
}

/// What an adapter lacks, given the paths below its folder.
fn lacking(adapter: &str, paths: &[&str]) -> Vec<String> {
    let parts = ADAPTER_PARTS.iter().filter(|part| !paths.contains(part)).map(|part| (*part).to_owned());
    let golden =
        |ending: &str| paths.iter().any(|path| path.starts_with("fixtures/") && path.ends_with(ending));
    let error = (!golden("/expected.err")).then(|| "a case with an expected.err".to_owned());
    let reading = (!golden("/expected.jsonl")).then(|| "a case with an expected.jsonl".to_owned());
    parts.chain(error).chain(reading).map(|part| format!("{adapter} lacks {part}")).collect()
}

mod tests {
    use super::{lacking, strangers, unmapped};
    use crate::expect_none;
    use crate::workspace::{files, members, names, read, top_level};

    #[test]
    fn the_top_level_is_fixed() {
        expect_none(strangers(&top_level()));
    }

    #[test]
    fn a_stranger_at_the_top_level_is_seen() {
        assert_eq!(strangers(&["crates".to_owned(), "scripts".to_owned()]).len(), 1);
    }

    #[test]
    fn the_map_tells_of_every_crate() {
        let crates: Vec<String> =
            members().into_iter().map(|it| it.folder).filter(|it| it != "tests").collect();
        expect_none(unmapped(&read("crates/README.md"), &crates));
    }

    #[test]
    fn a_crate_that_is_not_on_the_map_is_seen() {
        let crates = ["cliffwatch".to_owned(), "cliffwatch-source".to_owned()];
        let map = "| `cliffwatch` | the binary and its wiring |\n`cliffwatch-source`\ncliffwatch-source-linux conntrack over SSH";
        assert_eq!(unmapped(map, &crates), ["crates/README.md has no line for cliffwatch-source"]);
    }

    #[test]
    fn folders_are_named_as_their_crates() {
        let members = members().into_iter().filter(|it| it.folder != "tests" && it.folder != it.name);
        expect_none(members.map(|it| format!("the folder {} holds the crate {}", it.folder, it.name)));
    }

    #[test]
    fn adapters_are_the_same_inside() {
        let files = files();
        let adapters = names("crates").into_iter().filter(|name| name.starts_with("cliffwatch-source-"));
        expect_none(adapters.flat_map(|name| {
            let folder = format!("crates/{name}/");
            let paths: Vec<&str> = files.iter().filter_map(|file| file.path.strip_prefix(&folder)).collect();
            lacking(&name, &paths)
        }));
    }

    #[test]
    fn an_incomplete_adapter_is_seen() {
        let mut paths = super::ADAPTER_PARTS.to_vec();
        paths.extend(["fixtures/full/expected.jsonl", "fixtures/garbage/expected.err"]);
        assert!(lacking("x", &paths).is_empty());
        assert_eq!(lacking("x", &paths[1..]), ["x lacks README.md"]);
        paths.pop();
        assert_eq!(lacking("x", &paths), ["x lacks a case with an expected.err"]);
    }
}
