//! One file a resource: its paths, its parameters, and where its answers come from.

mod alerts;
mod devices;
mod diagnosis;
mod health;
mod metrics;
mod polls;
mod reload;
mod rules;
mod samples;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use cliffwatch_engine::{Handle, Stats};
use cliffwatch_store::{PageRequest, Store, StoreError};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::attempts::Attempts;
use crate::problem::{Problem, bad_cursor};
use crate::{Access, auth, guard, openapi};

/// How long a store that took nothing the last time is given: it may be read though it cannot be written
/// (a full disk), and one that hangs must not hold those who ask.
const AWAY_PATIENCE: Duration = Duration::from_secs(1);

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) handle: Handle,
    pub(crate) access: Access,
    pub(crate) attempts: Arc<Attempts>,
}

impl Api {
    /// The store, for answers that need it.
    fn store(&self) -> Result<Arc<dyn Store>, Problem> {
        self.handle.store().ok_or_else(Problem::store_away)
    }

    /// Waits for the store's answer, and not for long while it is known to be away.
    async fn answer<T>(
        &self,
        question: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        if Stats::read(&self.handle.stats().store_away_since_micros) == 0 {
            return question.await;
        }
        tokio::time::timeout(AWAY_PATIENCE, question).await.unwrap_or_else(|_elapsed| {
            let what = format!("no answer within {AWAY_PATIENCE:?}, and none to the writer before");
            Err(StoreError::Unavailable { what, hint: None })
        })
    }
}

/// Makes an answer from memory away from the threads that poll: ten thousand tables are tens of
/// milliseconds of formatting, which no device's deadline shall wait for.
async fn aside<T: Send + 'static>(make: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(make).await.map_err(|error| {
        tracing::error!(%error, "An answer could not be made.");
        Problem::internal()
    })
}

/// Why the store gave no page: the cursor is all of a request that it may find invalid.
fn no_page(page: &PageRequest) -> impl Fn(StoreError) -> Problem {
    move |error| match error {
        StoreError::Invalid(_) if page.cursor.is_some() => bad_cursor(),
        error => Problem::from(error),
    }
}

/// Every path with its document.
pub(crate) fn documented() -> OpenApiRouter<Api> {
    let resources = OpenApiRouter::new()
        .routes(routes!(devices::devices))
        .routes(routes!(devices::device))
        .routes(routes!(tables::tables))
        .routes(routes!(tables::table))
        .routes(routes!(diagnosis::diagnosis))
        .routes(routes!(samples::samples))
        .routes(routes!(alerts::alerts))
        .routes(routes!(alerts::alert))
        .routes(routes!(polls::polls))
        .routes(routes!(rules::rules));
    OpenApiRouter::with_openapi(openapi::head())
        .nest("/api/v1", resources)
        .routes(routes!(reload::reload))
        .routes(routes!(reload::reload_v1))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(metrics::metrics))
}

/// The service behind every connection.
pub(crate) fn router(handle: Handle, access: Access) -> Router {
    let api = Api { handle, access, attempts: Arc::default() };
    let (router, document) = documented().split_for_parts();
    let document = openapi::text(document);
    router
        .route("/openapi.json", get(move || openapi::answer(document.clone())))
        // The last layer is the outermost: whatever happens in the others is still answered.
        .layer(from_fn_with_state(api.clone(), auth::authorize))
        .layer(from_fn(guard::protect))
        .with_state(api)
}
