use std::collections::HashMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use crate::diagnostics::{FileId, Position, Problem, Report};

/// The largest file that is read: 10,000 devices with everything written out take 5 MB.
pub(super) const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The deepest nesting: what the schema needs is 8, and reading recurses.
const DEPTH_MAX: usize = 32;
/// Values in one file, those that aliases repeat included: a file of the largest size has about a million
/// when it is honest, and a value takes about 100 bytes of memory.
const NODES_MAX: usize = 2_000_000;
/// Values that aliases and merge keys may repeat: ten for each of 20,000 devices. An alias bomb ends here.
const REPEATED_MAX: usize = 200_000;

/// A value and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub at: Position,
    pub value: Value,
}

/// What YAML can say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(Box<str>),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub at: Position,
    pub text: Box<str>,
}

/// Reads a file from disk into the report and parses it. `named_at` is where the operator named the file.
///
/// Nothing where it cannot be read or parsed; the report then says why.
pub(crate) fn load(path: &Path, named_at: Option<Position>, report: &mut Report) -> Option<Node> {
    let text = match read_text(path) {
        Ok(text) => text,
        Err(reason) => {
            report.push(Problem::error(named_at, format!("`{}` cannot be read: {reason}", path.display())));
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

fn position(file: FileId, place: &serde_saphyr::Location) -> Position {
    let number = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    Position { file, line: number(place.line()), column: number(place.column()) }
}

// === impl Node ===

impl Node {
    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[(Key, Self)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a key.
    pub(crate) fn entry(&self, key: &str) -> Option<&(Key, Self)> {
        self.entries().iter().find(|(known, _)| &*known.text == key)
    }

    /// The text of a key's value, where it is text.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match &self.entry(key)?.1.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The place of a path such as `settings.namespaces`, as far as the path can be followed.
    pub(crate) fn find(&self, path: &str) -> Position {
        let mut at = self.at;
        let mut node = self;
        for key in path.split('.') {
            let Some((key, value)) = node.entry(key) else { break };
            (at, node) = (key.at, value);
        }
        at
    }

    /// What kind of value it is, for "found …".
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Integer(_) | Value::Unsigned(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Reports keys that occur twice, and keeps the first of them.
    fn drop_duplicates(&mut self, report: &mut Report) {
        match &mut self.value {
            Value::Map(entries) => {
                let mut seen: HashMap<Box<str>, Position> = HashMap::new();
                entries.retain(|(key, _)| match seen.get(&key.text) {
                    Some(first) => {
                        report.push(duplicate(key, *first));
                        false
                    }
                    None => seen.insert(key.text.clone(), key.at).is_none(),
                });
                entries.iter_mut().for_each(|(_, value)| value.drop_duplicates(report));
            }
            Value::List(items) => items.iter_mut().for_each(|item| item.drop_duplicates(report)),
            Value::Null
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Unsigned(_)
            | Value::Float(_)
            | Value::Text(_) => {}
        }
    }
}

fn duplicate(key: &Key, first: Position) -> Problem {
    let message = format!("duplicate key `{}`: it stands in line {} as well", key.text, first.line);
    Problem::error(key.at, message).hint("keep one of them")
}

// === impl Raw ===

/// A node before it knows its file.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Scalar(Value),
    List(Vec<Raw>),
    Map(Vec<(Spanned<Box<str>>, Raw)>),
}

impl Raw {
    fn into_node(self, file: FileId) -> Node {
        let at = position(file, &self.0.defined);
        let value = match self.0.value {
            RawValue::Scalar(value) => value,
            RawValue::List(items) => {
                Value::List(items.into_iter().map(|item| item.into_node(file)).collect())
            }
            RawValue::Map(entries) => {
                let key = |key: Spanned<Box<str>>| Key { at: position(file, &key.defined), text: key.value };
                Value::Map(entries.into_iter().map(|(k, value)| (key(k), value.into_node(file))).collect())
            }
        };
        Node { at, value }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Value::Integer(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Value::Unsigned(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Scalar(Value::Text(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<RawValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(RawValue::Map(entries))
    }
}
