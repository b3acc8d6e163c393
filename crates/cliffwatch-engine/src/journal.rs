//! The events journal: what was told while the store was away, on our own disk.
//!
//! One JSON object a line, appended and fsynced before the event is released. At the start it is adopted
//! before the first observation, so that ids and sequences continue; once the store has everything it
//! is emptied.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cliffwatch_model::AlertEvent;

/// The journal is read up to here at the start: tens of thousands of events, of a store that was away for weeks.
const JOURNAL_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// An open journal.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    bytes: u64,
}

/// What a journal held when it was opened.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) events: Vec<AlertEvent>,
    /// Where a copy lies, if some of it could not be read.
    pub(crate) damaged: Option<PathBuf>,
}

impl Journal {
    /// Opens or makes the file and reads what it holds.
    ///
    /// A last line without an end was cut off by a crash: its event was never released, so it goes. When
    /// another line cannot be read, the whole file is copied aside, so that nothing is lost.
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Kept)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut text = Vec::new();
        (&mut file).take(JOURNAL_BYTES_MAX).read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        text.truncate(whole);
        let mut kept = Kept::default();
        let mut unreadable = 0;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            match serde_json::from_slice(line) {
                Ok(event) => kept.events.push(event),
                Err(_) => unreadable += 1,
            }
        }
        if unreadable > 0 {
            let aside = path.with_extension("journal.damaged");
            std::fs::copy(path, &aside)?;
            kept.damaged = Some(aside);
        }
        file.set_len(whole as u64)?;
        Ok((Self { file, bytes: whole as u64 }, kept))
    }

    /// Appends events and returns once they are on the disk. After a failure the file is as before.
    pub(crate) fn append(&mut self, events: &[AlertEvent]) -> io::Result<()> {
        let mut text = Vec::new();
        for event in events {
            serde_json::to_writer(&mut text, event)?;
            text.push(b'\n');
        }
        let written = self.file.write_all(&text).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.bytes += text.len() as u64,
            Err(_) => self.file.set_len(self.bytes)?,
        }
        written
    }

    /// Empties the journal: the store has everything.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.bytes = 0;
        self.file.sync_data()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use cliffwatch_model::{AlertState, DeviceName, Severity, Timestamp};

    use super::*;

    fn event(seq: u32) -> AlertEvent {
        AlertEvent {
            id: format!("a/{seq}"),
            alert_id: "a".into(),
            seq,
            fingerprint: "f".into(),
            incident_id: None,
            at: Timestamp::from_secs(5),
            onset: Timestamp::from_secs(5),
            rule: "refusing".into(),
            severity: Severity::Critical,
            previous_severity: None,
            device: DeviceName::new("gw").unwrap(),
            table_id: None,
            table: None,
            labels: std::collections::BTreeMap::new(),
            state: AlertState::Firing,
            value: Some(1.0),
            threshold: None,
            unit: "entries".into(),
            summary: "two\nlines".into(),
            evidence: serde_json::Map::new(),
            told: true,
        }
    }

    #[test]
    fn what_was_appended_is_kept_and_a_torn_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.journal");
        let (mut journal, kept) = Journal::open(&path).unwrap();
        assert!(kept.events.is_empty());
        journal.append(&[event(1), event(2)]).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 1..40 {
            std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            let (mut journal, kept) = Journal::open(&path).unwrap();
            assert_eq!(kept.events, [event(1)], "cut by {cut}");
            journal.append(&[event(3)]).unwrap();
            assert_eq!(Journal::open(&path).unwrap().1.events, [event(1), event(3)]);
        }
    }

    #[test]
    fn a_damaged_line_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.journal");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(&[event(1)]).unwrap();
        journal.append(&[event(2)]).unwrap();
        let mut whole = std::fs::read(&path).unwrap();
        whole[3] = b'#';
        std::fs::write(&path, &whole).unwrap();
        let (mut journal, kept) = Journal::open(&path).unwrap();
        assert_eq!(kept.events, [event(2)]);
        assert_eq!(std::fs::read(kept.damaged.unwrap()).unwrap(), whole);
        journal.clear().unwrap();
        assert!(journal.is_empty() && Journal::open(&path).unwrap().1.events.is_empty());
    }
}
