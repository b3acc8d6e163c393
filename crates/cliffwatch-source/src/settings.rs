use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A platform's own settings of one device, as the inventory spells them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Map<String, Value>);

/// Settings that a platform cannot use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct SettingsError {
    /// The field as a path within the device: `settings.namespaces`.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub message: String,
}

impl SettingsError {
    /// An error about one field.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

impl Settings {
    /// Takes the map as the inventory spells it.
    pub fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// Reads the settings into a platform's own type. The type denies unknown fields, so that a typing
    /// error is an error.
    ///
    /// # Errors
    /// When a field is unknown or has the wrong type; the message names it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        read::<T>(self.0.clone()).map_err(|error| {
            let message = error.to_string();
            // The error tells a value of the wrong type without its field, and an unknown field among those that are
            // known: the one to name is as wrong alone.
            let is_wrong = |key: &str, value: &Value| {
                let map = Map::from_iter([(key.to_owned(), value.clone())]);
                read::<T>(map).is_err_and(|error| error.to_string() == message)
            };
            let wrong = self.0.iter().find(|(key, value)| is_wrong(key, value)).map(|(key, _)| key);
            let named = || self.0.keys().find(|key| message.contains(&format!("`{key}`")));
            let field = wrong.or_else(named);
            let field = field.map_or_else(|| "settings".to_owned(), |key| format!("settings.{key}"));
            SettingsError { field, message }
        })
    }
}

fn read<T: DeserializeOwned>(map: Map<String, Value>) -> serde_json::Result<T> {
    serde_json::from_value(Value::Object(map))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Wanted {
        _evidence: bool,
        _namespaces: bool,
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        let field = |text: &str| {
            Settings::new(serde_json::from_str(text).unwrap()).read::<Wanted>().unwrap_err().field
        };
        assert_eq!(field(r#"{"_evidence":true,"_namespaces":"maybe"}"#), "settings._namespaces");
        assert_eq!(field(r#"{"_evidence":true,"bogus":1}"#), "settings.bogus");
    }
}
