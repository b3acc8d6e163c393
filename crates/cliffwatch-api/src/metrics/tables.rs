use std::collections::HashSet;

use cliffwatch_engine::live::MISSED_POLLS_MAX;
use cliffwatch_model::TableObservation;

use super::text::{Exposition, Kind, Labels};
use crate::list::{count, time};
use crate::snapshot::{Snapshot, TableRow};

/// A table with its labels.
type Series<'a> = (Labels, TableRow<'a>);

pub(crate) fn render(out: &mut Exposition, snapshot: &Snapshot) {
    let series = series(snapshot);
    let mut gauge = |name: &str, help: &str, value: fn(&TableObservation) -> Option<f64>| {
        let mut family = out.family(name, Kind::Gauge, help);
        for (labels, row) in &series {
            family.known(labels, value(&row.table.newest));
        }
    };
    gauge("cliffwatch_table_used", "How much of the table is used, in its unit.", |it| it.used.map(count));
    gauge("cliffwatch_table_capacity", "The limit of the table, in its unit.", |it| {
        it.capacity.ok().map(|capacity| count(capacity.limit.get()))
    });
    gauge(
        "cliffwatch_table_utilization_ratio",
        "Used over the limit, 0 to 1.",
        TableObservation::utilization,
    );
    gauge("cliffwatch_table_setup_rate", "New entries per second, where the device tells.", |it| {
        it.setup_rate
    });
    gauge("cliffwatch_table_observed_timestamp_seconds", "When the table was read.", |it| {
        Some(time(it.observed_at) / 1e6)
    });
    time_to_full(out, &series);
    info(out, &series);
    counters(out, &series);
}

/// Only where a time is known: a table that does not rise has no series.
fn time_to_full(out: &mut Exposition, series: &[Series<'_>]) {
    let help = "When the table is full if it goes on like this; absent where that cannot be said.";
    let mut family = out.family("cliffwatch_table_time_to_full_seconds", Kind::Gauge, help);
    for (labels, row) in series {
        family.known(labels, row.table.outlook.and_then(|outlook| outlook.full.seconds()));
    }
}

/// The tables that were read lately. One that was missed [`MISSED_POLLS_MAX`] times is left out, so that no
/// series repeats a number that nobody has read.
fn series(snapshot: &Snapshot) -> Vec<Series<'_>> {
    let mut seen = HashSet::new();
    let lately = snapshot.table_rows().into_iter().filter(|row| row.table.missed_polls < MISSED_POLLS_MAX);
    // A series that occurs twice makes Prometheus refuse everything: names from devices must not cause that.
    lately.map(|row| (labels(&row), row)).filter(|(labels, _)| seen.insert(labels.clone())).collect()
}

/// `table` is the path that alerts have too: with `device` it names the table, and joins the two.
fn labels(row: &TableRow<'_>) -> Labels {
    let table = &row.table.newest.table;
    Labels::default()
        .with("device", row.device.device.name.as_str())
        .with("platform", row.device.device.platform.as_str())
        .with("scope", &format!("{}/{}", table.scope.kind, table.scope.name))
        .with("table", &table.path())
        .with_known("protocol", table.protocol.as_deref())
        .with_known("part", table.part_text().as_deref())
}

fn info(out: &mut Exposition, series: &[Series<'_>]) {
    let help = "What the table is; origin and bound tell where its limit comes from and what happens there.";
    let mut family = out.family("cliffwatch_table_info", Kind::Gauge, help);
    for (labels, row) in series {
        let reading = &row.table.newest;
        let labels = labels
            .clone()
            .with("kind", reading.table.kind.as_str())
            .with("unit", reading.unit.as_str())
            .with("state", reading.state.as_str())
            .with("role", reading.role.as_str())
            .with_known("origin", reading.capacity.ok().map(|capacity| capacity.origin.as_str()))
            .with_known("bound", reading.capacity.ok().map(|capacity| capacity.bound.as_str()))
            .with_known("capacity_reason", reading.capacity.err().map(|reason| reason.as_str()));
        family.sample(&labels, 1.0);
    }
}

fn counters(out: &mut Exposition, series: &[Series<'_>]) {
    let help =
        "The device's own counters; where it tells increases only, their sum since Cliffwatch started.";
    let mut family = out.family("cliffwatch_counter_total", Kind::Counter, help);
    for (labels, row) in series {
        for (name, (class, total)) in &row.table.totals {
            let labels = labels.clone().with("counter", name.as_str()).with("class", class.as_str());
            family.sample(&labels, count(*total));
        }
    }
}
