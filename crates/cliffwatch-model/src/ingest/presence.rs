use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::{GroupName, Sample, TableId, TableKey, Timestamp};

use super::{IngestMemory, LIVE_TABLES_MAX};

/// How long a table of a group that is never read completely is believed in after it was last seen.
const UNSEEN_MAX: Duration = Duration::from_secs(3_600);

/// Keeps the fullest [`LIVE_TABLES_MAX`] tables and tells how many were left out.
pub(super) fn keep_fullest(samples: &mut Vec<Sample>) -> usize {
    let tables: BTreeSet<TableId> = samples.iter().map(|s| s.table.id()).collect();
    let Some(cut) = tables.len().checked_sub(LIVE_TABLES_MAX).filter(|cut| *cut > 0) else {
        return 0;
    };
    let mut fill: std::collections::BTreeMap<TableId, u64> = std::collections::BTreeMap::new();
    for sample in &*samples {
        let known = fill.entry(sample.table.id()).or_default();
        *known = (*known).max(fill_per_million(sample));
    }
    let mut order: Vec<(Reverse<u64>, TableId)> =
        fill.into_iter().map(|(id, fill)| (Reverse(fill), id)).collect();
    order.sort_unstable();
    let kept: BTreeSet<TableId> = order.into_iter().take(LIVE_TABLES_MAX).map(|(_, id)| id).collect();
    samples.retain(|s| kept.contains(&s.table.id()));
    cut
}

/// Fill in millionths, saturating; a table without a limit ranks by its count alone.
fn fill_per_million(sample: &Sample) -> u64 {
    let used = sample.used.unwrap_or(0);
    match sample.capacity {
        Ok(capacity) => used.saturating_mul(1_000_000) / capacity.limit,
        Err(_) => used,
    }
}

impl IngestMemory {
    /// Forgets and names the tables that no longer exist: absent from their group read completely, or
    /// not seen for too long in a group that never is.
    pub(super) fn depart(
        &mut self,
        seen: &BTreeSet<TableId>,
        complete: &[GroupName],
        now: Timestamp,
    ) -> Vec<Arc<TableKey>> {
        let mut gone = Vec::new();
        self.tables.retain(|id, table| {
            let departed = !seen.contains(id)
                && (complete.contains(&table.group) || now.since(table.seen_at) >= UNSEEN_MAX);
            if departed {
                gone.push(Arc::clone(&table.key));
            }
            !departed
        });
        gone
    }
}
