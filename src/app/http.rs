//! One HTTP request of the program's own, on a connection of its own.

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Bytes};
use hyper::{Request, StatusCode, client};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What a person or a log is told.
pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;

/// The status of the answer, and its body, which may have `limit` bytes. Without a time limit.
pub(super) async fn send<B>(
    authority: &str,
    request: Request<B>,
    limit: usize,
) -> Result<(StatusCode, Result<Bytes, Error>), Error>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Error>,
{
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), limit).collect().await;
        Ok((status, body.map(|body| body.to_bytes())))
    };
    let drive = async {
        // Its end may come with the answer: then the exchange ends, and without one it fails.
        let _ = connection.await;
        std::future::pending().await
    };
    tokio::select! {
        result = exchange => result,
        never = drive => never,
    }
}
