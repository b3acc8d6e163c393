//! The compact series notation that scenarios, tests and simulators share.
//!
//! `40000+500x60 _x5 70000x10` is 61 points that grow by 500 from 40000 (a start and 60 steps, as in
//! Prometheus' rule tests), 5 missed polls, then 70000 eleven times. `40000-500x3` falls. `_` alone is one
//! missed poll. `reset` lets the next point begin a new epoch, so that counters start again at zero.

/// Points of one series that are accepted: a week at ten seconds. A test's typing error must not fill memory.
pub const POINTS_MAX: usize = 60_480;

/// What happens at one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// The poll is missed.
    Gap,
    /// The poll reads this value; `reset` when a new epoch began before it.
    Value {
        /// The value.
        value: u64,
        /// Whether a new epoch begins here.
        reset: bool,
    },
}

/// A series that cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{token}`: {problem}")]
pub struct SeriesError {
    /// The part that is wrong.
    pub token: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Expands the notation to one point a tick.
///
/// # Errors
/// When a part is not `VALUE`, `VALUExN`, `VALUE+STEPxN`, `VALUE-STEPxN`, `_`, `_xN` or `reset`, when a
/// value would fall below zero, or when there are more than [`POINTS_MAX`] points.
pub fn parse(text: &str) -> Result<Vec<Point>, SeriesError> {
    let mut points = Vec::new();
    let mut reset = false;
    for token in text.split_whitespace() {
        let fail = |problem| SeriesError { token: token.to_owned(), problem };
        if token == "reset" {
            reset = true;
            continue;
        }
        let (body, times) = repeat(token).ok_or_else(|| fail("the number after `x` is not a count"))?;
        if points.len().saturating_add(times) >= POINTS_MAX {
            return Err(fail("the series has more points than a week at ten seconds"));
        }
        if body == "_" {
            points.extend(std::iter::repeat_n(Point::Gap, times.max(1)));
            continue;
        }
        let (start, step) = start_and_step(body).ok_or_else(|| fail("this is neither a value nor a gap"))?;
        for n in 0..=times {
            let offset = step.checked_mul(i128::try_from(n).unwrap_or(i128::MAX));
            let value = offset.and_then(|offset| u64::try_from(start.checked_add(offset)?).ok());
            let value = value.ok_or_else(|| fail("a value leaves the range of a counter"))?;
            points.push(Point::Value { value, reset: std::mem::take(&mut reset) });
        }
    }
    Ok(points)
}

/// `BODYxN` as body and N; without `x`, N is 0.
fn repeat(token: &str) -> Option<(&str, usize)> {
    match token.rsplit_once('x') {
        Some((body, times)) => Some((body, times.parse().ok()?)),
        None => Some((token, 0)),
    }
}

fn start_and_step(body: &str) -> Option<(i128, i128)> {
    if let Some((start, step)) = body.split_once('+') {
        return Some((number(start)?, number(step)?));
    }
    if let Some((start, step)) = body.split_once('-') {
        return Some((number(start)?, -number(step)?));
    }
    Some((number(body)?, 0))
}

fn number(text: &str) -> Option<i128> {
    text.parse::<u64>().ok().map(i128::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<Option<u64>> {
        let value = |point| match point {
            Point::Gap => None,
            Point::Value { value, .. } => Some(value),
        };
        parse(text).unwrap().into_iter().map(value).collect()
    }

    #[test]
    fn the_notation_expands() {
        assert_eq!(
            values("10+5x2 _x2 7 9-3x3"),
            [10, 15, 20]
                .map(Some)
                .into_iter()
                .chain([None, None, Some(7), Some(9), Some(6), Some(3), Some(0)])
                .collect::<Vec<_>>()
        );
        assert_eq!(values("4x2 _"), [Some(4), Some(4), Some(4), None]);
        assert_eq!(values("40000+500x60 _x5 70000x10").len(), 61 + 5 + 11);
    }

    #[test]
    fn a_reset_marks_the_next_point_only() {
        let points = parse("5 reset _ 1x1").unwrap();
        let value = |value, reset| Point::Value { value, reset };
        assert_eq!(points, [value(5, false), Point::Gap, value(1, true), value(1, false)]);
    }

    #[test]
    fn errors_name_the_part() {
        let error = |text| parse(text).unwrap_err().to_string();
        assert_eq!(error("5 abc"), "`abc`: this is neither a value nor a gap");
        assert_eq!(error("5-3x2"), "`5-3x2`: a value leaves the range of a counter");
        assert_eq!(error("5xy"), "`5xy`: the number after `x` is not a count");
        assert_eq!(
            error("1x99999999"),
            "`1x99999999`: the series has more points than a week at ten seconds"
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9x+_ rest-]{0,40}") {
            let _unused = parse(&text);
        }
    }
}
