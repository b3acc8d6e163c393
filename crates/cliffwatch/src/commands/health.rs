use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::setup::environment;
use super::{CommandError, Status};
use crate::cli::ConfigArgs;
use crate::config::{self, Config};
use crate::diagnostics::Report;

mod own_certificate;

/// A container's health check must end before the next begins.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks only for what it needs: a broken inventory does not make the running service sick.
pub(super) async fn run(args: &ConfigArgs, out: &mut dyn Write) -> Result<Status, CommandError> {
    let mut report = Report::default();
    let config = config::load(&args.flags(), &environment, false, &mut report);
    if report.errors() > 0 {
        return Err(CommandError::Configuration(report.to_text()));
    }
    let address = reachable(config.listen.value);
    let failed = |error: String| CommandError::Failed(format!("no health from {address}: {error}"));
    let answer = tokio::time::timeout(TIMEOUT, ask(address, &config)).await;
    let status =
        answer.map_err(|_elapsed| failed(format!("no answer within {TIMEOUT:?}")))?.map_err(failed)?;
    if status != StatusCode::OK {
        return Err(failed(format!("it answers {status}")));
    }
    writeln!(out, "ok")?;
    out.flush()?;
    Ok(Status::Fine)
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

async fn ask(address: SocketAddr, config: &Config) -> Result<StatusCode, String> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    match &config.tls {
        None => request(stream, address).await,
        Some(tls) => {
            let client = own_certificate::client(&tls.value.cert)?;
            let name = address.ip().into();
            let stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
            request(stream.map_err(|error| error.to_string())?, address).await
        }
    }
}

async fn request<S>(stream: S, address: SocketAddr) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    // The connection is driven until the answer is there, and ends with the command.
    let driver = tokio::spawn(connection);
    let request =
        Request::get("/healthz").header(header::HOST, address.to_string()).body(Empty::<Bytes>::new());
    let answer = sender.send_request(request.map_err(|error| error.to_string())?).await.map_err(text)?;
    driver.abort();
    Ok(answer.status())
}
