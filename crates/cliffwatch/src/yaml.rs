//! YAML in which every value knows its place, read so that one mistake does not hide the next.
//!
//! A file becomes a tree of [`Node`]s (serde-saphyr parses, and bounds what a hostile file may cost), and
//! parts of the tree become typed values through serde. Unknown and duplicate keys are reported and skipped, a
//! field of the wrong shape is reported and taken as absent, so that one run finds all that is wrong.

mod at;
mod mismatch;
mod node;
mod parse;
mod raw;
mod read;

pub(crate) use at::{At, OneOrMany, Unread};
pub(crate) use node::{Key, Node, Value};
pub(crate) use parse::load;
pub(crate) use read::read;

/// The known word that was probably meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may be wrong: enough for a typing error, too few for another word.
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests;
