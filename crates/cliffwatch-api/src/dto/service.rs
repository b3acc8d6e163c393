use cliffwatch_engine::Changes;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether the service works.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`, or `ready`.
    #[schema(example = "ok")]
    pub(crate) status: &'static str,
}

/// What a reload changed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reloaded {
    /// Devices that are new.
    added: usize,
    /// Devices that are no longer there.
    retired: usize,
    /// Devices whose definition differs.
    changed: usize,
    /// Devices that were not touched.
    unchanged: usize,
}

impl From<Changes> for Reloaded {
    fn from(changes: Changes) -> Self {
        let Changes { added, retired, changed, unchanged } = changes;
        Self { added, retired, changed, unchanged }
    }
}
