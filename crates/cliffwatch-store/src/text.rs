//! Text on its way into and out of the database.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// What a device's NUL becomes: Postgres takes no NUL in text, and nothing else is lost.
const NUL_SHOWN: char = '\u{FFFD}';

/// Text without NUL.
pub(crate) fn clean(text: &str) -> String {
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text.to_owned() }
}

/// JSON text without NUL, in which serde has written it as an escape.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    let text = serde_json::to_string(value)
        .map_err(|error| StoreError::permanent(format!("a value cannot be written as JSON: {error}")))?;
    Ok(match without_nul_escape(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(clean) => clean,
    })
}

/// JSON text, or nothing for what is empty: an absent column costs one bit.
pub(crate) fn json_unless<T: Serialize + ?Sized>(
    empty: bool,
    value: &T,
) -> Result<Option<String>, StoreError> {
    if empty { Ok(None) } else { json(value).map(Some) }
}

/// Reads what [`json`] wrote.
pub(crate) fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(column, &error.to_string()))
}

/// Reads what [`json_unless`] wrote.
pub(crate) fn from_json_or_default<T: DeserializeOwned + Default>(
    column: &str,
    text: Option<&str>,
) -> Result<T, StoreError> {
    text.map_or_else(|| Ok(T::default()), |text| from_json(column, text))
}

/// A word of one of the model's lists.
pub(crate) fn word<T>(
    column: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, StoreError> {
    parse(text).ok_or_else(|| corrupt(column, &format!("`{text}` is not one of the known values")))
}

/// A stored value that this binary did not write.
pub(crate) fn corrupt(column: &str, problem: &str) -> StoreError {
    StoreError::permanent(format!("column `{column}` holds what Cliffwatch did not write: {problem}"))
}

fn without_nul_escape(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u0000") {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    // Backslashes come in pairs with what they escape, so the text is walked from escape to escape.
    while let Some((before, after)) = rest.split_once('\\') {
        clean.push_str(before);
        if let Some(after) = after.strip_prefix("u0000") {
            clean.push(NUL_SHOWN);
            rest = after;
            continue;
        }
        let mut characters = after.chars();
        clean.push('\\');
        clean.extend(characters.next());
        rest = characters.as_str();
    }
    clean.push_str(rest);
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nul_is_lost() {
        assert_eq!(clean("a\0b\u{1F525}"), "a\u{FFFD}b\u{1F525}");
        let value = serde_json::json!({"a\0": "\0\\u0000\\\0 \n\"", "b": "\\\\u0000"});
        let read: serde_json::Value = from_json("test", &json(&value).unwrap()).unwrap();
        assert_eq!(
            read,
            serde_json::json!({"a\u{FFFD}": "\u{FFFD}\\u0000\\\u{FFFD} \n\"", "b": "\\\\u0000"})
        );
    }
}
