use super::{Conditions, columns, limit_clause};
use crate::convert::event;
use crate::engine::{Arg, Engine};
use crate::records::EventRecord;
use crate::text::{clean, json};
use crate::{AlertFilter, AlertHistory, Page, PageRequest, StoreError, cursor};

use cliffwatch_model::{AlertEvent, AlertState};

/// Where a page ended: onset, alert id.
type Key = (i64, String);

/// The newest event of each alert that passes, newest onset first.
pub(crate) async fn alerts<E: Engine>(
    connection: &mut E::Connection,
    filter: &AlertFilter,
    page: &PageRequest,
) -> Result<Page<AlertEvent>, StoreError> {
    let limit = cursor::limit(page);
    let mut conditions = matching::<E>(filter)?;
    if let Some((onset, alert)) = cursor::read::<Key>(page)? {
        let onset = conditions.bind(Arg::Int(onset));
        let alert = conditions.bind_text(alert);
        conditions.clause(format!("(a.onset, a.alert_id) < ({onset}, {alert})"));
    }
    let sql = format!(
        "SELECT {} FROM alert AS a JOIN alert_event AS e ON e.alert_id = a.alert_id AND e.seq = a.seq \
         {} ORDER BY a.onset DESC, a.alert_id DESC {}",
        columns::<EventRecord>("e"),
        conditions.sql(),
        limit_clause(limit)
    );
    let rows: Vec<EventRecord> = E::fetch(connection, &sql, conditions.arguments).await?;
    let page = cursor::page(rows, limit, |row| (row.onset, row.alert_id.clone()));
    Ok(Page { items: page.items.into_iter().map(event).collect::<Result<_, _>>()?, next: page.next })
}

fn matching<E: Engine>(filter: &AlertFilter) -> Result<Conditions, StoreError> {
    let mut conditions = Conditions::default();
    if !filter.states.is_empty() {
        let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
        let place = conditions.bind_text(json(&states)?);
        conditions.clause(format!("e.state IN {}", E::strings(&place)));
        if filter.states.iter().copied().all(AlertState::is_open) {
            // The few open alerts have an index of their own.
            conditions.clause("a.is_open".to_owned());
        }
    }
    if let Some(severity) = filter.severity {
        conditions.add_text("e.severity =", severity.as_str());
    }
    if let Some(device) = &filter.device {
        conditions.add_text("e.device =", device.as_str());
    }
    if let Some(table) = filter.table {
        conditions.add_text("e.table_id =", table.to_string());
    }
    if let Some(rule) = &filter.rule {
        conditions.add_text("e.rule =", clean(rule));
    }
    for (label, value) in &filter.labels {
        let label = conditions.bind_text(clean(label));
        let value = conditions.bind_text(clean(value));
        conditions.clause(E::has_label("e.labels", &label, &value));
    }
    Ok(conditions)
}

/// One alert with all its events, oldest first.
pub(crate) async fn alert<E: Engine>(
    connection: &mut E::Connection,
    alert_id: &str,
) -> Result<Option<AlertHistory>, StoreError> {
    let sql = format!(
        "SELECT {} FROM alert_event AS e WHERE e.alert_id = $1 ORDER BY e.seq",
        columns::<EventRecord>("e")
    );
    let rows: Vec<EventRecord> = E::fetch(connection, &sql, vec![Arg::Text(clean(alert_id))]).await?;
    let events = rows.into_iter().map(event).collect::<Result<Vec<_>, _>>()?;
    Ok(events.last().cloned().map(|current| AlertHistory { current, events }))
}
