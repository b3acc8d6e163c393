use std::fmt;

use crate::diagnostics::{Position, Report};
use crate::yaml::At;

/// Where a value comes from. A flag beats the environment, which beats the file, which beats the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(&'static str),
    Environment(&'static str),
    File(Position),
    Default,
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given<T> {
    pub value: T,
    pub origin: Origin,
}

impl Origin {
    /// The place in the file, for problems.
    pub(crate) fn at(self) -> Option<Position> {
        match self {
            Self::File(at) => Some(at),
            Self::Flag(_) | Self::Environment(_) | Self::Default => None,
        }
    }

    /// For people: `--listen`, `CLIFFWATCH_LISTEN`, `cliffwatch.yaml:3:9`, `default`.
    pub(crate) fn shown(self, report: &Report) -> String {
        match self {
            Self::File(at) => report.place(at),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::File(_) => f.write_str("the configuration file"),
            Self::Default => f.write_str("default"),
        }
    }
}

impl<T> Given<T> {
    pub(crate) fn new(value: T, origin: Origin) -> Self {
        Self { value, origin }
    }

    pub(crate) fn default(value: T) -> Self {
        Self { value, origin: Origin::Default }
    }
}

impl<T> From<At<T>> for Given<T> {
    fn from(given: At<T>) -> Self {
        Self { value: given.value, origin: Origin::File(given.at) }
    }
}
