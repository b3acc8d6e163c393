use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{DeviceSettings, Fix, Platform, Reading, Remedy, SourceError, Timestamp};
use tokio::sync::mpsc;

use crate::{SessionSource, SettingsError, Target};

/// A platform, for the life of the process.
pub trait SourceFactory: Send + Sync {
    /// The name that the inventory uses.
    fn platform(&self) -> Platform;

    /// The shortest interval that does no harm; shorter ones are raised to it, and said aloud.
    fn interval_min(&self) -> Duration;

    /// What is wrong with a device's settings, or worth a warning, without touching the network.
    fn check(&self, target: &Target) -> Vec<Problem>;

    /// Makes the source of one device. No I/O to the device: the first poll connects.
    ///
    /// # Errors
    /// When the settings cannot be used or a secret cannot be read.
    fn open(&self, target: &Target) -> Result<Opened, OpenError>;

    /// Everything that can ever be sent to a device of this platform, whatever its settings are.
    fn access(&self) -> Vec<Access>;

    /// Everything that can ever be sent to this device with the settings that it has.
    fn access_of(&self, _target: &Target) -> Vec<Access> {
        self.access()
    }

    /// A remedy in the words of this platform, for a device with these settings; nothing where it has none.
    fn fix(&self, _remedy: &Remedy, _settings: &DeviceSettings) -> Option<Fix> {
        None
    }

    /// Whether connections can be made from the device to other hosts, see [`SessionSource::dial`].
    fn dials(&self, _address: Option<&str>) -> bool {
        false
    }

    /// How the platform's shared parts (connections, listeners, call budgets) are doing.
    fn hubs(&self) -> Vec<HubStatus> {
        Vec::new()
    }

    /// Makes readings from captured replies: the layout of the golden folders.
    ///
    /// # Errors
    /// When a file is missing or cannot be understood.
    fn decode(
        &self,
        folder: &Path,
        target: &Target,
        observed_at: Timestamp,
    ) -> Result<Vec<Reading>, DecodeError>;
}

/// An opened source.
#[derive(Debug)]
pub struct Opened {
    /// Polls and answers questions.
    pub source: Arc<dyn SessionSource>,
    /// Readings that cannot wait for the tick, from sources that are pushed to.
    pub pushed: Option<mpsc::Receiver<Reading>>,
}

/// Why a source could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The device's settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A secret could not be read.
    #[error(transparent)]
    Secret(#[from] crate::SecretError),
}

/// Something that `check` says about one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field it is about, as a path within the device: `settings.namespaces`, `host_key`.
    pub field: String,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// Whether it stops the start.
    pub weight: Weight,
}

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The configuration cannot be used.
    Error,
    /// The same, because nothing says how the device proves who it is; `probe` shows what to write.
    Unpinned,
    /// It can, and the operator should know.
    Warning,
}

/// One command, URL or API action that can be sent.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Access {
    /// What it is, in a few words.
    pub name: String,
    /// The command, URL or action, word for word.
    pub action: String,
    /// The right it needs on the device.
    pub right: String,
    /// When it is sent.
    pub when: AccessWhen,
}

/// When an action is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessWhen {
    /// Once, when a session begins.
    Session,
    /// With each poll.
    Poll,
    /// About once a minute.
    Minute,
    /// Only when a rule asks.
    Ask,
    /// Each 30 s, and when a rule asks: what a device's canary does, whatever its platform.
    Canary,
    /// Only by `cliffwatch probe`, which a person starts.
    Probe,
}

/// How a shared part is doing.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HubStatus {
    /// Which part: `ssh`.
    pub hub: &'static str,
    /// Gauges and counters by name.
    pub figures: BTreeMap<&'static str, u64>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
}

/// Why captured replies could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A file is missing or unreadable.
    #[error("`{file}` cannot be read: {source}")]
    File {
        /// Which file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The replies are not a reading.
    #[error(transparent)]
    Reply(#[from] SourceError),
    /// The settings beside the replies cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}
