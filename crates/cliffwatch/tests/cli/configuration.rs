use serde_json::Value;

use super::{THIS_HOST, cliffwatch, command, folder, repository, said, status, stdout};

fn value<'a>(shown: &'a Value, key: &str) -> (&'a Value, &'a str) {
    let entry = shown.as_array().unwrap().iter().find(|entry| entry["key"] == key).unwrap();
    (&entry["value"], entry["origin"].as_str().unwrap())
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let folder = folder(&[
        ("inventory.yaml", THIS_HOST),
        (
            "conf.yaml",
            "poller: file\nlisten: 127.0.0.1:1\nstore: sqlite:file.db\nretention: { samples: 3d }\n\
             timezone: Europe/Amsterdam\n\
             maintenance: { match: { device: this-host }, start: 2026-07-07 22:00, duration: 90m, every: day }\n",
        ),
    ]);
    let output = command(folder.path(), &["config", "show", "--format", "json", "--listen", "127.0.0.1:3"])
        .env("CLIFFWATCH_CONFIG", "conf.yaml")
        .env("CLIFFWATCH_LISTEN", "127.0.0.1:2")
        .env("CLIFFWATCH_STORE", "sqlite:env.db")
        .output()
        .unwrap();
    let shown: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(value(&shown, "listen"), (&"127.0.0.1:3".into(), "--listen"));
    assert_eq!(value(&shown, "store"), (&"sqlite:env.db".into(), "CLIFFWATCH_STORE"));
    assert_eq!(value(&shown, "poller"), (&"file".into(), "conf.yaml:1:9"));
    assert_eq!(value(&shown, "retention.samples"), (&"3d".into(), "conf.yaml:4:23"));
    assert_eq!(value(&shown, "retention.polls"), (&"30d".into(), "default"));
    assert_eq!(value(&shown, "timezone"), (&"Europe/Amsterdam".into(), "conf.yaml:5:11"));
    let (maintenance, origin) = value(&shown, "maintenance");
    assert_eq!(
        (&maintenance["start"], &maintenance["duration"]),
        (&"2026-07-07T20:00:00Z".into(), &"1h30m".into())
    );
    assert_eq!((&maintenance["match"]["device"], origin), (&"this-host".into(), "conf.yaml:6:14"));
    assert_eq!(value(&shown, "inventory"), (&serde_json::json!(["inventory.yaml"]), "default"));
}

#[test]
fn secrets_are_shown_as_references() {
    let folder = folder(&[
        ("inventory.yaml", THIS_HOST),
        ("secret", "hunter2\n"),
        (
            "cliffwatch.yaml",
            "store: postgres://cliffwatch@db/cliffwatch\nstore_password: { file: secret }\n\
             auth: { tokens: [ { name: grafana, scope: read, secret: { env: GRAFANA_TOKEN } } ] }\n",
        ),
    ]);
    let output =
        command(folder.path(), &["config", "show"]).env("GRAFANA_TOKEN", "hunter2").output().unwrap();
    let said = said(&output);
    assert!(!said.contains("hunter2"), "{said}");
    for line in [
        "store:              postgres://cliffwatch@db/cliffwatch",
        "store_password:     {\"file\":\"secret\"}",
        "auth.tokens:        {\"name\":\"grafana\",\"scope\":\"read\",\"secret\":{\"env\":\"GRAFANA_TOKEN\"}}",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
}

#[test]
fn what_is_in_force_is_shown_also_when_something_is_wrong() {
    let folder =
        folder(&[("inventory.yaml", THIS_HOST), ("cliffwatch.yaml", "listen: nowhere\npoller: ams1\n")]);
    let output = cliffwatch(folder.path(), &["config", "show"]);
    assert!(stdout(&output).starts_with("poller:             ams1"), "{}", stdout(&output));
    assert_eq!(status(&output), 2);
    assert!(super::stderr(&output).starts_with("error: `nowhere` is not an address to listen on"));
}

/// Every key that an example uses must be in the schema, at its place.
#[test]
fn the_examples_fit_the_schemas() {
    for (name, example) in [("config", "cliffwatch"), ("inventory", "inventory"), ("inventory", "quickstart")]
    {
        let schema: Value =
            serde_json::from_str(&stdout(&cliffwatch(&repository(), &["schema", name]))).unwrap();
        let text = std::fs::read_to_string(repository().join(format!("examples/{example}.yaml"))).unwrap();
        let value: Value = serde_saphyr::from_str(&text).unwrap();
        fits(&value, &schema, &schema, example);
    }
}

fn fits(value: &Value, part: &Value, schema: &Value, place: &str) {
    let part = resolve(part, schema);
    if let Some(choices) = part.get("anyOf").or(part.get("oneOf")).and_then(Value::as_array) {
        let choices: Vec<&Value> = choices.iter().map(|choice| resolve(choice, schema)).collect();
        let kind = if value.is_object() {
            "object"
        } else if value.is_array() {
            "array"
        } else {
            "string"
        };
        let choice = choices.iter().find(|choice| {
            let keys = value.as_object().into_iter().flat_map(|map| map.keys());
            let known = keys.into_iter().all(|key| choice["properties"].get(key).is_some());
            has_type(choice, kind) && (known || choice.get("properties").is_none())
        });
        return fits(
            value,
            choice.unwrap_or_else(|| panic!("{place}: fits none of {choices:?}")),
            schema,
            place,
        );
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let place = format!("{place}.{key}");
                let known = part["properties"].get(key).or(part.get("additionalProperties"));
                match known.filter(|known| **known != Value::Bool(false)) {
                    Some(known) => fits(value, known, schema, &place),
                    None => panic!("{place} is not in the schema"),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fits(item, &part["items"], schema, place)),
        Value::String(_) => assert!(has_type(part, "string"), "{place}: {part}"),
        Value::Number(_) => assert!(has_type(part, "integer") || has_type(part, "number"), "{place}: {part}"),
        Value::Bool(_) => assert!(has_type(part, "boolean"), "{place}: {part}"),
        Value::Null => {}
    }
}

fn resolve<'a>(part: &'a Value, schema: &'a Value) -> &'a Value {
    match part["$ref"].as_str() {
        Some(name) => schema.pointer(name.trim_start_matches('#')).unwrap(),
        None => part,
    }
}

fn has_type(part: &Value, kind: &str) -> bool {
    match &part["type"] {
        Value::String(one) => one == kind,
        Value::Array(several) => several.iter().any(|one| one == kind),
        // A part without a type takes anything.
        _ => part.get("enum").is_none_or(|_| kind == "string"),
    }
}

#[test]
fn the_documents_are_printed() {
    for arguments in [&["schema", "config"][..], &["schema", "inventory"], &["openapi"]] {
        let output = cliffwatch(&repository(), arguments);
        assert_eq!(status(&output), 0);
        assert!(serde_json::from_str::<Value>(&stdout(&output)).unwrap().is_object(), "{arguments:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut child =
        command(&repository(), &["openapi"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
