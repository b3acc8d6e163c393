use axum::Json;
use axum::extract::State;
use cliffwatch_engine::ReloadError;

use super::Api;
use crate::dto::Reloaded;
use crate::problem::{Problem, ProblemBody, ProblemKind};
use crate::query::{Asked, Nothing};

/// Loads the configuration again
///
/// Only devices that differ are touched. A configuration that cannot be used changes nothing.
#[utoipa::path(
    post, path = "/-/reload", tag = "service",
    responses(
        (status = 200, body = Reloaded, description = "It is in force"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It cannot be used: why"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn reload(State(api): State<Api>, _: Asked<Nothing>) -> Result<Json<Reloaded>, Problem> {
    match api.handle.reload().await {
        Ok(changes) => Ok(Json(Reloaded::from(changes))),
        Err(error @ ReloadError::Refused(_)) => {
            Err(Problem::new(ProblemKind::ReloadRefused, error.to_string())
                .with_hint("`cliffwatch check` says the same without a service"))
        }
        Err(error @ ReloadError::Busy) => Err(Problem::new(ProblemKind::Busy, error.to_string())),
    }
}

/// The same, beside the other paths of the API
#[utoipa::path(
    post, path = "/api/v1/-/reload", tag = "service",
    responses(
        (status = 200, body = Reloaded, description = "It is in force"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "It cannot be used: why"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn reload_v1(state: State<Api>, asked: Asked<Nothing>) -> Result<Json<Reloaded>, Problem> {
    reload(state, asked).await
}
