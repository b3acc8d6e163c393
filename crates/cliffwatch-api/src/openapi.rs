//! The OpenAPI document, made from the handlers, so that it cannot differ from them.

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, SecurityRequirement};

use crate::routes;

/// The document as JSON: what `/openapi.json` answers and `cliffwatch openapi` prints.
pub fn openapi() -> String {
    text(&routes::documented().split_for_parts().1)
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

pub(crate) fn text(document: &OpenApi) -> String {
    // It is made of strings and maps with text keys: there is nothing in it that JSON cannot hold.
    document.to_pretty_json().unwrap_or_default()
}

pub(crate) async fn answer(document: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], document)
}
