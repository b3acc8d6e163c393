use std::collections::BTreeMap;
use std::time::Duration;

use cliffwatch_model::{CounterClass, CounterName, Increase, TableId, Timestamp};

use super::{Conditions, columns, limit_clause, lookup};
use crate::convert::{SampleKey, StoredSampleContext, dangling};
use crate::engine::{Arg, Engine};
use crate::records::RollupRecord;
use crate::row::row;
use crate::text::{from_json, from_json_or_default, json_unless};
use crate::{Page, PageRequest, SamplePoint, SampleQuery, StoreError, cursor};

/// The step of the summaries that outlive the samples.
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
/// Samples that are in memory at once while they are folded into points.
const SAMPLES_PER_FETCH: usize = 10_000;

row! {
    TableRef { table_ref: i32, }
}

row! {
    /// Of a sample what a point needs: a day of one table is thousands of rows.
    StoredReading {
        table_ref: i32,
        observed_at: i64,
        revision: i32,
        used: Option<i64>,
        capacity_limit: Option<i64>,
        sheds_at: Option<i64>,
        setup_rate: Option<f64>,
        teardown_rate: Option<f64>,
        context_ref: i32,
        increases: i32,
    }
}

impl StoredReading {
    pub(crate) const COLUMNS: &'static str = "s.table_ref, s.observed_at, s.revision, s.used, \
        s.capacity_limit, s.sheds_at, s.setup_rate, s.teardown_rate, s.context_ref, s.increases";

    /// The same columns as SQLite packs them into JSON, with whether there are rates in the place of the rates:
    /// SQLite does not write fractions so that they are read back exactly.
    pub(crate) const PACKED: &'static str = "s.table_ref, s.observed_at, s.revision, s.used, s.capacity_limit, \
        s.sheds_at, s.setup_rate IS NOT NULL OR s.teardown_rate IS NOT NULL, s.context_ref, s.increases";

    /// Reads a JSON list of lists of [`StoredReading::PACKED`]; tells whether one of them has rates.
    pub(crate) fn unpack(packed: &str) -> Result<(Vec<Self>, bool), StoreError> {
        let mut rows: Vec<PackedReading> = from_json("readings", packed)?;
        // They are in order already, but no list that is gathered in SQL promises it.
        rows.sort_by_key(|row| (row.1, row.2));
        let rated = rows.iter().any(|row| row.6 != 0);
        Ok((rows.into_iter().map(Self::from).collect(), rated))
    }

    fn key(&self) -> SampleKey {
        SampleKey(self.table_ref, self.observed_at, self.revision)
    }
}

type PackedReading = (i32, i64, i32, Option<i64>, Option<i64>, Option<i64>, u8, i32, i32);

impl From<PackedReading> for StoredReading {
    fn from(packed: PackedReading) -> Self {
        let (table_ref, observed_at, revision, used, capacity_limit, sheds_at, _, context_ref, increases) =
            packed;
        let (setup_rate, teardown_rate) = (None, None);
        Self {
            table_ref,
            observed_at,
            revision,
            used,
            capacity_limit,
            sheds_at,
            setup_rate,
            teardown_rate,
            context_ref,
            increases,
        }
    }
}

/// What several samples come to, with the reference to the context of the last.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) context_ref: i32,
    pub(crate) capacity_limit: Option<i64>,
    pub(crate) values: SamplePoint,
}

/// One table's history.
pub(crate) async fn samples<E: Engine>(
    connection: &mut E::Connection,
    query: &SampleQuery,
    page: &PageRequest,
) -> Result<Page<SamplePoint>, StoreError> {
    let Some(table_ref) = table_ref::<E>(connection, query.table).await? else {
        return Ok(Page { items: Vec::new(), next: None });
    };
    let limit = cursor::limit(page);
    let from = query.from.map_or(i64::MIN, Timestamp::as_micros);
    let from = cursor::read::<i64>(page)?.map_or(from, |start| start.max(from));
    let to = query.to.map_or(i64::MAX, Timestamp::as_micros);
    let step = query.step.map(micros);
    let mut points = BTreeMap::new();
    if step.is_some_and(|step| step % micros(HOUR) == 0) {
        // Summaries come before every sample of their table, so they may fill the page alone.
        rollups::<E>(connection, table_ref, (from, to), step, &mut points).await?;
    }
    let mut next = Some((from, -1));
    while let Some(after) = next.filter(|_| points.len() <= limit) {
        let (rows, more) = fetch::<E>(connection, table_ref, after, to).await?;
        next = more;
        fold::<E>(connection, &rows, step, &mut points).await?;
    }
    let points: Vec<Point> = points.into_values().collect();
    // The cursor is where the next page begins, not where this one ended: a step ends after its last sample.
    let next = points.get(limit).map(|point| cursor::write(&point.values.observed_at.as_micros()));
    let items = points.into_iter().take(limit).map(|point| point.values).collect();
    Ok(Page { items, next })
}

/// Folds samples of one table, in the order of time, into points of one step each.
pub(crate) async fn points_of<E: Engine>(
    connection: &mut E::Connection,
    rows: &[StoredReading],
    step: Duration,
) -> Result<Vec<Point>, StoreError> {
    let mut points = BTreeMap::new();
    fold::<E>(connection, rows, Some(micros(step)), &mut points).await?;
    Ok(points.into_values().collect())
}

async fn table_ref<E: Engine>(
    connection: &mut E::Connection,
    table: TableId,
) -> Result<Option<i32>, StoreError> {
    let sql = "SELECT table_ref FROM session_table WHERE table_id = $1";
    let rows: Vec<TableRef> = E::fetch(connection, sql, vec![Arg::Text(table.to_string())]).await?;
    Ok(rows.first().map(|row| row.table_ref))
}

/// The next samples after (observed_at, revision), never a part of an instant's revisions, and where to go on.
async fn fetch<E: Engine>(
    connection: &mut E::Connection,
    table_ref: i32,
    (at, revision): (i64, i64),
    to: i64,
) -> Result<(Vec<StoredReading>, Option<(i64, i64)>), StoreError> {
    let mut conditions = Conditions::default();
    conditions.add("s.table_ref =", Arg::Int(table_ref.into()));
    let at = conditions.bind(Arg::Int(at));
    let revision = conditions.bind(Arg::Int(revision));
    conditions.clause(format!("(s.observed_at, s.revision) > ({at}, {revision})"));
    conditions.add("s.observed_at <", Arg::Int(to));
    let chosen = format!(
        "{} ORDER BY s.observed_at, s.revision {}",
        conditions.sql(),
        limit_clause(SAMPLES_PER_FETCH)
    );
    let mut rows = E::readings(connection, &chosen, conditions.arguments).await?;
    let Some(cut) = rows.get(SAMPLES_PER_FETCH).map(|row| row.observed_at) else { return Ok((rows, None)) };
    rows.retain(|row| row.observed_at < cut);
    Ok((rows, Some((cut, -1))))
}

async fn fold<E: Engine>(
    connection: &mut E::Connection,
    rows: &[StoredReading],
    step: Option<i64>,
    points: &mut BTreeMap<i64, Point>,
) -> Result<(), StoreError> {
    let references = rows.iter().map(|row| row.context_ref).collect();
    let contexts = lookup::sample_contexts::<E>(connection, references).await?;
    let risen: Vec<SampleKey> = rows.iter().filter(|row| row.increases > 0).map(StoredReading::key).collect();
    let increases = lookup::increases::<E>(connection, &risen).await?;
    for revisions in rows.chunk_by(|a, b| a.observed_at == b.observed_at) {
        let Some(row) = revisions.last() else { continue };
        let context = contexts.get(&row.context_ref).ok_or_else(|| dangling("context_ref"))?;
        let start = start_of(row.observed_at, step);
        let mut reading = reading(row, context, start)?;
        for revision in revisions {
            reading.count(increases.get(&revision.key()).map_or(&[][..], Vec::as_slice));
        }
        merge(points, start, reading);
    }
    Ok(())
}

fn reading(row: &StoredReading, context: &StoredSampleContext, start: i64) -> Result<Point, StoreError> {
    let used = row.used.map(i64::cast_unsigned);
    let capacity = context.capacity(row.capacity_limit)?;
    Ok(Point {
        context_ref: row.context_ref,
        capacity_limit: row.capacity_limit,
        values: SamplePoint {
            observed_at: Timestamp::from_micros(start),
            readings: 1,
            used,
            capacity,
            utilization: used.zip(capacity.ok()).map(|(used, capacity)| capacity.utilization(used)),
            sheds_at: row.sheds_at.map(i64::cast_unsigned),
            setup_rate: row.setup_rate,
            teardown_rate: row.teardown_rate,
            increases: BTreeMap::new(),
        },
    })
}

impl Point {
    fn count(&mut self, increases: &[Increase]) {
        for increase in increases {
            self.add(&increase.counter, increase.class, increase.amount);
        }
    }

    fn add(&mut self, counter: &CounterName, class: CounterClass, amount: u64) {
        let sum = self.values.increases.entry(counter.clone()).or_insert((class, 0));
        sum.1 = sum.1.saturating_add(amount);
    }

    /// Takes in a later point of the same step.
    fn absorb(&mut self, later: Self) {
        let (sum, next) = (&mut self.values, later.values);
        sum.readings = sum.readings.saturating_add(next.readings);
        sum.used = sum.used.max(next.used);
        sum.utilization = higher(sum.utilization, next.utilization);
        sum.setup_rate = higher(sum.setup_rate, next.setup_rate);
        sum.teardown_rate = higher(sum.teardown_rate, next.teardown_rate);
        sum.capacity = next.capacity;
        sum.sheds_at = next.sheds_at;
        self.context_ref = later.context_ref;
        self.capacity_limit = later.capacity_limit;
        for (counter, (class, amount)) in next.increases {
            self.add(&counter, class, amount);
        }
    }

    /// The row that keeps this point after its samples are gone.
    pub(crate) fn record(&self, table_ref: i32) -> Result<RollupRecord, StoreError> {
        let values = &self.values;
        let increases: Vec<_> =
            values.increases.iter().map(|(counter, (class, amount))| (counter, class, amount)).collect();
        Ok(RollupRecord {
            started_at: values.observed_at.as_micros(),
            used: values.used.map(u64::cast_signed),
            capacity_limit: self.capacity_limit,
            sheds_at: values.sheds_at.map(u64::cast_signed),
            utilization: values.utilization,
            setup_rate: values.setup_rate,
            teardown_rate: values.teardown_rate,
            table_ref,
            context_ref: self.context_ref,
            readings: i64::from(values.readings),
            increases: json_unless(increases.is_empty(), &increases)?,
        })
    }
}

async fn rollups<E: Engine>(
    connection: &mut E::Connection,
    table_ref: i32,
    (from, to): (i64, i64),
    step: Option<i64>,
    points: &mut BTreeMap<i64, Point>,
) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT {} FROM rollup AS r WHERE r.table_ref = $1 AND r.started_at >= $2 AND r.started_at < $3 \
         ORDER BY r.started_at",
        columns::<RollupRecord>("r")
    );
    let range = vec![Arg::Int(table_ref.into()), Arg::Int(from), Arg::Int(to)];
    let rows: Vec<RollupRecord> = E::fetch(connection, &sql, range).await?;
    let references = rows.iter().map(|row| row.context_ref).collect();
    let contexts = lookup::sample_contexts::<E>(connection, references).await?;
    for row in rows {
        let context = contexts.get(&row.context_ref).ok_or_else(|| dangling("context_ref"))?;
        let start = start_of(row.started_at, step);
        merge(points, start, summary(&row, context, start)?);
    }
    Ok(())
}

fn summary(row: &RollupRecord, context: &StoredSampleContext, start: i64) -> Result<Point, StoreError> {
    let mut point = Point {
        context_ref: row.context_ref,
        capacity_limit: row.capacity_limit,
        values: SamplePoint {
            observed_at: Timestamp::from_micros(start),
            readings: u32::try_from(row.readings).unwrap_or(u32::MAX),
            used: row.used.map(i64::cast_unsigned),
            capacity: context.capacity(row.capacity_limit)?,
            utilization: row.utilization,
            sheds_at: row.sheds_at.map(i64::cast_unsigned),
            setup_rate: row.setup_rate,
            teardown_rate: row.teardown_rate,
            increases: BTreeMap::new(),
        },
    };
    let increases: Vec<(CounterName, CounterClass, u64)> =
        from_json_or_default("increases", row.increases.as_deref())?;
    for (counter, class, amount) in increases {
        point.add(&counter, class, amount);
    }
    Ok(point)
}

fn merge(points: &mut BTreeMap<i64, Point>, start: i64, point: Point) {
    match points.get_mut(&start) {
        Some(known) => known.absorb(point),
        None => drop(points.insert(start, point)),
    }
}

fn start_of(at: i64, step: Option<i64>) -> i64 {
    step.map_or(at, |step| at.div_euclid(step).saturating_mul(step))
}

fn micros(step: Duration) -> i64 {
    i64::try_from(step.as_micros()).unwrap_or(i64::MAX).max(1)
}

fn higher(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.max(b)),
        (known, None) | (None, known) => known,
    }
}
