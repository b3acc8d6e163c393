use std::io::Read as _;
use std::path::Path;

use serde_saphyr::DuplicateKeyPolicy;

use super::node::{Node, Value};
use super::raw::{Raw, position};
use crate::diagnostics::{FileId, Position, Problem, Report};

/// The largest file that is read: 10,000 devices with everything written out take 5 MB.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The deepest nesting: what the schema needs is 8, and reading recurses.
const DEPTH_MAX: usize = 32;
/// Values in one file, those that aliases repeat included: a file of the largest size has about a million
/// when it is honest, and a value takes about 100 bytes of memory.
const NODES_MAX: usize = 2_000_000;
/// Values that aliases and merge keys may repeat: ten for each of 20,000 devices. An alias bomb ends here.
const REPEATED_MAX: usize = 200_000;

/// Reads a file from disk into the report and parses it. `named_at` is where the operator named the file.
///
/// Nothing where it cannot be read or parsed; the report then says why.
pub(crate) fn load(path: &Path, named_at: Option<Position>, report: &mut Report) -> Option<Node> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(reason) => {
            report.push_unreadable(Problem::error(
                named_at,
                format!("`{}` cannot be read: {reason}", path.display()),
            ));
            return None;
        }
    };
    let file = report.add_file(path, text.as_str().into());
    parse(file, &text, report)
}

fn read_text(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(
            "it is larger than {} MiB; split it and name the folder instead",
            FILE_BYTES_MAX / (1024 * 1024)
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count();
        format!("it is not UTF-8 text (line {})", line + 1)
    })
}

/// Parses one document; reports what is wrong with it as YAML, and keys that occur twice.
pub(crate) fn parse(file: FileId, text: &str, report: &mut Report) -> Option<Node> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_events: 2 * NODES_MAX,
            max_merge_keys: REPEATED_MAX,
            max_aliases: REPEATED_MAX,
            // One set of defaults that every device names is normal; what it repeats is bounded above.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: REPEATED_MAX },
        // Passed on, so that all of them are reported.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // `no` is a country and `012` a rack: only `true` and `false` and plain numbers are not text.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Option<Raw>>(text, options) {
        Ok(raw) => {
            let start = Position { file, line: 1, column: 1 };
            let mut node = raw.map_or(Node { at: start, value: Value::Null }, |raw| raw.into_node(file));
            node.drop_duplicates(report);
            Some(node)
        }
        Err(error) => {
            let place = error.location();
            let at = place.map_or(Position { file, line: 1, column: 1 }, |place| position(file, &place));
            report.push(Problem::error(at, explain(&error)));
            None
        }
    }
}

/// The parser's own words, without the place, which we show ourselves.
fn explain(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    let mut error = error.without_snippet();
    while let Error::AliasError { error: inner, .. } = error {
        error = inner;
    }
    let too_much = format!(
        "the file asks for more than is read: at most {NODES_MAX} values, {REPEATED_MAX} of them repeated by aliases, \
         nested {DEPTH_MAX} deep"
    );
    match error {
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => too_much,
        Error::MultipleDocuments { .. } => {
            "a file holds one YAML document; remove the `---` between them".to_owned()
        }
        other => {
            let text = other.to_string();
            let text = text.split(" at line ").next().unwrap_or(&text);
            // The parser's own limit, met before ours.
            if text.contains("recursion limit") { too_much } else { format!("this is not YAML: {text}") }
        }
    }
}
