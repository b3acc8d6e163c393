use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{StoreError, StoreKind};

/// Where the store is: `sqlite:PATH` or `postgres://user@host/db`.
///
/// It never holds a password, so it may be shown and logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// A file; it is created where it does not exist.
    Sqlite(PathBuf),
    /// A libpq URL; `?host=/run/postgresql` reaches a Unix socket.
    Postgres(String),
}

impl StoreUrl {
    /// Which engine it names.
    pub fn kind(&self) -> StoreKind {
        match self {
            Self::Sqlite(_) => StoreKind::Sqlite,
            Self::Postgres(_) => StoreKind::Postgres,
        }
    }
}

impl FromStr for StoreUrl {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let invalid = |problem: &str| Err(StoreError::Invalid(format!("store URL: {problem}")));
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path {
                "" => invalid("a path is missing after `sqlite:`"),
                ":memory:" => invalid("a history in memory is lost at the end; name a file instead"),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"))
        else {
            return invalid("it begins with `sqlite:` or `postgres://`");
        };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
        let query = rest.split_once('?').map_or("", |(_, query)| query);
        if user.contains(':') || query.split('&').any(|pair| pair.starts_with("password=")) {
            return invalid(
                "the password does not belong in it; give it by reference (file, env or command)",
            );
        }
        Ok(Self::Postgres(text.to_owned()))
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_engines_are_named() {
        let url = |text: &str| text.parse::<StoreUrl>().unwrap();
        assert_eq!(url("sqlite:cliffwatch.db"), StoreUrl::Sqlite("cliffwatch.db".into()));
        assert_eq!(url("sqlite:///var/lib/c.db"), StoreUrl::Sqlite("/var/lib/c.db".into()));
        let postgres = url("postgres://c@/db?host=/run/postgresql");
        assert_eq!(postgres.kind(), StoreKind::Postgres);
        assert_eq!(postgres.to_string(), "postgres://c@/db?host=/run/postgresql");
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        for text in ["postgres://c:hunter2@h/db", "postgres://c@h/db?sslmode=require&password=hunter2"] {
            let error = text.parse::<StoreUrl>().unwrap_err().to_string();
            assert!(error.contains("by reference") && !error.contains("hunter2"), "{error}");
        }
        assert!("mysql://c@h/db".parse::<StoreUrl>().is_err());
        assert!("sqlite::memory:".parse::<StoreUrl>().is_err());
    }
}
