//! What is saved of a device between processes: one row for the device, one for each table, as JSON text.

use std::sync::Arc;

use cliffwatch_model::{DeviceName, TableId};
use serde::{Deserialize, Serialize};

use crate::device::{Device, DeviceMemory};
use crate::diagnosis::TableSight;
use crate::lifecycle::Progress;
use crate::table::{Table, TableMemory};
use crate::tracks::Tracks;

/// The form that this version writes. Fields may be added to it; a meaning that changes gets a new number.
const VERSION: u32 = 2;

/// A saved row that cannot be continued from.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is not what [`Engine::save`](crate::Engine::save) wrote.
    #[error("saved rule state of {device} cannot be read: {source}")]
    Malformed {
        /// Whose.
        device: DeviceName,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A newer version of Cliffwatch wrote it.
    #[error("saved rule state of {device} has version {found}; this version of cliffwatch reads {VERSION}")]
    Newer {
        /// Whose.
        device: DeviceName,
        /// The version it has.
        found: u32,
    },
}

#[derive(Serialize, Deserialize)]
struct DeviceRow<M> {
    #[serde(flatten)]
    memory: M,
    tracks: Vec<(Arc<str>, Progress)>,
}

#[derive(Serialize, Deserialize)]
struct TableRow<M> {
    path: Arc<str>,
    #[serde(flatten)]
    memory: M,
    tracks: Vec<(Arc<str>, Progress)>,
}

#[derive(Deserialize)]
struct Version {
    v: u32,
}

#[derive(Serialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    row: T,
}

fn tracks(tracks: &Tracks) -> Vec<(Arc<str>, Progress)> {
    tracks.progress().map(|(id, progress)| (Arc::clone(id), progress.clone())).collect()
}

fn text(row: impl Serialize) -> Option<String> {
    // Plain data with text keys always has a JSON form.
    serde_json::to_string(&Versioned { v: VERSION, row }).ok()
}

/// The row of the device itself.
pub(crate) fn device_text(device: &Device) -> Option<String> {
    text(DeviceRow { memory: &device.memory, tracks: tracks(&device.tracks) })
}

/// The row of a table.
pub(crate) fn table_text(table: &Table) -> Option<String> {
    text(TableRow { path: Arc::clone(&table.path), memory: &table.memory, tracks: tracks(&table.tracks) })
}

/// A device as its rows have it.
pub(crate) fn read(
    name: &DeviceName,
    rows: impl IntoIterator<Item = (Option<TableId>, String)>,
) -> Result<Device, StateError> {
    let malformed = |source| StateError::Malformed { device: name.clone(), source };
    let mut device = Device { unsaved: false, ..Device::new() };
    for (id, text) in rows {
        let Version { v } = serde_json::from_str(&text).map_err(malformed)?;
        if v > VERSION {
            return Err(StateError::Newer { device: name.clone(), found: v });
        }
        match id {
            None => {
                let row: DeviceRow<DeviceMemory> = serde_json::from_str(&text).map_err(malformed)?;
                device.memory = row.memory;
                device.tracks = Tracks::restore(row.tracks);
            }
            Some(id) => {
                let row: TableRow<TableMemory> = serde_json::from_str(&text).map_err(malformed)?;
                let tracks = Tracks::restore(row.tracks);
                let (path, memory, sight) = (row.path, row.memory, TableSight::default());
                let table = Table { path, memory, tracks, sight, unsaved: false };
                device.tables.insert(id, Box::new(table));
            }
        }
    }
    Ok(device)
}

/// An instant that may be absent, as microseconds: a third of its text.
pub(crate) mod micros {
    use cliffwatch_model::Timestamp;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's `with` calls it so")]
    pub(crate) fn serialize<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        at.map(Timestamp::as_micros).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<i64>::deserialize(d)?.map(Timestamp::from_micros))
    }
}

/// An instant as microseconds.
pub(crate) mod micros_plain {
    use cliffwatch_model::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.as_micros())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Timestamp, D::Error> {
        i64::deserialize(d).map(Timestamp::from_micros)
    }
}

/// A duration as microseconds.
pub(crate) mod micros_span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
        u64::deserialize(d).map(Duration::from_micros)
    }
}
