//! The OpenAPI document, made from the handlers, so that it cannot differ from them.

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, SecurityRequirement,
};

use crate::routes;

/// The document as JSON: what `/openapi.json` answers and `cliffwatch openapi` prints.
pub fn openapi() -> String {
    text(routes::documented().split_for_parts().1)
}

/// What it says about the whole.
pub(crate) fn head() -> OpenApi {
    let about = "Devices, tables, alerts and their history. Lists answer `{\"items\":[…],\"next\":CURSOR|null}`; errors are \
                 problem documents (RFC 9457); times are RFC 3339 in UTC; what is not known is null. Without tokens in \
                 the configuration no token is needed, and only the machine itself may change anything.";
    let info = InfoBuilder::new()
        .title("Cliffwatch")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let components = ComponentsBuilder::new().security_scheme("token", bearer).build();
    let token = SecurityRequirement::new("token", Vec::<String>::new());
    // Either a token or nothing: which of the two is the operator's choice.
    let security = [token, SecurityRequirement::default()];
    OpenApiBuilder::new().info(info).components(Some(components)).security(Some(security)).build()
}

pub(crate) fn text(mut document: OpenApi) -> String {
    let schemas = document.components.iter_mut().flat_map(|components| &mut components.schemas);
    for (name, schema) in schemas {
        require_all(schema);
        if let Some(item) = name.strip_prefix("List_") {
            refer_to(item, schema);
        }
    }
    // It is made of strings and maps with text keys: there is nothing in it that JSON cannot hold.
    document.to_pretty_json().unwrap_or_default()
}

/// Every field is always there, null where it is not known: so a client may rely on it.
fn require_all(schema: &mut RefOr<Schema>) {
    match schema {
        RefOr::T(Schema::Object(object)) => object.required = object.properties.keys().cloned().collect(),
        RefOr::T(Schema::AllOf(all)) => all.items.iter_mut().for_each(require_all),
        RefOr::T(_) | RefOr::Ref(_) => {}
    }
}

/// The schema that is derived for a list repeats that of its items, which has a name already.
fn refer_to(item: &str, list: &mut RefOr<Schema>) {
    if let RefOr::T(Schema::Object(list)) = list {
        let items = ArrayBuilder::new().items(Ref::from_schema_name(item)).description(Some("The items."));
        list.properties.insert("items".to_owned(), items.into());
    }
}

pub(crate) async fn answer(document: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document)
}
