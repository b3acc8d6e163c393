use std::cell::RefCell;
use std::collections::HashSet;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::at::{AT, ONE_OR_MANY, PlaceParts};
use super::mismatch::{EntryId, Mismatch, entry_id};
use super::nearest;
use super::node::{Key, Node, Value};
use crate::diagnostics::{Problem, Report};

/// Reads a part of the tree as a typed value, and reports everything that is wrong with it.
///
/// Nothing where the part cannot be used at all. Otherwise fields that are wrong are left out as if absent:
/// the report has the errors, so the value is good only for finding more of them.
pub(crate) fn read<T: DeserializeOwned>(node: &Node, report: &mut Report) -> Option<T> {
    let mut attempt = Attempt::default();
    let value = loop {
        match T::deserialize(NodeReader { node, attempt: &attempt }) {
            Ok(value) => break Some(value),
            Err(mismatch) => {
                let entry = mismatch.entry;
                if !mismatch.said {
                    report.push(mismatch.into_problem(node.at));
                }
                match entry {
                    // Each round skips one more entry, so this ends.
                    Some(entry) if report.has_room() => attempt.skipped.insert(entry),
                    _ => break None,
                };
            }
        }
    };
    report.extend(attempt.unknown.into_inner());
    value
}

/// What the tries at reading a part found so far.
#[derive(Default)]
struct Attempt {
    /// What could not be used: the next try takes it as absent.
    skipped: HashSet<EntryId>,
    /// Keys that nobody knows.
    unknown: RefCell<Vec<Problem>>,
}

impl Attempt {
    fn unknown(&self, problem: Problem) {
        let mut unknown = self.unknown.borrow_mut();
        if !unknown.contains(&problem) {
            unknown.push(problem);
        }
    }
}

/// Serde's view of a node.
#[derive(Clone, Copy)]
struct NodeReader<'a> {
    node: &'a Node,
    attempt: &'a Attempt,
}

impl<'de> Deserializer<'de> for NodeReader<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(value) => visitor.visit_str(value),
            Value::List(items) => visitor.visit_seq(Items { rest: items, attempt: self.attempt }),
            Value::Map(entries) => {
                visitor.visit_map(Entries { rest: entries, known: None, value: None, attempt: self.attempt })
            }
        }
        .map_err(|mismatch: Mismatch| mismatch.at(self.node.at))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match name {
            AT => visitor.visit_seq(PlaceThenValue { reader: self, step: 0 }),
            ONE_OR_MANY => match &self.node.value {
                Value::List(_) => self.deserialize_any(visitor),
                _ => {
                    visitor.visit_seq(Items { rest: std::slice::from_ref(self.node), attempt: self.attempt })
                }
            },
            _ => visitor.visit_newtype_struct(self),
        }
    }

    /// Keys that the type does not have are reported and skipped. A mapping without entries may be left empty.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let entries = match &self.node.value {
            Value::Null => &[],
            Value::Map(entries) => entries.as_slice(),
            _ => {
                return Err(
                    Mismatch::new(format!("expected a mapping, found {}", self.node.kind())).at(self.node.at)
                );
            }
        };
        for (key, _) in entries.iter().filter(|(key, _)| !fields.contains(&&*key.text)) {
            self.attempt.unknown(unknown_key(key, fields));
        }
        let known = Entries { rest: entries, known: Some(fields), value: None, attempt: self.attempt };
        visitor.visit_map(known).map_err(|mut mismatch: Mismatch| {
            if let Some(field) = mismatch.missing.take() {
                mismatch.said = self.node.entry(field).is_some();
            }
            mismatch.at(self.node.at)
        })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Text(word) => {
                visitor.visit_enum::<StrDeserializer<'_, Mismatch>>((&**word).into_deserializer())
            }
            _ => Err(de::Error::unknown_variant("", variants)),
        }
        .map_err(|mismatch: Mismatch| mismatch.at(self.node.at))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier
    }
}

fn unknown_key(key: &Key, fields: &[&'static str]) -> Problem {
    let hint = match nearest(&key.text, fields.iter().copied()) {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("known here: {}", fields.join(", ")),
    };
    Problem::error(key.at, format!("unknown key `{}`", key.text)).hint(hint)
}

/// The items of a list.
struct Items<'a> {
    rest: &'a [Node],
    attempt: &'a Attempt,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        while let Some((node, rest)) = self.rest.split_first() {
            self.rest = rest;
            if !self.attempt.skipped.contains(&entry_id(node)) {
                let reader = NodeReader { node, attempt: self.attempt };
                return seed.deserialize(reader).map(Some).map_err(|mismatch| mismatch.inside(node));
            }
        }
        Ok(None)
    }
}

/// The entries of a mapping; of a struct only those it has fields for.
struct Entries<'a> {
    rest: &'a [(Key, Node)],
    known: Option<&'static [&'static str]>,
    value: Option<&'a Node>,
    attempt: &'a Attempt,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        while let Some(((key, node), rest)) = self.rest.split_first() {
            self.rest = rest;
            let known = self.known.is_none_or(|known| known.contains(&&*key.text));
            if known && !self.attempt.skipped.contains(&entry_id(node)) {
                self.value = Some(node);
                let key: StrDeserializer<'_, Mismatch> = (&*key.text).into_deserializer();
                return seed.deserialize(key).map(Some).map_err(|mismatch| mismatch.inside(node));
            }
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let node = self.value.take().ok_or_else(|| Mismatch::new("a key without a value"))?;
        let reader = NodeReader { node, attempt: self.attempt };
        seed.deserialize(reader).map_err(|mismatch| mismatch.inside(node))
    }
}

/// What [`At`](super::At) reads: the place, then the value.
struct PlaceThenValue<'a> {
    reader: NodeReader<'a>,
    step: u8,
}

impl<'de> SeqAccess<'de> for PlaceThenValue<'_> {
    type Error = Mismatch;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        self.step += 1;
        match self.step {
            1 => {
                let (file, line, column): PlaceParts = self.reader.node.at.to_parts();
                let parts = [file as u64, u64::from(line), u64::from(column)];
                seed.deserialize(de::value::SeqDeserializer::new(parts.into_iter())).map(Some)
            }
            _ => seed.deserialize(self.reader).map(Some),
        }
    }
}
