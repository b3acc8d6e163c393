//! An inventory of the lab's devices.

use std::fmt::{self, Display, Write as _};
use std::path::PathBuf;

use crate::sshd::Sshd;

/// Builds the YAML that an operator would write.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    devices: Vec<Device>,
}

#[derive(Clone, Debug)]
struct Device {
    name: String,
    address: String,
    user: String,
    key: PathBuf,
    host_key: String,
    more: String,
}

impl Inventory {
    /// An empty one. Its devices are polled each second.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a device behind this sshd, with a credential of its own.
    #[must_use]
    pub fn with(self, name: &str, sshd: &Sshd) -> Self {
        self.with_key(name, sshd, sshd.key())
    }

    /// Adds a device that is logged in to with this key.
    #[must_use]
    pub fn with_key(mut self, name: &str, sshd: &Sshd, key: PathBuf) -> Self {
        self.devices.push(Device {
            name: name.to_owned(),
            address: sshd.address().to_string(),
            user: sshd.user().to_owned(),
            key,
            host_key: sshd.host_key(),
            more: String::new(),
        });
        self
    }

    /// More keys for the device that was added last: `labels: { role: nat }`.
    ///
    /// # Panics
    ///
    /// Without a device.
    #[must_use]
    pub fn and(mut self, yaml: &str) -> Self {
        let device = self.devices.last_mut().expect("a device");
        write!(device.more, ", {yaml}").expect("text");
        self
    }

    /// Pins another host key for the device that was added last.
    ///
    /// # Panics
    ///
    /// Without a device.
    #[must_use]
    pub fn pinned_to(mut self, host_key: &str) -> Self {
        host_key.clone_into(&mut self.devices.last_mut().expect("a device").host_key);
        self
    }
}

impl Display for Inventory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Other tests' namespaces, which come and go on the same machine, are none of a device's business.
        let quiet = "platform_defaults: { linux: { settings: { namespaces: false } } }";
        writeln!(f, "defaults: {{ interval: 1s, timeout: 950ms }}\n{quiet}\ncredentials:")?;
        for Device { name, user, key, .. } in &self.devices {
            let key = key.display();
            writeln!(f, "  {name}: {{ username: {user}, private_key: {{ file: \"{key}\" }} }}")?;
        }
        writeln!(f, "devices:")?;
        for Device { name, address, host_key, more, .. } in &self.devices {
            writeln!(
                f,
                "  - {{ name: {name}, platform: linux, address: \"{address}\", credential: {name}, host_key: \"{host_key}\"{more} }}"
            )?;
        }
        Ok(())
    }
}
