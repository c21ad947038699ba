//! Where clients come from: load balancers that name their clients (PROXY protocol), and users that may log in only from
//! some networks.

use crate::dialogue::raw::{Raw, error_code, response};
use crate::dialogue::{eventually, metric, patient};
use crate::support::{Cluster, Proxy, proxy_config};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

/// A load balancer's address, which `balanced` lists.
const BALANCER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
/// An address that is not listed.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A proxy whose read-write port expects headers from `BALANCER`.
async fn balanced(cluster: &Cluster, more: &str) -> Proxy {
    let list = format!("mode = \"primary\"\nproxy_protocol_from = [\"{BALANCER}\"]\n");
    let config = patient(&proxy_config(cluster)).replacen("mode = \"primary\"\n", &list, 1);
    Proxy::start(&format!("{config}\n{more}")).await
}

/// A connection from this address that begins with these bytes.
async fn connect(from: Ipv4Addr, port: u16, first: &[u8]) -> Raw {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("an address of this host");
    let mut stream = socket.connect(SocketAddr::from((BALANCER, port))).await.expect("connect");
    stream.set_nodelay(true).expect("an option");
    stream.write_all(first).await.expect("a connection");
    Raw { stream }
}

/// Version 1.
fn text(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 127.0.0.1 5000 3306\r\n").into_bytes()
}

/// Version 2, with a field behind the addresses.
fn binary(client: Ipv4Addr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x10".to_vec();
    header.extend_from_slice(&client.octets());
    header.extend_from_slice(b"\x7f\0\0\x01\x13\x88\x0c\xea\x04\0\x01x");
    header
}

/// The error of a login; 0 and nothing if it succeeds.
async fn login(mut raw: Raw, user: &str, password: &str) -> (u16, String) {
    let (seq, first) = raw.read().await.expect("a greeting or an error");
    assert_eq!(seq, 0);
    if first.first() == Some(&0xff) {
        return (error_code(&first), String::from_utf8_lossy(&first).into_owned());
    }
    match login_again(raw, &first, user, password).await {
        Ok(()) => (0, String::new()),
        Err(payload) => (error_code(&payload), String::from_utf8_lossy(&payload).into_owned()),
    }
}

async fn login_again(mut raw: Raw, greeting: &[u8], user: &str, password: &str) -> Result<(), Vec<u8>> {
    let greeted = crate::dialogue::raw::Greeted::read(greeting);
    raw.send(1, &response(user, password, &greeted)).await.expect("send");
    loop {
        let (_, payload) = raw.read().await.expect("an answer");
        match payload.first() {
            Some(0) => return Ok(()),
            Some(1) if payload == [1, 3] => {}
            _ => return Err(payload),
        }
    }
}

#[tokio::test]
async fn a_client_behind_a_load_balancer_has_its_own_address() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = balanced(&cluster, "[limits]\nmax_login_errors = 10\nblock_time = \"60s\"\n").await;
    for header in
        [text("198.51.100.1"), binary(Ipv4Addr::new(198, 51, 100, 2)), b"PROXY UNKNOWN\r\n".to_vec()]
    {
        let mut raw = connect(BALANCER, proxy.rw, &header).await;
        raw.login("app", "app").await.expect("login");
        assert_eq!(error_code(&raw.query("DO 1").await.expect("an answer")), 0);
    }
    // The port without a list reads no header.
    Raw::app(proxy.ro).await;
    let mut last = (0, String::new());
    // Failures are forgotten as time passes, so that a few more than ten may be needed.
    for _ in 0..30 {
        last = login(connect(BALANCER, proxy.rw, &text("198.51.100.7")).await, "app", "wrong").await;
    }
    assert_eq!(last.0, 1129);
    assert!(last.1.contains("Host '198.51.100.7' is blocked"), "{}", last.1);
    let log = proxy.told("peer=198.51.100.7:5000").await;
    assert!(!log.contains("peer=127.0.0.1"), "{log}");
    for header in [text("198.51.100.8"), b"PROXY UNKNOWN\r\n".to_vec()] {
        assert_eq!(login(connect(BALANCER, proxy.rw, &header).await, "app", "app").await, (0, String::new()));
    }
    assert_eq!(login(connect(BALANCER, proxy.rw, &text("198.51.100.7")).await, "app", "app").await.0, 1129);
}

#[tokio::test]
async fn a_header_counts_only_from_listed_load_balancers() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = balanced(&cluster, "[timeouts]\nlogin = \"2s\"\n").await;
    // Others get the greeting at once, and log in as ever.
    assert_eq!(login(connect(STRANGER, proxy.rw, b"").await, "app", "app").await.0, 0);
    for (header, seq) in [(text("198.51.100.7"), 88), (binary(Ipv4Addr::new(198, 51, 100, 7)), 10)] {
        let mut raw = connect(STRANGER, proxy.rw, &header).await;
        raw.greeting().await.expect("a greeting");
        let (_, payload) = raw.read().await.expect("an error");
        let said = String::from_utf8_lossy(&payload).into_owned();
        assert_eq!(error_code(&payload), 1043, "{said}");
        assert!(said.contains(&format!("sequence id {seq} instead of 1")), "{said}");
    }
    let log = proxy.told("peer=127.0.0.2:").await;
    assert!(!log.contains("198.51.100.7"), "{log}");
    // A listed address without a header gets no greeting, and in the end an error that says why.
    let (code, said) = login(connect(BALANCER, proxy.rw, b"").await, "app", "app").await;
    assert_eq!(code, 1043);
    assert!(said.contains("listeners.proxy_protocol_from demands one from 127.0.0.1"), "{said}");
    // Health checks that leave without a word count for nothing.
    let refused = "pointsman_logins_refused_total{reason=\"aborted\"}";
    let (closed, before) =
        ("pointsman_client_disconnects_total{reason=\"quit\"}", metric(&proxy, refused).await);
    let quits = metric(&proxy, closed).await;
    for header in [b"".to_vec(), text("198.51.100.7")] {
        drop(connect(BALANCER, proxy.rw, &header).await);
    }
    eventually("they are gone", async || (metric(&proxy, closed).await >= quits + 2.0).then_some(())).await;
    assert_eq!(metric(&proxy, refused).await, before);
}

#[tokio::test]
async fn a_user_logs_in_only_from_its_networks() {
    let cluster = Cluster::mariadb(0).await;
    let config = patient(&proxy_config(&cluster));
    let from =
        |list: &str| config.replace("password = \"app\"\n", &format!("password = \"app\"\nfrom = {list}\n"));
    let proxy = Proxy::start(&from("[\"10.0.0.0/8\", \"127.0.0.2\"]")).await;
    let mut held = connect(STRANGER, proxy.rw, b"").await;
    held.login("app", "app").await.expect("login");
    for password in ["app", "wrong"] {
        let (code, said) = login(connect(BALANCER, proxy.rw, b"").await, "app", password).await;
        assert_eq!(code, 1045);
        assert!(said.ends_with("Access denied for user 'app'@'127.0.0.1' (using password: YES)"), "{said}");
    }
    assert_eq!(metric(&proxy, "pointsman_logins_refused_total{reason=\"elsewhere\"}").await, 2.0);
    assert_eq!(login(connect(BALANCER, proxy.rw, b"").await, "super", "super").await.0, 0, "another user");
    // A change applies to new logins, and the open session goes on.
    proxy.write_config(&from("[\"127.0.0.1\"]"));
    eventually("the new list is in effect", async || {
        (login(connect(BALANCER, proxy.rw, b"").await, "app", "app").await.0 == 0).then_some(())
    })
    .await;
    assert_eq!(login(connect(STRANGER, proxy.rw, b"").await, "app", "app").await.0, 1045);
    assert_eq!(error_code(&held.query("DO 1").await.expect("an answer")), 0);
}
