//! Who may do what. With tokens every request but the health checks needs one; without, anybody who
//! reaches the address may read, and only this machine may change anything.

use std::net::SocketAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::Scope;
use crate::access::Rules;
use crate::attempts::Attempts;
use crate::origin;
use crate::problem::{Problem, ProblemKind};
use crate::routes::Api;

/// The other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What everybody may ask: orchestrators have no token, and the answers tell nothing.
const HEALTH: [&str; 2] = ["/healthz", "/readyz"];
const METRICS: &str = "/metrics";

pub(crate) async fn authorize(State(api): State<Api>, request: Request, next: Next) -> Response {
    let rules = api.access.rules();
    let path = request.uri().path();
    let is_open = HEALTH.contains(&path) || (rules.metrics_open && path == METRICS);
    let scope = scope_of(request.method());
    if is_open && scope == Scope::Read {
        return next.run(request).await;
    }
    let Some(Peer(peer)) = request.extensions().get().copied() else {
        tracing::error!("A request has no peer address.");
        return Problem::internal().into_response();
    };
    match judge(&rules, &api.attempts, peer, scope, request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What a method needs: looking changes nothing (RFC 9110, 9.2.1).
fn scope_of(method: &Method) -> Scope {
    if matches!(*method, Method::GET | Method::HEAD) { Scope::Read } else { Scope::Write }
}

fn judge(
    rules: &Rules,
    attempts: &Attempts,
    peer: SocketAddr,
    scope: Scope,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if !rules.has_tokens() {
        let refusal = (scope == Scope::Write).then(|| origin::refusal(peer, headers)).flatten();
        return refusal.map_or(Ok(()), |why| Err(Problem::new(ProblemKind::Forbidden, why)));
    }
    let Some(presented) = bearer(headers) else {
        return Err(Problem::new(ProblemKind::Unauthorized, "the request has no token")
            .with_hint("send `Authorization: Bearer TOKEN` with a token of `auth.tokens`"));
    };
    if attempts.is_blocked(peer.ip()) {
        let detail = "too many wrong tokens came from this address; try again in a minute";
        return Err(Problem::new(ProblemKind::TooManyAttempts, detail));
    }
    match rules.known(presented) {
        Some((name, allowed)) if allowed >= scope => {
            if scope == Scope::Write {
                tracing::info!(token = name, peer = %peer.ip(), "A request to change something was let in.");
            }
            Ok(())
        }
        Some((name, _)) => {
            tracing::info!(
                token = name,
                "A request to change something came with a token that may only read."
            );
            Err(Problem::new(ProblemKind::Forbidden, "this token may only read"))
        }
        None => {
            if attempts.note(peer.ip()) == 1 {
                tracing::warn!(peer = %peer.ip(), "A request came with a wrong token.");
            }
            Err(Problem::new(ProblemKind::Unauthorized, "the token is not known"))
        }
    }
}

/// The token of `Authorization: Bearer …`; the scheme's name knows no case (RFC 9110, 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
