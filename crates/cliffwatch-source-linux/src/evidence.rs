//! Who fills a table: asked only when a rule wants to know, aggregated on the device.

mod figures;
mod items;
mod script;

use cliffwatch_model::{ErrorKind, EvidenceItem, SourceError, TableId};
use cliffwatch_transport::ssh::Script;

use crate::parse::{Section, Sections, excerpt};
use figures::Figures;
use script::Whose;
pub(crate) use script::{LIST_RULE, may_send, scripts};

/// The section of what commands complained about.
const STDERR: &str = "stderr";

/// How a device is asked who fills its tables.
#[derive(Clone, Debug)]
pub(crate) struct Questions {
    /// Whether sudo may be tried.
    sudo: bool,
    /// Who logs in, for the right that a hint names.
    login: String,
}

/// A question about one table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    asker: &'a Questions,
    table: TableId,
    /// The namespace by the inode of its statistics file; none for the login's own.
    namespace: Option<u64>,
}

impl Questions {
    /// How to ask; nothing where the operator does not want it. Unless it was chosen, sudo is not tried.
    pub(crate) fn new(evidence: Option<bool>, login: String) -> Option<Self> {
        (evidence != Some(false)).then(|| Self { sudo: evidence == Some(true), login })
    }

    pub(crate) fn login(&self) -> &str {
        &self.login
    }

    pub(crate) fn about(&self, table: TableId, namespace: Option<u64>) -> Question<'_> {
        Question { asker: self, table, namespace }
    }
}

impl Question<'_> {
    /// What is sent.
    pub(crate) fn script(&self) -> &'static Script {
        let whose = if self.namespace.is_none() { Whose::Own } else { Whose::Other };
        script::script(whose, self.asker.sudo)
    }

    /// Understands the reply.
    ///
    /// # Errors
    /// When the table was not listed, with the missing right; or when the reply is not our script's.
    pub(crate) fn answer(&self, reply: &[u8]) -> Result<Vec<EvidenceItem>, SourceError> {
        let sections = Sections::parse(reply)?;
        let label = self.namespace.map_or_else(|| "host".to_owned(), |inode| inode.to_string());
        let figures = match sections.get(&format!("listing {label}")) {
            Some(Section::Text(text)) => Figures::parse(text).map_err(|why| {
                SourceError::new(ErrorKind::Parse, format!("the listing of the table: {why}"))
            })?,
            Some(_) => return Err(SourceError::new(ErrorKind::Parse, "the listing of the table is cut off")),
            None => return Err(self.not_listed(&sections)),
        };
        if figures.rows == 0 && figures.exit != Some(0) {
            return Err(self.refused(&figures.by, sections.text(STDERR).unwrap_or_default()));
        }
        Ok(items::of(&figures, self.table))
    }

    /// Why the device did not list the table that was asked for.
    fn not_listed(&self, sections: &Sections) -> SourceError {
        if self.namespace.is_none() {
            let said = excerpt(sections.text(STDERR).unwrap_or_default());
            return SourceError::new(ErrorKind::NoData, format!("the table was not listed: {said}"))
                .with_hint("the script needs awk and head on the device");
        }
        if sections.text(STDERR).is_some_and(|said| said.contains("root only")) {
            return SourceError::new(
                ErrorKind::Auth,
                "another network namespace's table is for root to list",
            )
            .with_hint("there is no harmless sudo rule for it: log in as root, or look on the device");
        }
        SourceError::new(
            ErrorKind::NoData,
            "the namespace is not among the three fullest, or no longer there",
        )
    }

    /// The missing right, word for word.
    fn refused(&self, by: &str, said: &str) -> SourceError {
        let line = format!("`{} {LIST_RULE}`", self.asker.login);
        let (kind, hint) = match (by, self.asker.sudo) {
            ("procfs", _) => (
                ErrorKind::NoData,
                format!(
                    "install conntrack-tools on the device, allow {line} in sudoers and set `settings: {{ evidence: true }}`"
                ),
            ),
            (_, true) => (ErrorKind::Auth, format!("allow {line} in sudoers")),
            (_, false) => {
                (ErrorKind::Auth, format!("allow {line} in sudoers and set `settings: {{ evidence: true }}`"))
            }
        };
        SourceError::new(kind, format!("the table cannot be listed: {}", excerpt(said))).with_hint(hint)
    }
}
