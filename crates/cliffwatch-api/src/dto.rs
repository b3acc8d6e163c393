//! What JSON looks like: plain values, made from the model's. Names are the contract's.

mod alert;
mod device;
mod diagnosis;
mod poll;
mod rule;
mod sample;
mod service;
mod table;
mod word;

use serde::Serialize;
use utoipa::ToSchema;

pub(crate) use alert::{Alert, AlertDetail, Gathered, WorstAlert};
pub(crate) use device::{Device, Reachability};
pub(crate) use diagnosis::Diagnosis;
pub(crate) use poll::Poll;
pub(crate) use rule::Rule;
pub(crate) use sample::Sample;
pub(crate) use service::{Health, Reloaded};
pub(crate) use table::{Capacity, Table};

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// The cursor of the next page; null where this is the last.
    pub(crate) next: Option<String>,
}
