use std::time::Duration;

use cliffwatch_model::{CounterClass, Severity};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::reading::{self, since_onset};
use crate::summary::{self, counted};
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};
use crate::window::WINDOW_SPAN;

const MINUTE: Duration = Duration::from_secs(60);

/// New connections are lost.
///
/// Two ladders, and the higher step counts. *Refused* (the table is full, the provider or the device says
/// so): a warning at once; critical when seen in `hits` of `of` tick polls, at `critical_fill`, or pushed
/// by the device. While the table stays at `critical_fill` a pause is no end: the kernel's sweep frees 5 %,
/// and half a minute later it is full again. *Clashes* (counters that share their increase with another: two flows wanted one tuple,
/// or no source port was left): info on any, a warning at `clashes_in_5m`, critical at
/// `clashes_per_second` kept up for a minute. A 20-port SNAT pool climbs the second at 0.4 % fill.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusing {
    /// Critical when refused in this many …
    pub hits: u32,
    /// … of this many tick polls, at most 8.
    pub of: u32,
    /// Critical when refused at this fill of a hard limit, in percent; the end is below it.
    pub critical_fill: f64,
    /// A warning at this many clashes in 5 minutes.
    pub clashes_in_5m: u64,
    /// Critical at this many clashes a second over a minute.
    pub clashes_per_second: u64,
}

impl Default for Refusing {
    fn default() -> Self {
        Self { hits: 2, of: 3, critical_fill: 90.0, clashes_in_5m: 10, clashes_per_second: 1 }
    }
}

impl Refusing {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { hits, of, critical_fill, .. } = *self;
        if hits == 0 || hits > of || of > u8::BITS {
            return Err(format!("hits ({hits}) must be 1 to `of` ({of}), and `of` at most {}", u8::BITS));
        }
        if !critical_fill.is_finite() {
            return Err("critical_fill must be a number".to_owned());
        }
        Ok(())
    }

    pub(super) fn judge(&self, view: &TableView<'_>) -> Verdict {
        match self.severity(view) {
            Some(severity) => Verdict::Raised(severity),
            None if !view.signals.read.has(CounterClass::Refused) => Verdict::Unknown,
            // Swept, or nobody tries just now: what comes next is refused again.
            None if reading::is_full(view, self.critical_fill) => Verdict::Between,
            None => Verdict::Clear,
        }
    }

    /// Only what a period refused is news when it comes late: polled counters cannot be compared then.
    pub(super) fn judge_late(&self, view: &TableView<'_>) -> Verdict {
        if view.signals.refused_in_period > 0 { Verdict::Raised(Severity::Warning) } else { Verdict::Unknown }
    }

    fn severity(&self, view: &TableView<'_>) -> Option<Severity> {
        self.refused(view).max(self.clashed(view))
    }

    fn refused(&self, view: &TableView<'_>) -> Option<Severity> {
        let signals = view.signals;
        let refused = signals.refused > 0 || signals.refused_in_period > 0;
        let again = signals.refused > 0 && self.ticks_hit(view) >= self.hits;
        let critical =
            again || (refused && reading::is_full(view, self.critical_fill)) || signals.refused_pushed > 0;
        match (critical, refused) {
            (true, _) => Some(Severity::Critical),
            (false, true) => Some(Severity::Warning),
            (false, false) => None,
        }
    }

    fn clashed(&self, view: &TableView<'_>) -> Option<Severity> {
        if view.signals.clashes == 0 {
            return None;
        }
        let (window, now) = (&view.memory.clashes, view.reading.observed_at);
        // One burst is not a minute of clashes, however large; and what a slow poll counts spreads over
        // its whole interval.
        let extent = window.extent(now, MINUTE);
        let fast = window.sum(now, MINUTE) >= self.clashes_per_second.saturating_mul(extent.as_secs());
        if extent >= MINUTE && fast {
            Some(Severity::Critical)
        } else if window.sum(now, WINDOW_SPAN) >= self.clashes_in_5m {
            Some(Severity::Warning)
        } else {
            Some(Severity::Info)
        }
    }

    fn ticks_hit(&self, view: &TableView<'_>) -> u32 {
        let asked = u8::MAX >> (u8::BITS - self.of.clamp(1, u8::BITS));
        (view.memory.refused_ticks & asked).count_ones()
    }

    pub(super) fn explain(&self, view: &TableView<'_>, total: u64) -> Explanation {
        let signals = view.signals;
        let lost = signals.lost();
        let clashes_in_5m = view.memory.clashes.sum(view.reading.observed_at, WINDOW_SPAN);
        let mut evidence = reading::numbers(view);
        since_onset(&mut evidence, total);
        evidence.insert("lost".into(), json!(lost));
        evidence.insert("clashes".into(), json!(signals.clashes));
        evidence.insert("clashes_in_5m".into(), json!(clashes_in_5m));
        evidence
            .insert("ticks_with_refusals".into(), json!(format!("{} of {}", self.ticks_hit(view), self.of)));
        Explanation {
            value: Some(reading::number(lost)),
            threshold: Some(1.0),
            unit: "connections",
            text: format!("{} at {}", what(view), summary::fill(view)),
            evidence,
        }
    }
}

fn what(view: &TableView<'_>) -> String {
    let lost = view.signals.lost();
    if lost == 0 {
        return "no new connection lost".to_owned();
    }
    let how =
        if view.signals.clashes == lost { "lost to clashes or missing source ports" } else { "refused" };
    let rises = summary::rises(view.reading, CounterClass::Refused);
    let lost = counted(lost, "new connection", "new connections");
    format!("{lost} {how}{} ({rises})", reading::over(view))
}
