//! The HTTP port: accepts every connection at once, with or without TLS, and closes each connection after its answer.
//! Only readers of `/events` and `/tap` may stay longer.

use std::cell::Cell;
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::AdminState;
use super::certificate::Certificate;
use super::http::{HttpChannel, Routes, Stay, Visit};
use super::seats::Seats;
use crate::net::{Origin, Peer};

/// The most connections at a time. Kubelet, Prometheus and a few people need only a handful; this limits other clients.
pub(super) const SEATS: usize = 256;
/// The time limit from accept to the end of the TLS handshake, and again from there to the end of the request's head.
const HEAD_LIMIT: Duration = Duration::from_secs(5);
/// The time limit from accept to the end of the answer, also for clients that read slowly. Readers of `/tap` get more time
/// whenever they read.
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

/// How a connection is transported, whose it is, and how it becomes that of a reader.
struct PortLine {
    channel: HttpChannel,
    of: Origin,
    stays: oneshot::Sender<Stay>,
}

/// Accepts and answers until the future is dropped. Open connections continue then, but those of readers who stay: these
/// have to ask the process that has the port next.
pub async fn serve(listener: TcpListener, state: AdminState) {
    let live = state.live.clone();
    let (_stays, leaving) = watch::channel(());
    let service = Service { routes: Routes::start(state, leaving), turn: Arc::new(Semaphore::new(1)) };
    let (mut seats, mut certificate) = (Seats::new(SEATS), Certificate::default().speaking(b"http/1.1"));
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let Some(of) = Peer::from(address).origin() else { continue };
                if let Some(lost) = seats.make_room() {
                    tracing::debug!(address = %lost, "HTTP: all connections are taken; the oldest was closed");
                }
                let tls = certificate.current(live.borrow().admin.tls.as_ref());
                let serving = tokio::spawn(connection(stream, of, tls, service.clone()));
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

async fn connection(stream: TcpStream, of: Origin, tls: Option<Arc<ServerConfig>>, service: Service) {
    let (stays, staying) = oneshot::channel();
    let line = |channel| PortLine { channel, of, stays };
    let served = async move {
        let Some(tls) = tls else { return http(stream, line(HttpChannel::Open), service.routes).await };
        let handshake = async {
            let mut first = [0];
            match stream.peek(&mut first).await {
                Ok(1) if first == [TLS_HANDSHAKE] => Some(Ok(accept(stream, tls, &service.turn).await)),
                Ok(1) => Some(Err(stream)),
                _ => None,
            }
        };
        match timeout(HEAD_LIMIT, handshake).await {
            Ok(Some(Ok(Ok(stream)))) => http(stream, line(HttpChannel::Encrypted), service.routes).await,
            Ok(Some(Ok(Err(error)))) => tracing::debug!(%error, "HTTP: a TLS handshake failed"),
            // Probes need not be encrypted: their answers are not secret.
            Ok(Some(Err(stream))) => http(stream, line(HttpChannel::Plain), service.routes).await,
            Ok(None) | Err(_) => {}
        }
    };
    tokio::select! {
        () = served => {}
        () = limit(staying) => {}
    }
}

/// Returns when a connection must end: after its time limit, or, if it is a reader's, when the reader is sent away.
async fn limit(staying: oneshot::Receiver<Stay>) {
    let ending = sleep(CONNECTION_LIMIT);
    tokio::pin!(ending);
    tokio::select! {
        () = &mut ending => {}
        // Fails if the request was for something else; then the limit stays.
        Ok(Stay { until, at_most }) = staying => {
            let _ = match at_most {
                Some(limit) => timeout(limit, until).await.is_ok(),
                None => until.await.is_ok(),
            };
        }
    }
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

fn http<S>(stream: S, line: PortLine, routes: Routes) -> impl Future<Output = ()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let PortLine { channel, of, stays } = line;
    // Taken by the only request of the connection.
    let stays = Cell::new(Some(stays));
    let service = service_fn(move |request: Request<Incoming>| {
        let (routes, visit) = (routes.clone(), Visit { channel, of, stays: stays.take() });
        async move { routes.answer(request, visit).await }
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
