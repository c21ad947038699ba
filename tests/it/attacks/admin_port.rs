//! Connections that are held at the HTTP port must not keep a probe of the kubelet waiting: it would restart the pod.

use crate::dialogue::eventually;
use crate::support::{Authority, Proxy, config_without_servers, free_port};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Clients that hold a connection at a time.
const HELD: usize = 1_000;

/// Far more than an answer takes, and far less than the port takes to close 1,000 connections one after the other.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy in front of a server that is not there: its HTTP port answers all the same.
async fn proxy(admin: &str) -> Proxy {
    let config = config_without_servers().replace("[monitor]", &format!("{admin}\n[monitor]"));
    let server = format!("[[discovery.servers]]\nname = \"db-0\"\naddress = \"127.0.0.1:{}\"\n", free_port());
    let proxy = Proxy::start_unready(&format!("{config}\n[discovery]\nkind = \"static\"\n{server}"));
    eventually("the HTTP port answers", async || proxy.get("/livez").await.ok()).await;
    proxy
}

/// What clients send, and how many bytes of the answer they read.
type HeldRequest = (Vec<u8>, usize);

/// Holds connections until what it returns is dropped: each client connects anew a second after its connection ended.
/// Returns when they were connected, or as many as the port lets in.
async fn hold(proxy: &Proxy, (send, read): HeldRequest) -> JoinSet<()> {
    let (mut tasks, connected) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..HELD {
        let (send, http, connected) = (send.clone(), proxy.http, connected.clone());
        tasks.spawn(async move {
            loop {
                let socket = tokio::net::TcpSocket::new_v4().unwrap();
                // So that an answer is not read by the system in place of the client.
                socket.set_recv_buffer_size(2048).unwrap();
                if let Ok(mut stream) = socket.connect(([127, 0, 0, 1], http).into()).await {
                    connected.fetch_add(1, Relaxed);
                    let _ = stream.write_all(&send).await;
                    let _ = stream.read_exact(&mut vec![0; read]).await;
                    // A reader that reads no more does not see the end either: it looks for it only now and then.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    if read == 0 {
                        let _ = stream.read(&mut [0]).await;
                    }
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
    }
    for _ in 0..50 {
        if connected.load(Relaxed) >= HELD {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tasks
}

/// The answer to one of so many probes in a row: the chart's kubelet restarts a pod when three failed. Here the clients have
/// the address of the kubelet, and on a busy machine one of them may come in and take its place before its answer is written.
const PROBES: usize = 3;

async fn answer(proxy: &Proxy, path: &str, what: &str) -> (u16, String) {
    for _ in 0..PROBES {
        match timeout(PATIENCE, proxy.get(path)).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => eprintln!("{what}: {path} is not answered: {error}"),
            Err(_) => eprintln!("{what}: {path} waits"),
        }
    }
    panic!("{what}: none of {PROBES} requests for {path} in a row was answered");
}

async fn probes_are_answered(proxy: &Proxy, what: &str) {
    for path in ["/livez", "/readyz", "/livez", "/livez"] {
        let (status, _) = answer(proxy, path, what).await;
        assert!(status == 200 || path == "/readyz", "{what}: {path} answers {status}");
    }
}

#[tokio::test]
async fn held_connections_keep_no_probe_waiting() {
    let proxy = proxy("").await;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    let kinds = [
        ("idle connections", String::new(), 0),
        ("half-sent heads", "GET /metrics HTTP/1.1\r\nHost: x\r\nX-A: ".to_owned(), 0),
        (
            "bodies that never come",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".to_owned(),
            0,
        ),
        ("kept connections", get("/livez"), 20),
        ("slow readers", get("/metrics"), 1),
        ("readers of events that leave", get("/events"), 0),
        (
            "statements that never come",
            "POST /explain HTTP/1.1\r\nHost: x\r\nX-Pointsman: explain\r\nContent-Length: 60000\r\n\r\n"
                .to_owned(),
            0,
        ),
    ];
    for (what, send, read) in kinds {
        let _held = hold(&proxy, (send.into_bytes(), read)).await;
        probes_are_answered(&proxy, what).await;
        // And a scraper behind the same address.
        let (status, body) = answer(&proxy, "/metrics", what).await;
        assert!(status == 200 && body.ends_with("# EOF\n"), "{what}: {status}");
    }
}

#[tokio::test]
async fn half_a_tls_handshake_keeps_no_probe_waiting() {
    let authority = Authority::new("admin");
    let (cert, key) = authority.issue("admin", "DNS:localhost,IP:127.0.0.1");
    let proxy = proxy(&format!("[admin.tls]\ncert_file = {cert:?}\nkey_file = {key:?}\n")).await;
    // The first bytes of a record with a ClientHello of 512 bytes.
    let half = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    let _held = hold(&proxy, (half.to_vec(), 0)).await;
    probes_are_answered(&proxy, "half TLS handshakes").await;
    for path in ["/topology", "/", "/events"] {
        let (status, body) = answer(&proxy, path, "half TLS handshakes").await;
        let refused = (403, "this port wants HTTPS for everything but /livez and /readyz\n");
        assert_eq!((status, body.as_str()), refused, "{path}");
    }
}

/// The proxy's `status`, with these arguments: whether it was answered, and what it said.
fn status(arguments: &[&str]) -> (bool, String) {
    let ran =
        std::process::Command::new(env!("CARGO_BIN_EXE_pointsman")).arg("status").args(arguments).output();
    let ran = ran.expect("cannot run pointsman");
    (ran.status.success(), String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned())
}

#[tokio::test]
async fn a_token_and_tls_keep_others_out_and_status_in() {
    let authority = Authority::new("admin");
    let (cert, key) = authority.issue("admin", "DNS:proxy.example,IP:127.0.0.1");
    let token = cert.with_file_name("token");
    std::fs::write(&token, "very-long-token\n").unwrap();
    let tls = format!("[admin.tls]\ncert_file = {cert:?}\nkey_file = {key:?}\n");
    let proxy = proxy(&format!("token_file = {token:?}\n{tls}")).await;
    let ca = authority.certificate();
    let (url, ca) = (format!("https://127.0.0.1:{}", proxy.http), ca.to_str().unwrap());
    let token = token.to_str().unwrap();
    let (answered, said) = status(&["--url", &url, "--ca-file", ca, "--token-file", token]);
    assert!(answered && said.contains("db-0"), "{said}");
    let (answered, said) =
        status(&["--url", &url, "--ca-file", ca, "--tls-name", "proxy.example", "--token-file", token]);
    assert!(answered, "{said}");
    for (arguments, why) in [
        (vec!["--url", &url, "--ca-file", ca], "401"),
        (vec!["--url", &url, "--ca-file", ca, "--token-file", ca], "no text of one line"),
        (vec!["--url", &url, "--ca-file", ca, "--token-env", "PATH"], "401"),
        (
            vec!["--url", &url, "--ca-file", ca, "--tls-name", "other.example", "--token-file", token],
            "NotValidForName",
        ),
        (vec!["--url", &url.replace("https", "http"), "--token-file", token], "403"),
    ] {
        let (answered, said) = status(&arguments);
        let seen = said.contains(why) || (why == "NotValidForName" && said.contains("not valid for"));
        assert!(!answered && seen, "{arguments:?}: {said}");
    }
    assert!(!proxy.log().contains("very-long-token"));
    // A new token and a new certificate need no restart.
    std::fs::write(token, "another-token\n").unwrap();
    let taken = async || status(&["--url", &url, "--ca-file", ca, "--token-file", token]).0.then_some(());
    eventually("the new token is taken", taken).await;
}
