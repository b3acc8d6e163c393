use std::collections::HashMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::mask::Masked;
use super::{Level, Position, Problem, Report};

/// Characters of a source line that are shown: an inventory written by a program may be one line of
/// megabytes.
const EXCERPT_CHARS_MAX: usize = 160;

/// A problem as `check --format json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemLine<'a> {
    severity: Level,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    message: &'a str,
    hint: Option<&'a str>,
}

impl Report {
    /// For people: every problem with its place, the source line and a caret under the spot.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let mut pages = HashMap::new();
        for problem in self.problems() {
            let page =
                problem.at.map(|at| &*pages.entry(at.file).or_insert_with(|| Page::new(self.text(at))));
            self.render(problem, page, &mut text);
        }
        let hidden = (self.errors + self.warnings).saturating_sub(self.problems.len());
        if hidden > 0 {
            text.push_str(&format!("and {hidden} more problems, not shown: mend these first\n\n"));
        }
        text
    }

    /// For programs.
    pub(crate) fn to_lines(&self) -> Vec<ProblemLine<'_>> {
        self.problems()
            .into_iter()
            .map(|problem| ProblemLine {
                severity: problem.level,
                file: problem.at.map(|at| self.path(at)),
                line: problem.at.map(|at| at.line),
                column: problem.at.map(|at| at.column),
                message: &problem.message,
                hint: problem.hint.as_deref(),
            })
            .collect()
    }

    fn render(&self, problem: &Problem, page: Option<&Page<'_>>, out: &mut String) {
        let level = match problem.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        // Writing into a String cannot fail.
        let _infallible = writeln!(out, "{level}: {}", plain(&problem.message));
        let margin = problem.at.map_or(0, |at| at.line.to_string().len());
        if let (Some(at), Some(page)) = (problem.at, page) {
            let _infallible = writeln!(out, "{:margin$}--> {}", "", self.place(at));
            page.excerpt(at, margin, out);
        }
        if let Some(hint) = &problem.hint {
            for (line, prefix) in
                hint.lines().zip(std::iter::once("= hint: ").chain(std::iter::repeat("        ")))
            {
                let _infallible = writeln!(out, "{:margin$} {prefix}{}", "", plain(line));
            }
        }
        out.push('\n');
    }
}

/// A file, made ready for showing lines of it.
struct Page<'a> {
    lines: Vec<&'a str>,
    masked: Masked,
}

impl<'a> Page<'a> {
    fn new(text: &'a str) -> Self {
        Self { lines: text.lines().collect(), masked: Masked::new(text) }
    }

    fn excerpt(&self, at: Position, margin: usize, out: &mut String) {
        let number = at.line;
        let Some(line) = self.lines.get(number.saturating_sub(1) as usize) else { return };
        if self.masked.hides(number) {
            let _infallible = writeln!(out, "{number} | (not shown: the line may hold a secret)");
            return;
        }
        let column = at.column.saturating_sub(1) as usize;
        let from = if column < EXCERPT_CHARS_MAX { 0 } else { column - EXCERPT_CHARS_MAX / 2 };
        let shown: String = line.chars().skip(from).take(EXCERPT_CHARS_MAX).collect();
        let _infallible = writeln!(out, "{number} | {}", plain(&shown).trim_end());
        let _infallible = writeln!(out, "{:margin$} | {:indent$}^", "", "", indent = column - from);
    }
}

/// Without characters that steer a terminal; a tab is one column wide so that the caret stays in place.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
