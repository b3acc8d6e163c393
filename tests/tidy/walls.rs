//! Who may know whom. The arrows of `crates/README.md`: they point at what is used, and never up.

use crate::workspace::Member;

/// Crates of ours that each crate may use. The binary may use all; an adapter's row goes for every adapter.
const ARROWS: &[(&str, &[&str])] = &[
    ("cliffwatch-model", &[]),
    ("cliffwatch-rules", &["cliffwatch-model"]),
    ("cliffwatch-source", &["cliffwatch-model"]),
    ("cliffwatch-transport", &["cliffwatch-model", "cliffwatch-source"]),
    (ADAPTER, &["cliffwatch-model", "cliffwatch-source", "cliffwatch-transport"]),
    ("cliffwatch-store", &["cliffwatch-model"]),
    ("cliffwatch-engine", &["cliffwatch-model", "cliffwatch-rules", "cliffwatch-source", "cliffwatch-store"]),
    ("cliffwatch-api", &["cliffwatch-model", "cliffwatch-engine", "cliffwatch-store"]),
    // The documented commands of each platform, which its devices compare with what they are asked; and the clock.
    (
        SIMULATOR,
        &[
            "cliffwatch-model",
            "cliffwatch-engine",
            "cliffwatch-source",
            "cliffwatch-source-linux",
            "cliffwatch-transport",
        ],
    ),
];
const ADAPTER: &str = "cliffwatch-source-";
const BINARY: &str = "cliffwatch";
/// It speaks the protocols from the other end: as a server.
const SIMULATOR: &str = "cliffwatch-sim";

/// What pure crates do without: no runtime, no network, no store, no chance, no log.
const IMPURE: &[&str] = &[
    "async-trait",
    "axum",
    "futures-util",
    "governor",
    "hyper",
    "rand",
    "reqwest",
    "russh",
    "sqlx",
    "tokio",
    "tokio-util",
    "tracing",
];
const PURE: &[&str] = &["cliffwatch-model", "cliffwatch-rules"];

/// What opens connections to devices, for the transport alone.
const CONNECTORS: &[&str] = &["reqwest", "russh", "ssh2", "openssh", "ureq"];
const TRANSPORT: &str = "cliffwatch-transport";

/// What is wrong with a crate that depends on these.
fn complaints<'a>(name: &str, dependencies: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let Some(allowed) = allowed(name) else {
        return vec![format!("{name} has no row in ARROWS: say in tests/tidy/walls.rs whom it may know")];
    };
    let wrong = |dependency: &&str| {
        let ours = dependency.starts_with(BINARY) && name != BINARY && !allowed.contains(dependency);
        let impure = PURE.contains(&name) && IMPURE.contains(dependency);
        let connects = ![TRANSPORT, SIMULATOR].contains(&name) && CONNECTORS.contains(dependency);
        ours || impure || connects
    };
    let wrong = dependencies.into_iter().filter(wrong);
    wrong.map(|dependency| format!("{name} must not know {dependency}")).collect()
}

fn allowed(name: &str) -> Option<&'static [&'static str]> {
    if name == BINARY {
        return Some(&[]);
    }
    let row = ARROWS.iter().find(|(row, _)| name == *row || (*row == ADAPTER && name.starts_with(ADAPTER)));
    row.map(|(_, allowed)| *allowed)
}

/// What it is built of, and for an adapter also what its tests are: they too must do without the rules and the store.
fn dependencies(member: &Member) -> impl Iterator<Item = &str> {
    let sections: &[&str] = match member.name.starts_with(ADAPTER) {
        true => &["dependencies", "build-dependencies", "dev-dependencies"],
        false => &["dependencies", "build-dependencies"],
    };
    let tables = sections.iter().filter_map(|section| member.manifest.get(*section)?.as_table());
    tables.flat_map(|table| table.keys().map(String::as_str))
}

mod tests {
    use super::{complaints, dependencies};
    use crate::expect_none;
    use crate::workspace::{Member, members};

    #[test]
    fn the_crates_keep_the_arrows() {
        let crates = members().into_iter().filter(|member| member.folder != "tests");
        expect_none(crates.flat_map(|member| complaints(&member.name, dependencies(&member))));
    }

    #[test]
    fn a_broken_wall_is_seen() {
        assert_eq!(complaints("cliffwatch-rules", ["tokio"]), ["cliffwatch-rules must not know tokio"]);
        for (name, dependency) in [
            ("cliffwatch-model", "cliffwatch-rules"),
            ("cliffwatch-source-linux", "cliffwatch-source-asa"),
            ("cliffwatch-source-linux", "cliffwatch-store"),
            ("cliffwatch-engine", "cliffwatch-source-linux"),
            ("cliffwatch-engine", "cliffwatch-transport"),
            ("cliffwatch-source-panos", "reqwest"),
            ("cliffwatch", "russh"),
            ("cliffwatch-engine", "cliffwatch-sim"),
            ("cliffwatch-sim", "cliffwatch-store"),
            ("cliffwatch-unheard-of", "serde"),
        ] {
            assert_eq!(complaints(name, [dependency]).len(), 1, "{name} to {dependency}");
        }
        assert!(complaints("cliffwatch-source-f5", ["cliffwatch-transport", "tokio"]).is_empty());
        assert!(complaints("cliffwatch", ["cliffwatch-source-linux"]).is_empty());
    }

    #[test]
    fn an_adapter_is_judged_with_its_tests() {
        let manifest = "[dependencies]\nserde = \"1\"\n[dev-dependencies]\ncliffwatch-rules = \"0\"\n";
        let manifest: toml::Table = toml::from_str(manifest).expect("TOML");
        let member =
            |name: &str| Member { name: name.into(), folder: name.into(), manifest: manifest.clone() };
        assert_eq!(dependencies(&member("cliffwatch-source-asa")).count(), 2);
        assert_eq!(dependencies(&member("cliffwatch-store")).count(), 1);
    }
}
