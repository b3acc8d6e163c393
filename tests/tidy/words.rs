//! Words that must not stand where they would stand.

use crate::text::{code, words};
use crate::workspace::SourceFile;

/// The one reader of the wall clock.
const CLOCK: &str = "crates/cliffwatch-engine/src/clock.rs";
const CLOCK_READS: &[&str] = &[
    "SystemTime::now",
    "UNIX_EPOCH.elapsed",
    "Timestamp::now",
    "Zoned::now",
    "Utc::now",
    "Local::now",
    "clock_gettime",
];
/// The database's clock is one more wall clock.
const CLOCK_READS_SQL: &[&str] = &["now()", "'now'", "current_timestamp", "clock_timestamp"];

/// Vendors and their products. A rule that needs one belongs into an adapter.
const VENDORS: &[&str] = &[
    "asa",
    "aws",
    "azure",
    "cisco",
    "cloudwatch",
    "fortigate",
    "fortinet",
    "fortios",
    "paloalto",
    "panorama",
    "panos",
];

/// Only the transport may open a socket to a device.
const SOCKETS: &[&str] = &["TcpStream::connect", "TcpSocket::", "UdpSocket::", "UnixStream::connect"];

/// Taken apart, so that this file does not find itself.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
const UNFINISHED_CODE: &[&str] =
    &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ig", "nore")];
const MACHINE: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

fn clock_reads(file: &SourceFile) -> Vec<String> {
    if file.path == CLOCK {
        return Vec::new();
    }
    find(file, |line| CLOCK_READS.iter().find(|read| line.contains(**read)), "reads the wall clock")
}

fn clock_reads_sql(file: &SourceFile) -> Vec<String> {
    let read = |line: &str| CLOCK_READS_SQL.iter().find(|read| line.to_ascii_lowercase().contains(**read));
    find(file, read, "reads the database's clock")
}

fn vendors(file: &SourceFile) -> Vec<String> {
    find(file, |line| words(line).find(|word| VENDORS.contains(&word.as_str())), "names a vendor")
}

fn sockets(file: &SourceFile) -> Vec<String> {
    find(file, |line| SOCKETS.iter().find(|socket| line.contains(**socket)), "opens a socket")
}

/// An attribute that silences a lint must notice when it is no longer needed, and say why it is there.
fn allows(file: &SourceFile) -> Vec<String> {
    let allow = |line: &str| ["#[allow(", "#![allow("].into_iter().find(|allow| line.contains(allow));
    find(file, allow, "must be `expect` with a reason")
}

/// Comments count here: that is where such words live.
fn unfinished(file: &SourceFile) -> Vec<String> {
    let has_word =
        |line: &str, word: &str| line.split(|c: char| !c.is_alphanumeric()).any(|part| part == word);
    let found = |line: &str| {
        let word = UNFINISHED.iter().find(|word| has_word(line, word));
        word.or_else(|| UNFINISHED_CODE.iter().find(|code| line.contains(**code)))
    };
    find_in(file.text.lines().zip(1..).map(|(line, number)| (number, line)), file, found, "is for an issue")
}

fn machine(file: &SourceFile) -> Vec<String> {
    let lines = file.text.lines().zip(1..).map(|(line, number)| (number, line));
    find_in(lines, file, |line| MACHINE.iter().find(|path| line.contains(**path)), "is a path of one machine")
}

fn find<T: ToString>(file: &SourceFile, found: impl Fn(&str) -> Option<T>, verdict: &str) -> Vec<String> {
    find_in(code(&file.text), file, found, verdict)
}

fn find_in<'a, T: ToString>(
    lines: impl Iterator<Item = (usize, &'a str)>,
    file: &SourceFile,
    found: impl Fn(&str) -> Option<T>,
    verdict: &str,
) -> Vec<String> {
    let complaint = |(number, line)| {
        let word = found(line)?.to_string();
        Some(format!("{}:{number}: {word} {verdict}", file.path))
    };
    lines.filter_map(complaint).collect()
}

mod tests {
    use super::{allows, clock_reads, clock_reads_sql, machine, sockets, unfinished, vendors};
    use crate::expect_none;
    use crate::workspace::{SourceFile, files, production};

    fn sample(text: &str) -> SourceFile {
        SourceFile { path: "crates/cliffwatch-rules/src/sample.rs".into(), text: text.into() }
    }

    #[test]
    fn one_file_reads_the_wall_clock() {
        expect_none(production().flat_map(|file| clock_reads(&file)));
    }

    #[test]
    fn a_second_reader_is_seen() {
        let complaint = "crates/cliffwatch-rules/src/sample.rs:2: Timestamp::now reads the wall clock";
        assert_eq!(
            clock_reads(&sample("// Timestamp::now\nlet at = jiff::Timestamp::now();\n")),
            [complaint]
        );
        assert_eq!(clock_reads(&sample("SystemTime::now()")).len(), 1);
        let clock = SourceFile { path: super::CLOCK.into(), text: "SystemTime::now()".into() };
        assert!(clock_reads(&clock).is_empty());
    }

    #[test]
    fn no_statement_reads_the_databases_clock() {
        let sql = files().into_iter().filter(|file| file.path.ends_with(".sql"));
        expect_none(sql.flat_map(|file| clock_reads_sql(&file)));
    }

    #[test]
    fn a_statement_that_does_is_seen() {
        assert_eq!(clock_reads_sql(&sample("at timestamptz default NOW(),")).len(), 1);
        assert_eq!(clock_reads_sql(&sample("select datetime('now')")).len(), 1);
        assert!(clock_reads_sql(&sample("create view session_tables_now as")).is_empty());
    }

    #[test]
    fn the_rules_know_no_vendor() {
        let rules = production().filter(|file| file.crate_name() == Some("cliffwatch-rules"));
        expect_none(rules.flat_map(|file| vendors(&file)));
    }

    #[test]
    fn a_vendor_is_seen() {
        assert_eq!(vendors(&sample("if platform == \"aws-nat\" {")).len(), 1);
        assert_eq!(vendors(&sample("fn is_cisco_asa() {}")).len(), 1);
        assert!(vendors(&sample("let basal = 1; // as on an ASA")).is_empty());
    }

    #[test]
    fn only_the_transport_opens_sockets_to_devices() {
        // The binary asks its own API, the API listens, and so do simulated devices.
        let others = ["cliffwatch-transport", "cliffwatch", "cliffwatch-api", "cliffwatch-sim"];
        let files = production().filter(|file| file.crate_name().is_some_and(|name| !others.contains(&name)));
        expect_none(files.flat_map(|file| sockets(&file)));
    }

    #[test]
    fn a_socket_is_seen() {
        assert_eq!(sockets(&sample("TcpStream::connect(address).await")).len(), 1);
    }

    #[test]
    fn lints_are_silenced_with_a_reason() {
        expect_none(production().flat_map(|file| allows(&file)));
    }

    #[test]
    fn an_allow_is_seen() {
        assert_eq!(allows(&sample("#[allow(clippy::unwrap_used)]")).len(), 1);
        assert!(allows(&sample("#[expect(clippy::unwrap_used, reason = \"…\")]")).is_empty());
    }

    #[test]
    fn nothing_is_left_for_later() {
        expect_none(files().iter().flat_map(unfinished));
    }

    #[test]
    fn unfinished_work_is_seen() {
        for text in [
            concat!("// TO", "DO: later"),
            concat!("todo", "!()"),
            concat!("#[ig", "nore]"),
            concat!("FIX", "ME"),
        ] {
            assert_eq!(unfinished(&sample(text)).len(), 1, "{text}");
        }
        assert!(unfinished(&sample("the method of doing")).is_empty());
    }

    #[test]
    fn no_file_names_a_path_of_one_machine() {
        expect_none(files().iter().flat_map(machine));
    }

    #[test]
    fn a_path_of_one_machine_is_seen() {
        assert_eq!(machine(&sample(concat!("cd /wo", "rk/main"))).len(), 1);
    }
}
