use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use crate::fleet::Fleet;
use crate::keys;
use crate::linux::USER;

/// How the inventory says that the fleet is to be polled.
#[derive(Clone, Debug)]
pub struct Polling {
    /// How often.
    pub interval: Duration,
    /// How long a poll may take.
    pub timeout: Duration,
    /// Where the key lies that opens the devices.
    pub key: PathBuf,
    /// Settings of every device, YAML: `{ namespaces: true }`.
    pub settings: Option<String>,
}

impl Fleet {
    /// The fleet as `cliffwatch serve --inventory` takes it, host keys pinned.
    pub fn inventory(&self, polling: &Polling) -> String {
        let Polling { interval, timeout, key, settings } = polling;
        let (interval, timeout, key) = (interval.as_millis(), timeout.as_millis(), key.display());
        let settings =
            settings.as_ref().map_or_else(String::new, |settings| format!(", settings: {settings}"));
        let mut yaml = format!(
            "# Simulated devices on this machine.\n\
             defaults: {{ interval: {interval}ms, timeout: {timeout}ms }}\n\
             credentials:\n  sim: {{ username: {USER}, private_key: {{ file: \"{key}\" }} }}\n\
             devices:\n"
        );
        for running in self.devices() {
            let (name, platform) = (&running.device.name, running.device.platform.name());
            let pin = keys::pin(&keys::host_key(name, false));
            let address = running.address;
            let _text_takes_all = writeln!(
                yaml,
                "  - {{ name: {name}, platform: {platform}, address: \"{address}\", credential: sim, host_key: \"{pin}\"{settings} }}"
            );
        }
        yaml
    }
}
