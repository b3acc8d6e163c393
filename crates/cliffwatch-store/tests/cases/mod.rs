//! The cases of the conformance suite, by what they are about.

pub(crate) mod alerts;
pub(crate) mod history;
pub(crate) mod retention;
pub(crate) mod samples;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod views;
