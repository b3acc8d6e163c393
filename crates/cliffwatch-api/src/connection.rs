use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::auth::Peer;
use crate::patience::Patience;

/// A handshake takes two round trips; who takes longer holds a place for nothing.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request's headers may take to arrive, and how long a connection may idle between requests:
/// long enough for a scraper that comes every 15 s, short enough to starve a slow attacker.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the other end may not read while we write.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of a request's headers: a token and a cursor fit many times.
const HEADERS_BYTES_MAX: usize = 32 * 1024;
/// How long a request under way may take to end at a stop.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Serves one connection until it ends, or the stop.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    router: Router,
    stop: CancellationToken,
) {
    // Answers are written whole: waiting for more to send gains nothing and costs 40 ms.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "A connection was gone before it was served.");
        return;
    }
    let stream = Patience::new(stream, WRITE_TIMEOUT);
    let Some(tls) = tls else { return speak(stream, peer, router, stop).await };
    match timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, router, stop).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "A TLS handshake failed."),
        Err(_) => tracing::debug!(%peer, "A TLS handshake took too long."),
    }
}

async fn speak<S>(stream: S, peer: SocketAddr, router: Router, stop: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let answered = router.clone().oneshot(request.map(Body::new));
        async { answered.await.map_err(|never: Infallible| never) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_TIMEOUT).max_header_size(HEADERS_BYTES_MAX);
    let connection = http.serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match timeout(STOP_TIMEOUT, connection).await {
                Ok(ended) => ended,
                Err(_) => return tracing::debug!(%peer, "A request did not end before the stop."),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "A connection broke.");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// The far end of a connection that is served, with a short answer at `/` and a long one at `/long`.
    fn connected() -> DuplexStream {
        let (near, far) = duplex(1_024);
        let router =
            Router::new().route("/", get(async || "x")).route("/long", get(async || "x".repeat(1_000_000)));
        let near = Patience::new(near, WRITE_TIMEOUT);
        let peer = SocketAddr::from(([127, 0, 0, 1], 5));
        tokio::spawn(speak(near, peer, router, CancellationToken::new()));
        far
    }

    #[tokio::test(start_paused = true)]
    async fn headers_that_trickle_in_are_cut() {
        let mut far = connected();
        let begun = Instant::now();
        let trickle = async {
            far.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n").await?;
            loop {
                sleep(Duration::from_secs(1)).await;
                far.write_all(b"a: b\r\n").await?;
            }
        };
        let cut: std::io::Result<()> = trickle.await;
        assert!(cut.is_err());
        assert!(begun.elapsed() <= HEADERS_TIMEOUT + Duration::from_secs(2), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed() {
        let mut far = connected();
        far.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let begun = Instant::now();
        let mut answer = String::new();
        far.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nx"), "{answer}");
        assert!(begun.elapsed() <= HEADERS_TIMEOUT + Duration::from_secs(2), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_is_cut() {
        let mut far = connected();
        far.write_all(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        sleep(WRITE_TIMEOUT + Duration::from_secs(1)).await;
        let mut answer = Vec::new();
        far.read_to_end(&mut answer).await.unwrap();
        assert!(answer.len() < 1_000_000, "{}", answer.len());
    }
}
