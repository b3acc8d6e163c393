use axum::Json;
use axum::extract::State;

use super::Api;
use crate::dto::Health;
use crate::problem::{Problem, ProblemBody, ProblemKind};

/// Whether the process answers
#[utoipa::path(
    get, path = "/healthz", tag = "service", security(()),
    responses((status = 200, body = Health, description = "It does"))
)]
pub(crate) async fn healthz() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Whether the service does all of its work
///
/// Not while the store is away: alerts go on meanwhile, and history is kept until it is back.
#[utoipa::path(
    get, path = "/readyz", tag = "service", security(()),
    responses(
        (status = 200, body = Health, description = "It does"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "Not now"),
    )
)]
pub(crate) async fn readyz(State(api): State<Api>) -> Result<Json<Health>, Problem> {
    if api.handle.is_ready() {
        return Ok(Json(Health { status: "ready" }));
    }
    Err(Problem::new(ProblemKind::NotReady, "the store has taken nothing yet, or is away"))
}
