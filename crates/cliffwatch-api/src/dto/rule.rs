use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A rule in force, as `rules.yaml` would have it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rule {
    /// Its name.
    id: String,
    /// What it watches for.
    kind: String,
    /// How much it matters; null where the kind decides by how bad it is.
    severity: Option<String>,
    /// How long the condition must hold before the alert fires.
    #[serde(rename = "for")]
    #[schema(example = "5m")]
    for_: String,
    /// How long it must be measured as over before the alert is resolved.
    #[schema(example = "5m")]
    hold: String,
    /// Whom it is for.
    #[serde(rename = "match")]
    matches: Selector,
    /// Whom of those it is not for.
    except: Option<Selector>,
    /// Whether it is in use.
    enabled: bool,
    /// The kind's parameters.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    parameters: Map<String, Value>,
}

/// Chooses devices and tables. What is null matches all.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
struct Selector {
    /// The device's labels.
    labels: BTreeMap<String, String>,
    /// The device's name.
    device: Option<String>,
    /// The device's platform.
    platform: Option<String>,
    /// The table's kind.
    table: Option<String>,
}
