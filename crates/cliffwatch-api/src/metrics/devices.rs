use std::collections::BTreeSet;

use cliffwatch_engine::live::{DeviceStatus, LastPoll};
use cliffwatch_model::DeviceName;

use super::text::{Exposition, Kind, Labels, sanitized};
use crate::list::{count, time};
use crate::snapshot::Snapshot;

pub(crate) fn render(out: &mut Exposition, snapshot: &Snapshot) {
    let mut info = out.family("cliffwatch_device_info", Kind::Gauge, "The device as the inventory has it.");
    for device in &snapshot.devices {
        info.sample(&inventory(device), 1.0);
    }
    let mut family = |name: &str, kind, help: &str, value: fn(&DeviceStatus) -> Option<f64>| {
        let mut family = out.family(name, kind, help);
        for device in &snapshot.devices {
            family.known(&labels(device), value(device));
        }
    };
    family(
        "cliffwatch_device_last_success_timestamp_seconds",
        Kind::Gauge,
        "When a poll of the device last succeeded.",
        |device| device.last_success_at.map(|at| time(at) / 1e6),
    );
    family("cliffwatch_poll_success", Kind::Gauge, "Whether the newest poll read anything.", |device| {
        device.last.as_ref().map(|last| f64::from(u8::from(last.outcome.is_success())))
    });
    family("cliffwatch_poll_duration_seconds", Kind::Gauge, "How long the newest poll took.", |device| {
        device.last.as_ref().map(duration)
    });
    family(
        "cliffwatch_poll_lag_seconds",
        Kind::Gauge,
        "How much later than its tick the newest poll began.",
        |it| it.last.as_ref().map(|_| it.slip.as_secs_f64()),
    );
    family(
        "cliffwatch_held_session_round_trip_seconds",
        Kind::Gauge,
        "Round trip on the held session at the newest poll.",
        |it| it.last.as_ref().and_then(|last| last.reachability.held_ms).map(|ms| ms / 1e3),
    );
    family("cliffwatch_polls_total", Kind::Counter, "Polls since the start of Cliffwatch.", |device| {
        Some(count(device.polls_total))
    });
    family(
        "cliffwatch_poll_ticks_missed_total",
        Kind::Counter,
        "Ticks that passed while a poll still ran.",
        |it| Some(count(it.missed_ticks_total)),
    );
    family(
        "cliffwatch_source_panics_total",
        Kind::Counter,
        "Polls that ended in a defect of ours.",
        |device| Some(count(device.panics_total)),
    );
    failures(out, snapshot);
}

fn failures(out: &mut Exposition, snapshot: &Snapshot) {
    let help = "Polls that read nothing, since the start of Cliffwatch.";
    let mut family = out.family("cliffwatch_poll_failures_total", Kind::Counter, help);
    for device in &snapshot.devices {
        for (reason, failures) in &device.failures_total {
            family.sample(&labels(device).with("reason", reason.as_str()), count(*failures));
        }
    }
}

fn duration(last: &LastPoll) -> f64 {
    last.header.finished_at.since(last.header.started_at).as_secs_f64()
}

fn labels(status: &DeviceStatus) -> Labels {
    let device = &status.device;
    Labels::default().with("device", device.name.as_str()).with("platform", device.platform.as_str())
}

/// The operator's labels as `label_NAME`. Names that become the same get a number, since a label that
/// occurs twice makes Prometheus refuse everything.
fn inventory(status: &DeviceStatus) -> Labels {
    let mut labels =
        labels(status).with_known("ha_peer", status.device.ha_peer.as_ref().map(DeviceName::as_str));
    let mut taken = BTreeSet::new();
    for (name, value) in &status.device.labels {
        let plain = format!("label_{}", sanitized(name));
        let mut unique = plain.clone();
        let mut number = 2;
        while !taken.insert(unique.clone()) {
            unique = format!("{plain}_{number}");
            number += 1;
        }
        labels = labels.with(&unique, value);
    }
    labels
}
