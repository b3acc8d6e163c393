//! What holds for every request: it ends, it is small, its failure is a problem document.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use tokio::time::timeout;

use crate::problem::{MEDIA_TYPE, Problem, ProblemKind};

/// A request takes milliseconds; one that waits for a store that hangs is given up before its client is.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// No request carries more than a few hundred bytes of JSON.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Runs a request to its end, whatever happens in it.
pub(crate) async fn protect(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let answered = AssertUnwindSafe(timeout(REQUEST_TIMEOUT, answer(request, next))).catch_unwind().await;
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            Problem::new(ProblemKind::Timeout, "the request was given up after 30 s").into_response()
        }
        Err(_) => {
            tracing::error!(%method, path, "A request panicked.");
            Problem::internal().into_response()
        }
    };
    tracing::debug!(%method, path, status = response.status().as_u16(), "A request was answered.");
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        let detail = "the body is longer than 64 KiB, or did not arrive whole";
        return Problem::new(ProblemKind::BodyTooLarge, detail).into_response();
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    as_problem(response)
}

/// Errors of the framework are plain text or nothing; a client gets one kind of error only.
fn as_problem(response: Response) -> Response {
    let status = response.status();
    let is_problem = |value: &HeaderValue| value.as_bytes() == MEDIA_TYPE.as_bytes();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.headers().get(header::CONTENT_TYPE).is_some_and(is_problem) {
        return response;
    }
    let kind = ProblemKind::of(status);
    let detail = match kind {
        ProblemKind::NotFound => "there is nothing at this path; `/openapi.json` lists what there is",
        ProblemKind::MethodNotAllowed => {
            "this path does not take this method; the header `Allow` names those it takes"
        }
        _ => "the request cannot be understood",
    };
    let mut problem = Problem::new(kind, detail).into_response();
    if let Some(allow) = response.headers().get(header::ALLOW) {
        problem.headers_mut().insert(header::ALLOW, allow.clone());
    }
    problem
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn;
    use axum::routing::{get, post};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(method: &str, path: &str, body: Body) -> (StatusCode, serde_json::Value) {
        let router = Router::new()
            .route("/panic", get(async || -> () { panic!("canary") }))
            .route("/hang", get(std::future::pending::<()>))
            .route("/length", post(async |body: String| body.len().to_string()))
            .layer(from_fn(protect));
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_happens_there_is_an_answer() {
        let (status, problem) = ask("GET", "/panic", Body::empty()).await;
        assert_eq!((status.as_u16(), &problem["type"]), (500, &"urn:cliffwatch:problem:internal".into()));
        assert!(!problem.to_string().contains("canary"));
        let (status, problem) = ask("GET", "/hang", Body::empty()).await;
        assert_eq!((status.as_u16(), &problem["type"]), (504, &"urn:cliffwatch:problem:timeout".into()));
        let (status, problem) = ask("GET", "/length", Body::empty()).await;
        assert_eq!((status.as_u16(), &problem["title"]), (405, &"Method not allowed".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_whole_small_and_in_time() {
        let (status, length) = ask("POST", "/length", Body::from(vec![b'x'; BODY_BYTES_MAX])).await;
        assert_eq!((status.as_u16(), length), (200, BODY_BYTES_MAX.into()));
        let (status, _) = ask("POST", "/length", Body::from(vec![b'x'; BODY_BYTES_MAX + 1])).await;
        assert_eq!(status.as_u16(), 413);
        let never = Body::from_stream(futures_util::stream::pending::<Result<String, std::io::Error>>());
        assert_eq!(ask("POST", "/length", never).await.0.as_u16(), 504);
    }
}
