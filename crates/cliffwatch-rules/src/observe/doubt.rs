//! What is not read is neither confirmed nor over.

use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::{Outcome, TableId};

use super::Pass;
use crate::Verdicts;
use crate::device::DeviceView;
use crate::event::{About, event};
use crate::lifecycle::Progress;
use crate::summary::spoken;
use crate::table::Table;
use crate::tracks::{Track, Tracks};
use crate::verdict::Explanation;

/// What polls read no more is in doubt after this long …
const UNSEEN_MIN: Duration = Duration::from_secs(600);
/// … and this many ticks that might have read it.
const UNSEEN_TICKS_MIN: u32 = 3;

impl Pass<'_> {
    /// The device cannot be read: what its readings said of itself is in doubt.
    pub(super) fn doubt_device(&self, tracks: &mut Tracks, view: &DeviceView<'_>, out: &mut Verdicts) {
        let about = About { facts: self.facts, table: None };
        let age = view.memory.failing_for(self.header.finished_at);
        for Track { rule, progress } in &mut tracks.bound {
            if rule.condition.reads_readings() {
                self.doubt(&rule.id, progress, about, age, out);
            }
        }
    }

    pub(super) fn doubt_table(&self, id: TableId, table: &mut Table, age: Duration, out: &mut Verdicts) {
        let about = About { facts: self.facts, table: Some((id, &table.path)) };
        for (rule, progress) in table.tracks.progress_mut() {
            table.unsaved |= self.doubt(rule, progress, about, age, out);
        }
    }

    fn doubt(
        &self,
        rule: &str,
        progress: &mut Progress,
        about: About<'_>,
        age: Duration,
        out: &mut Verdicts,
    ) -> bool {
        let Some(change) = progress.doubt(self.now()) else { return false };
        let mut why = Explanation::of(&format!("not read for {}", spoken(age)));
        why.evidence.insert("unread_seconds".into(), age.as_secs().into());
        out.events.push(event(rule, about, &change, why));
        true
    }

    /// Tables that polls do not hold any more, though nothing proves that they are gone; and all, where polls
    /// fail or are not made, whatever the rule `stale` says of the device.
    pub(super) fn doubt_unseen(
        &self,
        tables: &mut BTreeMap<TableId, Box<Table>>,
        ticks: u64,
        outcome: Outcome,
        out: &mut Verdicts,
    ) {
        let patience = patience(self.header.interval);
        for (id, table) in tables {
            let Some(seen_at) = table.memory.seen_at else { continue };
            let age = self.header.finished_at.since(seen_at);
            let passed_over = ticks.saturating_sub(table.memory.seen_tick) >= UNSEEN_TICKS_MIN.into();
            if age >= patience && (passed_over || !outcome.is_success()) {
                self.doubt_table(*id, table, age, out);
            }
        }
    }
}

/// After how long what is not read is in doubt.
pub(super) fn patience(interval: Duration) -> Duration {
    UNSEEN_MIN.max(interval.saturating_mul(UNSEEN_TICKS_MIN))
}
