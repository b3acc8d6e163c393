use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cliffwatch_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of an error (RFC 9457, 3).
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// What went wrong, in a way that a program and a person can act on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Problem {
    kind: ProblemKind,
    detail: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
}

/// Every kind of error. The names are stable: clients compare them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProblemKind {
    UnknownParameter,
    BadParameter,
    BadCursor,
    BadRequest,
    Unauthorized,
    Forbidden,
    TooManyAttempts,
    NotFound,
    UnknownDevice,
    UnknownTable,
    UnknownAlert,
    MethodNotAllowed,
    BodyTooLarge,
    ReloadRefused,
    Busy,
    StoreAway,
    NotReady,
    Timeout,
    Internal,
}

impl ProblemKind {
    /// Its name, title and status.
    fn facts(self) -> (&'static str, &'static str, StatusCode) {
        use StatusCode as S;
        match self {
            Self::UnknownParameter => ("unknown-parameter", "Unknown query parameter", S::BAD_REQUEST),
            Self::BadParameter => ("bad-parameter", "Bad value of a query parameter", S::BAD_REQUEST),
            Self::BadCursor => ("bad-cursor", "Bad cursor", S::BAD_REQUEST),
            Self::BadRequest => ("bad-request", "Bad request", S::BAD_REQUEST),
            Self::Unauthorized => ("unauthorized", "A valid token is needed", S::UNAUTHORIZED),
            Self::Forbidden => ("forbidden", "Not allowed", S::FORBIDDEN),
            Self::TooManyAttempts => ("too-many-attempts", "Too many wrong tokens", S::TOO_MANY_REQUESTS),
            Self::NotFound => ("not-found", "No such path", S::NOT_FOUND),
            Self::UnknownDevice => ("unknown-device", "No such device", S::NOT_FOUND),
            Self::UnknownTable => ("unknown-table", "No such table", S::NOT_FOUND),
            Self::UnknownAlert => ("unknown-alert", "No such alert", S::NOT_FOUND),
            Self::MethodNotAllowed => ("method-not-allowed", "Method not allowed", S::METHOD_NOT_ALLOWED),
            Self::BodyTooLarge => ("body-too-large", "Body too large", S::PAYLOAD_TOO_LARGE),
            Self::ReloadRefused => ("reload-refused", "The new configuration was refused", S::CONFLICT),
            Self::Busy => ("busy", "Busy", S::SERVICE_UNAVAILABLE),
            Self::StoreAway => ("store-away", "The store is away", S::SERVICE_UNAVAILABLE),
            Self::NotReady => ("not-ready", "Not ready", S::SERVICE_UNAVAILABLE),
            Self::Timeout => ("timeout", "The answer took too long", S::GATEWAY_TIMEOUT),
            Self::Internal => ("internal", "Internal error", S::INTERNAL_SERVER_ERROR),
        }
    }

    /// What a response without a problem document means, by its status.
    pub(crate) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::BodyTooLarge,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::Internal,
        }
    }
}

impl Problem {
    /// A problem: `detail` says what failed, as a sentence's fragment.
    pub(crate) fn new(kind: ProblemKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), hint: None }
    }

    /// The same with what to do about it.
    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A parameter with a value that cannot be used.
    pub(crate) fn parameter(name: &str, value: &str, expected: &str) -> Self {
        // An echo of a long value helps nobody.
        let shown: String = value.chars().take(100).collect();
        Self::new(ProblemKind::BadParameter, format!("`{name}` is {shown:?}, expected {expected}"))
    }

    /// The store is needed and away.
    pub(crate) fn store_away() -> Self {
        Self::new(ProblemKind::StoreAway, "history cannot be read now, because the store does not answer")
            .with_hint("devices, tables and open alerts (`alerts?state=open`) are answered without it")
    }

    /// Something failed that the caller can do nothing about; the log has the details.
    pub(crate) fn internal() -> Self {
        Self::new(ProblemKind::Internal, "the request failed, and the log of the service says why")
    }
}

impl From<StoreError> for Problem {
    /// The error itself goes to the log: it may name hosts, files and columns.
    fn from(error: StoreError) -> Self {
        if error.is_retryable() {
            tracing::warn!(%error, "A request could not be answered: the store is away.");
            return Self::store_away();
        }
        tracing::error!(%error, "A request could not be answered: the store failed.");
        Self::internal()
    }
}

/// A cursor that no page of this list has given.
pub(crate) fn bad_cursor() -> Problem {
    Problem::new(ProblemKind::BadCursor, "`cursor` is not one that this list gave")
        .with_hint("pass the `next` of a page unchanged, with the same filters and order as for that page")
}

/// An error as JSON (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// The kind of error: stable, for programs.
    #[serde(rename = "type")]
    #[schema(example = "urn:cliffwatch:problem:unknown-parameter")]
    type_: String,
    /// The kind of error, for people.
    title: &'static str,
    /// The status code of the response.
    #[schema(example = 400)]
    status: u16,
    /// What failed this time.
    detail: Cow<'static, str>,
    /// What to do about it, where that is known.
    hint: Option<Cow<'static, str>>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (name, title, status) = self.kind.facts();
        let body = ProblemBody {
            type_: format!("urn:cliffwatch:problem:{name}"),
            title,
            status: status.as_u16(),
            detail: self.detail,
            hint: self.hint,
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        match self.kind {
            ProblemKind::Unauthorized => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"cliffwatch\""),
                );
            }
            ProblemKind::TooManyAttempts => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(crate::attempts::WINDOW.as_secs()));
            }
            _ => {}
        }
        response
    }
}
