//! A small HTTP/1 server: few connections, short headers, no request bodies.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{AdminState, readiness};
use crate::telemetry;

/// Kubelet, Prometheus and a few people at once; more wait in the listen queue.
const MAX_CONNECTIONS: usize = 128;
/// For the request's head, and for the next request on a kept connection. Short, so that
/// idle peers cannot keep the liveness probe out.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection is closed after this, whoever reads slowly.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(600);
/// hyper's least.
const BUFFER_BYTES: usize = 8192;

const PATHS: &str = "/livez\n/readyz\n/metrics\n/topology\n";
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// Answers until the future is dropped.
pub async fn serve(listener: TcpListener, state: AdminState) {
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = state.clone();
                tokio::spawn(async move {
                    connection(stream, state).await;
                    drop(seat);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the HTTP port cannot accept");
                // Without file descriptors accept fails at once, again and again.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, state: AdminState) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&state, request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_TIMEOUT, connection).await {
        Ok(Ok(())) | Err(_) => {}
        Ok(Err(error)) => tracing::debug!(%error, "an HTTP connection broke"),
    }
}

fn answer(state: &AdminState, method: &Method, path: &str) -> Response<Full<Bytes>> {
    let get = matches!(*method, Method::GET | Method::HEAD);
    match path {
        "/livez" | "/readyz" | "/metrics" | "/topology" if !get => {
            let mut response = respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
        "/livez" => respond(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => ready(state),
        "/metrics" => match telemetry::exposition(&state.registry) {
            Ok(text) => respond(StatusCode::OK, telemetry::CONTENT_TYPE, text),
            Err(_) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the metrics cannot be written\n"),
        },
        "/topology" => match serde_json::to_string(&state.report()) {
            Ok(text) => respond(StatusCode::OK, JSON, text + "\n"),
            Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
        },
        _ => respond(StatusCode::NOT_FOUND, TEXT, format!("no such path; there are:\n{PATHS}")),
    }
}

fn ready(state: &AdminState) -> Response<Full<Bytes>> {
    let lifecycle = *state.lifecycle.borrow();
    let fallback = state.live.borrow().replicas.fallback;
    match readiness(lifecycle, &state.snapshot.borrow(), &state.modes, fallback) {
        Ok(()) => respond(StatusCode::OK, TEXT, "ready\n"),
        Err(reason) => respond(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n")),
    }
}

fn respond(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
