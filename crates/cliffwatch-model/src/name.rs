use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest name that is accepted, in bytes: names are key columns, labels and path parts.
pub const NAME_BYTES_MAX: usize = 200;

/// A name that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or only white space.
    #[error("{0}: must not be empty")]
    Empty(&'static str),
    /// Over [`NAME_BYTES_MAX`].
    #[error("{0}: at most {NAME_BYTES_MAX} bytes are allowed, this has {1}")]
    TooLong(&'static str, usize),
    /// A character that would be ambiguous in ids, labels, paths or on a terminal.
    #[error("{0}: {1:?} is not allowed")]
    Forbidden(&'static str, char),
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks and takes the text.
            ///
            /// # Errors
            /// When it is empty, longer than [`NAME_BYTES_MAX`] or has a forbidden character.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check($what, text, $allowed).map(|()| Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

fn check(what: &'static str, text: &str, allowed: fn(char) -> bool) -> Result<(), NameError> {
    if text.trim().is_empty() {
        return Err(NameError::Empty(what));
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong(what, text.len()));
    }
    text.chars().find(|c| !allowed(*c)).map_or(Ok(()), |c| Err(NameError::Forbidden(what, c)))
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@' | '+')
}

fn printable(c: char) -> bool {
    !c.is_control()
}

name! {
    /// The name of a device in the inventory: the key of everything that is kept about it.
    /// Letters, digits and `- _ . : @ +`, so that it needs no quoting in a path, a label or a shell.
    DeviceName, "device name", plain
}

impl DeviceName {
    /// The reserved name under which Cliffwatch watches itself.
    pub const SELF: &'static str = "cliffwatch";

    /// The device that stands for this process.
    pub fn ourselves() -> Self {
        Self(Self::SELF.into())
    }

    /// Whether this is the device that stands for this process.
    pub fn is_ourselves(&self) -> bool {
        &*self.0 == Self::SELF
    }
}

name! {
    /// A platform: `linux`, `panos`, … An open name: the model lists no vendors.
    Platform, "platform", plain
}

name! {
    /// The name of a poller, so that several may share one store.
    PollerName, "poller name", plain
}

name! {
    /// A counter under the vendor's own name: `early_drop`, `ErrorPortAllocation`.
    CounterName, "counter name", printable
}

name! {
    /// Tables that one request reads together. A group that was read completely proves that a table
    /// which is absent from it is gone.
    GroupName, "group name", printable
}

name! {
    /// Tells one life of a device or table from the next: a boot id, a start time, a namespace's inode.
    /// Cumulative counters start again at zero with a new epoch.
    Epoch, "epoch", printable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_names_say_why() {
        assert_eq!(DeviceName::new(" "), Err(NameError::Empty("device name")));
        assert_eq!(DeviceName::new("a b"), Err(NameError::Forbidden("device name", ' ')));
        assert_eq!(DeviceName::new("x;reboot"), Err(NameError::Forbidden("device name", ';')));
        assert_eq!(CounterName::new("a\u{1b}[2J"), Err(NameError::Forbidden("counter name", '\u{1b}')));
        assert_eq!(
            Epoch::new(&"x".repeat(201)).unwrap_err().to_string(),
            "epoch: at most 200 bytes are allowed, this has 201"
        );
        assert!(DeviceName::new("fw-1.example.net:443").is_ok());
    }
}
