use cliffwatch_model::Severity;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::verdict::Verdict;

/// Two lines instead of one, so that a value at the line does not flap: raised at or above the one,
/// clear below the other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The condition holds at and above this.
    pub raise: f64,
    /// It is over below this.
    pub clear: f64,
}

impl Line {
    pub(crate) fn judge(self, value: f64, severity: Severity) -> Verdict {
        if !value.is_finite() {
            Verdict::Unknown
        } else if value >= self.raise {
            Verdict::Raised(severity)
        } else if value < self.clear {
            Verdict::Clear
        } else {
            Verdict::Between
        }
    }

    pub(super) fn check(self) -> Result<(), String> {
        let Self { raise, clear } = self;
        if !(raise.is_finite() && clear.is_finite() && clear >= 0.0) {
            return Err(format!("raise ({raise}) and clear ({clear}) must be numbers from 0 up"));
        }
        if clear > raise {
            return Err(format!("clear ({clear}) must not be above raise ({raise})"));
        }
        Ok(())
    }
}

/// The condition has nothing to set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

/// The parameters with those that are given in the place of their old values.
pub(super) fn overlay<T: Serialize + DeserializeOwned>(
    base: &T,
    given: &Map<String, Value>,
) -> Result<T, String> {
    let Ok(Value::Object(mut merged)) = serde_json::to_value(base) else {
        return Err("the kind's parameters are not a map".to_owned());
    };
    merged.extend(given.iter().map(|(name, value)| (name.clone(), value.clone())));
    serde_json::from_value(Value::Object(merged)).map_err(|error| error.to_string())
}
