use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use cliffwatch_engine::{Handle, Stats};

use super::text::{Exposition, Kind, Labels, sanitized};
use crate::list::count;

pub(crate) fn render(out: &mut Exposition, handle: &Handle) {
    let version = Labels::default().with("version", env!("CARGO_PKG_VERSION"));
    let version = version.with("poller", handle.poller().as_str());
    let help = "The version that runs, and its name among the pollers.";
    out.family("cliffwatch_build_info", Kind::Gauge, help).sample(&version, 1.0);
    let help = "Whether the last reload took effect.";
    let succeeded = f64::from(u8::from(handle.last_reload_succeeded()));
    out.number("cliffwatch_config_last_reload_successful", Kind::Gauge, help, succeeded);
    let away = Stats::read(&handle.stats().store_away_since_micros) > 0 || handle.store().is_none();
    out.number("cliffwatch_store_up", Kind::Gauge, "Whether the store answers.", f64::from(u8::from(!away)));
    store(out, handle.stats());
    slip(out, handle.stats());
    hubs(out, handle);
}

/// Its tail says whether one core is enough: a poll that begins late was waited for by nobody's device.
fn slip(out: &mut Exposition, stats: &Stats) {
    let help = "How much later than its tick each poll began, over all devices.";
    let buckets = stats.slip.cumulative().map(|(bound, through)| (bound, count(through)));
    let sum = count(stats.slip.sum_micros()) / 1e6;
    out.family("cliffwatch_poll_slip_seconds", Kind::Histogram, help).histogram(buckets, sum);
}

fn store(out: &mut Exposition, stats: &Stats) {
    let mut number = |name: &str, kind, help: &str, value: &AtomicU64| {
        out.number(name, kind, help, count(Stats::read(value)));
    };
    let Stats { commits_total, commit_failures_total, observations_dropped_total, .. } = stats;
    number("cliffwatch_store_commits_total", Kind::Counter, "Batches that were stored.", commits_total);
    number(
        "cliffwatch_store_commit_failures_total",
        Kind::Counter,
        "Batches that failed.",
        commit_failures_total,
    );
    let help = "Polls that wait for the store.";
    number("cliffwatch_backlog_observations", Kind::Gauge, help, &stats.backlog_observations);
    number("cliffwatch_backlog_bytes", Kind::Gauge, "The same in bytes, roughly.", &stats.backlog_bytes);
    let help = "Polls that were dropped because the store was away for too long.";
    number("cliffwatch_observations_dropped_total", Kind::Counter, help, observations_dropped_total);
    let help = "Alert events that were handed to those who tell people.";
    number("cliffwatch_alert_events_released_total", Kind::Counter, help, &stats.events_released_total);
    let help = "Writes to the events journal that failed.";
    number("cliffwatch_journal_failures_total", Kind::Counter, help, &stats.journal_failures_total);
    let help = "Ticks that passed while a poll still ran, over all devices.";
    number("cliffwatch_ticks_missed_total", Kind::Counter, help, &stats.missed_ticks_total);
}

/// The platforms' shared parts, each figure under its own name. Platforms that share a part report the
/// same figures, which are written once.
fn hubs(out: &mut Exposition, handle: &Handle) {
    let mut figures = BTreeMap::new();
    for hub in handle.hubs() {
        for (figure, value) in hub.figures {
            figures.entry(sanitized(&format!("cliffwatch_{}_{figure}", hub.hub))).or_insert((hub.hub, value));
        }
    }
    for (name, (hub, value)) in figures {
        let kind = if name.ends_with("_total") { Kind::Counter } else { Kind::Gauge };
        out.number(
            &name,
            kind,
            &format!("Of the part `{hub}` that the devices of a platform share."),
            count(value),
        );
    }
}
