//! The API under TLS, with certificates made for the test.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use cliffwatch_api::{ApiConfig, Server, StartError, TlsFiles};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::client::{PATIENCE, Response, request, send_over};
use crate::world::{World, local};

/// Whether certificates can be made here.
fn has_openssl() -> bool {
    if Command::new("openssl").arg("version").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let forbidden = std::env::var_os("CLIFFWATCH_NO_SKIP").is_some();
    assert!(!forbidden, "{test} lacks the program openssl, and CLIFFWATCH_NO_SKIP forbids to skip");
    // Past the capture of the test harness: a skip that nobody sees is a lie.
    writeln!(std::io::stderr(), "SKIPPED {test}: this machine lacks the program openssl")
        .expect("standard error");
    false
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";

/// The certificate of a new authority.
fn authority(folder: &Path, name: &str) -> PathBuf {
    openssl(folder, &format!("req -x509 {KEY} -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"));
    folder.join(format!("{name}.crt"))
}

/// A certificate for 127.0.0.1 that an authority signed, and its key.
fn signed(folder: &Path, name: &str, ca: &str) -> (PathBuf, PathBuf) {
    let names = "-addext subjectAltName=IP:127.0.0.1";
    openssl(folder, &format!("req {KEY} {names} -subj /CN={name} -keyout {name}.key -out {name}.csr"));
    let by = format!("-CA {ca}.crt -CAkey {ca}.key -CAcreateserial -days 2 -copy_extensions copy");
    openssl(folder, &format!("x509 -req -in {name}.csr {by} -out {name}.crt"));
    (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")))
}

async fn fetch(
    to: SocketAddr,
    trusted: &Path,
    own: Option<&(PathBuf, PathBuf)>,
) -> Result<Response, std::io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let chain = vec![CertificateDer::from_pem_file(cert).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, TcpStream::connect(to).await?).await?;
    send_over(stream, &request(to, "GET", "/healthz", &[])).await
}

fn with_tls(cert: PathBuf, key: PathBuf, client_ca: Option<PathBuf>) -> ApiConfig {
    ApiConfig { tls: Some(TlsFiles { cert, key, client_ca }), ..local() }
}

#[tokio::test]
async fn https_is_spoken_and_nothing_else() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (ca, other) = (authority(folder.path(), "ca"), authority(folder.path(), "other"));
    let (cert, key) = signed(folder.path(), "server", "ca");
    let world = World::with(&with_tls(cert, key, None)).await;
    assert_eq!(fetch(world.address, &ca, None).await.unwrap().status, 200);
    assert!(fetch(world.address, &other, None).await.is_err(), "the client trusts another authority");
    let mut plain = TcpStream::connect(world.address).await.unwrap();
    plain.write_all(request(world.address, "GET", "/healthz", &[]).as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _cut = timeout(PATIENCE, plain.read_to_end(&mut answer)).await.expect("an end in time").is_err();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[tokio::test]
async fn a_client_may_need_a_certificate() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let ca = authority(folder.path(), "ca");
    let clients = authority(folder.path(), "clients");
    let (cert, key) = signed(folder.path(), "server", "ca");
    let known = signed(folder.path(), "known", "clients");
    let stranger = signed(folder.path(), "stranger", "ca");
    let world = World::with(&with_tls(cert, key, Some(clients))).await;
    assert_eq!(fetch(world.address, &ca, Some(&known)).await.unwrap().status, 200);
    assert!(fetch(world.address, &ca, None).await.is_err());
    assert!(fetch(world.address, &ca, Some(&stranger)).await.is_err());
}

#[tokio::test]
async fn certificates_are_renewed_without_a_restart() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (authority(folder.path(), "old"), authority(folder.path(), "new"));
    let (cert, key) = signed(folder.path(), "before", "old");
    let world = World::with(&with_tls(cert, key, None)).await;
    assert_eq!(fetch(world.address, &old, None).await.unwrap().status, 200);
    let (cert, key) = signed(folder.path(), "after", "new");
    world.access.apply(&with_tls(cert, key, None)).unwrap();
    assert!(fetch(world.address, &old, None).await.is_err());
    assert_eq!(fetch(world.address, &new, None).await.unwrap().status, 200);
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    if !has_openssl() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path(), "ca");
    let (cert, key) = signed(folder.path(), "server", "ca");
    let (_, other_key) = signed(folder.path(), "other", "ca");
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let world = World::open().await;
    let refused =
        async |config: ApiConfig| Server::bind(&config, world.still.handle().clone()).await.unwrap_err();
    let error = refused(with_tls(empty.clone(), key.clone(), None)).await;
    assert_eq!(error.to_string(), format!("TLS file `{}`: it holds no certificate", empty.display()));
    let error = refused(with_tls(cert.clone(), empty.clone(), None)).await;
    assert!(error.to_string().starts_with(&format!("TLS file `{}`: ", empty.display())), "{error}");
    assert!(matches!(refused(with_tls(cert.clone(), other_key, None)).await, StartError::Tls(_)));
    assert!(matches!(refused(with_tls(cert, key, Some(empty))).await, StartError::TlsFile { .. }));
}
