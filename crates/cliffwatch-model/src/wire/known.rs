//! What is not known may be `null` as well as absent: the contract says both.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// A field of which `null` means that nothing is known.
pub(crate) fn known<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The entries of a map of which something is known.
pub(crate) fn known_of<'de, D, T>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let all: BTreeMap<String, Option<T>> = known(deserializer)?;
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
}
