use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::{Api, aside};
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
    let text = aside(move || metrics::render(&api.handle)).await?;
    Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response())
}
