//! What must stay true of the code as a whole, read from its manifests and sources. `crates/README.md` tells the reasons.
//!
//! Each check is a function of text that answers with what is wrong, is held against a text that breaks its rule, and is
//! then run on the whole. That a function has at most 70 lines is clippy's to keep (`too_many_lines`): here is only checked
//! that it does.

#![expect(clippy::expect_used, reason = "a file of the repository that cannot be read fails the test")]

mod budget;
mod layout;
mod manifest;
mod migrations;
mod text;
mod walls;
mod words;
mod workspace;

/// Fails with every complaint on a line of its own.
fn expect_none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n  {}\n", complaints.join("\n  "));
}
