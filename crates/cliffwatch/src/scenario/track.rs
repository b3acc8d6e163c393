use std::borrow::Cow;
use std::fmt;

use cliffwatch_model::series::{self, Point};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Values over time in the series notation; after its end the last one stays.
#[derive(Clone, Debug)]
pub(super) struct Track(Vec<Point>);

/// The same for figures that may be below zero: `0x30 -3600`.
#[derive(Clone, Debug)]
pub(super) struct FigureTrack(Vec<Option<f64>>);

impl Track {
    /// The point of a tick.
    pub(super) fn point(&self, tick: usize) -> Point {
        self.0.get(tick).or(self.0.last()).copied().unwrap_or(Point::Gap)
    }

    /// The value of a tick; absent in a gap.
    pub(super) fn value(&self, tick: usize) -> Option<u64> {
        match self.point(tick) {
            Point::Value { value, .. } => Some(value),
            Point::Gap => None,
        }
    }

    /// Whether a new epoch begins at exactly this tick.
    pub(super) fn resets(&self, tick: usize) -> bool {
        matches!(self.0.get(tick), Some(Point::Value { reset: true, .. }))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let points = series::parse(text).map_err(|error| error.to_string())?;
        if points.is_empty() { Err("a series has at least one point".to_owned()) } else { Ok(Self(points)) }
    }
}

impl FigureTrack {
    pub(super) fn value(&self, tick: usize) -> Option<f64> {
        self.0.get(tick).or(self.0.last()).copied().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    #[expect(clippy::cast_precision_loss, reason = "figures are percents and seconds")]
    fn parse(text: &str) -> Result<Self, String> {
        let mut values = Vec::new();
        for token in text.split_whitespace() {
            let (sign, token) = token.strip_prefix('-').map_or((1.0, token), |token| (-1.0, token));
            values.extend(Track::parse(token)?.0.into_iter().map(|point| match point {
                Point::Value { value, .. } => Some(sign * value as f64),
                Point::Gap => None,
            }));
            if values.len() > series::POINTS_MAX {
                return Err("the series has more points than a week at ten seconds".to_owned());
            }
        }
        Ok(Self(values))
    }
}

struct TrackVisitor<T>(fn(&str) -> Result<T, String>);

impl<T> Visitor<'_> for TrackVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a series such as `40000+500x60 _x5 70000x10`")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Track {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TrackVisitor(Self::parse))
    }
}

impl<'de> Deserialize<'de> for FigureTrack {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TrackVisitor(Self::parse))
    }
}

fn schema() -> Schema {
    schemars::json_schema!({
        "type": ["string", "integer"],
        "description": "a number, or a series: `40000+500x60 _x5 70000x10` is 61 points that grow by 500, 5 missed \
            polls, then 70000 eleven times; `reset` begins a new epoch; the last value stays"
    })
}

impl JsonSchema for Track {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Series".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema()
    }
}

impl JsonSchema for FigureTrack {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FigureSeries".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema()
    }
}
