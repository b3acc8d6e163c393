use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::nearest;
use super::node::Node;
use crate::diagnostics::{Position, Problem};

/// A value that is not what its place asks for.
#[derive(Debug)]
pub(super) struct Mismatch {
    message: String,
    hint: Option<String>,
    at: Option<Position>,
    /// The innermost entry that holds it.
    pub(super) entry: Option<EntryId>,
    /// The field that is missing, where that is what is wrong.
    pub(super) missing: Option<&'static str>,
    /// Whether it was said already: the field is missing because its value could not be used.
    pub(super) said: bool,
}

impl Mismatch {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, at: None, entry: None, missing: None, said: false }
    }

    pub(super) fn at(mut self, at: Position) -> Self {
        self.at.get_or_insert(at);
        self
    }

    pub(super) fn inside(mut self, entry: &Node) -> Self {
        self.entry.get_or_insert(entry_id(entry));
        self.at(entry.at)
    }

    pub(super) fn into_problem(self, fallback: Position) -> Problem {
        Problem { hint: self.hint, ..Problem::error(self.at.unwrap_or(fallback), self.message) }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Mismatch {}

/// None of these repeats the value: it may be a secret in the wrong place.
impl de::Error for Mismatch {
    /// The first line is the message, the second the hint.
    fn custom<T: fmt::Display>(text: T) -> Self {
        let text = text.to_string();
        match text.split_once('\n') {
            Some((message, hint)) => Self { hint: Some(hint.to_owned()), ..Self::new(message) },
            None => Self::new(text),
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let expected = expected.to_string();
        let expected = plain_words(&expected);
        let found_kind = match found {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a whole number",
            Unexpected::Float(_) => "a number",
            Unexpected::Unit | Unexpected::Option => "nothing",
            Unexpected::Seq => "a list",
            Unexpected::Map => "a mapping",
            _ => "text",
        };
        let quotes = expected == "text"
            && matches!(
                found,
                Unexpected::Bool(_) | Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_)
            );
        let hint = quotes.then(|| "put it in quotes".to_owned());
        Self { hint, ..Self::new(format!("expected {expected}, found {found_kind}")) }
    }

    fn invalid_value(_found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {}", plain_words(&expected.to_string())))
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("`{field}` is missing")) }
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        let list = known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let hint = match nearest(variant, known.iter().copied()) {
            Some(word) => format!("did you mean `{word}`?"),
            None => format!("write one of {list}"),
        };
        Self { hint: Some(hint), ..Self::new(format!("expected one of {list}")) }
    }
}

/// Serde's names of types, as an operator would say them.
fn plain_words(expected: &str) -> &str {
    match expected {
        "a string" => "text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a mapping",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f64" => "a number",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    }
}

/// A value in the tree, by its address: the tree does not move while it is read.
pub(super) type EntryId = usize;

pub(super) fn entry_id(node: &Node) -> EntryId {
    std::ptr::from_ref(node).addr()
}
