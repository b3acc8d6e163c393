use serde::de::DeserializeOwned;

/// A platform's own settings of one device, as the inventory spells them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(serde_json::Map<String, serde_json::Value>);

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
    pub fn new(map: serde_json::Map<String, serde_json::Value>) -> Self {
        Self(map)
    }

    /// Reads the settings into a platform's own type. The type denies unknown fields, so that a typing
    /// error is an error.
    ///
    /// # Errors
    /// When a field is unknown or has the wrong type; the message names it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        serde_json::from_value(serde_json::Value::Object(self.0.clone())).map_err(|error| {
            let message = error.to_string();
            let field = self.0.keys().find(|key| message.contains(&format!("`{key}`")));
            let field = field.map_or_else(|| "settings".to_owned(), |key| format!("settings.{key}"));
            SettingsError { field, message }
        })
    }
}
