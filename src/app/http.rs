//! Sends one HTTP request of the proxy itself, on a new connection.

use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::{Request, StatusCode, client};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// An error for a person or the log.
pub(super) type HttpError = Box<dyn std::error::Error + Send + Sync>;

/// How to encrypt a connection, and whose certificate the other end must have.
#[derive(Clone)]
pub(super) struct HttpTls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl HttpTls {
    /// Trusts the CA certificates of a PEM file. The other end's certificate must be for `name`. The error says what is
    /// wrong.
    pub fn new(ca_file: &PathBuf, name: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("{}: {why}", ca_file.display());
        let pem = std::fs::read(ca_file).map_err(|e| wrong(e.to_string()))?;
        Self::of_pem(&pem, name).map_err(wrong)
    }

    /// Trusts the CA certificates of a PEM text.
    pub fn of_pem(pem: &[u8], name: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|e| format!("no PEM ({e})"))?;
            roots.add(certificate).map_err(|e| format!("no certificate of a CA ({e})"))?;
        }
        Self::of_roots(roots, name)
    }

    /// Trusts the CAs that the machine trusts.
    #[cfg(feature = "traces")]
    pub fn of_machine(name: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // Some machines have certificates that rustls cannot use.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::of_roots(roots, name)
    }

    fn of_roots(roots: RootCertStore, name: &str) -> Result<Self, String> {
        if roots.is_empty() {
            return Err("holds no certificate".to_owned());
        }
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|e| format!("no name of a certificate: {e}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(HttpTls { connector: Arc::new(config).into(), name })
    }
}

/// Sends a request, and returns the status of the answer and its body, of at most `limit` bytes. Has no time limit.
pub(super) async fn send<B>(
    authority: &str,
    tls: Option<&HttpTls>,
    request: Request<B>,
    limit: usize,
) -> Result<(StatusCode, Result<Bytes, HttpError>), HttpError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<HttpError>,
{
    let mut answer = open(authority, tls, request).await?;
    let body = Limited::new(&mut answer.body, limit).collect().await;
    Ok((answer.status, body.map(|body| body.to_bytes())))
}

/// An answer whose body is read as it comes.
pub(super) struct HttpAnswer {
    status: StatusCode,
    body: Incoming,
    _driver: ConnectionTask,
}

impl HttpAnswer {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the next part of the body. None: the body has ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// The task that drives a connection. The connection ends with this value.
struct ConnectionTask(AbortHandle);

impl Drop for ConnectionTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request, and returns the answer once its head is there. Has no time limit.
pub(super) async fn open<B>(
    authority: &str,
    tls: Option<&HttpTls>,
    request: Request<B>,
) -> Result<HttpAnswer, HttpError>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<HttpError>,
{
    let stream = TcpStream::connect(authority).await?;
    match tls {
        None => begin(stream, request).await,
        Some(tls) => {
            let stream = tls.connector.connect(tls.name.clone(), stream).await;
            let stream = stream.map_err(|error| format!("TLS handshake: {error}"))?;
            Box::pin(begin(stream, request)).await
        }
    }
}

async fn begin<S, B>(stream: S, request: Request<B>) -> Result<HttpAnswer, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<HttpError>,
{
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // What breaks the connection shows in the answer.
    let driver = ConnectionTask(tokio::spawn(async move { drop(connection.await) }).abort_handle());
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(HttpAnswer { status: head.status, body, _driver: driver })
}
