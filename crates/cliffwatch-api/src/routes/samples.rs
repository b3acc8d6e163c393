use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use cliffwatch_model::{TableId, Timestamp};
use cliffwatch_store::{PageRequest, SampleQuery, Store};

use super::{Api, no_page, tables};
use crate::dto::{List, Sample};
use crate::list::limit;
use crate::problem::{Problem, ProblemBody};
use crate::query::{Asked, Parameter, Parameters};

/// The longest step: a year in one point is the coarsest that history can be asked for.
const STEP_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Which part of a table's history.
pub(crate) struct Samples;

impl Parameters for Samples {
    fn known() -> Vec<Parameter> {
        vec![
            Parameter::time("from", "only what was read at or after this time, RFC 3339"),
            Parameter::time("to", "only what was read before this time, RFC 3339"),
            Parameter::new(
                "step",
                "one point for each step instead of one for each reading: `30s`, `5m`, `1h`, `1d`",
            ),
            Parameter::count("limit", "how many points a page has at most: 1 to 5000, 1000 unless given"),
            Parameter::new("cursor", "the `next` of the page before"),
        ]
    }
}

/// The history of a table, oldest first
#[utoipa::path(
    get, path = "/tables/{id}/samples", tag = "tables",
    params(("id" = String, Path, description = "The `table_id`: 16 hex digits"), Asked<Samples>),
    responses(
        (status = 200, body = List<Sample>, description = "A page of readings, or of steps"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn samples(
    State(api): State<Api>,
    Path(id): Path<String>,
    asked: Asked<Samples>,
) -> Result<Json<List<Sample>>, Problem> {
    let query = query(tables::table_id(&id)?, &asked)?;
    let page = PageRequest { cursor: asked.text("cursor").map(str::to_owned), limit: Some(limit(&asked)?) };
    let store = api.store()?;
    let found = api.answer(store.samples(&query, &page)).await.map_err(no_page(&page))?;
    if found.items.is_empty() && !is_known(&api, &*store, query.table).await? {
        return Err(tables::unknown());
    }
    Ok(Json(List { items: found.items.into_iter().map(Sample::from).collect(), next: found.next }))
}

fn query(table: TableId, asked: &Asked<Samples>) -> Result<SampleQuery, Problem> {
    let time = |name| asked.parsed(name, "a time as in 2026-03-01T12:00:00Z", Timestamp::parse);
    let (from, to) = (time("from")?, time("to")?);
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        return Err(Problem::parameter("to", &to.to_string(), &format!("a time after `from` ({from})")));
    }
    let step = asked.parsed("step", "a duration as in 30s, 5m, 1h or 1d", step)?;
    Ok(SampleQuery { table, from, to, step })
}

fn step(text: &str) -> Option<Duration> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let (number, seconds) =
        units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let step = Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?);
    (!step.is_zero() && step <= STEP_MAX).then_some(step)
}

/// Whether the table exists, or existed: a table that is gone has a history, and one that is new has none.
async fn is_known(api: &Api, store: &dyn Store, table: TableId) -> Result<bool, Problem> {
    if api.handle.live().devices().iter().any(|device| device.tables.contains_key(&table)) {
        return Ok(true);
    }
    let any = SampleQuery { table, from: None, to: None, step: None };
    let one = PageRequest { cursor: None, limit: Some(1) };
    Ok(!api.answer(store.samples(&any, &one)).await?.items.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_have_a_unit() {
        assert_eq!(step("30s"), Some(Duration::from_secs(30)));
        assert_eq!(step("2h"), Some(Duration::from_secs(7_200)));
        for wrong in [
            "",
            "30",
            "s",
            "0s",
            "-5m",
            "5 m",
            "1.5h",
            "99999999999999999999d",
            "18446744073709551615h",
            "367d",
        ] {
            assert_eq!(step(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_period_has_a_length() {
        let table = TableId::from_i64(1);
        let asked = |query: &str| Asked::<Samples>::of(query).unwrap();
        let good = query(table, &asked("from=2026-03-01T12:00:00Z&to=2026-03-01T13:00:00%2B01:00&step=5m"));
        assert_eq!(good.err().map(|_| ()), Some(()), "13:00+01:00 is 12:00Z: empty");
        assert!(query(table, &asked("from=2026-03-01T12:00:00Z&to=2026-03-01T12:00:01Z")).is_ok());
        let problem = Problem::parameter("from", "yesterday", "a time as in 2026-03-01T12:00:00Z");
        assert_eq!(query(table, &asked("from=yesterday")).err(), Some(problem));
    }
}
