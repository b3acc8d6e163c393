use crate::config::LinuxSettings;
use crate::local;
use crate::parse::{Section, Sections};

use super::scripts;

/// What the login may do, as far as it was told.
#[derive(Debug, Default)]
pub(super) struct Checks {
    sections: Sections,
}

/// An answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Yes,
    No,
    /// It does not exist there.
    Absent,
    /// Nothing was said: the login runs something else than our script.
    Nothing,
}

impl Checks {
    /// Adds what a script printed; one that printed something else leaves the questions open.
    pub(super) fn read(&mut self, reply: &[u8]) {
        let Ok(sections) = Sections::parse(reply) else { return };
        for (name, section) in sections.iter() {
            self.sections.insert(name, section.clone());
        }
    }

    /// The same questions of the machine that Cliffwatch runs on.
    pub(super) async fn of_this_machine(settings: LinuxSettings) -> Self {
        let mut checks = Self::default();
        for script in scripts::wanted(settings) {
            checks.read(&local::sh(script.text()).await);
        }
        checks
    }

    pub(super) fn is_root(&self) -> bool {
        self.sections.text("id").and_then(|text| text.lines().next()) == Some("0")
    }

    /// The groups of the login.
    pub(super) fn groups(&self) -> Vec<&str> {
        let line = self.sections.text("id").and_then(|text| text.lines().nth(1));
        line.unwrap_or_default().split_whitespace().collect()
    }

    /// Whether anything was answered at all.
    pub(super) fn is_told(&self) -> bool {
        self.sections.text("id").is_some()
    }

    /// Whether a file can be read, a program is there, or sudo allows a command.
    pub(super) fn told(&self, name: &str) -> Told {
        match self.sections.get(name) {
            Some(Section::Text(text)) if text.trim() == "refused" => Told::No,
            Some(Section::Text(_)) => Told::Yes,
            Some(Section::Denied) => Told::No,
            Some(Section::Missing) => Told::Absent,
            Some(Section::Later | Section::Cut) | None => Told::Nothing,
        }
    }
}
