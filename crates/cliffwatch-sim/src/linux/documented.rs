use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cliffwatch_model::{CapacityOverrides, Device, DeviceName};
use cliffwatch_source::{AccessWhen, Settings, SourceFactory as _, SshOptions, Target};
use cliffwatch_source_linux::LinuxFactory;
use cliffwatch_transport::ssh::SshHub;

use super::files::{self, Files};

/// Characters of a path in a script.
const PATH_CHARS: &str = "/_.-*${}[]";

/// The commands that a host answers, word for word, and what each of them shows.
#[derive(Debug)]
pub struct Documented(Vec<Command>);

/// One of them.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) text: Arc<str>,
    /// In the order in which they are shown.
    pub(super) files: Vec<Files>,
}

/// Settings that change what is sent: where the statistics and where other namespaces come from.
const SETTINGS: [[&str; 2]; 5] =
    [["procfs", "true"], ["procfs", "false"], ["procfs", "sudo"], ["command", "true"], ["sudo", "true"]];

/// A script that reads what the simulation does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a documented script reads `{path}`, which no simulated host has yet: `{line}`")]
pub struct Undocumentable {
    /// What it reads.
    pub path: String,
    /// The line of the script.
    pub line: String,
}

impl Documented {
    /// What the adapter says that it can send, whatever a device's settings are.
    ///
    /// # Errors
    /// When one of its scripts reads what the simulation does not have.
    pub fn by_adapter() -> Result<Self, Undocumentable> {
        let factory = LinuxFactory::new(SshHub::new());
        let lists = SETTINGS.iter().map(|[stats, namespaces]| {
            let words = [("conntrack_stats", stats), ("namespaces", namespaces)];
            let settings = words.into_iter().map(|(key, word)| match *word {
                "true" => (key.to_owned(), true.into()),
                "false" => (key.to_owned(), false.into()),
                word => (key.to_owned(), word.into()),
            });
            factory.access_of(&target(factory.platform(), Settings::new(settings.collect())))
        });
        // Nobody probes a simulated host.
        let sent =
            lists.chain([factory.access()]).flatten().filter(|access| access.when != AccessWhen::Probe);
        let actions: BTreeSet<String> = sent.map(|access| access.action).collect();
        Self::new(actions)
    }

    /// These commands.
    ///
    /// # Errors
    /// When one of them reads what the simulation does not have.
    pub fn new(commands: impl IntoIterator<Item = String>) -> Result<Self, Undocumentable> {
        let command = |text: String| {
            let known = |line: &str| unknown_path(line).map_or(Ok(()), Err);
            text.lines().try_for_each(known)?;
            Ok(Command { files: files::shown_by(&text), text: text.into() })
        };
        commands.into_iter().map(command).collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn commands(&self) -> &[Command] {
        &self.0
    }

    pub(super) fn find(&self, text: &str) -> Option<usize> {
        self.0.iter().position(|command| &*command.text == text)
    }

    pub(super) fn get(&self, number: usize) -> Option<&Command> {
        self.0.get(number)
    }
}

/// Any host with these settings.
fn target(platform: cliffwatch_model::Platform, settings: Settings) -> Target {
    let device = Device {
        name: DeviceName::ourselves(),
        platform,
        address: Some("192.0.2.1:22".into()),
        labels: BTreeMap::new(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(9),
        ha_peer: None,
        depends_on: Vec::new(),
        capacity: CapacityOverrides::default(),
    };
    Target {
        device: Arc::new(device),
        credential: None,
        ssh: SshOptions::default(),
        jump: None,
        source_address: None,
        settings,
        canary: None,
    }
}

/// The first word of a line that is a path nobody knows.
fn unknown_path(line: &str) -> Option<Undocumentable> {
    let in_path = |c: char| c.is_ascii_alphanumeric() || PATH_CHARS.contains(c);
    let words = line
        .split(|c| !in_path(c))
        .filter(|word| ["/proc/", "/sys/", "${n}_"].iter().any(|start| word.starts_with(start)));
    let path = words.map(|word| word.trim_end_matches(['}', ']'])).find(|word| !files::is_known(word))?;
    Some(Undocumentable { path: path.to_owned(), line: line.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_the_adapter_documents_can_be_answered() {
        let documented = Documented::by_adapter().unwrap();
        assert!(documented.find("exec sh").is_some());
        let shown: Vec<usize> = documented.commands().iter().map(|command| command.files.len()).collect();
        assert!(shown.contains(&4) && shown.iter().any(|count| *count > 15), "{shown:?}");
    }

    #[test]
    fn a_script_that_reads_something_new_is_not_passed_over() {
        let error = Documented::new(["cat /proc/uptime\ncat /proc/loadavg".to_owned()]).unwrap_err();
        assert_eq!((error.path.as_str(), error.line.as_str()), ("/proc/loadavg", "cat /proc/loadavg"));
    }
}
