use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Api;
use crate::metrics;
use crate::problem::{Problem, ProblemBody};
use crate::query::{Asked, Nothing};

/// Everything for Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "service",
    responses(
        (status = 200, body = String, content_type = "text/plain; version=0.0.4", description = "Text format 0.0.4"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn metrics(State(api): State<Api>, _: Asked<Nothing>) -> Result<Response, Problem> {
    // Ten thousand tables are tens of milliseconds of formatting: not on a thread that answers others.
    let rendered = tokio::task::spawn_blocking(move || metrics::render(&api.handle)).await;
    let text = rendered.map_err(|error| {
        tracing::error!(%error, "The metrics could not be rendered.");
        Problem::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}
