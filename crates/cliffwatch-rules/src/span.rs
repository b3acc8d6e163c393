use std::fmt;
use std::time::Duration;

use serde::{Deserializer, Serializer, de};

/// Reads a duration as users write it: a whole number and a unit, `30s`, `5m`, `1h`, `7d`.
pub fn parse_span(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(split)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

/// Writes a duration in its largest whole unit: what [`parse_span`] reads.
pub(crate) fn span_text(span: Duration) -> String {
    let seconds = span.as_secs();
    for (size, unit) in [(86_400, 'd'), (3_600, 'h'), (60, 'm')] {
        if seconds > 0 && seconds.is_multiple_of(size) {
            return format!("{}{unit}", seconds / size);
        }
    }
    format!("{seconds}s")
}

pub(crate) fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&span_text(*span))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(SpanVisitor)
}

struct SpanVisitor;

impl SpanVisitor {
    fn read<E: de::Error>(text: &str) -> Result<Duration, E> {
        parse_span(text).ok_or_else(|| {
            E::custom(format_args!("`{text}` is not a duration: write a number and s, m, h or d, like 5m"))
        })
    }
}

impl de::Visitor<'_> for SpanVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 5m")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        Self::read(text)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
        Self::read(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Duration, E> {
        Self::read(&number.to_string())
    }
}

/// The same where the duration may be absent.
pub(crate) fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_go_both_ways() {
        for text in ["0s", "90s", "5m", "1h", "7d"] {
            assert_eq!(span_text(parse_span(text).unwrap()), text);
        }
        assert_eq!(span_text(Duration::from_secs(3_660)), "61m");
    }

    #[test]
    fn what_has_no_unit_is_not_a_duration() {
        for text in ["", "5", "m", "5 m", "-5m", "1.5h", "5ms", "99999999999999999999d", "5µ"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }
}
