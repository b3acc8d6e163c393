//! From the bytes of a reply to a reading. Pure: no clock, no waiting, nothing that can panic.
//!
//! A part that cannot be understood is a fault and the others survive; nothing becomes a number that is
//! not one.

mod census;
mod complaint;
mod cpu_table;
mod load;
mod name;
mod namespaces;
mod number;
mod sections;
mod slow;
mod table;

use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{
    Epoch, Fault, FaultKind, Reachability, Reading, Scope, SourceError, TableKey, TableKind, Timestamp,
};
use cliffwatch_source::{SettingsError, Target};

use crate::config::LinuxSettings;
use crate::paths;
pub(crate) use complaint::is_sudos;
pub(crate) use name::{Owner, owner};
use namespaces::{Around, Namespaces};
use number::Lookup;
pub(crate) use number::decimal;
pub(crate) use sections::{Section, Sections};
pub(crate) use slow::{Memory, POLLER_ADDRESS, SSH_PORT};
use table::TableReply;

/// A device's words in a message are cut here.
const EXCERPT_CHARS_MAX: usize = 80;

/// Turns the replies of one device into readings, in the order in which they came: shares and rates need
/// the reply before.
#[derive(Debug)]
pub struct Decoder {
    table: Arc<TableKey>,
    settings: LinuxSettings,
    /// Who logs in, for the right that a hint names.
    login: String,
    memory: Memory,
    namespaces: Namespaces,
}

impl Decoder {
    /// A decoder for one device.
    ///
    /// # Errors
    /// When the device's settings cannot be used.
    pub fn new(target: &Target) -> Result<Self, SettingsError> {
        let device = target.device.name.clone();
        let username = target.credential.as_ref().and_then(|credential| credential.username.clone());
        Ok(Self {
            // The namespace that the login is in.
            table: Arc::new(TableKey::new(
                device,
                Scope::new("netns", "host"),
                TableKind::Conntrack,
                "nf_conntrack",
            )),
            settings: target.settings.read()?,
            login: username.unwrap_or_else(|| "LOGIN".to_owned()),
            memory: Memory::default(),
            namespaces: Namespaces::default(),
        })
    }

    /// Reads one reply as it came from the device.
    ///
    /// `observed_at` is our clock when it came; `round_trip` is how long it was under way, where known.
    ///
    /// # Errors
    /// When it holds nothing that can be understood.
    pub fn decode(
        &mut self,
        reply: &[u8],
        observed_at: Timestamp,
        round_trip: Option<Duration>,
    ) -> Result<Reading, SourceError> {
        self.read(&Sections::parse(reply)?, observed_at, round_trip)
    }

    pub(crate) fn read(
        &mut self,
        sections: &Sections,
        observed_at: Timestamp,
        round_trip: Option<Duration>,
    ) -> Result<Reading, SourceError> {
        let boot = Lookup::of(sections.get(paths::BOOT_ID), boot_epoch);
        self.memory.turn_epoch(boot.value());
        self.namespaces.turn_epoch(boot.value());
        let halfway = observed_at.minus(round_trip.unwrap_or_default() / 2);
        let slow = self.memory.read(sections, halfway);
        let replied = TableReply::new(sections);
        let table = replied.read(&self.table, &self.login, self.memory.kernel(), observed_at)?;
        let mut faults = table.faults;
        faults.extend(boot_fault(&boot));
        faults.extend_from_slice(self.memory.faults());
        let mut reading = Reading {
            epoch: boot.value().cloned(),
            complete: table.complete.then(table::group).into_iter().collect(),
            samples: vec![table.sample],
            load: slow.load,
            device_settings: slow.settings,
            reachability: Reachability {
                held_ms: round_trip.map(|time| time.as_secs_f64() * 1e3),
                ..Reachability::default()
            },
            evidence: Vec::new(),
            faults,
        };
        let around = Around {
            device: &self.table.device,
            from: self.settings.namespaces,
            login: &self.login,
            kernel: self.memory.kernel(),
        };
        self.namespaces.read(sections, &around, &mut reading);
        Ok(reading)
    }

    /// The name of the network namespace that the kernel's log calls by this number: `table full in netns
    /// 4026532177`.
    pub fn namespace_of(&self, netns: u64) -> Option<&str> {
        self.namespaces.name_of(netns)
    }

    /// The device's settings.
    pub(crate) fn settings(&self) -> LinuxSettings {
        self.settings
    }

    /// Who logs in, or `LOGIN` where that is not known.
    pub(crate) fn login(&self) -> &str {
        &self.login
    }

    /// The other network namespace that holds this table, by the inode of its statistics file.
    pub(crate) fn namespace_with(&self, table: &TableKey) -> Option<u64> {
        self.namespaces.inode_of(table)
    }

    /// The table of the login's own network namespace.
    pub(crate) fn own_table(&self) -> &Arc<TableKey> {
        &self.table
    }

    /// Whether the next reply must have the minute's part, whatever the time.
    pub(crate) fn wants_all(&self) -> bool {
        self.memory.is_empty()
    }
}

/// `boot:` and the kernel's random id of this boot, a UUID.
fn boot_epoch(text: &str) -> Result<Epoch, String> {
    let id = text.trim();
    let is_uuid = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let epoch = is_uuid.then(|| Epoch::new(&format!("boot:{id}")).ok()).flatten();
    epoch.ok_or_else(|| number::not("a boot id", text))
}

fn boot_fault(boot: &Lookup<Epoch>) -> Option<Fault> {
    let why = match boot {
        Lookup::Missing | Lookup::NotShown => "it is not there".to_owned(),
        Lookup::Value(_) | Lookup::Later => return None,
        Lookup::Denied | Lookup::Bad(_) => return boot.fault("boot id", paths::BOOT_ID),
    };
    let message =
        format!("{}: {why}, so that a reboot cannot be told from a wrapped counter", paths::BOOT_ID);
    Some(Fault::new("boot id", FaultKind::Unsupported, message))
}

/// Major and minor number of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KernelVersion(pub(crate) u32, pub(crate) u32);

impl KernelVersion {
    /// Reads `6.1.0-18-amd64`.
    pub(crate) fn parse(release: &str) -> Option<Self> {
        let (major, rest) = release.trim().split_once('.')?;
        let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// A device's words, fit for one of our messages: the first line, short, nothing that moves the cursor.
pub(crate) fn excerpt(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let plain = |c: char| if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    let mut short: String = line.trim().chars().map(plain).take(EXCERPT_CHARS_MAX).collect();
    if line.trim().chars().nth(EXCERPT_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_of_all_sorts() {
        let version = |text| KernelVersion::parse(text);
        assert_eq!(version("6.18.44-fc-v657\n"), Some(KernelVersion(6, 18)));
        assert_eq!(version("5.15-rc1"), Some(KernelVersion(5, 15)));
        assert!(KernelVersion(4, 19) < KernelVersion(5, 4) && KernelVersion(5, 4) < KernelVersion(5, 15));
        assert_eq!((version(""), version("six.one"), version("6")), (None, None, None));
    }

    #[test]
    fn only_a_uuid_is_a_boot_id() {
        let id = "ca684a96-8fa4-4968-89fc-788f4936bfeb";
        assert_eq!(boot_epoch(&format!("{id}\n")).unwrap().as_str(), format!("boot:{id}"));
        assert!(boot_epoch("c").is_err() && boot_epoch("").is_err() && boot_epoch(&"x".repeat(36)).is_err());
    }
}
