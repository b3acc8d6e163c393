use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use cliffwatch_model::TableId;

use super::{Api, aside};
use crate::dto::{List, Table};
use crate::list::{ListOf, Wanted};
use crate::problem::{Problem, ProblemBody, ProblemKind};
use crate::query::{Asked, Nothing};
use crate::snapshot::{Snapshot, TableRow};

/// The tables as they are now
#[utoipa::path(
    get, path = "/tables", tag = "tables", params(Asked<ListOf<TableRow<'static>>>),
    responses(
        (status = 200, body = List<Table>, description = "A page of tables, by device and path unless sorted"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn tables(
    State(api): State<Api>,
    asked: Asked<ListOf<TableRow<'static>>>,
) -> Result<Response, Problem> {
    let wanted = Wanted::read(&asked)?;
    let answer = move || {
        let snapshot = Snapshot::of(api.handle.live());
        let page = wanted.page(snapshot.table_rows());
        Json(List { items: page.items.iter().map(Table::from).collect(), next: page.next }).into_response()
    };
    aside(answer).await
}

/// One table as it is now
#[utoipa::path(
    get, path = "/tables/{id}", tag = "tables", params(("id" = String, Path, description = "The `table_id`: 16 hex digits")),
    responses(
        (status = 200, body = Table, description = "The table"),
        (status = "default", body = ProblemBody, content_type = "application/problem+json", description = "An error"),
    )
)]
pub(crate) async fn table(
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Asked<Nothing>,
) -> Result<Json<Table>, Problem> {
    let id = table_id(&id)?;
    let snapshot = Snapshot::of(api.handle.live());
    let rows = snapshot.table_rows();
    let row = rows.iter().find(|row| row.table.newest.id == id);
    row.map(|row| Json(Table::from(row))).ok_or_else(unknown)
}

/// A table's id as the path has it.
pub(super) fn table_id(text: &str) -> Result<TableId, Problem> {
    TableId::parse(text).ok_or_else(unknown)
}

pub(super) fn unknown() -> Problem {
    Problem::new(ProblemKind::UnknownTable, "no table with this id exists")
        .with_hint("an id is 16 hex digits; `tables` lists the tables that exist now, with their `table_id`")
}
