//! The HTTP port: accepts every connection at once, with or without TLS, and closes each connection after its answer.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::server::Acceptor;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::AdminState;
use super::http::{Channel, Routes};
use super::pages::Pages;
use super::seats::Seats;
use crate::config::Identity;
use crate::net::Peer;

/// The time limit from accept to the end of the TLS handshake, and again from there to the end of the request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// The time limit from accept to the end of the answer, also for clients that read slowly.
const CONNECTION_LIMIT: Duration = Duration::from_secs(30);
/// The longest head of a request, in bytes; the smallest value that hyper allows.
const HEAD_BYTES: usize = 8192;
/// The most headers of a request.
const MAX_HEADERS: usize = 64;
/// The first byte of a TLS handshake (ContentType handshake), with which no HTTP request begins.
const TLS_HANDSHAKE: u8 = 22;
/// The pause after a failed accept: without free file descriptors accept fails at once, again and again.
const PAUSE: Duration = Duration::from_millis(50);

/// What every connection needs to be served.
#[derive(Clone)]
struct Service {
    routes: Routes,
    /// Lets only one TLS handshake be computed at a time, so that probes are served in between.
    turn: Arc<Semaphore>,
}

/// The current certificate, prepared for rustls.
#[derive(Default)]
struct Certificate {
    of: Option<Identity>,
    ready: Option<Arc<ServerConfig>>,
}

/// Accepts and answers until the future is dropped. Open connections continue then.
pub async fn serve(listener: TcpListener, state: AdminState) {
    let live = state.live.clone();
    let service = Service {
        routes: Routes { pages: Pages::start(state.clone()), state },
        turn: Arc::new(Semaphore::new(1)),
    };
    let (mut seats, mut certificate) = (Seats::default(), Certificate::default());
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(of) = Peer::from(address).origin() else { continue };
                if let Some(lost) = seats.make_room() {
                    tracing::debug!(address = %lost, "HTTP: all connections are taken; the oldest was closed");
                }
                let tls = certificate.current(live.borrow().admin.tls.as_ref());
                let serving = tokio::spawn(connection(stream, tls, service.clone()));
                seats.take(of, serving.abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "the HTTP port cannot accept");
                // Ending the oldest connection frees a descriptor for the next one.
                seats.evict();
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Certificate {
    /// Returns the current certificate; None without `[admin.tls]`.
    fn current(&mut self, wanted: Option<&Identity>) -> Option<Arc<ServerConfig>> {
        if self.of.as_ref() != wanted {
            self.of = wanted.cloned();
            match wanted.map(server_config).transpose() {
                Ok(ready) => self.ready = ready,
                // Rare, since certificates are checked with the configuration. The last one is better than none.
                Err(error) => tracing::error!("admin.tls: {error}; the former certificate stays"),
            }
        }
        self.ready.clone()
    }
}

fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let certified = identity.certified(&provider).map_err(|(key, wrong)| format!("{key} {wrong}"))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

async fn connection(stream: TcpStream, tls: Option<Arc<ServerConfig>>, service: Service) {
    let _ = timeout(CONNECTION_LIMIT, async move {
        let Some(tls) = tls else { return http(stream, Channel::Open, service.routes).await };
        let handshake = async {
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(1) if first == [TLS_HANDSHAKE] => Some(Ok(accept(stream, tls, &service.turn).await)),
                Ok(1) => Some(Err(stream)),
                _ => None,
            }
        };
        match timeout(HEAD_LIMIT, handshake).await {
            Ok(Some(Ok(Ok(stream)))) => http(stream, Channel::Encrypted, service.routes).await,
            Ok(Some(Ok(Err(error)))) => tracing::debug!(%error, "HTTP: a TLS handshake failed"),
            // Probes need not be encrypted: their answers are not secret.
            Ok(Some(Err(stream))) => http(stream, Channel::Plain, service.routes).await,
            Ok(None) | Err(_) => {}
        }
    })
    .await;
}

/// Runs a TLS handshake: first reads the client's hello, which costs little; then waits for its turn to compute the
/// signature.
async fn accept(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    turn: &Semaphore,
) -> io::Result<TlsStream<TcpStream>> {
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let handshake = {
        let _turn = turn.acquire().await;
        yield_now().await;
        hello.into_stream(tls)
    };
    handshake.await
}

fn http<S>(stream: S, channel: Channel, routes: Routes) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let routes = routes.clone();
        async move { routes.answer(&request, channel).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .max_buf_size(HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "an HTTP connection broke");
        }
    }
}
