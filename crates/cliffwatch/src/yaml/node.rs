use std::collections::HashMap;

use crate::diagnostics::{Position, Problem, Report};

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
    pub(super) fn drop_duplicates(&mut self, report: &mut Report) {
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
