use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use cliffwatch_model::{
    Bound, Capacity, CapacityOrigin, CapacityReason, CounterClass, CounterKind, CounterName, CounterTotal,
    Epoch, GroupName, Increase, Marks, Role, TableId, TableKey, TableObservation, TableState, Timestamp,
    Unit,
};
use serde::{Deserialize, Serialize};

use super::poll::epoch;
use super::{ContextDigest, Digester, counter_label};
use crate::StoreError;
use crate::records::{IncreaseRecord, SampleContext, SampleRecord};
use crate::row::row;
use crate::text::{corrupt, from_json_or_default, json_unless, word};

/// The key of a row of `sample`: table_ref, observed_at, revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct SampleKey(pub(crate) i32, pub(crate) i64, pub(crate) i32);

/// A row of `sample` as it is read.
pub(crate) type StoredSample = SampleRecord;

row! {
    RawSampleContext {
        context_ref: i32,
        unit: String,
        group_name: String,
        state: String,
        role: String,
        epoch: Option<String>,
        capacity_origin: Option<String>,
        capacity_bound: Option<String>,
        capacity_reason: Option<String>,
        counters: Option<String>,
    }
}

row! {
    StoredIncrease {
        table_ref: i32,
        observed_at: i64,
        revision: i32,
        amount: i64,
        paired: i64,
        over_seconds: i64,
        name: String,
        class: String,
        kind: String,
    }
}

/// A sample's context, read once for all samples that share it.
#[derive(Clone, Debug)]
pub(crate) struct StoredSampleContext {
    unit: Unit,
    group: GroupName,
    state: TableState,
    role: Role,
    epoch: Option<Epoch>,
    capacity: Result<(CapacityOrigin, Bound), CapacityReason>,
    counters: Vec<(CounterName, CounterClass, CounterKind)>,
}

/// What stands for the names in a sample's row.
pub(crate) struct SampleRefs {
    pub(crate) table: i32,
    pub(crate) poller: i32,
    pub(crate) context: i32,
    pub(crate) seq: i64,
}

/// What rarely changes from one sample of a table to the next, as a key. It is taken of every sample, the row
/// only of those that change it.
pub(crate) fn sample_digest(t: &TableObservation) -> ContextDigest {
    let mut digest = Digester::new();
    digest.text(t.unit.as_str());
    digest.text(t.group.as_str());
    digest.text(t.state.as_str());
    digest.text(t.role.as_str());
    digest.optional(t.epoch.as_ref().map(Epoch::as_str));
    match t.capacity {
        Ok(capacity) => {
            digest.optional(Some(capacity.origin.as_str()));
            digest.text(capacity.bound.as_str());
        }
        Err(reason) => {
            digest.optional(None);
            digest.text(reason.as_str());
        }
    }
    for (name, total) in &t.counters {
        digest.text(name.as_str());
        digest.text(total.class.as_str());
        digest.text(total.kind.as_str());
    }
    digest.finish()
}

/// The row of a sample's context.
pub(crate) fn sample_context(
    t: &TableObservation,
    digest: ContextDigest,
    now: i64,
) -> Result<SampleContext, StoreError> {
    let counters: Vec<_> = t.counters.iter().map(|(name, total)| (name, total.class, total.kind)).collect();
    let capacity = t.capacity.ok();
    Ok(SampleContext {
        digest: digest.to_string(),
        unit: t.unit.as_str().to_owned(),
        group_name: t.group.as_str().to_owned(),
        state: t.state.as_str().to_owned(),
        role: t.role.as_str().to_owned(),
        epoch: t.epoch.as_ref().map(|epoch| epoch.as_str().to_owned()),
        capacity_origin: capacity.map(|capacity| capacity.origin.as_str().to_owned()),
        capacity_bound: capacity.map(|capacity| capacity.bound.as_str().to_owned()),
        capacity_reason: t.capacity.err().map(|reason| reason.as_str().to_owned()),
        counters: json_unless(counters.is_empty(), &counters)?,
        used_at: now,
    })
}

/// The row of a sample.
pub(crate) fn sample_record(t: &TableObservation, refs: &SampleRefs) -> Result<SampleRecord, StoreError> {
    let values: Vec<u64> = t.counters.values().map(|total| total.value).collect();
    Ok(SampleRecord {
        observed_at: t.observed_at.as_micros(),
        seq: refs.seq,
        used: t.used.map(u64::cast_signed),
        capacity_limit: t.capacity.ok().map(|capacity| capacity.limit.get().cast_signed()),
        sheds_at: t.sheds_at.map(u64::cast_signed),
        setup_rate: t.setup_rate.filter(|rate| rate.is_finite()),
        teardown_rate: t.teardown_rate.filter(|rate| rate.is_finite()),
        table_ref: refs.table,
        revision: t.revision.cast_signed(),
        poller_ref: refs.poller,
        context_ref: refs.context,
        marks: i32::from(t.marks.bits()),
        increases: i32::try_from(t.increases.len()).unwrap_or(i32::MAX),
        counter_values: json_unless(values.is_empty(), &values)?,
    })
}

/// The rows of a sample's increases; `counter` finds the reference of a counter by its label.
pub(crate) fn increase_records<'a>(
    t: &'a TableObservation,
    refs: &'a SampleRefs,
    counter: impl Fn(&str) -> Result<i32, StoreError> + 'a,
) -> impl Iterator<Item = Result<IncreaseRecord, StoreError>> + 'a {
    (0..).zip(&t.increases).map(move |(ordinal, increase)| {
        Ok(IncreaseRecord {
            observed_at: t.observed_at.as_micros(),
            seq: refs.seq,
            amount: increase.amount.cast_signed(),
            paired: increase.paired.cast_signed(),
            over_seconds: i64::from(increase.over_seconds),
            table_ref: refs.table,
            revision: t.revision.cast_signed(),
            ordinal,
            counter_ref: counter(&counter_label(&increase.counter, increase.class, increase.kind))?,
            poller_ref: refs.poller,
        })
    })
}

impl StoredSampleContext {
    pub(crate) const COLUMNS: &'static str = "context_ref, unit, group_name, state, role, epoch, \
        capacity_origin, capacity_bound, capacity_reason, counters";

    pub(crate) fn parse(raw: &RawSampleContext) -> Result<Self, StoreError> {
        let capacity = match (&raw.capacity_origin, &raw.capacity_bound, &raw.capacity_reason) {
            (Some(origin), Some(bound), None) => Ok((
                word("capacity_origin", origin, CapacityOrigin::parse)?,
                word("capacity_bound", bound, Bound::parse)?,
            )),
            (None, None, Some(reason)) => Err(word("capacity_reason", reason, CapacityReason::parse)?),
            _ => return Err(corrupt("capacity_reason", "there is neither a capacity nor a reason")),
        };
        Ok(Self {
            unit: word("unit", &raw.unit, Unit::parse)?,
            group: GroupName::new(&raw.group_name)
                .map_err(|error| corrupt("group_name", &error.to_string()))?,
            state: word("state", &raw.state, TableState::parse)?,
            role: word("role", &raw.role, Role::parse)?,
            epoch: raw.epoch.as_deref().map(epoch).transpose()?,
            capacity,
            counters: from_json_or_default("counters", raw.counters.as_deref())?,
        })
    }

    /// The capacity of a sample in this context.
    pub(crate) fn capacity(
        &self,
        limit: Option<i64>,
    ) -> Result<Result<Capacity, CapacityReason>, StoreError> {
        let (origin, bound) = match self.capacity {
            Ok(origin_and_bound) => origin_and_bound,
            Err(reason) => return Ok(Err(reason)),
        };
        let limit = limit.map(i64::cast_unsigned).and_then(NonZeroU64::new);
        let limit = limit.ok_or_else(|| corrupt("capacity_limit", "the context tells of a capacity"))?;
        Ok(Ok(Capacity { limit, origin, bound }))
    }

    fn totals(&self, values: Option<&str>) -> Result<BTreeMap<CounterName, CounterTotal>, StoreError> {
        let values: Vec<u64> = from_json_or_default("counter_values", values)?;
        if values.len() != self.counters.len() {
            return Err(corrupt("counter_values", "there are not as many values as counters"));
        }
        let total = |((name, class, kind), value): (&(CounterName, _, _), u64)| {
            (name.clone(), CounterTotal { class: *class, kind: *kind, value })
        };
        Ok(self.counters.iter().zip(values).map(total).collect())
    }
}

impl StoredIncrease {
    pub(crate) const COLUMNS: &'static str = "i.table_ref, i.observed_at, i.revision, i.amount, i.paired, \
        i.over_seconds, c.name, c.class, c.kind";

    pub(crate) fn key(&self) -> SampleKey {
        SampleKey(self.table_ref, self.observed_at, self.revision)
    }

    pub(crate) fn increase(&self) -> Result<Increase, StoreError> {
        Ok(Increase {
            counter: CounterName::new(&self.name).map_err(|error| corrupt("name", &error.to_string()))?,
            class: word("class", &self.class, CounterClass::parse)?,
            kind: word("kind", &self.kind, CounterKind::parse)?,
            amount: self.amount.cast_unsigned(),
            paired: self.paired.cast_unsigned(),
            over_seconds: u32::try_from(self.over_seconds).unwrap_or(u32::MAX),
        })
    }
}

/// The reading that a row, its context and its increases tell.
pub(crate) fn table_observation(
    row: &StoredSample,
    (id, table): &(TableId, Arc<TableKey>),
    context: &StoredSampleContext,
    increases: Option<Vec<Increase>>,
) -> Result<TableObservation, StoreError> {
    Ok(TableObservation {
        id: *id,
        table: Arc::clone(table),
        unit: context.unit,
        group: context.group.clone(),
        state: context.state,
        role: context.role,
        epoch: context.epoch.clone(),
        observed_at: Timestamp::from_micros(row.observed_at),
        revision: row.revision.cast_unsigned(),
        marks: Marks::from_bits(u8::try_from(row.marks).unwrap_or(0)),
        used: row.used.map(i64::cast_unsigned),
        capacity: context.capacity(row.capacity_limit)?,
        sheds_at: row.sheds_at.map(i64::cast_unsigned),
        setup_rate: row.setup_rate,
        teardown_rate: row.teardown_rate,
        counters: context.totals(row.counter_values.as_deref())?,
        increases: increases.unwrap_or_default(),
    })
}
