//! Scenarios: series in, events out, through the same ingest that the product uses.

mod active;
mod adoption;
mod backfill;
mod counters;
mod devices;
mod diagnosis;
mod diagnosis_causes;
mod diagnosis_pools;
mod full;
mod growth;
mod lab;
mod late;
mod made_up;
mod new_connections;
mod properties;
mod raw;
mod size;
mod sizing;
mod utilization;
