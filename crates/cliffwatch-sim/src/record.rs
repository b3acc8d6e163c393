use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Undocumented commands that are kept; the first ones tell what is wrong.
const UNDOCUMENTED_MAX: usize = 100;
/// Of each, the beginning is kept.
const COMMAND_CHARS_MAX: usize = 2_000;

/// A command that no list for change control holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undocumented {
    /// The device that was asked.
    pub device: String,
    /// What it was asked.
    pub command: String,
}

/// What the devices of a fleet were asked.
#[derive(Debug, Default)]
pub(crate) struct Record(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    documented: BTreeMap<Arc<str>, u64>,
    undocumented: Vec<Undocumented>,
    logins: u64,
}

impl Record {
    pub(crate) fn documented(&self, command: &Arc<str>) {
        *self.lock().documented.entry(Arc::clone(command)).or_default() += 1;
    }

    pub(crate) fn undocumented(&self, device: &str, command: &str) {
        tracing::error!(device, command, "A command arrived that is not documented; it was refused.");
        let undocumented = &mut self.lock().undocumented;
        if undocumented.len() < UNDOCUMENTED_MAX {
            let command = command.chars().take(COMMAND_CHARS_MAX).collect();
            undocumented.push(Undocumented { device: device.to_owned(), command });
        }
    }

    pub(crate) fn login(&self) {
        self.lock().logins += 1;
    }

    pub(crate) fn logins(&self) -> u64 {
        self.lock().logins
    }

    pub(crate) fn times(&self, command: &str) -> u64 {
        self.lock().documented.get(command).copied().unwrap_or(0)
    }

    pub(crate) fn all_undocumented(&self) -> Vec<Undocumented> {
        self.lock().undocumented.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
