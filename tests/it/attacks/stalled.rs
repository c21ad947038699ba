//! Clients that stand still in the middle of something hold server connections for `timeouts.client_read`,
//! `timeouts.client_write` or `timeouts.login` at most, and nobody behind them waits longer.

use crate::dialogue::raw::{Raw, error_code, framed, response};
use crate::dialogue::{eventually, metric};
use crate::support::{Cluster, Proxy, proxy_config};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

/// As many as `max_server_connections`.
const CLIENTS: usize = 30;

/// A table in front of which everything stands, and a proxy with few server connections and short timeouts.
async fn scene() -> (Cluster, Proxy) {
    scene_with("2s").await
}

/// The same with another timeout for clients that do not read.
async fn scene_with(client_write: &str) -> (Cluster, Proxy) {
    let cluster = Cluster::mariadb(0).await;
    cluster.primary().sql("CREATE TABLE test.t (v LONGTEXT)").await;
    let timeouts =
        format!("[timeouts]\nlogin = \"2s\"\nclient_read = \"2s\"\nclient_write = \"{client_write}\"");
    let limits = format!("[limits]\nmax_server_connections = {CLIENTS}\nqueue_timeout = \"60s\"");
    let config =
        format!("workers = 1\n{}\n{timeouts}\n{limits}\n", crate::dialogue::patient(&proxy_config(&cluster)));
    let proxy = Proxy::start(&config).await;
    (cluster, proxy)
}

/// A client that takes few bytes unless it reads, and offers LOCAL files.
async fn client(port: u16) -> Raw {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a small buffer");
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let mut raw = Raw { stream: socket.connect(address).await.expect("connect") };
    let greeted = raw.greeting().await.expect("a greeting");
    let mut login = response("app", "app", &greeted);
    // CLIENT_LOCAL_FILES
    login[0] |= 0x80;
    raw.send(1, &login).await.expect("a login");
    assert_eq!(raw.read().await.expect("an OK packet").1[0], 0);
    raw
}

/// Commands of clients under way on the server.
async fn under_way(cluster: &Cluster) -> usize {
    let ask = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app' AND command <> 'Sleep'";
    cluster.primary().value(ask).await.parse().expect("a number")
}

async fn closed(proxy: &Proxy, reason: &str) -> f64 {
    metric(proxy, &format!("pointsman_client_disconnects_total{{reason=\"{reason}\"}}")).await
}

/// Everybody stands still now: after the timeout nobody is left, and another client is served.
async fn all_end(cluster: &Cluster, proxy: &Proxy, reason: &str, standing: Vec<Raw>) {
    eventually("each client that stands still is disconnected", async || {
        (closed(proxy, reason).await == standing.len() as f64).then_some(())
    })
    .await;
    eventually("no server connection is held", async || (under_way(cluster).await == 0).then_some(())).await;
    let mut next = Raw::app(proxy.rw).await;
    assert_eq!(error_code(&next.query("SELECT 1").await.expect("an answer")), 0);
    proxy.told(reason).await;
    drop(standing);
}

#[tokio::test]
async fn clients_that_never_read_hold_no_server_connection() {
    let (cluster, proxy) = scene().await;
    let mut standing = Vec::new();
    for _ in 0..CLIENTS {
        let mut raw = client(proxy.rw).await;
        raw.send(0, b"\x03SELECT REPEAT('x', 1000000) FROM seq_1_to_40").await.expect("sent");
        standing.push(raw);
    }
    all_end(&cluster, &proxy, "client_write_timeout", standing).await;
}

#[tokio::test]
async fn half_statements_and_files_hold_no_server_connection() {
    let (cluster, proxy) = scene().await;
    let long = [b"\x03INSERT INTO t VALUES ('", vec![b'x'; 300_000].as_slice(), b"')"].concat();
    let long = framed(0, &long);
    let mut standing = Vec::new();
    for i in 0..CLIENTS {
        let mut raw = client(proxy.rw).await;
        if i % 2 == 0 {
            raw.stream.write_all(&long[..200_000]).await.expect("sent");
        } else {
            let asked = raw.query("LOAD DATA LOCAL INFILE 'f' INTO TABLE t").await.expect("an answer");
            assert_eq!(asked, b"\xfbf");
            raw.stream.write_all(&framed(2, &[b'x'; 1000])[..500]).await.expect("sent");
        }
        standing.push(raw);
    }
    let mut heard = Vec::new();
    for raw in &mut standing {
        heard.push(error_code(&raw.read().await.expect("an ERR packet").1));
    }
    assert_eq!(heard, [1159; CLIENTS]);
    all_end(&cluster, &proxy, "client_read_timeout", standing).await;
    assert_eq!(cluster.primary().value("SELECT COUNT(*) FROM test.t").await, "0");
}

/// Each holds a transaction until it asks to be somebody else, and stops when it is asked for a password.
#[tokio::test]
async fn half_a_change_of_user_holds_no_server_connection() {
    let (cluster, proxy) = scene().await;
    let mut standing = Vec::new();
    for _ in 0..CLIENTS {
        let mut raw = client(proxy.rw).await;
        for sql in ["BEGIN", "INSERT INTO t VALUES ('x')"] {
            assert_eq!(error_code(&raw.query(sql).await.expect("an answer")), 0);
        }
        standing.push(raw);
    }
    for raw in &mut standing {
        let switch = raw.command(0x11, b"super\0\0\0\x2d\0caching_sha2_password\0").await.expect("an answer");
        assert_eq!(switch[0], 0xfe, "{}", switch.escape_ascii());
    }
    let transactions = "SELECT COUNT(*) FROM information_schema.innodb_trx";
    eventually("every transaction is rolled back", async || {
        // The server refreshes this table only if nobody has read it for 100 ms.
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        (cluster.primary().value(transactions).await == "0").then_some(())
    })
    .await;
    let mut next = Raw::app(proxy.rw).await;
    assert_eq!(error_code(&next.query("SELECT 1").await.expect("an answer")), 0);
    eventually("each of them is disconnected", async || {
        (closed(&proxy, "login_timeout").await == CLIENTS as f64).then_some(())
    })
    .await;
}

/// Progress is what counts: a client that is slow for several times the limit gets its whole answer.
#[tokio::test]
async fn a_slow_client_gets_its_whole_answer() {
    let (_cluster, proxy) = scene_with("5s").await;
    let mut raw = client(proxy.rw).await;
    raw.send(0, b"\x03SELECT REPEAT('x', 1000000) FROM seq_1_to_16").await.expect("sent");
    let began = tokio::time::Instant::now();
    let mut rows = 0;
    let mut ends = 0;
    while ends < 2 {
        let (_, packet) = raw.read().await.expect("a packet");
        if packet[0] == 0xfe && packet.len() < 9 {
            ends += 1;
        } else if packet.len() > 1_000_000 {
            rows += 1;
            tokio::time::sleep(std::time::Duration::from_millis(800)).await;
        }
    }
    assert_eq!(rows, 16);
    assert!(began.elapsed() > std::time::Duration::from_secs(10), "it was not slow");
    assert_eq!(error_code(&raw.query("DO 1").await.expect("an answer")), 0);
}
