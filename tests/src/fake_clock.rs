//! The wall clock of one process, moved while it runs. Monotonic time stays real, as on a machine whose clock is set.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::subfolders;
use crate::skip::Need;

/// Where a process looks up how far its wall clock is off.
#[derive(Debug)]
pub struct FakeClock {
    file: PathBuf,
}

impl FakeClock {
    /// What a machine must have for it.
    pub const NEEDS: &[Need] = &[Need::Faketime];

    /// A clock that is right, kept in this folder.
    ///
    /// # Panics
    ///
    /// When the folder cannot be written.
    pub fn new(folder: &Path) -> Self {
        let clock = Self { file: folder.join("clock") };
        clock.step(0);
        clock
    }

    /// From now on the clock is off by so many seconds, seen at the next look of the process.
    ///
    /// # Panics
    ///
    /// When the file cannot be written.
    pub fn step(&self, seconds: i64) {
        // By a rename, in one step: the process may look at any moment.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n")).expect("a clock");
        fs::rename(new, &self.file).expect("a clock");
    }

    /// Makes a process that is still to start look at this clock.
    ///
    /// # Panics
    ///
    /// Without libfaketime: the test should have said that it needs it.
    pub fn give_to(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library().expect("libfaketime"));
        command.env("FAKETIME_TIMESTAMP_FILE", &self.file).env("FAKETIME_NO_CACHE", "1");
        // Versions know it by one name or the other.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
    }
}

/// The library for processes with threads.
pub(crate) fn library() -> Option<PathBuf> {
    let folders = subfolders("/usr/lib").chain([PathBuf::from("/usr/lib")]);
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|library| library.is_file())
}
