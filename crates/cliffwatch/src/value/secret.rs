use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use cliffwatch_source::SecretRef;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use crate::diagnostics::{Position, Problem, Report};
use crate::yaml::OneOrMany;

/// Where a secret is: `{ file: … }`, `{ env: … }` or `{ command: [program, argument…] }`. Text is refused,
/// and never repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SecretSpec(SecretRef);

const FORMS: &str = "secrets are references: { file: … }, { env: … } or { command: … }";

impl SecretSpec {
    /// The reference; a relative file lies beside the file that names it.
    pub(crate) fn resolve(&self, folder: &Path) -> SecretRef {
        match &self.0 {
            SecretRef::File(path) => SecretRef::File(folder.join(path)),
            other => other.clone(),
        }
    }
}

/// Looks whether a secret can be read, without keeping it. A command is not run: it may ask a network.
pub(crate) fn check_secret(
    secret: &SecretRef,
    at: impl Into<Option<Position>>,
    whose: &str,
    report: &mut Report,
) {
    if matches!(secret, SecretRef::Command(_)) {
        return;
    }
    if let Err(error) = secret.read() {
        let hint = match secret {
            SecretRef::File(_) => "create the file, readable by the user that runs Cliffwatch",
            SecretRef::Env(_) | SecretRef::Command(_) => "set it in the environment of Cliffwatch",
        };
        report.push(Problem::error(at, format!("{whose}: {error}")).hint(hint));
    }
}

impl<'de> Deserialize<'de> for SecretSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpecVisitor).map(Self)
    }
}

struct SpecVisitor;

impl SpecVisitor {
    fn inline<E: Error>() -> E {
        E::custom(format_args!("a secret must not stand in the file\n{FORMS}"))
    }
}

impl<'de> Visitor<'de> for SpecVisitor {
    type Value = SecretRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reference to a secret: { file: … }, { env: … } or { command: … }")
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<SecretRef, E> {
        Err(Self::inline())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<SecretRef, E> {
        Err(Self::inline())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<SecretRef, E> {
        Err(Self::inline())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<SecretRef, E> {
        Err(Self::inline())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<SecretRef, E> {
        Err(Self::inline())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<SecretRef, A::Error> {
        let mut found = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            found.push(match key.as_str() {
                "file" => SecretRef::File(access.next_value::<String>()?.into()),
                "env" => SecretRef::Env(access.next_value()?),
                "command" => SecretRef::Command(words(access.next_value::<OneOrMany<String>>()?)?),
                _ => return Err(Error::custom(format_args!("unknown key `{key}`\n{FORMS}"))),
            });
        }
        match (found.pop(), found.is_empty()) {
            (Some(reference), true) => Ok(reference),
            _ => Err(Error::custom("expected exactly one of `file`, `env` and `command`")),
        }
    }
}

/// Commands run without a shell, so that nothing in them can be taken for shell syntax.
fn words<E: Error>(command: OneOrMany<String>) -> Result<Vec<String>, E> {
    match command.0.as_slice() {
        [] => Err(E::custom("the command is empty")),
        [one] if one.contains(char::is_whitespace) => {
            Err(E::custom("the command is run without a shell\nwrite a list: [program, argument]"))
        }
        _ => Ok(command.0),
    }
}

impl JsonSchema for SecretSpec {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "where a secret is; never the secret itself",
            "oneOf": [
                { "type": "object", "properties": { "file": { "type": "string" } }, "required": ["file"], "additionalProperties": false },
                { "type": "object", "properties": { "env": { "type": "string" } }, "required": ["env"], "additionalProperties": false },
                { "type": "object", "properties": { "command": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] } }, "required": ["command"], "additionalProperties": false }
            ]
        })
    }
}
