//! The page and its events on a socket: routes, headers, methods, limits.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::tests::{Admin, three};
use super::*;
use crate::config::Secret;

/// The largest page that a browser has to load before it shows something, in bytes.
const LARGEST: usize = 150 << 10;

async fn admin() -> Admin {
    let admin = Admin::start(&[Mode::Split]).await;
    admin.lifecycle.send_replace(Lifecycle::Listening);
    admin.snapshot.send_replace(Arc::new(three()));
    admin
}

fn with_token(admin: &Admin, token: &str) {
    admin.live.send_modify(|live| Arc::make_mut(live).admin.token = Some(Secret::new(token)));
}

/// A reader of `/events`.
struct Reader {
    stream: TcpStream,
    text: String,
}

impl Reader {
    async fn start(admin: &Admin, header: &str) -> Reader {
        let mut stream = TcpStream::connect(admin.address).await.unwrap();
        let request = format!("GET /events HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Reader { stream, text: String::new() }
    }

    /// Reads until the text has what is wanted. False if the connection ends before.
    async fn until(&mut self, wanted: &str) -> bool {
        let read = async {
            let mut bytes = vec![0; 65536];
            while !self.text.contains(wanted) {
                match self.stream.read(&mut bytes).await {
                    Ok(n) if n > 0 => self.text.push_str(&String::from_utf8_lossy(&bytes[..n])),
                    _ => return false,
                }
            }
            true
        };
        timeout(Duration::from_secs(30), read).await.expect("an answer")
    }

    async fn ends(&mut self) -> bool {
        !self.until("this is never sent").await
    }
}

#[tokio::test]
async fn the_page_is_small_and_guarded() {
    let admin = admin().await;
    let mut size = 0;
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = admin.get(path).await;
        assert_eq!((answer.status, answer.headers["content-type"].as_str()), (200, kind), "{path}");
        size += answer.body.len();
        for inline in ["<script>", "<style", " style=", " onload=", " onclick=", "innerHTML", "eval("] {
            assert!(!answer.body.contains(inline), "{path} has {inline}");
        }
        let outside = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http:") && !outside.contains("https:"), "{path} names another host");
    }
    assert!(size < LARGEST, "{size} bytes");
    for path in ["/", "/topology", "/livez", "/nowhere", "/explain"] {
        let headers = admin.get(path).await.headers;
        let policy = &headers["content-security-policy"];
        for part in
            ["default-src 'none';", "script-src 'self';", "frame-ancestors 'none';", "form-action 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{path}");
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
    }
}

#[tokio::test]
async fn readers_see_changes() {
    let admin = admin().await;
    let mut reader = Reader::start(&admin, "").await;
    for event in ["event: past\n", "event: now\n", "event: digests\n", "event: config\n"] {
        assert!(reader.until(event).await, "{event}");
    }
    assert!(reader.text.contains("content-type: text/event-stream\r\n"), "{}", reader.text);
    assert!(reader.text.contains(r#""writer":"db-0""#), "{}", reader.text);
    let changed = Snapshot { primary: Some(crate::topology::ServerId(1)), ..three() };
    admin.snapshot.send_replace(Arc::new(changed));
    assert!(reader.until(r#""writer":"db-1""#).await);
    let head = admin.send("HEAD /events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[tokio::test]
async fn readers_leave_with_the_port() {
    let admin = admin().await;
    let mut reader = Reader::start(&admin, "").await;
    assert!(reader.until("event: now\n").await);
    admin.serving.abort();
    assert!(reader.ends().await, "the next process has the port, and what it does is what counts");
}

/// A reader that takes nothing costs a bounded amount of memory, and no other reader waits for it.
#[tokio::test]
async fn a_reader_that_does_not_read_holds_up_nobody() {
    let admin = admin().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut lazy = socket.connect(admin.address).await.unwrap();
    lazy.write_all(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut reader = Reader::start(&admin, "").await;
    for _ in 0..3 {
        reader.text.clear();
        assert!(reader.until("event: now\n").await);
    }
}

#[tokio::test]
async fn the_oldest_reader_of_the_busiest_address_makes_room() {
    let admin = admin().await;
    let mut readers = Vec::new();
    for _ in 0..events::MOST {
        let mut reader = Reader::start(&admin, "").await;
        assert!(reader.until("event: now\n").await);
        readers.push(reader);
    }
    let mut last = Reader::start(&admin, "").await;
    assert!(last.until("event: now\n").await);
    assert!(readers[0].ends().await, "the oldest is sent away");
    readers[1].text.clear();
    assert!(readers[1].until("event: now\n").await, "the next one stays");
    assert_eq!(admin.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_token_guards_the_data_and_not_the_files() {
    let admin = admin().await;
    let mut before = Reader::start(&admin, "").await;
    assert!(before.until("event: now\n").await);
    with_token(&admin, "long");
    assert!(before.ends().await, "who was let in without a token has to ask again");
    for path in ["/", "/page.css", "/page.js"] {
        let body = admin.get(path).await.body;
        assert!(!body.contains("db-0"), "{path}");
    }
    assert_eq!(admin.get("/events").await.status, 401);
    let mut reader = Reader::start(&admin, "Authorization: Bearer long\r\n").await;
    assert!(reader.until(r#""writer":"db-0""#).await);
    let post = "POST /explain HTTP/1.1\r\nHost: x\r\nX-Pointsman: explain\r\nContent-Length: 8\r\n";
    assert_eq!(admin.send(&format!("{post}\r\nSELECT 1")).await.status, 401);
    let answer = admin.send(&format!("{post}Authorization: Bearer long\r\n\r\nSELECT 1")).await;
    assert_eq!(answer.status, 200);
    with_token(&admin, "longer");
    assert!(reader.ends().await, "a new token ends the readers of the former one");
}

#[tokio::test]
async fn explain_answers_the_page_only() {
    let admin = admin().await;
    let post = async |header: &str, body: &str| {
        let length = body.len();
        let head = format!("POST /explain HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{header}\r\n");
        admin.send(&(head + body)).await
    };
    let own = "X-Pointsman: explain\r\n";
    let answer = post(own, "SELECT a FROM t FOR UPDATE").await;
    let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (answer.status, &json["target"], &json["reason"]),
        (200, &"primary".into(), &"locking_read".into())
    );
    // What a form of another site can send, and what its scripts can.
    for header in [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\nOrigin: http://evil.example\r\n",
        "X-Pointsman: explain\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: cors\r\n",
        "X-Pointsman: explain\r\nSec-Fetch-Site: same-site\r\nSec-Fetch-Mode: no-cors\r\n",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
    ] {
        assert_eq!(post(header, "SELECT 1").await.status, 403, "{header}");
    }
    assert_eq!(post(own, &"x".repeat(64 << 10)).await.status, 200);
    assert_eq!(post(own, &"x".repeat((64 << 10) + 1)).await.status, 413);
    assert_eq!(post(own, "\0\u{fffd}'").await.status, 200, "any bytes are a statement");
    for method in ["GET", "PUT", "OPTIONS", "DELETE"] {
        let answer = admin.send(&format!("{method} /explain HTTP/1.1\r\nHost: x\r\n{own}\r\n")).await;
        assert_eq!((answer.status, answer.headers["allow"].as_str()), (405, "POST"), "{method}");
    }
}

#[tokio::test]
async fn other_methods_and_sites_get_nothing() {
    let admin = admin().await;
    for path in ["/", "/page.js", "/events", "/topology", "/digests", "/sessions", "/metrics"] {
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(admin.send(&request).await.status, 405, "{method} {path}");
        }
    }
    let foreign = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: script\r\n";
    for path in ["/events", "/topology", "/tap"] {
        let elsewhere = format!("GET {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\n\r\n");
        assert_eq!(admin.send(&elsewhere).await.status, 403, "{path}: without Fetch Metadata");
    }
    for (path, status) in [
        ("/events", 403),
        ("/topology", 403),
        ("/digests", 403),
        ("/sessions", 403),
        ("/metrics", 403),
        ("/", 200),
        ("/livez", 200),
    ] {
        let answer = admin.send(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{foreign}\r\n")).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(status == 200 || !answer.body.contains("db-0"), "{path}");
    }
}
