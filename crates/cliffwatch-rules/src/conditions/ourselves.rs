//! The rules about ourselves: they read figures that the engine puts into the polls of the device
//! `cliffwatch`.

use cliffwatch_model::Severity;
use serde_json::{Map, Value};

use super::Line;
use crate::device::DeviceView;
use crate::verdict::{Explanation, Verdict};

/// The names of those figures in [`Load::figures`](cliffwatch_model::Load::figures). One that is absent is
/// not known, and no verdict.
pub mod figures {
    /// For how long the store has taken no batch; 0 while it takes them.
    pub const STORE_UNAVAILABLE_SECONDS: &str = "store_unavailable_seconds";
    /// The largest delay of a tick since the last poll of `cliffwatch`.
    pub const POLL_SLIP_SECONDS: &str = "poll_slip_seconds";
    /// Ticks that were missed since then.
    pub const POLLS_MISSED: &str = "polls_missed";
    /// How far the system's clock is ahead of ours, which does not follow a jump; negative: behind.
    pub const CLOCK_STEP_SECONDS: &str = "clock_step_seconds";
    /// Deliveries that were tried more than once and are not delivered.
    pub const DELIVERIES_FAILING: &str = "deliveries_failing";
}

/// What strains us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strain {
    Store,
    Lag,
    Notifier,
    Clock,
}

pub(super) fn judge(line: Line, strain: Strain, view: &DeviceView<'_>) -> Verdict {
    strain.value(view).map_or(Verdict::Unknown, |value| line.judge(value, Severity::Warning))
}

pub(super) fn explain(line: Line, strain: Strain, view: &DeviceView<'_>) -> Explanation {
    let value = strain.value(view);
    let evidence = strain.figures().iter().map(|name| ((*name).to_owned(), Value::from(figure(view, name))));
    Explanation {
        value,
        threshold: Some(line.raise),
        unit: strain.unit(),
        text: strain.text(view),
        evidence: evidence.collect::<Map<_, _>>(),
    }
}

impl Strain {
    fn figures(self) -> &'static [&'static str] {
        match self {
            Self::Store => &[figures::STORE_UNAVAILABLE_SECONDS],
            Self::Lag => &[figures::POLL_SLIP_SECONDS, figures::POLLS_MISSED],
            Self::Notifier => &[figures::DELIVERIES_FAILING],
            Self::Clock => &[figures::CLOCK_STEP_SECONDS],
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Store | Self::Clock => "s",
            Self::Lag => "intervals",
            Self::Notifier => "deliveries",
        }
    }

    fn value(self, view: &DeviceView<'_>) -> Option<f64> {
        match self {
            Self::Store => figure(view, figures::STORE_UNAVAILABLE_SECONDS),
            Self::Lag => intervals(view),
            Self::Notifier => figure(view, figures::DELIVERIES_FAILING),
            Self::Clock => figure(view, figures::CLOCK_STEP_SECONDS).map(f64::abs),
        }
    }

    fn text(self, view: &DeviceView<'_>) -> String {
        let of = |name| figure(view, name).unwrap_or_default();
        match self {
            Self::Store => {
                format!("the store has taken nothing for {:.0} s", of(figures::STORE_UNAVAILABLE_SECONDS))
            }
            Self::Lag => {
                let (slip, missed) = (of(figures::POLL_SLIP_SECONDS), of(figures::POLLS_MISSED));
                format!("polls start up to {slip:.1} s late, {missed:.0} ticks were missed")
            }
            Self::Notifier => format!("{:.0} deliveries keep failing", of(figures::DELIVERIES_FAILING)),
            Self::Clock => {
                let step = of(figures::CLOCK_STEP_SECONDS);
                let way = if step < 0.0 { "back" } else { "forward" };
                format!("the system's clock jumped {way} by {:.1} s; we go on without it", step.abs())
            }
        }
    }
}

fn figure(view: &DeviceView<'_>, name: &str) -> Option<f64> {
    view.poll.load.figures.get(name).copied().filter(|value| value.is_finite())
}

/// The largest delay in intervals; a missed tick is at least one.
fn intervals(view: &DeviceView<'_>) -> Option<f64> {
    let interval = view.poll.header.interval.as_secs_f64();
    let slip =
        figure(view, figures::POLL_SLIP_SECONDS).filter(|_| interval > 0.0).map(|slip| slip / interval);
    let missed = figure(view, figures::POLLS_MISSED);
    match (slip, missed) {
        (Some(slip), Some(missed)) => Some(slip.max(missed)),
        (slip, missed) => slip.or(missed),
    }
}
