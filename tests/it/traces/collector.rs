//! A collector: takes spans by OTLP over HTTP, and keeps them.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// A span, as far as tests look at it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub name: String,
    pub kind: i32,
    /// In nanoseconds since the Unix epoch.
    pub began: u64,
    pub ended: u64,
    pub failed: bool,
    pub attributes: HashMap<String, String>,
}

impl Seen {
    fn of(span: Span) -> Self {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Seen {
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            name: span.name,
            kind: span.kind,
            began: span.start_time_unix_nano,
            ended: span.end_time_unix_nano,
            failed: span.status.is_some_and(|status| status.code == 2),
            attributes: texts(span.attributes),
        }
    }

    pub fn get(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}

fn texts(attributes: Vec<KeyValue>) -> HashMap<String, String> {
    let text = |value| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|pair| (pair.key, text(pair.value.and_then(|value| value.value)))).collect()
}

pub struct Collector {
    pub port: u16,
    received: mpsc::UnboundedReceiver<(String, HashMap<String, String>, Vec<Span>)>,
    pub spans: Vec<Seen>,
    /// The heads of the requests.
    pub heads: Vec<String>,
    /// The attributes of the process that sent the last request.
    pub resource: HashMap<String, String>,
}

impl Collector {
    pub async fn start() -> Self {
        Self::on(0).await
    }

    pub async fn on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                tokio::spawn(async move {
                    if let Some(request) = take(stream).await {
                        let _ = sender.send(request);
                    }
                });
            }
        });
        Collector { port, received, spans: Vec::new(), heads: Vec::new(), resource: HashMap::new() }
    }

    /// The spans so far, and those of the next moment.
    pub async fn gather(&mut self) -> &[Seen] {
        while let Ok(Some((head, resource, spans))) =
            timeout(Duration::from_millis(50), self.received.recv()).await
        {
            self.heads.push(head);
            self.resource = resource;
            self.spans.extend(spans.into_iter().map(Seen::of));
        }
        &self.spans
    }

    /// Waits for the span of a statement with this in its text; the last one.
    pub async fn statement(&mut self, part: &str) -> Seen {
        for _ in 0..600 {
            let of_it = |span: &&Seen| span.kind == 2 && span.get("db.query.text").contains(part);
            if let Some(span) = self.gather().await.iter().rev().find(of_it) {
                return span.clone();
            }
        }
        panic!("no span of {part}; there are {:#?}", self.spans);
    }

    /// The steps of a statement, in their order.
    pub fn steps(&self, of: &Seen) -> Vec<Seen> {
        let mut steps: Vec<_> =
            self.spans.iter().filter(|span| span.trace == of.trace && span.kind != 2).cloned().collect();
        steps.sort_by_key(|span| span.began);
        steps
    }

    /// The names of a statement's steps.
    pub fn names(&self, of: &Seen) -> Vec<String> {
        self.steps(of).into_iter().map(|step| step.name).collect()
    }
}

/// Reads one request, and answers it.
async fn take(mut stream: TcpStream) -> Option<(String, HashMap<String, String>, Vec<Span>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = bytes.split_off(end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
        .await
        .ok()?;
    let request = ExportTraceServiceRequest::decode(&body[..]).expect("OTLP");
    let mut resource = HashMap::new();
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        resource = texts(of_resource.resource.unwrap_or_default().attributes);
        spans.extend(of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans));
    }
    Some((head, resource, spans))
}
