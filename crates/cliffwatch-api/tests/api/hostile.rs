//! Names that come from devices and want to break what shows them.

use crate::client::get;
use crate::world::{World, pool};

#[tokio::test]
async fn a_hostile_name_stays_a_name() {
    let world = World::open().await;
    let id = pool().id();
    let answer = get(world.address, &format!("/api/v1/tables/{id}")).await;
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.json()["name"], &*pool().name);
    assert!(!answer.body.contains('\n'), "a line break is escaped");
    let metrics = get(world.address, "/metrics").await.body;
    assert!(
        metrics.contains(
            r#"table="context/blue/<script>/nat-pool/out\"side\\\n}pool/tcp/address=198.51.100.7""#
        )
    );
    let filtered = get(world.address, "/api/v1/tables?name=out%22side%5C%0A%7Dpool").await.json();
    assert_eq!(filtered["items"][0]["table_id"], id.to_string());
}

#[tokio::test]
async fn a_hostile_request_is_echoed_as_text_and_in_short() {
    let world = World::open().await;
    let long = "%3Cscript%3E".repeat(500);
    for path in [format!("/api/v1/tables?{long}=1"), format!("/api/v1/tables?sort={long}")] {
        let answer = get(world.address, &path).await;
        answer.problem();
        assert_eq!(answer.status, 400);
        assert!(answer.body.len() < 1_000, "{}", answer.body);
    }
}
