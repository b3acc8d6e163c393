use std::path::PathBuf;

/// Why the store did not do what was asked. The text never holds a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may work later: connection lost, deadline passed, locked, disk full. The batch is to be kept.
    #[error("store unavailable: {what}")]
    Unavailable {
        /// What failed.
        what: String,
        /// What the operator can do.
        hint: Option<&'static str>,
    },
    /// A newer Cliffwatch has migrated this store.
    #[error(
        "the store has migration {found:04}; this binary knows up to {known:04}: run the newer Cliffwatch, or restore the backup made before its migration"
    )]
    SchemaNewer {
        /// The newest migration in the store.
        found: i64,
        /// The newest migration in this binary.
        known: i64,
    },
    /// Opened for reading only, but the schema is older than this binary.
    #[error(
        "the store has migration {found:04}; this binary needs {known:04}: start `cliffwatch serve` once to migrate it"
    )]
    SchemaOlder {
        /// The newest migration in the store; 0 for none.
        found: i64,
        /// The newest migration in this binary.
        known: i64,
    },
    /// Another process writes to this SQLite file.
    #[error("{} is in use by another Cliffwatch: stop that one, or give this one a file of its own", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// What was asked makes no sense: a malformed URL, a cursor that is not ours.
    #[error("{0}")]
    Invalid(String),
    /// The engine cannot do this.
    #[error("{what}: {hint}")]
    Unsupported {
        /// What was asked.
        what: &'static str,
        /// What to do instead.
        hint: &'static str,
    },
    /// It will not work later either: refused credential, constraint, corrupt file or row.
    #[error("store: {what}")]
    Permanent {
        /// What failed.
        what: String,
        /// What the operator can do.
        hint: Option<&'static str>,
    },
}

impl StoreError {
    /// Whether the same call may succeed later without anybody's help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// What the operator can do, where that is known and not in the text already.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unavailable { hint, .. } | Self::Permanent { hint, .. } => *hint,
            _ => None,
        }
    }

    pub(crate) fn permanent(what: String) -> Self {
        Self::Permanent { what, hint: None }
    }

    pub(crate) fn unavailable(what: impl Into<String>) -> Self {
        Self::Unavailable { what: what.into(), hint: None }
    }
}
