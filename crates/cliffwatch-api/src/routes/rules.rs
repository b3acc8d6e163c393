use axum::Json;
use axum::extract::State;

use super::Api;
use crate::dto::{List, Rule};
use crate::problem::{Problem, ProblemBody};
use crate::query::{Asked, Nothing};

/// The rules in force, in the order in which a reading meets them
#[utoipa::path(
    get, path = "/rules", tag = "rules",
    responses(
        (status = 200, body = List<Rule>, description = "Every rule: there is one page"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn rules(State(api): State<Api>, _: Asked<Nothing>) -> Result<Json<List<Rule>>, Problem> {
    // The rules write themselves as `rules.yaml` has them; going through that form keeps it the only one.
    let shown = |rule| serde_json::to_value(rule).and_then(serde_json::from_value);
    let items: Result<Vec<Rule>, _> = api.handle.rules().iter().map(|rule| shown(&**rule)).collect();
    let items = items.map_err(|error| {
        tracing::error!(%error, "A rule cannot be shown.");
        Problem::internal()
    })?;
    Ok(Json(List { items, next: None }))
}
