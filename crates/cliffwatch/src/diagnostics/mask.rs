//! Which lines of a file must not be shown, because somebody wrote a secret into them.
//!
//! Secrets are references, so this matters exactly when the file is wrong, which is when lines are shown:
//! the file may not even be YAML then. So it works on text, and rather hides a line too many.

use std::collections::BTreeSet;

/// What the name of a key that stands for a secret contains.
const SECRET_WORDS: [&str; 12] = [
    "pass",
    "password",
    "passphrase",
    "secret",
    "token",
    "api_key",
    "apikey",
    "private_key",
    "psk",
    "pwd",
    "client_secret",
    "external_id",
];

/// How a reference begins, which is no secret itself.
const REFERENCES: [&str; 3] = ["file", "env", "command"];

/// The lines of one text that are not shown.
#[derive(Debug)]
pub(super) struct Masked {
    lines: BTreeSet<u32>,
}

impl Masked {
    pub(super) fn new(text: &str) -> Self {
        let mut lines = BTreeSet::new();
        // Inside a secret's value: how far its key was indented, and whether its first line came yet.
        let mut value: Option<(usize, bool)> = None;
        let mut armoured = false;
        for (number, line) in (1_u32..).zip(text.lines()) {
            let indent = line.len() - line.trim_start().len();
            armoured |= line.contains("-----BEGIN");
            if let Some((key_indent, begun)) = value {
                if begun && indent <= key_indent && !line.trim().is_empty() {
                    value = None;
                } else if !is_reference(line) {
                    lines.insert(number);
                    value = Some((key_indent, begun || !line.trim().is_empty()));
                } else {
                    value = Some((key_indent, true));
                }
            }
            match inline_secret(line) {
                Inline::Text => {
                    lines.insert(number);
                    value = Some((indent, true));
                }
                Inline::Below => value = Some((indent, false)),
                Inline::None => {}
            }
            if armoured || url_password(line) {
                lines.insert(number);
            }
            armoured &= !line.contains("-----END");
        }
        Self { lines }
    }

    pub(super) fn hides(&self, line: u32) -> bool {
        self.lines.contains(&line)
    }
}

enum Inline {
    None,
    /// The value begins on this line and is no reference.
    Text,
    /// The key ends its line: the value is on the next ones.
    Below,
}

fn inline_secret(line: &str) -> Inline {
    let lower = line.to_ascii_lowercase();
    let mut found = Inline::None;
    let mut rest = lower.as_str();
    while let Some((key, after)) = rest.split_once(':') {
        let key = key.rsplit([' ', '{', ',', '-', '"', '\'']).find(|word| !word.is_empty()).unwrap_or(key);
        if names_secret(key) {
            match after.trim() {
                "" => found = Inline::Below,
                value if is_reference_map(value) => {}
                _ => return Inline::Text,
            }
        }
        rest = after;
    }
    found
}

/// Also when it is misspelt. `tokens` is the list of those who may ask, each with a secret of its own.
fn names_secret(key: &str) -> bool {
    // The lengths first: this looks at every key of a file.
    let near = |word: &str| key.len().abs_diff(word.len()) * 4 <= word.len();
    let close = |word: &str| near(word) && strsim::damerau_levenshtein(key, word) * 4 <= word.len();
    key != "tokens" && SECRET_WORDS.into_iter().any(|word| key.contains(word) || close(word))
}

/// `{ file: … }` and nothing else in the braces.
fn is_reference_map(value: &str) -> bool {
    let Some(body) = value.strip_prefix('{') else { return value.starts_with(['&', '*']) };
    let body = body.split('}').next().unwrap_or(body);
    body.split(',').filter(|part| part.contains(':')).all(is_reference)
}

fn is_reference(value: &str) -> bool {
    let value = value.trim_start();
    REFERENCES.iter().any(|word| {
        let rest = value.strip_prefix(word);
        rest.is_some_and(|rest| rest.trim_start().starts_with(':'))
    })
}

/// `scheme://user:password@host`.
fn url_password(line: &str) -> bool {
    let authority =
        line.split_once("://").map(|(_, rest)| rest.split(['/', ' ', '"', '\'']).next().unwrap_or(rest));
    authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, hidden: &[u32]) {
        assert_eq!(Masked::new(text).lines.into_iter().collect::<Vec<_>>(), hidden, "{text}");
    }

    #[test]
    fn inline_secrets_are_hidden() {
        check("a: 1\npassword: hunter2\nb: 2\n", &[2]);
        check("c: { usernme: x, password: hunter2 }\n", &[1]);
        check("pasword: hunter2\n", &[1]);
        check("store: postgres://u:pw@db/x\n", &[1]);
        check("k:\n  private_key: |\n    AAAA\n\n    BBBB\nnext: 1\n", &[2, 3, 4, 5]);
        check("password:\nhunter2\nnext: 1\n", &[2]);
        check("x: |\n-----BEGIN KEY-----\nAAAA\n-----END KEY-----\nnext: 1\n", &[2, 3, 4]);
    }

    #[test]
    fn references_are_shown() {
        check("password: { file: /run/x }\nb: 2\n", &[]);
        check("k:\n  private_key:\n    file: /run/x\n  username: u\n", &[]);
        check("host_key: \"SHA256:abc\"\nstore: postgres://u@db/x\n", &[]);
    }

    #[test]
    fn what_stands_beside_a_reference_is_hidden() {
        check("token: { env: T, value: hunter2 }\n", &[1]);
        check("password:\n  value: hunter2\nb: 1\n", &[2]);
    }
}
