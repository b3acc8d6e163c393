use cliffwatch_model::Observation;

use super::{Conditions, columns, limit_clause, lookup};
use crate::convert::{Names, SampleKey, StoredPoll, observation};
use crate::engine::{Arg, Engine};
use crate::records::PollRecord;
use crate::row::row;
use crate::text::from_json_or_default;
use crate::{HistoryQuery, Order, Page, PageRequest, StoreError, cursor};

/// Samples of one page of observations: a device with thousands of tables fills a page with few polls.
const SAMPLES_PER_PAGE_MAX: usize = 50_000;

/// Where a page ended: finished_at, device, poller, seq.
type Key = (i64, String, String, i64);

row! {
    /// What a poll is sorted by.
    SortKey { device: String, poller: String, }
}

/// A poll with the names it is sorted by, so that both engines list alike.
type Listed = (StoredPoll, SortKey);

/// What was observed, exactly as it was written. Samples that retention removed are absent.
pub(crate) async fn observations<E: Engine>(
    connection: &mut E::Connection,
    query: &HistoryQuery,
    page: &PageRequest,
) -> Result<Page<Observation>, StoreError> {
    let limit = cursor::limit(page);
    let (sql, arguments) = statement(query, cursor::read(page)?, limit);
    let rows: Vec<Listed> = E::fetch(connection, &sql, arguments).await?;
    let mut page = cursor::page(rows, limit, key);
    let keys = keys_within_budget(&mut page)?;
    let names = names::<E>(connection, &page.items).await?;
    let samples: Vec<SampleKey> = keys.iter().flatten().copied().collect();
    let samples = lookup::samples::<E>(connection, &samples).await?;
    let tables = lookup::table_observations::<E>(connection, &samples).await?;
    let items = page.items.iter().zip(keys).map(|((poll, _), keys)| {
        // Two polls may name one sample (two pollers of one cloud account), so it is copied, not moved.
        let read = keys.iter().filter_map(|key| tables.get(key).cloned()).collect();
        observation(poll, &names, read)
    });
    Ok(Page { items: items.collect::<Result<_, _>>()?, next: page.next })
}

fn key((poll, names): &Listed) -> Key {
    (poll.finished_at, names.device.clone(), names.poller.clone(), poll.seq)
}

fn statement(query: &HistoryQuery, after: Option<Key>, limit: usize) -> (String, Vec<Arg>) {
    let mut conditions = Conditions::default();
    if let Some(device) = &query.device {
        // Through the reference, so that the index on (device_ref, finished_at) serves the order as well.
        let name = conditions.bind_text(device.as_str());
        conditions.clause(format!("p.device_ref = (SELECT device_ref FROM device WHERE name = {name})"));
    }
    if let Some(poller) = &query.poller {
        let name = conditions.bind_text(poller.as_str());
        conditions.clause(format!("p.poller_ref = (SELECT poller_ref FROM poller WHERE name = {name})"));
    }
    if let Some(seq) = query.after_seq {
        conditions.add("p.seq >", Arg::Int(seq.cast_signed()));
    }
    if let Some(from) = query.from {
        conditions.add("p.finished_at >=", Arg::Int(from.as_micros()));
    }
    if let Some(to) = query.to {
        conditions.add("p.finished_at <", Arg::Int(to.as_micros()));
    }
    if query.with_evidence {
        conditions.clause("p.evidence IS NOT NULL".to_owned());
    }
    let (beyond, order) = match query.order {
        Order::OldestFirst => (">", "ASC"),
        Order::NewestFirst => ("<", "DESC"),
    };
    if let Some((finished_at, device, poller, seq)) = after {
        let at = conditions.bind(Arg::Int(finished_at));
        let device = conditions.bind_text(device);
        let poller = conditions.bind_text(poller);
        let seq = conditions.bind(Arg::Int(seq));
        conditions.clause(format!(
            "p.finished_at {beyond}= {at} AND (p.finished_at {beyond} {at} \
             OR (d.name, w.name, p.seq) {beyond} ({device}, {poller}, {seq}))"
        ));
    }
    let sql = format!(
        "SELECT {}, d.name AS device, w.name AS poller FROM poll AS p \
         JOIN device AS d ON d.device_ref = p.device_ref JOIN poller AS w ON w.poller_ref = p.poller_ref \
         {} ORDER BY p.finished_at {order}, d.name {order}, w.name {order}, p.seq {order} {}",
        columns::<PollRecord>("p"),
        conditions.sql(),
        limit_clause(limit)
    );
    (sql, conditions.arguments)
}

/// The samples of each poll; the page is cut where they become too many, but never to nothing.
fn keys_within_budget(page: &mut Page<Listed>) -> Result<Vec<Vec<SampleKey>>, StoreError> {
    let mut keys: Vec<Vec<SampleKey>> = Vec::with_capacity(page.items.len());
    let mut samples = 0;
    for (poll, _) in &page.items {
        let of_poll: Vec<SampleKey> = from_json_or_default("tables", poll.tables.as_deref())?;
        samples += of_poll.len();
        if samples > SAMPLES_PER_PAGE_MAX && !keys.is_empty() {
            break;
        }
        keys.push(of_poll);
    }
    if keys.len() < page.items.len() {
        page.items.truncate(keys.len());
        page.next = page.items.last().map(|last| cursor::write(&key(last)));
    }
    Ok(keys)
}

async fn names<E: Engine>(connection: &mut E::Connection, rows: &[Listed]) -> Result<Names, StoreError> {
    let polls = || rows.iter().map(|(poll, _)| poll);
    let mut gone = std::collections::BTreeSet::new();
    for poll in polls() {
        gone.extend(from_json_or_default::<Vec<i32>>("gone", poll.gone.as_deref())?);
    }
    let tables = lookup::tables::<E>(connection, gone).await?;
    Ok(Names {
        devices: lookup::devices::<E>(connection, polls().map(|poll| poll.device_ref).collect()).await?,
        pollers: lookup::pollers::<E>(connection, polls().map(|poll| poll.poller_ref).collect()).await?,
        contexts: lookup::poll_contexts::<E>(connection, polls().map(|poll| poll.context_ref).collect())
            .await?,
        tables: tables.into_iter().map(|(reference, (_, key))| (reference, key)).collect(),
    })
}
