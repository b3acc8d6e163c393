//! The OpenAPI document.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::client::get;
use crate::golden;
use crate::world::World;

fn document() -> Value {
    serde_json::from_str(&cliffwatch_api::openapi()).unwrap()
}

#[tokio::test]
async fn the_document_is_the_one_that_is_kept() {
    let world = World::open().await;
    let answer = get(world.address, "/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), document());
    golden::json("openapi", &answer);
}

#[test]
fn every_path_of_the_contract_is_in_it() {
    let document = document();
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    let expected = [
        "/-/reload",
        "/api/v1/-/reload",
        "/api/v1/alerts",
        "/api/v1/alerts/{id}",
        "/api/v1/devices",
        "/api/v1/devices/{name}",
        "/api/v1/polls",
        "/api/v1/rules",
        "/api/v1/tables",
        "/api/v1/tables/{id}",
        "/api/v1/tables/{id}/diagnosis",
        "/api/v1/tables/{id}/samples",
        "/healthz",
        "/metrics",
        "/readyz",
    ];
    assert_eq!(paths, expected);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
}

#[tokio::test]
async fn every_path_in_it_is_served() {
    let world = World::open().await;
    for (path, item) in document()["paths"].as_object().unwrap() {
        let method = item.as_object().unwrap().keys().next().unwrap().to_uppercase();
        let concrete = path.replace("{name}", "nat-gw-1").replace("{id}", "0000000000000000");
        // A foreign host is refused only after the path was found to need writing.
        let headers: &[(&str, &str)] = if method == "POST" { &[("origin", "null")] } else { &[] };
        let answer = crate::client::send(world.address, &method, &concrete, headers).await;
        if answer.status >= 400 {
            assert!(!["not-found", "method-not-allowed"].contains(&answer.problem().as_str()), "{path}");
        }
    }
}

#[test]
fn every_reference_resolves_and_every_operation_is_whole() {
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 10, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some_and(Value::is_object), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{path}");
            assert!(operation["summary"].is_string() && operation["responses"].is_object(), "{path}");
            for placeholder in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(
                    parameters.iter().any(|it| it["name"] == placeholder && it["in"] == "path"),
                    "{path}"
                );
            }
        }
    }
}

fn collect(value: &Value, references: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| collect(field, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}

/// Answers agree with their schemas: every field that is there is documented, and every required one is there.
#[tokio::test]
async fn answers_are_what_the_document_says() {
    let world = World::open().await;
    let document = document();
    for (path, schema) in [
        ("/api/v1/devices/nat-gw-1", "Device"),
        ("/api/v1/devices/edge-1", "Device"),
        ("/api/v1/tables?kind=conntrack", "List_Table"),
        ("/api/v1/tables/42b78ed1f4fb22ed/diagnosis", "Diagnosis"),
        ("/api/v1/alerts?state=open", "List_Alert"),
        ("/api/v1/nothing", "Problem"),
    ] {
        let answer = get(world.address, path).await.json();
        check(
            &document,
            &serde_json::json!({"$ref": format!("#/components/schemas/{schema}")}),
            &answer,
            path,
        );
    }
}

fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(reference) = schema["$ref"].as_str() {
        let target =
            document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"));
        return check(document, target, value, place);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let chosen = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null());
        return check(document, chosen.unwrap_or_else(|| panic!("{place}")), value, place);
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let own = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(
        types.iter().any(|it| it == own || (it == "number" && own == "integer")),
        "{place}: {own} {schema}"
    );
    if let Some(words) = schema["enum"].as_array().filter(|_| value.is_string()) {
        assert!(words.contains(value), "{place}: {value} is not one of {words:?}");
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| check(document, &schema["items"], item, place)),
        Value::Object(fields) if schema["properties"].is_object() => {
            for required in schema["required"].as_array().into_iter().flatten() {
                assert!(fields.contains_key(required.as_str().unwrap()), "{place} lacks {required}");
            }
            for (name, field) in fields {
                let property = &schema["properties"][name];
                assert!(property.is_object(), "{place}: {name} is not documented");
                check(document, property, field, &format!("{place} {name}"));
            }
        }
        _ => {}
    }
}

/// Each filter keeps what it says: every device or table that has the value, and nothing else.
#[tokio::test]
async fn every_documented_filter_filters() {
    let world = World::open().await;
    for list in ["devices", "tables"] {
        let path = format!("/api/v1/{list}");
        let all = get(world.address, &path).await.json();
        let all = all["items"].as_array().unwrap();
        for parameter in document()["paths"][&path]["get"]["parameters"].as_array().unwrap() {
            let name = parameter["name"].as_str().unwrap();
            let of = |item: &Value| match name {
                "severity" => item["worst_alert"]["severity"].clone(),
                "scope_kind" => item["scope"]["kind"].clone(),
                "scope_name" => item["scope"]["name"].clone(),
                name => item[name].clone(),
            };
            if ["label.NAME", "sort", "limit", "cursor"].contains(&name) {
                continue;
            }
            let found = all.iter().map(of).find(Value::is_string).unwrap_or_else(|| panic!("{list} {name}"));
            let having: Vec<&Value> = all.iter().filter(|item| of(item) == found).collect();
            let value = found.as_str().unwrap();
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let kept = get(world.address, &format!("{path}?{name}={value}")).await.json();
            assert_eq!(kept["items"].as_array().unwrap().iter().collect::<Vec<_>>(), having, "{list} {name}");
            let none = get(world.address, &format!("{path}?{name}=nothing")).await.json();
            assert_eq!(none["items"], serde_json::json!([]), "{list} {name}");
        }
    }
}

/// A field that can be sorted by orders what is known before what is not.
#[tokio::test]
async fn every_sortable_field_sorts() {
    let world = World::open().await;
    for list in ["devices", "tables", "alerts?state=open&"] {
        let path = format!("/api/v1/{list}{}", if list.contains('?') { "" } else { "?" });
        let refused = get(world.address, &format!("{path}sort=nothing")).await.json();
        let detail = refused["detail"].as_str().unwrap();
        let (_, fields) = detail.split_once("one of ").unwrap();
        let (fields, _) = fields.split_once(", with").unwrap();
        assert!(fields.split(", ").count() > 5, "{fields}");
        for field in fields.split(", ") {
            let order = async |sort: String| {
                let answer = get(world.address, &format!("{path}sort={sort}")).await;
                assert_eq!(answer.status, 200, "{list} {sort}");
                answer.json()["items"].as_array().unwrap().clone()
            };
            let (up, down) = (order(field.to_owned()).await, order(format!("-{field}")).await);
            assert_eq!(up.len(), down.len());
            let known = |item: &&Value| !item[field].is_null();
            let ends = (up.iter().find(known), down.iter().rfind(known));
            if let (Some(least), Some(last)) = ends {
                assert_eq!(least[field], last[field], "{list} {field}");
            }
        }
    }
}
