//! How single values are written in our files, beyond plain text and numbers.

mod duration;
mod later;
mod secret;

pub(crate) use duration::Span;
pub(crate) use later::Later;
pub(crate) use secret::{SecretSpec, check_secret};
