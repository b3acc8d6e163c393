use axum::Json;
use axum::extract::State;
use cliffwatch_model::{DeviceName, PollerName, Timestamp};
use cliffwatch_store::{HistoryQuery, Order, PageRequest};

use super::{Api, no_page};
use crate::dto::{List, Poll};
use crate::list::limit;
use crate::problem::{Problem, ProblemBody};
use crate::query::{Asked, Parameter, Parameters};

/// Polls that are read from the store at a time. Each comes with its tables, up to 2,000 of them, which the
/// answer only counts: a small part at a time bounds what is held in memory.
const CHUNK: usize = 20;

/// Which polls.
pub(crate) struct Polls;

impl Parameters for Polls {
    fn known() -> Vec<Parameter> {
        vec![
            Parameter::new("device", "only polls of this device"),
            Parameter::new("poller", "only polls by this poller"),
            Parameter::time("from", "only polls that ended at or after this time, RFC 3339"),
            Parameter::time("to", "only polls that ended before this time, RFC 3339"),
            Parameter::new("evidence", "`true`: only polls that hold evidence"),
            Parameter::new("sort", "`-finished_at`, newest first, unless given; or `finished_at`"),
            Parameter::count("limit", "how many polls a page has at most: 1 to 5000, 1000 unless given"),
            Parameter::new("cursor", "the `next` of the page before"),
        ]
    }
}

/// Attempts to read devices, newest first
#[utoipa::path(
    get, path = "/polls", tag = "polls", params(Asked<Polls>),
    responses(
        (status = 200, body = List<Poll>, description = "A page of polls"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn polls(State(api): State<Api>, asked: Asked<Polls>) -> Result<Json<List<Poll>>, Problem> {
    let (query, limit) = (query(&asked)?, limit(&asked)?);
    let store = api.store()?;
    let mut items = Vec::new();
    let mut cursor = asked.text("cursor").map(str::to_owned);
    loop {
        let part = PageRequest { cursor, limit: Some(CHUNK.min(limit - items.len())) };
        let page = api.answer(store.observations(&query, &part)).await.map_err(no_page(&part))?;
        items.extend(page.items.into_iter().map(Poll::from));
        if page.next.is_none() || items.len() >= limit {
            return Ok(Json(List { items, next: page.next }));
        }
        cursor = page.next;
    }
}

fn query(asked: &Asked<Polls>) -> Result<HistoryQuery, Problem> {
    let time = |name| asked.parsed(name, "a time as in 2026-03-01T12:00:00Z", Timestamp::parse);
    let order = |text: &str| match text {
        "finished_at" => Some(Order::OldestFirst),
        "-finished_at" => Some(Order::NewestFirst),
        _ => None,
    };
    Ok(HistoryQuery {
        device: asked.parsed("device", "the name of a device", |name| DeviceName::new(name).ok())?,
        poller: asked.parsed("poller", "the name of a poller", |name| PollerName::new(name).ok())?,
        after_seq: None,
        from: time("from")?,
        to: time("to")?,
        with_evidence: asked.parsed("evidence", "true or false", |text| text.parse().ok())?.unwrap_or(false),
        order: asked.parsed("sort", "finished_at or -finished_at", order)?.unwrap_or(Order::NewestFirst),
    })
}
