//! Who may do what.

use cliffwatch_api::{ApiConfig, Scope, Server, StartError, Token};

use crate::client::{get, send};
use crate::world::{World, local};

fn with_tokens() -> ApiConfig {
    let tokens = vec![
        Token::new("grafana", Scope::Read, "read-secret"),
        Token::new("deploy", Scope::Write, "write-secret"),
    ];
    ApiConfig { tokens, ..local() }
}

/// Answers every reload, so that only access decides what comes back.
fn answer_reloads(mut world: World) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let address = world.address;
    let answering = tokio::spawn(async move {
        while let Some(request) = world.still.reload_requested().await {
            request.send(Ok(cliffwatch_engine::Changes::default())).unwrap();
        }
    });
    (address, answering)
}

#[tokio::test]
async fn with_tokens_each_request_needs_the_right_one() {
    let (address, answering) = answer_reloads(World::with(&with_tokens()).await);
    let ask = async |method: &str, path: &str, token: Option<&str>| {
        let header = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> =
            header.as_deref().map(|header| ("authorization", header)).into_iter().collect();
        let answer = send(address, method, path, &headers).await;
        if answer.status >= 400 {
            answer.problem();
        }
        answer.status
    };
    for path in ["/api/v1/devices", "/api/v1/rules", "/metrics", "/openapi.json"] {
        assert_eq!(ask("GET", path, None).await, 401, "{path}");
        assert_eq!(ask("GET", path, Some("wrong")).await, 401, "{path}");
        assert_eq!(ask("GET", path, Some("read-secret")).await, 200, "{path}");
        assert_eq!(ask("GET", path, Some("write-secret")).await, 200, "{path}");
    }
    assert_eq!(ask("GET", "/api/v1/nothing", None).await, 401, "what exists is nobody's business");
    for path in ["/-/reload", "/api/v1/-/reload"] {
        assert_eq!(ask("POST", path, None).await, 401, "loopback is no token");
        assert_eq!(ask("POST", path, Some("wrong")).await, 401);
        assert_eq!(ask("POST", path, Some("read-secret")).await, 403);
        assert_eq!(ask("POST", path, Some("write-secret")).await, 200);
    }
    assert_eq!(ask("GET", "/healthz", None).await, 200);
    assert_eq!(ask("GET", "/readyz", None).await, 503);
    assert_eq!(ask("POST", "/healthz", None).await, 401);
    assert_eq!(ask("OPTIONS", "/api/v1/devices", Some("read-secret")).await, 403);
    answering.abort();
}

#[tokio::test]
async fn a_refusal_says_how_to_ask() {
    let world = World::with(&with_tokens()).await;
    let refused = get(world.address, "/api/v1/devices").await;
    assert_eq!((refused.status, refused.problem().as_str()), (401, "unauthorized"));
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"cliffwatch\""));
    for header in ["Basic cmVhZC1zZWNyZXQ=", "Bearer", "Bearer ", "read-secret"] {
        assert_eq!(send(world.address, "GET", "/metrics", &[("authorization", header)]).await.status, 401);
    }
    let lower_case = [("authorization", "bearer read-secret")];
    assert_eq!(send(world.address, "GET", "/metrics", &lower_case).await.status, 200);
}

#[tokio::test]
async fn metrics_may_be_open_and_nothing_else_then_is() {
    let world = World::with(&ApiConfig { metrics_open: true, ..with_tokens() }).await;
    assert_eq!(get(world.address, "/metrics").await.status, 200);
    assert_eq!(get(world.address, "/api/v1/devices").await.status, 401);
}

#[tokio::test]
async fn who_guesses_is_stopped() {
    let world = World::with(&with_tokens()).await;
    let with = |token: &'static str| [("authorization", token)];
    for _ in 0..10 {
        assert_eq!(send(world.address, "GET", "/metrics", &with("Bearer wrong")).await.status, 401);
    }
    let blocked = send(world.address, "GET", "/metrics", &with("Bearer read-secret")).await;
    assert_eq!((blocked.status, blocked.problem().as_str()), (429, "too-many-attempts"));
    assert_eq!(blocked.header("retry-after"), Some("60"));
    assert_eq!(get(world.address, "/healthz").await.status, 200, "an orchestrator is not locked out");
}

#[tokio::test]
async fn without_tokens_only_this_machine_may_write() {
    let (address, answering) = answer_reloads(World::open().await);
    let post = async |headers: &[(&str, &str)]| {
        let answer = send(address, "POST", "/-/reload", headers).await;
        if answer.status != 200 {
            assert_eq!(answer.problem(), "forbidden");
        }
        answer.status
    };
    assert_eq!(get(address, "/api/v1/devices").await.status, 200);
    assert_eq!(post(&[]).await, 200);
    assert_eq!(post(&[("host", "localhost:8473")]).await, 200);
    assert_eq!(post(&[("host", "rebound.example:8473")]).await, 403);
    assert_eq!(post(&[("origin", "http://evil.example")]).await, 403);
    assert_eq!(post(&[("origin", "null")]).await, 403);
    assert_eq!(post(&[("x-forwarded-for", "192.0.2.1")]).await, 403);
    answering.abort();
}

#[tokio::test]
async fn tokens_change_without_a_restart() {
    let world = World::with(&with_tokens()).await;
    let read = [("authorization", "Bearer read-secret")];
    assert_eq!(send(world.address, "GET", "/metrics", &read).await.status, 200);
    let rotated = vec![Token::new("grafana", Scope::Read, "new-secret")];
    world.access.apply(&ApiConfig { tokens: rotated, ..local() }).unwrap();
    assert_eq!(send(world.address, "GET", "/metrics", &read).await.status, 401);
    let new = [("authorization", "Bearer new-secret")];
    assert_eq!(send(world.address, "GET", "/metrics", &new).await.status, 200);
}

#[tokio::test]
async fn an_unprotected_address_is_not_listened_on() {
    let world = World::open().await;
    let open = ApiConfig { listen: "0.0.0.0:0".parse().unwrap(), ..ApiConfig::default() };
    let refused = Server::bind(&open, world.still.handle().clone()).await.unwrap_err();
    assert!(matches!(refused, StartError::Plaintext(_)), "{refused}");
    let taken = ApiConfig { listen: world.address, ..ApiConfig::default() };
    let taken = Server::bind(&taken, world.still.handle().clone()).await.unwrap_err();
    assert!(taken.to_string().starts_with(&format!("cannot listen on {}: ", world.address)), "{taken}");
}
