use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A duration as it is written: `10s`, `1h30m`, `30d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(pub Duration);

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as `30s`, `1h30m` or `30d`")]
pub(crate) struct SpanError;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let mut total = 0_u64;
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(SpanError);
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(SpanError)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(SpanError)?;
            let number: u64 = number.parse().map_err(|_| SpanError)?;
            let part = number.checked_mul(*millis).ok_or(SpanError)?;
            total = total.checked_add(part).ok_or(SpanError)?;
            rest = tail;
        }
        Ok(Self(Duration::from_millis(total)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in UNITS.into_iter().filter(|(unit, _)| *unit != "w") {
            if rest >= millis {
                write!(f, "{}{unit}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;

        impl Visitor<'_> for SpanVisitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as `30s`, `1h30m` or `30d`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Span, E> {
                Err(E::custom(format_args!("{SpanError}\nwrite the unit: `{number}s` for seconds")))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Span, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::custom(SpanError)),
                }
            }
        }

        deserializer.deserialize_any(SpanVisitor)
    }
}

impl JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "a duration such as 30s, 1h30m or 30d",
            "pattern": "^([0-9]+(ms|s|m|h|d|w))+$"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds, shown) in [
            ("10s", 10, "10s"),
            ("1h30m", 5_400, "1h30m"),
            ("30d", 2_592_000, "30d"),
            ("2w", 1_209_600, "14d"),
        ] {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_secs(), span.to_string().as_str()), (seconds, shown), "{text}");
        }
        assert_eq!("1500ms".parse::<Span>().unwrap().to_string(), "1s500ms");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in
            ["", "10", "s", "-5s", "1.5h", "10 s", "10x", "99999999999999999999s", "99999999999999d", "½s"]
        {
            assert_eq!(text.parse::<Span>(), Err(SpanError), "{text}");
        }
    }
}
