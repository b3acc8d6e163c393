use std::time::Duration;

use cliffwatch_model::{CounterClass, Severity};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::reading::{self, since_onset};
use crate::summary::{self, counted, grouped};
use crate::table::TableView;
use crate::verdict::{Explanation, Verdict};
use crate::window::WINDOW_SPAN;

const MINUTE: Duration = Duration::from_secs(60);
/// Buckets of sums that a run may have, and span: they are remembered for an hour.
const BUCKETS_MAX: u32 = 12;

/// New connections are lost.
///
/// Four ladders, and the highest step counts.
///
/// - *Refused* (a polled counter: the table is full): a warning at once; critical when seen in `hits` of
///   `of` tick polls, or at `critical_fill`. While the table stays at `critical_fill` a pause is no end: the
///   kernel's sweep frees 5 %, and half a minute later it is full again.
/// - *Clashes* (counters that share their increase with another: two flows wanted one tuple, or no source
///   port was left): info on any, a warning at `clashes_in_5m`, critical at `clashes_per_second` kept up for
///   a minute. A 20-port SNAT pool climbs this one at 0.4 % fill.
/// - *Sums* over a provider's periods: a warning on any that is not zero; critical at `failed_percent` of
///   the period's attempts (a sum that is named so, or the set-up rate) and `failed_min`, at `critical_fill`, or after `buckets`
///   5-minute buckets (UTC) in a row with such a period, among up to `unknown_buckets` unknown ones. What is
///   corrected counts as it stands now.
/// - *Pushed* by the device: critical at once; on port tiers below 1024 a warning until there are
///   `low_ports_in_1m` in a minute.
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
    /// Critical when a period's sum is this many percent of its attempts …
    pub failed_percent: f64,
    /// … and at least this many.
    pub failed_min: u64,
    /// Critical after this many 5-minute buckets in a row, each with a sum that is not zero …
    pub buckets: u32,
    /// … and at most this many unknown ones among them.
    pub unknown_buckets: u32,
    /// Critical at this many pushed refusals in a minute on a tier of ports below 1024.
    pub low_ports_in_1m: u64,
}

impl Default for Refusing {
    fn default() -> Self {
        Self {
            hits: 2,
            of: 3,
            critical_fill: 90.0,
            clashes_in_5m: 10,
            clashes_per_second: 1,
            failed_percent: 1.0,
            failed_min: 20,
            buckets: 3,
            unknown_buckets: 3,
            low_ports_in_1m: 10,
        }
    }
}

impl Refusing {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { hits, of, critical_fill, failed_percent, buckets, unknown_buckets, .. } = *self;
        if hits == 0 || hits > of || of > u8::BITS {
            return Err(format!("hits ({hits}) must be 1 to `of` ({of}), and `of` at most {}", u8::BITS));
        }
        if !critical_fill.is_finite() {
            return Err("critical_fill must be a number".to_owned());
        }
        if !(failed_percent.is_finite() && failed_percent >= 0.0) {
            return Err("failed_percent must be a number from 0 up".to_owned());
        }
        if buckets == 0 || buckets.saturating_add(unknown_buckets) > BUCKETS_MAX {
            return Err(format!(
                "buckets ({buckets}) must be 1 or more, and with unknown_buckets ({unknown_buckets}) at most \
                 {BUCKETS_MAX}: an hour"
            ));
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

    /// Only sums and what was pushed are news when they come late: polled counters cannot be compared then.
    pub(super) fn judge_late(&self, view: &TableView<'_>) -> Verdict {
        self.summed(view).max(self.pushed(view)).map_or(Verdict::Unknown, Verdict::Raised)
    }

    fn severity(&self, view: &TableView<'_>) -> Option<Severity> {
        self.refused(view).max(self.clashed(view)).max(self.summed(view)).max(self.pushed(view))
    }

    fn refused(&self, view: &TableView<'_>) -> Option<Severity> {
        let critical = || self.ticks_hit(view) >= self.hits || reading::is_full(view, self.critical_fill);
        (view.signals.refused > 0).then(|| warning_or(critical()))
    }

    fn summed(&self, view: &TableView<'_>) -> Option<Severity> {
        let critical = || {
            self.is_share_high(view)
                || self.buckets_in_a_row(view) >= self.buckets
                || reading::is_full(view, self.critical_fill)
        };
        (view.signals.refused_in_period > 0).then(|| warning_or(critical()))
    }

    fn is_share_high(&self, view: &TableView<'_>) -> bool {
        let failed = view.signals.sum_of_period.unwrap_or(0);
        let share = attempts(view)
            .is_some_and(|attempts| reading::number(failed) * 100.0 >= attempts * self.failed_percent);
        failed >= self.failed_min && share
    }

    fn buckets_in_a_row(&self, view: &TableView<'_>) -> u32 {
        view.memory.periods.run(view.reading.observed_at, self.unknown_buckets)
    }

    fn pushed(&self, view: &TableView<'_>) -> Option<Severity> {
        let newest = view.memory.newest.unwrap_or(view.reading.observed_at);
        let many = || view.memory.counted.sum(newest, MINUTE) >= self.low_ports_in_1m;
        let critical = || view.signals.pushed_of_low_ports == 0 || many();
        (view.signals.refused_pushed > 0).then(|| warning_or(critical()))
    }

    fn clashed(&self, view: &TableView<'_>) -> Option<Severity> {
        if view.signals.clashes == 0 {
            return None;
        }
        let (window, now) = (&view.memory.counted, view.reading.observed_at);
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
        let lost = view.signals.lost();
        let mut evidence = reading::numbers(view);
        since_onset(&mut evidence, total);
        evidence.insert("lost".into(), json!(lost));
        match view.signals.sum_of_period {
            Some(failed) => self.note_sums(view, failed, &mut evidence),
            None => self.note_polled(view, &mut evidence),
        }
        Explanation {
            value: Some(reading::number(lost)),
            threshold: Some(1.0),
            unit: "connections",
            text: format!("{}{} at {}", what(view), self.how_bad(view), summary::fill(view)),
            evidence,
        }
    }

    fn note_polled(&self, view: &TableView<'_>, evidence: &mut Map<String, Value>) {
        let clashes_in_5m = view.memory.counted.sum(view.reading.observed_at, WINDOW_SPAN);
        evidence.insert("clashes".into(), json!(view.signals.clashes));
        evidence.insert("clashes_in_5m".into(), json!(clashes_in_5m));
        evidence
            .insert("ticks_with_refusals".into(), json!(format!("{} of {}", self.ticks_hit(view), self.of)));
    }

    fn note_sums(&self, view: &TableView<'_>, failed: u64, evidence: &mut Map<String, Value>) {
        evidence.insert("failed_in_period".into(), json!(failed));
        if failed > 0 {
            evidence.insert("buckets_in_a_row".into(), json!(self.buckets_in_a_row(view)));
        }
        if let Some(attempts) = attempts(view) {
            evidence.insert("attempts_in_period".into(), json!(attempts.round()));
        }
    }

    /// What of a provider's sums decides how bad it is.
    fn how_bad(&self, view: &TableView<'_>) -> String {
        let failed = view.signals.sum_of_period.filter(|failed| *failed > 0);
        let Some(failed) = failed else { return String::new() };
        let attempted = attempts(view).filter(|attempts| *attempts > 0.0).map(|attempts| {
            let percent = reading::number(failed) * 100.0 / attempts;
            format!(", {percent:.1} % of {} attempts", grouped(reading::rounded(attempts)))
        });
        let run = self.buckets_in_a_row(view);
        let again = (run > 1).then(|| format!(", in {run} five-minute buckets in a row"));
        attempted.into_iter().chain(again).collect()
    }
}

fn warning_or(critical: bool) -> Severity {
    if critical { Severity::Critical } else { Severity::Warning }
}

/// What was attempted in the period, where the provider tells.
fn attempts(view: &TableView<'_>) -> Option<f64> {
    if let Some(attempts) = view.signals.attempts {
        return Some(reading::number(attempts));
    }
    let rate = view.reading.setup_rate.filter(|rate| rate.is_finite() && *rate >= 0.0)?;
    let period = view.signals.period;
    (!period.is_zero()).then_some(rate * period.as_secs_f64())
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
