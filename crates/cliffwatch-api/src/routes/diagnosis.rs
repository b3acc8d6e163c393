use axum::Json;
use axum::extract::{Path, State};
use cliffwatch_engine::Busy;
use cliffwatch_model::{DeviceName, TableId};

use super::Api;
use super::tables::{table_id, unknown};
use crate::dto::Diagnosis;
use crate::problem::{Problem, ProblemBody, ProblemKind};
use crate::query::{Asked, Nothing};

/// What is wrong with a table, why, and what to do
///
/// From memory, as of the table's newest reading: it is answered while the store is away. Nothing is asked of the device.
#[utoipa::path(
    get, path = "/tables/{id}/diagnosis", tag = "tables",
    params(("id" = String, Path, description = "The `table_id`: 16 hex digits")),
    responses(
        (status = 200, body = Diagnosis, description = "The diagnosis"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn diagnosis(
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Asked<Nothing>,
) -> Result<Json<Diagnosis>, Problem> {
    let id = table_id(&id)?;
    let device = device_of(&api, id).ok_or_else(unknown)?;
    let busy = |busy: Busy| Problem::new(ProblemKind::Busy, busy.to_string());
    let found = api.handle.diagnose(&device, id).await.map_err(busy)?;
    found.map(|found| Json(Diagnosis::from(found))).ok_or_else(unknown)
}

fn device_of(api: &Api, id: TableId) -> Option<DeviceName> {
    let devices = api.handle.live().devices();
    let device = devices.iter().find(|device| device.tables.contains_key(&id))?;
    Some(device.device.name.clone())
}
