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
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
{
    let mut answer = open(authority, tls, request).await?;
    let body = Limited::new(&mut answer.body, limit).collect().await;
    Ok((answer.status, body.map(|body| body.to_bytes())))
}

/// An answer whose body is read as it comes.
pub(super) struct Answer {
    status: StatusCode,
    body: Incoming,
    _driver: Driver,
}

impl Answer {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the next part of the body. None: the body has ended.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

/// The task that drives a connection. The connection ends with this value.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request, and returns the answer once its head is there. Has no time limit.
pub(super) async fn open<B>(authority: &str, tls: Option<&Tls>, request: Request<B>) -> Result<Answer, Error>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
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

async fn begin<S, B>(stream: S, request: Request<B>) -> Result<Answer, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Error>,
{
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // What breaks the connection shows in the answer.
    let driver = Driver(tokio::spawn(async move { drop(connection.await) }).abort_handle());
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Answer { status: head.status, body, _driver: driver })
}
