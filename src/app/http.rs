//! Sends one HTTP request of the proxy itself, on a new connection.

use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use hyper::{Request, StatusCode, client};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An error for a person or the log.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// How to encrypt a connection, and whose certificate the other end must have.
#[derive(Clone)]
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts the CA certificates of a PEM file. The other end's certificate must be for `name`. The error says what is
    /// wrong.
    pub fn new(ca_file: &PathBuf, name: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("{}: {why}", ca_file.display());
        let pem = std::fs::read(ca_file).map_err(|e| wrong(e.to_string()))?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|e| wrong(format!("no PEM ({e})")))?;
            roots.add(certificate).map_err(|e| wrong(format!("no certificate of a CA ({e})")))?;
        }
        if roots.is_empty() {
            return Err(wrong("holds no certificate".to_owned()));
        }
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|e| format!("no name of a certificate: {e}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Tls { connector: Arc::new(config).into(), name })
    }
}

/// Sends a request, and returns the status of the answer and its body, of at most `limit` bytes. Has no time limit.
pub(super) async fn send<B>(
    authority: &str,
    tls: Option<&Tls>,
    request: Request<B>,
    limit: usize,
) -> Result<(StatusCode, Result<Bytes, Error>), Error>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Error>,
{
    let stream = TcpStream::connect(authority).await?;
    match tls {
        None => exchange(stream, request, limit).await,
        Some(tls) => {
            let stream = tls.connector.connect(tls.name.clone(), stream).await;
            let stream = stream.map_err(|error| format!("TLS handshake: {error}"))?;
            Box::pin(exchange(stream, request, limit)).await
        }
    }
}

async fn exchange<S, B>(
    stream: S,
    request: Request<B>,
    limit: usize,
) -> Result<(StatusCode, Result<Bytes, Error>), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Error>,
{
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), limit).collect().await;
        Ok((status, body.map(|body| body.to_bytes())))
    };
    let drive = async {
        // The connection may end together with the answer. The result always comes from `exchange`, which fails if the
        // connection ends without an answer.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        result = exchange => result,
        never = drive => never,
    }
}
