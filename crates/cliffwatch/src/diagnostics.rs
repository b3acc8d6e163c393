//! The one form of everything that is wrong with what an operator wrote: file, line, column, what is
//! wrong, what to write instead. A report collects all of it, so that one run shows the whole work.

mod mask;
mod render;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use render::ProblemLine;
use serde::Serialize;

/// Problems that are kept for showing: more than anybody mends in one go, and an inventory in which every
/// device is wrong in the same way must not fill the memory. The rest is counted.
const PROBLEMS_MAX: usize = 100;

/// A file of the report it was read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FileId(usize);

/// A place in a file; line and column count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Position {
    pub file: FileId,
    pub line: u32,
    pub column: u32,
}

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// The configuration cannot be used.
    Error,
    /// It can, and the operator should know.
    Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub level: Level,
    /// Where; absent for flags, variables and what no file is to blame for.
    pub at: Option<Position>,
    /// What is wrong. Never holds a secret.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// All that is wrong, and the files it was found in.
#[derive(Debug, Default)]
pub(crate) struct Report {
    files: Vec<SourceFile>,
    problems: Vec<Problem>,
    /// What was said already: a mistake in what many devices share is one mistake.
    said: HashSet<(Option<Position>, String)>,
    errors: usize,
    warnings: usize,
    unreadable: bool,
}

#[derive(Debug)]
struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
}

// === impl Position ===

impl Position {
    /// As plain numbers, for the way through serde.
    pub(crate) fn to_parts(self) -> (usize, u32, u32) {
        (self.file.0, self.line, self.column)
    }

    pub(crate) fn from_parts((file, line, column): (usize, u32, u32)) -> Self {
        Self { file: FileId(file), line, column }
    }
}

// === impl Problem ===

impl Problem {
    pub(crate) fn error(at: impl Into<Option<Position>>, message: impl Into<String>) -> Self {
        Self { level: Level::Error, at: at.into(), message: message.into(), hint: None }
    }

    pub(crate) fn warning(at: impl Into<Option<Position>>, message: impl Into<String>) -> Self {
        Self { level: Level::Warning, ..Self::error(at, message) }
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

// === impl Report ===

impl Report {
    /// Takes a file in, so that problems can point into it.
    pub(crate) fn add_file(&mut self, path: impl Into<PathBuf>, text: Arc<str>) -> FileId {
        self.files.push(SourceFile { path: path.into(), text });
        FileId(self.files.len() - 1)
    }

    /// Takes a problem in, unless it was said at the same place before.
    pub(crate) fn push(&mut self, problem: Problem) {
        if !self.said.insert((problem.at, problem.message.clone())) {
            return;
        }
        match problem.level {
            Level::Error => self.errors += 1,
            Level::Warning => self.warnings += 1,
        }
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }

    pub(crate) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }

    /// Whether more problems would still be shown.
    pub(crate) fn has_room(&self) -> bool {
        self.problems.len() < PROBLEMS_MAX
    }

    /// Takes in that a file cannot even be read.
    pub(crate) fn push_unreadable(&mut self, problem: Problem) {
        self.unreadable = true;
        self.push(problem);
    }

    /// Whether a file could not even be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        self.unreadable
    }

    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn warnings(&self) -> usize {
        self.warnings
    }

    /// `inventory.yaml:12:5`, for messages that name a second place.
    pub(crate) fn place(&self, at: Position) -> String {
        format!("{}:{}:{}", self.path(at), at.line, at.column)
    }

    /// The problems that are kept, in the order of the files.
    pub(crate) fn problems(&self) -> Vec<&Problem> {
        let mut problems: Vec<&Problem> = self.problems.iter().collect();
        problems.sort_by_key(|problem| problem.at);
        problems
    }

    fn path(&self, at: Position) -> String {
        self.files.get(at.file.0).map(|file| file.path.display().to_string()).unwrap_or_default()
    }

    fn text(&self, at: Position) -> &str {
        self.files.get(at.file.0).map_or("", |file| &file.text)
    }
}
