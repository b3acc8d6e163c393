//! Numbers kept in few bits: a week of hours in a row of a store.

use serde::{Deserialize, Serialize};

/// A number to one part in a thousand in 16 bits: 6 of magnitude, 10 of detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Coarse(u16);

/// What is not known, and zero, have codes of their own below those of all other numbers.
const ZERO: u16 = 1;
const FIRST: u16 = 2;

impl Coarse {
    pub(crate) fn of(value: u64) -> Self {
        let Some(magnitude) = value.checked_ilog2() else { return Self(ZERO) };
        let detail = if magnitude >= 10 { value >> (magnitude - 10) } else { value << (10 - magnitude) };
        // The leading bit is always set and is not kept.
        let code = (u64::from(magnitude) << 10 | (detail & 0x3ff)) + u64::from(FIRST);
        Self(u16::try_from(code).unwrap_or(u16::MAX))
    }

    pub(crate) fn known(self) -> Option<u64> {
        let code = match self.0 {
            0 => return None,
            ZERO => return Some(0),
            code => u64::from(code - FIRST),
        };
        let (magnitude, detail) = (code >> 10, code & 0x3ff | 0x400);
        Some(if magnitude >= 10 { detail << (magnitude - 10) } else { detail >> (10 - magnitude) })
    }
}

/// Many of them as text: four hexadecimal digits each.
pub(crate) mod hex {
    use std::fmt::{self, Display, Formatter};

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Coarse;

    const DIGITS: usize = 4;

    pub(crate) fn serialize<S: Serializer>(numbers: &[Coarse], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Text(numbers))
    }

    struct Text<'a>(&'a [Coarse]);

    impl Display for Text<'_> {
        fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|Coarse(code)| write!(f, "{code:0DIGITS$x}"))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<Coarse>, D::Error> {
        let text = String::deserialize(d)?;
        let number = |digits: &[u8]| {
            let digits = str::from_utf8(digits).map_err(D::Error::custom)?;
            u16::from_str_radix(digits, 16).map(Coarse).map_err(D::Error::custom)
        };
        text.as_bytes().chunks(DIGITS).map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Kept(#[serde(with = "hex")] Vec<Coarse>);

    #[test]
    fn numbers_are_kept_to_a_part_in_a_thousand() {
        for value in [0, 1, 2, 5, 1_023, 1_024, 1_025, 262_144, 999_999, u64::MAX / 2] {
            let kept = Coarse::of(value).known().unwrap();
            assert!(kept <= value && value - kept <= value / 1_000, "{kept} for {value}");
        }
        assert_eq!(Coarse::default().known(), None);
    }

    #[test]
    fn text_holds_them_all() {
        let all =
            Kept([0, 7, 262_144, u64::MAX].map(Coarse::of).into_iter().chain([Coarse::default()]).collect());
        let text = serde_json::to_string(&all).unwrap();
        assert_eq!(text, "\"00010b024802ffff0000\"");
        assert_eq!(serde_json::from_str::<Kept>(&text).unwrap(), all);
        for wrong in ["\"00g0\"", "\"ü000\"", "7"] {
            assert!(serde_json::from_str::<Kept>(wrong).is_err(), "{wrong}");
        }
    }
}
