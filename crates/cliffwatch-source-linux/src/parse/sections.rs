use std::collections::BTreeMap;

use cliffwatch_model::{ErrorKind, SourceError};

use super::excerpt;

/// The name of the section that says that nothing was cut off.
const END: &str = "end";

/// A reply cut into what each file of the device, or command on it, gave.
///
/// The form is that of `head FILE FILE…`: a line `==> NAME <==`, then the text. What cannot be shown has
/// its reason on that line instead: `==> NAME <== missing`. The last line is `==> end <==`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sections(BTreeMap<String, Section>);

/// What one file or command gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    /// This text.
    Text(String),
    /// It does not exist.
    Missing,
    /// It exists and the login may not read it.
    Denied,
    /// It was left for the next full reply, where reading it costs a process.
    Later,
    /// The reply ended before it did.
    Cut,
}

impl Sections {
    /// Cuts a reply up. Text before the first section is a greeting and does not count.
    ///
    /// # Errors
    /// When there is no section at all: something else than our script has answered.
    pub(crate) fn parse(reply: &[u8]) -> Result<Self, SourceError> {
        let text = String::from_utf8_lossy(reply);
        let mut sections = Self::default();
        let mut current: Option<(&str, Section)> = None;
        let mut ended = false;
        for line in text.split_inclusive('\n') {
            if let Some((name, section)) = heading(line) {
                if let Some((name, section)) = current.take() {
                    sections.insert(name, section);
                }
                ended = name == END;
                current = (!ended).then_some((name, section));
            } else if let Some((_, Section::Text(body))) = &mut current {
                body.push_str(line);
            }
        }
        if let Some((name, _)) = current {
            sections.insert(name, Section::Cut);
        }
        if sections.0.is_empty() && !ended {
            return Err(unintelligible(&text));
        }
        Ok(sections)
    }

    /// Adds a section. Of two with one name the first that has a text counts.
    pub(crate) fn insert(&mut self, name: &str, section: Section) {
        match self.0.get(name) {
            Some(Section::Text(text)) if !text.trim().is_empty() => {}
            _ => {
                self.0.insert(name.to_owned(), section);
            }
        }
    }

    /// What this file or command gave; nothing where the reply does not speak of it.
    pub(crate) fn get(&self, name: &str) -> Option<&Section> {
        self.0.get(name)
    }

    /// The text of a section, where there is one.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Section::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Of several places where the kernel may keep the same thing, the first that exists.
    pub(crate) fn first_of(&self, names: &[&str]) -> Option<&Section> {
        let known = || names.iter().filter_map(|name| self.get(name));
        known().find(|section| **section != Section::Missing).or_else(|| known().next())
    }

    /// Every section in name order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Section)> {
        self.0.iter().map(|(name, section)| (name.as_str(), section))
    }
}

/// The name and state in a line that begins a section.
fn heading(line: &str) -> Option<(&str, Section)> {
    // An editor that saves a captured reply may begin it with a byte order mark.
    let (name, state) = line.trim_start_matches('\u{feff}').strip_prefix("==> ")?.split_once(" <==")?;
    let section = match state.trim() {
        "" => Section::Text(String::new()),
        "missing" => Section::Missing,
        "denied" => Section::Denied,
        "later" => Section::Later,
        _ => return None,
    };
    Some((name, section))
}

fn unintelligible(text: &str) -> SourceError {
    let message = if text.trim().is_empty() {
        "the reply is empty".to_owned()
    } else {
        format!("the reply is not one of our script's: it begins with `{}`", excerpt(text))
    };
    SourceError::new(ErrorKind::Parse, message).with_hint(
        "the login needs a POSIX shell, or a forced command that prints the sections that the README describes",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Sections {
        Sections::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_output_of_head_is_read_as_it_is() {
        assert_eq!(parse("\u{feff}==> /a <==\n1\n==> end <==\n").text("/a"), Some("1\n"));
        let sections = parse("Last login: never\n==> /a <==\n1\n\n==> /b <==\nx  y\nz\n==> end <==\n");
        assert_eq!(sections.text("/a").unwrap().trim(), "1");
        assert_eq!(sections.text("/b"), Some("x  y\nz\n"));
        assert_eq!(sections.get("end"), None);
    }

    #[test]
    fn a_reply_without_its_end_loses_its_last_section_only() {
        let sections = parse("==> /a <==\n1\n==> /b <==\n2621");
        assert_eq!(sections.text("/a"), Some("1\n"));
        assert_eq!(sections.get("/b"), Some(&Section::Cut));
    }

    #[test]
    fn states_are_told_apart() {
        let sections = parse("==> /a <== missing\n==> /b <== denied\r\n==> /c <== later\n==> end <==\n");
        let state = |name| sections.get(name).cloned().unwrap();
        assert_eq!(
            (state("/a"), state("/b"), state("/c")),
            (Section::Missing, Section::Denied, Section::Later)
        );
        assert_eq!(sections.first_of(&["/a", "/b"]), Some(&Section::Denied));
        assert_eq!(sections.first_of(&["/a", "/nowhere"]), Some(&Section::Missing));
        assert_eq!(sections.first_of(&["/nowhere"]), None);
    }

    #[test]
    fn the_first_text_under_a_name_counts() {
        let sections = parse("==> /a <==\n==> /a <==\n1\n==> /a <==\n2\n==> end <==\n");
        assert_eq!(sections.text("/a"), Some("1\n"));
    }

    #[test]
    fn anything_else_is_quoted_and_refused() {
        let error = Sections::parse(b"<html>\x1b[2J\xff").unwrap_err();
        assert_eq!(error.kind, ErrorKind::Parse);
        assert!(error.message.ends_with("`<html>?[2J?`"), "{error}");
        assert_eq!(Sections::parse(b"\n \n").unwrap_err().message, "the reply is empty");
    }
}
