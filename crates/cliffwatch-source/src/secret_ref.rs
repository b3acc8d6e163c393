use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::Secret;

/// The longest secret that is read, in bytes: an RSA-16384 key in PEM has 13 KB.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is. The configuration holds only this, never the secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SecretRef {
    /// In a file; one trailing line end does not belong to it.
    File(PathBuf),
    /// In a variable of our environment.
    Env(String),
    /// On the standard output of a program, which is run without a shell.
    Command(Vec<String>),
}

/// Why a secret could not be read. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("secret from {place}: {problem}")]
pub struct SecretError {
    /// Where it should be.
    pub place: String,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Env(name) => write!(f, "environment variable `{name}`"),
            Self::Command(words) => write!(f, "command `{}`", words.first().map_or("", String::as_str)),
        }
    }
}

impl SecretRef {
    /// Reads the secret from where it is now.
    ///
    /// # Errors
    /// When it is not there, is empty, is longer than 64 KiB or is not UTF-8.
    pub fn read(&self) -> Result<Secret, SecretError> {
        let fail = |problem: String| SecretError { place: self.to_string(), problem };
        let bytes = match self {
            Self::File(path) => read_file(path).map_err(fail)?,
            Self::Env(name) => std::env::var_os(name)
                .ok_or_else(|| fail("the variable is not set".into()))?
                .into_encoded_bytes(),
            Self::Command(words) => run(words).map_err(fail)?,
        };
        let text = String::from_utf8(bytes).map_err(|_| fail("it is not UTF-8 text".into()))?;
        let secret =
            Secret::new(text.strip_suffix('\n').map_or(&*text, |t| t.strip_suffix('\r').unwrap_or(t)));
        if secret.expose().is_empty() {
            return Err(fail("it is empty".into()));
        }
        Ok(secret)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("it is longer than {SECRET_BYTES_MAX} bytes"));
    }
    Ok(bytes)
}

fn run(words: &[String]) -> Result<Vec<u8>, String> {
    let (program, arguments) = words.split_first().ok_or("the command is empty")?;
    let output = std::process::Command::new(program)
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("the program ended with {}", output.status));
    }
    if output.stdout.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("it is longer than {SECRET_BYTES_MAX} bytes"));
    }
    Ok(output.stdout)
}

/// What `{device}` and `{label.NAME}` stand for in a reference.
#[derive(Clone, Copy, Debug)]
pub struct Expansion<'a> {
    /// The device's name.
    pub device: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
}

impl Expansion<'_> {
    /// The reference with its placeholders filled in. A value that is not a plain file name (it has a
    /// `/`, or is `.` or `..`) is refused, so that a label cannot lead out of a folder.
    ///
    /// # Errors
    /// When a placeholder is unknown or its value is not safe in a path.
    pub fn apply(&self, reference: &SecretRef) -> Result<SecretRef, SecretError> {
        let fail = |problem| SecretError { place: reference.to_string(), problem };
        Ok(match reference {
            SecretRef::File(path) => {
                SecretRef::File(self.fill(&path.to_string_lossy()).map_err(fail)?.into())
            }
            SecretRef::Env(name) => SecretRef::Env(self.fill(name).map_err(fail)?),
            SecretRef::Command(words) => SecretRef::Command(
                words.iter().map(|w| self.fill(w)).collect::<Result<_, _>>().map_err(fail)?,
            ),
        })
    }

    fn fill(&self, text: &str) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) =
                after.split_once('}').ok_or_else(|| format!("`{{` without `}}` in `{text}`"))?;
            filled.push_str(before);
            filled.push_str(self.value(name)?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value(&self, name: &str) -> Result<&str, String> {
        let value = match name.strip_prefix("label.") {
            Some(label) => self.labels.get(label).map(String::as_str),
            None => (name == "device").then_some(self.device),
        };
        let value =
            value.ok_or_else(|| format!("`{{{name}}}` is neither `{{device}}` nor a label of the device"))?;
        if value.is_empty() || value.contains(['/', '\\', '\0']) || matches!(value, "." | "..") {
            return Err(format!("`{{{name}}}` is `{value}`, which is not safe in a path"));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_loses_one_line_end_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "s3cret \n\n").unwrap();
        assert_eq!(SecretRef::File(path).read().unwrap().expose(), "s3cret \n");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = SecretRef::File("/nonexistent/key".into()).read().unwrap_err();
        assert!(
            error.to_string().starts_with("secret from file `/nonexistent/key`: No such file"),
            "{error}"
        );
        let error = SecretRef::Env("CLIFFWATCH_TEST_UNSET".into()).read().unwrap_err();
        assert_eq!(error.problem, "the variable is not set");
        let error = SecretRef::Command(vec!["false".into()]).read().unwrap_err();
        assert_eq!(error.problem, "the program ended with exit status: 1");
        assert_eq!(SecretRef::Command(vec!["echo".into(), "x".into()]).read().unwrap().expose(), "x");
    }

    #[test]
    fn placeholders_cannot_leave_the_folder() {
        let labels =
            BTreeMap::from([("site".to_owned(), "ams1".to_owned()), ("evil".to_owned(), "../x".to_owned())]);
        let expansion = Expansion { device: "fw-1", labels: &labels };
        let fill = |text: &str| expansion.apply(&SecretRef::File(text.into()));
        assert_eq!(fill("/run/{label.site}/{device}").unwrap(), SecretRef::File("/run/ams1/fw-1".into()));
        assert!(fill("/run/{label.evil}").unwrap_err().problem.contains("not safe in a path"));
        assert!(fill("/run/{user}").unwrap_err().problem.contains("neither `{device}` nor a label"));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert_eq!(format!("{:?}", Secret::new("canary")), "***");
    }
}
