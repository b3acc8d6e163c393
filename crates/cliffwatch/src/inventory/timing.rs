use std::time::Duration;

use super::device::pick;
use super::file::DeviceFile;
use super::layer::Placed;
use crate::diagnostics::{Problem, Report};
use crate::value::Span;
use crate::yaml::At;

/// How often a device is polled where nobody says: several readings within the minute in which a table
/// can fill, at a cost that no device notices.
const INTERVAL: Duration = Duration::from_secs(10);
/// The longest that a poll may take where nobody says.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A device's interval, and its timeout below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    pub interval: Duration,
    pub timeout: Duration,
}

pub(super) fn of(
    file: &DeviceFile,
    layers: [&Placed; 2],
    interval_min: Duration,
    report: &mut Report,
) -> Timing {
    let given = file.interval.as_ref().or_else(|| pick(layers, |layer| layer.interval.as_ref()));
    let interval = interval(given, interval_min, &file.platform.value, report);
    let room = interval.mul_f64(0.8);
    let inherited = pick(layers, |layer| layer.timeout.as_ref());
    let timeout = match (&file.timeout, inherited) {
        (Some(own), _) => below(own, interval, room, report),
        // A default for all cannot know the interval of one: it is cut to fit, unless it fits no device.
        (None, Some(inherited)) if file.interval.is_some() => inherited.value.0.min(room),
        (None, Some(inherited)) => below(inherited, interval, room, report),
        (None, None) => TIMEOUT.min(room),
    };
    Timing { interval, timeout }
}

fn interval(given: Option<&At<Span>>, min: Duration, platform: &str, report: &mut Report) -> Duration {
    let Some(given) = given else { return INTERVAL.max(min) };
    if given.value.0 < min {
        let message = format!(
            "interval {} is below what platform `{platform}` allows and is raised to {}",
            given.value,
            Span(min)
        );
        report.push(Problem::warning(given.at, message).hint(format!("write `interval: {}`", Span(min))));
    }
    given.value.0.max(min)
}

fn below(timeout: &At<Span>, interval: Duration, room: Duration, report: &mut Report) -> Duration {
    if timeout.value.0 < interval && !timeout.value.0.is_zero() {
        return timeout.value.0;
    }
    let message = if timeout.value.0.is_zero() {
        "timeout 0s leaves no time for a poll".to_owned()
    } else {
        format!("timeout {} is not below the interval {}", timeout.value, Span(interval))
    };
    let hint = format!("write at most `timeout: {}`, or leave it out", Span(room));
    report.push(Problem::error(timeout.at, message).hint(hint));
    room
}
