use cliffwatch_model::{Fault, FaultKind};

use super::{Section, excerpt};

/// What became of one thing that should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lookup<T> {
    Value(T),
    Missing,
    Denied,
    Later,
    /// The reply does not speak of it.
    NotShown,
    /// It cannot be understood, and why.
    Bad(String),
}

impl<T> Lookup<T> {
    /// Understands a section's text.
    pub(super) fn of(section: Option<&Section>, read: impl FnOnce(&str) -> Result<T, String>) -> Self {
        match section {
            None => Self::NotShown,
            Some(Section::Missing) => Self::Missing,
            Some(Section::Denied) => Self::Denied,
            Some(Section::Later) => Self::Later,
            Some(Section::Cut) => Self::Bad("the reply was cut off here".into()),
            Some(Section::Text(text)) => read(text).map_or_else(Self::Bad, Self::Value),
        }
    }

    pub(super) fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// What an operator should hear of it. What the kernel does not have is no fault.
    pub(super) fn fault(&self, what: &str, file: &str) -> Option<Fault> {
        match self {
            Self::Bad(why) => Some(Fault::new(what, FaultKind::Parse, format!("{file}: {why}"))),
            Self::Denied => {
                let message = format!("the login may not read {file}");
                Some(Fault::new(what, FaultKind::Denied, message).with_hint(
                    "the kernel lets everybody read it: look for a security module or a container that hides it",
                ))
            }
            Self::Value(_) | Self::Missing | Self::Later | Self::NotShown => None,
        }
    }
}

/// A file that holds one unsigned decimal number.
pub(super) fn whole(text: &str) -> Result<u64, String> {
    decimal(text.trim()).ok_or_else(|| match text.trim().lines().count() {
        0 | 1 => not("a whole number", text),
        lines => format!("`{}` and {} more lines are not a whole number", excerpt(text), lines - 1),
    })
}

/// A file that holds one number which the kernel keeps in 32 bits.
pub(super) fn counted(text: &str) -> Result<u64, String> {
    whole(text).and_then(|number| in_32_bits(number).ok_or_else(|| not("a number of 32 bits", text)))
}

/// A number of entries or a limit: no kernel can have more.
pub(super) fn in_32_bits(number: u64) -> Option<u64> {
    (number <= u64::from(u32::MAX)).then_some(number)
}

/// Decimal digits and nothing else: no sign, no blank.
pub(crate) fn decimal(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok()).flatten()
}

/// Hexadecimal digits and nothing else.
pub(super) fn hexadecimal(word: &str) -> Option<u64> {
    word.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(word, 16).ok()).flatten()
}

pub(super) fn not(what: &str, text: &str) -> String {
    if text.trim().is_empty() { "it is empty".into() } else { format!("`{}` is not {what}", excerpt(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_a_number() {
        assert_eq!(whole(" 262144\n"), Ok(262_144));
        for text in ["", "\n", "-1", "+5", "0x10", "12 13", "1\n2", "18446744073709551616", "1e3"] {
            assert!(whole(text).is_err(), "{text:?}");
        }
        assert_eq!(whole("1\nhead: x\n"), Err("`1` and 1 more lines are not a whole number".into()));
        assert_eq!(counted("4294967295\n"), Ok(4_294_967_295));
        assert_eq!(counted("4294967296\n"), Err("`4294967296` is not a number of 32 bits".into()));
        assert_eq!(hexadecimal("8adc11de"), Some(0x8adc_11de));
        assert_eq!((hexadecimal("+1"), hexadecimal(""), hexadecimal("0x1")), (None, None, None));
    }
}
