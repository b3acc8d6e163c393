//! Retention: what is too old goes, a bounded part at a time; of samples an hourly summary stays.

use std::time::Duration;

use cliffwatch_model::Timestamp;

use crate::engine::{Arg, Engine};
use crate::read::{HOUR, points_of};
use crate::row::row;
use crate::text::json;
use crate::{Retained, Retention, StoreError};

/// Rows of one kind that one call removes: about 50 ms on either engine, so that a commit hardly waits.
const ROWS_PER_CALL: u64 = 5_000;
/// Tables that one call looks at.
const TABLES_PER_CALL: u64 = 100;
/// Of one table one call removes at most this much time.
const SPAN_PER_TABLE: Duration = Duration::from_secs(6 * 3_600);
/// Names and contexts stay this much longer than the last row that may use them: they are marked as in use
/// every half day only.
const MARGIN: Duration = Duration::from_secs(86_400);

row! {
    OldTable { table_ref: i32, oldest: i64, latest: Option<i64>, }
}

row! {
    AlertId { alert_id: String, }
}

pub(crate) async fn retain<E: Engine>(
    connection: &mut E::Connection,
    retention: &Retention,
    now: Timestamp,
) -> Result<Retained, StoreError> {
    let before = |age: Duration| now.minus(age).as_micros();
    let mut done = Retained::default();
    done.samples = samples::<E>(connection, hour(before(retention.samples)), &mut done.more).await?;
    if !done.more {
        // Only now every increase that is old enough is part of a summary.
        done.increases = by_key::<E>(
            connection,
            ("increase", "observed_at, table_ref, revision, ordinal"),
            ("observed_at", hour(before(retention.samples))),
            &mut done.more,
        )
        .await?;
    }
    done.rollups = rollups::<E>(connection, before(retention.rollups), &mut done.more).await?;
    let polls = ("poll", "device_ref, poller_ref, seq");
    let old = ("finished_at", before(retention.polls));
    done.polls = by_key::<E>(connection, polls, old, &mut done.more).await?;
    done.events = events::<E>(connection, before(retention.events), &mut done.more).await?;
    let longest = retention.samples.max(retention.rollups).max(retention.polls);
    done.identities = identities::<E>(connection, before(longest.saturating_add(MARGIN))).await?;
    Ok(done)
}

/// Folds whole hours of samples into summaries and removes them. The hour of a live table's latest sample
/// stays, however old it is.
async fn samples<E: Engine>(
    connection: &mut E::Connection,
    cutoff: i64,
    more: &mut bool,
) -> Result<u64, StoreError> {
    let hour_us = micros(HOUR);
    let sql = format!(
        "SELECT o.table_ref, o.oldest, o.latest FROM ( \
             SELECT t.table_ref, l.observed_at AS latest, \
                 (SELECT min(s.observed_at) FROM sample AS s WHERE s.table_ref = t.table_ref) AS oldest \
             FROM session_table AS t LEFT JOIN latest AS l ON l.table_ref = t.table_ref \
         ) AS o WHERE o.oldest < $1 AND (o.latest IS NULL OR o.oldest < o.latest - o.latest % {hour_us}) \
         ORDER BY o.table_ref LIMIT {TABLES_PER_CALL}"
    );
    let tables: Vec<OldTable> = E::fetch(connection, &sql, vec![Arg::Int(cutoff)]).await?;
    *more |= u64::try_from(tables.len()).unwrap_or(0) == TABLES_PER_CALL;
    let mut removed = 0;
    for table in tables {
        if removed >= ROWS_PER_CALL {
            *more = true;
            break;
        }
        let span_end = hour(table.oldest).saturating_add(micros(SPAN_PER_TABLE));
        let end = cutoff.min(span_end).min(table.latest.map_or(i64::MAX, hour));
        *more |= end == span_end;
        removed += fold::<E>(connection, table.table_ref, end).await?;
    }
    Ok(removed)
}

async fn fold<E: Engine>(
    connection: &mut E::Connection,
    table_ref: i32,
    end: i64,
) -> Result<u64, StoreError> {
    let of_table = || vec![Arg::Int(table_ref.into()), Arg::Int(end)];
    let chosen = "WHERE s.table_ref = $1 AND s.observed_at < $2 ORDER BY s.observed_at, s.revision";
    let rows = E::readings(connection, chosen, of_table()).await?;
    let points = points_of::<E>(connection, &rows, HOUR).await?;
    let summaries = points.iter().map(|point| point.record(table_ref)).collect::<Result<_, _>>()?;
    E::insert(connection, summaries, "ON CONFLICT DO NOTHING").await?;
    E::execute(connection, "DELETE FROM sample WHERE table_ref = $1 AND observed_at < $2", of_table()).await
}

/// Removes the oldest rows of a table, found by its index on time.
async fn by_key<E: Engine>(
    connection: &mut E::Connection,
    (table, key): (&str, &str),
    (column, cutoff): (&str, i64),
    more: &mut bool,
) -> Result<u64, StoreError> {
    let sql = format!(
        "DELETE FROM {table} WHERE ({key}) IN \
         (SELECT {key} FROM {table} WHERE {column} < $1 ORDER BY {column} LIMIT {ROWS_PER_CALL})"
    );
    let removed = E::execute(connection, &sql, vec![Arg::Int(cutoff)]).await?;
    *more |= removed == ROWS_PER_CALL;
    Ok(removed)
}

async fn rollups<E: Engine>(
    connection: &mut E::Connection,
    cutoff: i64,
    more: &mut bool,
) -> Result<u64, StoreError> {
    let sql = format!(
        "DELETE FROM rollup WHERE started_at < $1 AND table_ref IN (SELECT t.table_ref FROM session_table AS t \
         WHERE EXISTS (SELECT 1 FROM rollup AS r WHERE r.table_ref = t.table_ref AND r.started_at < $1) \
         LIMIT {TABLES_PER_CALL})"
    );
    let removed = E::execute(connection, &sql, vec![Arg::Int(cutoff)]).await?;
    *more |= removed >= TABLES_PER_CALL;
    Ok(removed)
}

/// Removes alerts that are closed for long enough, with all their events.
async fn events<E: Engine>(
    connection: &mut E::Connection,
    cutoff: i64,
    more: &mut bool,
) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT alert_id FROM alert WHERE NOT is_open AND at < $1 ORDER BY at LIMIT {TABLES_PER_CALL}"
    );
    let alerts: Vec<AlertId> = E::fetch(connection, &sql, vec![Arg::Int(cutoff)]).await?;
    if alerts.is_empty() {
        return Ok(0);
    }
    *more |= u64::try_from(alerts.len()).unwrap_or(0) == TABLES_PER_CALL;
    let list: Vec<&str> = alerts.iter().map(|alert| alert.alert_id.as_str()).collect();
    let list = || Ok::<_, StoreError>(vec![Arg::Text(json(&list)?)]);
    let of_alerts = |table: &str| format!("DELETE FROM {table} WHERE alert_id IN {}", E::strings("$1"));
    let removed = E::execute(connection, &of_alerts("alert_event"), list()?).await?;
    E::execute(connection, &of_alerts("alert"), list()?).await?;
    Ok(removed)
}

/// Removes names and contexts that no row has used for longer than any row is kept.
async fn identities<E: Engine>(connection: &mut E::Connection, cutoff: i64) -> Result<u64, StoreError> {
    let mut removed = 0;
    for sql in [
        "DELETE FROM session_table WHERE used_at < $1 \
         AND NOT EXISTS (SELECT 1 FROM latest AS l WHERE l.table_ref = session_table.table_ref)",
        "DELETE FROM poll_context WHERE used_at < $1",
        "DELETE FROM sample_context WHERE used_at < $1 AND NOT EXISTS (SELECT 1 FROM latest AS l \
         CROSS JOIN sample AS s WHERE s.table_ref = l.table_ref AND s.observed_at = l.observed_at \
         AND s.context_ref = sample_context.context_ref)",
        "DELETE FROM progress WHERE device_ref IN \
         (SELECT device_ref FROM device WHERE used_at < $1 AND retired_at < $1)",
        "DELETE FROM device WHERE used_at < $1 AND retired_at < $1 \
         AND NOT EXISTS (SELECT 1 FROM session_table AS t WHERE t.device_ref = device.device_ref)",
    ] {
        removed += E::execute(connection, sql, vec![Arg::Int(cutoff)]).await?;
    }
    Ok(removed)
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The beginning of the hour.
fn hour(at: i64) -> i64 {
    at.div_euclid(micros(HOUR)).saturating_mul(micros(HOUR))
}
