//! Alerts: those that are open from memory, those that are closed from the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use cliffwatch_model::{AlertEvent, AlertState, DeviceName, EvidenceItem, Fix, Severity, TableId, Timestamp};
use cliffwatch_store::{AlertFilter, AlertHistory, HistoryQuery, Order, PageRequest};

use super::{Api, no_page};
use crate::dto::{Alert, AlertDetail, Gathered, List};
use crate::list::{Field, Item, ListOf, Wanted, limit, time};
use crate::problem::{Problem, ProblemBody, ProblemKind, bad_cursor};
use crate::query::{Asked, Nothing, Parameter, Parameters};
use crate::snapshot::rank;

/// Which alerts.
pub(crate) struct Alerts;

/// An open alert as an item of a list.
#[derive(Clone, Debug)]
pub(crate) struct OpenAlert {
    event: Arc<AlertEvent>,
    table_id: Option<String>,
}

impl Parameters for Alerts {
    fn known() -> Vec<Parameter> {
        let state = "only alerts in this state, or these with commas between them: pending, firing, recovering, stale, \
                     resolved, gone; `open` for the first four, `closed` for the last two";
        let mut known = ListOf::<OpenAlert>::known();
        known.insert(0, Parameter::new("state", state));
        known
    }
}

/// Alerts: those that are open, then those that are closed, the newest onset first
///
/// Open ones are answered while the store is away: ask for `state=open`. Only these can be sorted.
#[utoipa::path(
    get, path = "/alerts", tag = "alerts", params(Asked<Alerts>),
    responses(
        (status = 200, body = List<Alert>, description = "A page of alerts, each as its newest event tells it"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn alerts(
    State(api): State<Api>,
    asked: Asked<Alerts>,
) -> Result<Json<List<Alert>>, Problem> {
    let filter = filter(&asked)?;
    let (open, closed): (Vec<_>, Vec<_>) = filter.states.iter().copied().partition(|state| state.is_open());
    if !closed.is_empty() && asked.text("sort").is_some() {
        return Err(Problem::new(ProblemKind::BadParameter, "only open alerts can be sorted")
            .with_hint("ask for `state=open`, or leave `sort` out: the newest onset comes first"));
    }
    let limit = limit(&asked)?;
    let part = part(asked.text("cursor"))?;
    let (mut items, then) = match part {
        Part::Open(cursor) => {
            let page = open_page(&api, &asked, cursor.as_deref(), &open)?;
            if page.next.is_some() || closed.is_empty() {
                return Ok(Json(List {
                    items: page.items,
                    next: page.next.map(|next| format!("{OPEN}{next}")),
                }));
            }
            (page.items, None)
        }
        Part::Closed(cursor) => (Vec::new(), cursor),
    };
    let left = limit - items.len();
    if left == 0 {
        return Ok(Json(List { items, next: Some(CLOSED.to_owned()) }));
    }
    let request = PageRequest { cursor: then, limit: Some(left) };
    let filter = AlertFilter { states: closed, ..filter };
    let page = api.answer(api.store()?.alerts(&filter, &request)).await.map_err(no_page(&request))?;
    items.extend(page.items.iter().map(Alert::from));
    Ok(Json(List { items, next: page.next.map(|next| format!("{CLOSED}{next}")) }))
}

/// One alert with its history
#[utoipa::path(
    get, path = "/alerts/{id}", tag = "alerts", params(("id" = String, Path, description = "The `alert_id`")),
    responses(
        (status = 200, body = AlertDetail, description = "The alert"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn alert(
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Asked<Nothing>,
) -> Result<Json<AlertDetail>, Problem> {
    let open = api.handle.live().open_alerts().into_iter().find(|alert| alert.alert_id == id);
    let stored = match api.store() {
        Ok(store) => store.alert(&id).await.map_err(Problem::from),
        Err(away) => Err(away),
    };
    let (alert, events) = match (open, stored) {
        (open, Ok(Some(history))) => newest(open.as_deref(), history),
        (Some(open), Ok(None)) => (AlertEvent::clone(&open), Some(vec![Alert::from(&*open)])),
        (Some(open), Err(_)) => (AlertEvent::clone(&open), None),
        (None, Ok(None)) => {
            return Err(Problem::new(ProblemKind::UnknownAlert, "no alert with this id is open or kept"));
        }
        (None, Err(problem)) => return Err(problem),
    };
    let found = gathered(&api, &alert).await;
    let fixes = fixes(&api, &alert).await;
    let shown = |(at, EvidenceItem { what, value, .. })| Gathered { at, what, value };
    let gathered = found.map(|found| found.into_iter().map(shown).collect());
    Ok(Json(AlertDetail { alert: Alert::from(&alert), events, gathered, fixes }))
}

/// What would help the alert's table, as its diagnosis says; nothing once the alert is over. None where the pipeline is
/// too busy to work it out.
async fn fixes(api: &Api, alert: &AlertEvent) -> Option<Vec<Fix>> {
    let Some(table) = alert.table_id.filter(|_| alert.state.is_open()) else { return Some(Vec::new()) };
    let diagnosis = api.handle.diagnose(&alert.device, table).await.ok()?;
    let advice = diagnosis.map(|diagnosis| diagnosis.fixes).unwrap_or_default();
    Some(advice.into_iter().map(|advice| advice.fix).collect())
}

/// The store's history, with what memory knows already and the store does not.
fn newest(open: Option<&AlertEvent>, history: AlertHistory) -> (AlertEvent, Option<Vec<Alert>>) {
    let newer = open.filter(|open| open.seq > history.current.seq);
    let events = history.events.iter().chain(newer).map(Alert::from).collect();
    (newer.cloned().unwrap_or(history.current), Some(events))
}

/// Answers of one device that are looked through for those about one table.
const ANSWERS_MAX: usize = 20;

/// What was found out about the alert's table from its onset until it closed: the newest of each finding.
async fn gathered(api: &Api, alert: &AlertEvent) -> Option<Vec<(Timestamp, EvidenceItem)>> {
    let Some(table) = alert.table_id else { return Some(Vec::new()) };
    let query = HistoryQuery {
        device: Some(alert.device.clone()),
        from: Some(alert.onset),
        to: (!alert.state.is_open()).then(|| alert.at.plus(ANSWER_PATIENCE)),
        with_evidence: true,
        order: Order::NewestFirst,
        ..HistoryQuery::default()
    };
    let request = PageRequest { cursor: None, limit: Some(ANSWERS_MAX) };
    let page = api.store().ok()?.observations(&query, &request).await.ok()?;
    let mut newest: Vec<(Timestamp, EvidenceItem)> = Vec::new();
    for poll in page.items {
        let about = poll.evidence.into_iter().filter(|item| item.table_id == Some(table));
        for item in about {
            if !newest.iter().any(|(_, known)| known.what == item.what) {
                newest.push((poll.header.finished_at, item));
            }
        }
    }
    Some(newest)
}

/// An alert may be over before the answer about it came.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Begins the cursors of the part that is read from memory.
const OPEN: &str = "o";
/// Begins the cursors of the part that is read from the store.
const CLOSED: &str = "c";

enum Part {
    Open(Option<String>),
    Closed(Option<String>),
}

fn part(cursor: Option<&str>) -> Result<Part, Problem> {
    let Some(cursor) = cursor else { return Ok(Part::Open(None)) };
    let rest = |rest: &str| (!rest.is_empty()).then(|| rest.to_owned());
    match (cursor.strip_prefix(OPEN), cursor.strip_prefix(CLOSED)) {
        (Some(open), _) => Ok(Part::Open(rest(open))),
        (_, Some(closed)) => Ok(Part::Closed(rest(closed))),
        (None, None) => Err(bad_cursor()),
    }
}

fn open_page(
    api: &Api,
    asked: &Asked<Alerts>,
    cursor: Option<&str>,
    states: &[AlertState],
) -> Result<List<Alert>, Problem> {
    let wanted = Wanted::read_after(asked, cursor)?;
    let alerts = api.handle.live().open_alerts().into_iter();
    let page = wanted.page(alerts.filter(|alert| states.contains(&alert.state)).map(OpenAlert::from));
    Ok(List { items: page.items.iter().map(|alert| Alert::from(&*alert.event)).collect(), next: page.next })
}

fn filter(asked: &Asked<Alerts>) -> Result<AlertFilter, Problem> {
    let expected =
        "pending, firing, recovering, stale, resolved, gone, open or closed, with commas between them";
    Ok(AlertFilter {
        states: asked.parsed("state", expected, states)?.unwrap_or_else(|| AlertState::ALL.to_vec()),
        severity: asked.parsed("severity", "info, warning or critical", Severity::parse)?,
        device: asked.parsed("device", "the name of a device", |name| DeviceName::new(name).ok())?,
        table: asked.parsed("table_id", "16 hex digits", TableId::parse)?,
        rule: asked.text("rule").map(str::to_owned),
        labels: asked.beginning_with("label."),
    })
}

fn states(text: &str) -> Option<Vec<AlertState>> {
    let all = |open: bool| AlertState::ALL.iter().copied().filter(|state| state.is_open() == open).collect();
    let words = text.split(',').map(|word| match word {
        "open" => Some(all(true)),
        "closed" => Some(all(false)),
        word => AlertState::parse(word).map(|state| vec![state]),
    });
    words.collect::<Option<Vec<Vec<_>>>>().map(|states| states.concat())
}

impl From<Arc<AlertEvent>> for OpenAlert {
    fn from(event: Arc<AlertEvent>) -> Self {
        Self { table_id: event.table_id.map(|id| id.to_string()), event }
    }
}

impl Item for OpenAlert {
    const FIELDS: &'static [Field] = &[
        Field::filter("severity", "only alerts that are this bad: info, warning or critical"),
        Field::filter("device", "only alerts on this device and its tables"),
        Field::filter("table_id", "only alerts on this table"),
        Field::filter("rule", "only alerts of this rule"),
        Field::sort("at"),
        Field::sort("onset"),
        Field::sort("value"),
    ];

    fn word(&self, name: &str) -> Option<&str> {
        match name {
            "severity" => Some(self.event.severity.as_str()),
            "device" => Some(self.event.device.as_str()),
            "table_id" => self.table_id.as_deref(),
            "rule" => Some(&self.event.rule),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<f64> {
        match name {
            "severity" => Some(rank(self.event.severity)),
            "at" => Some(time(self.event.at)),
            "onset" => Some(time(self.event.onset)),
            "value" => self.event.value,
            _ => None,
        }
    }

    /// The newest onset first.
    fn key(&self) -> String {
        format!("{:019} {}", i64::MAX.saturating_sub(self.event.onset.as_micros()), self.event.alert_id)
    }

    fn labels(&self) -> &BTreeMap<String, String> {
        &self.event.labels
    }
}
