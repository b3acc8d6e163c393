//! `/metrics`: what is known now, in Prometheus' text format 0.0.4.
//!
//! Everything is rendered from memory at the moment of the scrape, so a series cannot outlive what it tells:
//! a table that was not read for three polls, a device that was retired and an alert that was closed are
//! not there any more.

mod alerts;
mod devices;
mod service;
mod tables;
mod text;

use cliffwatch_engine::Handle;

use crate::snapshot::Snapshot;
use text::Exposition;

pub(crate) use text::MEDIA_TYPE;

/// Everything, as one text.
pub(crate) fn render(handle: &Handle) -> String {
    let snapshot = Snapshot::of(handle.live());
    let mut out = Exposition::default();
    tables::render(&mut out, &snapshot);
    devices::render(&mut out, &snapshot);
    alerts::render(&mut out, &snapshot);
    service::render(&mut out, handle);
    out.into_text()
}
