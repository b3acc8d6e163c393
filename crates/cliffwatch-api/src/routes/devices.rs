use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};

use super::{Api, aside};
use crate::dto::{Device, List};
use crate::list::{ListOf, Wanted};
use crate::problem::{Problem, ProblemBody, ProblemKind};
use crate::query::{Asked, Nothing};
use crate::snapshot::{DeviceRow, Snapshot};

/// The devices of the inventory, and how each is doing now
#[utoipa::path(
    get, path = "/devices", tag = "devices", params(Asked<ListOf<DeviceRow<'static>>>),
    responses(
        (status = 200, body = List<Device>, description = "A page of devices, by name unless sorted"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn devices(
    State(api): State<Api>,
    asked: Asked<ListOf<DeviceRow<'static>>>,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&asked)?;
    let answer = move || {
        let snapshot = Snapshot::of(api.handle.live());
        let page = wanted.page(snapshot.device_rows());
        Json(List { items: page.items.iter().map(Device::from).collect(), next: page.next }).into_response()
    };
    aside(answer).await
}

/// One device
#[utoipa::path(
    get, path = "/devices/{name}", tag = "devices", params(("name" = String, Path, description = "The device's name")),
    responses(
        (status = 200, body = Device, description = "The device"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn device(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Asked<Nothing>,
) -> Result<Json<Device>, Problem> {
    let snapshot = Snapshot::of(api.handle.live());
    let rows = snapshot.device_rows();
    let row = rows.iter().find(|row| row.status.device.name.as_str() == name);
    let unknown = || {
        Problem::new(ProblemKind::UnknownDevice, "no device of this name is in the inventory")
            .with_hint("`devices` lists those that are")
    };
    row.map(|row| Json(Device::from(row))).ok_or_else(unknown)
}
