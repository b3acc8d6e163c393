//! Asking the running service, as the commands that act on one do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{Config, TokenScope};

mod own_certificate;

/// A service that is well answers in a small part of it; a container's health check must end before the next begins.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer: a page of tables.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The service that the configuration tells of.
pub(super) struct Client<'a> {
    pub(super) address: SocketAddr,
    config: &'a Config,
    token: Option<String>,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Why it did not.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// Nobody listens there.
    NotThere(String),
    /// Something else went wrong.
    Failed(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::NotThere(why) | Self::Failed(why)) = self;
        f.write_str(why)
    }
}

impl<'a> Client<'a> {
    /// A client without a token: what everybody may ask.
    pub(super) fn new(config: &'a Config) -> Self {
        Self { address: reachable(config.listen.value), config, token: None }
    }

    /// The same with a token of the configuration that may read, where tokens are wanted.
    ///
    /// # Errors
    /// When the token's secret cannot be read.
    pub(super) fn with_token(self) -> Result<Self, String> {
        let tokens = &self.config.tokens;
        let reading = tokens.iter().find(|token| token.scope == TokenScope::Read).or(tokens.first());
        let read = |token: &crate::config::Token| {
            let secret = token.secret.value.read();
            secret
                .map(|secret| secret.expose().to_owned())
                .map_err(|error| format!("token `{}`: {error}", token.name))
        };
        Ok(Self { token: reading.map(read).transpose()?, ..self })
    }

    /// Asks for a path.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, NoAnswer> {
        let answer = tokio::time::timeout(TIMEOUT, self.ask(path)).await;
        answer.map_err(|_elapsed| NoAnswer::Failed(format!("no answer within {TIMEOUT:?}")))?
    }

    async fn ask(&self, path: &str) -> Result<Answer, NoAnswer> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(|error| NoAnswer::NotThere(error.to_string()))?;
        let answer = match &self.config.tls {
            None => self.request(stream, path).await,
            Some(tls) => {
                let client = own_certificate::client(&tls.value.cert).map_err(NoAnswer::Failed)?;
                let name = self.address.ip().into();
                let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
                self.request(stream.map_err(|error| NoAnswer::Failed(error.to_string()))?, path).await
            }
        };
        answer.map_err(NoAnswer::Failed)
    }

    async fn request<S>(&self, stream: S, path: &str) -> Result<Answer, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let text = |error: hyper::Error| error.to_string();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
        // The connection is driven until the answer is there, and ends with the command.
        let driver = tokio::spawn(connection);
        let mut request = Request::get(path).header(header::HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await.map_err(text)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), BODY_BYTES_MAX).collect().await;
        driver.abort();
        Ok(Answer { status, body: body.map_err(|error| error.to_string())?.to_bytes() })
    }
}

/// An address to listen on everywhere is asked here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
