//! What is agreed with a client or a server, and streams of a binary log.

use super::{Client, cluster, config};
use crate::dialogue::raw::{Raw, error_code, framed};
use crate::dialogue::{eventually, metric};
use crate::support::{Authority, Cluster, Kind, Proxy, UNHURRIED};
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const COMPRESS: u32 = 0x20;
const ZSTD: u32 = 1 << 26;

/// Logs in with these flags, asks for a long value with packets that are framed accordingly, and returns how the answer
/// is compressed.
async fn answered(port: u16, flags: u32, compresses: bool) -> &'static str {
    let mut raw = Raw::connect(port).await.unwrap();
    raw.login_with("app", "app", flags).await.unwrap();
    let query = framed(0, b"\x03SELECT REPEAT('x', 10000)");
    if !compresses {
        raw.stream.write_all(&query).await.unwrap();
        // The number of columns.
        assert_eq!(raw.read().await.unwrap(), (1, vec![1]));
        return "not";
    }
    // A compressed packet whose payload is not compressed.
    let mut packet = framed(0, &query);
    packet.splice(4..4, [0; 3]);
    raw.stream.write_all(&packet).await.unwrap();
    let mut header = [0; 7 + 4];
    raw.stream.read_exact(&mut header).await.unwrap();
    match header[7..] {
        [0x28, 0xb5, 0x2f, 0xfd] => "zstd",
        [0x78, ..] => "zlib",
        _ => panic!("{header:?}"),
    }
}

#[tokio::test]
async fn a_client_that_asks_for_both_algorithms_gets_zlib() {
    let cluster = Cluster::mariadb(0).await;
    for (offered, asked, gets) in [
        ("any", COMPRESS | ZSTD, "zlib"),
        ("any", ZSTD, "zstd"),
        ("any", COMPRESS, "zlib"),
        ("any", 0, "not"),
        // What was not offered does not count.
        ("zstd", COMPRESS | ZSTD, "zstd"),
        ("zstd", COMPRESS, "not"),
        ("zlib", COMPRESS | ZSTD, "zlib"),
        ("zlib", ZSTD, "not"),
        ("off", COMPRESS | ZSTD, "not"),
    ] {
        let proxy = Proxy::start(&config(&cluster, offered, "")).await;
        assert_eq!(answered(proxy.rw, asked, gets != "not").await, gets, "{offered} {asked:#x}");
    }
}

fn compression(port: u16) -> String {
    let shown = Client::new("mariadb", &["--skip-ssl"]).run(port, b"SHOW STATUS LIKE 'Compression'");
    shown.unwrap().replace("Compression\t", "")
}

#[tokio::test]
async fn a_reload_changes_the_compression_of_server_connections_of_later_clients() {
    let cluster = Cluster::mariadb(0).await;
    let of = |algorithm: &str| config(&cluster, "off", &format!("\n[pool]\ncompression = \"{algorithm}\"\n"));
    let proxy = Proxy::start(&of("off")).await;
    assert_eq!(compression(proxy.rw), "OFF");
    let shows = "SHOW STATUS LIKE 'Compression'";
    let mut before = proxy.client().await.unwrap();
    assert_eq!(crate::dialogue::row(&mut before, shows).await.unwrap()[1], "OFF");
    for (algorithm, shown) in [("zlib", "ON"), ("off", "OFF")] {
        proxy.write_config(&of(algorithm));
        proxy.signal("HUP");
        eventually("later clients get the new setting", async || {
            (compression(proxy.rw) == shown).then_some(())
        })
        .await;
        assert_eq!(crate::dialogue::row(&mut before, shows).await.unwrap()[1], "OFF");
    }
}

#[tokio::test]
async fn mariadb_compresses_over_tls() {
    let mut cluster = Cluster::mariadb(0).await;
    let ours = Authority::new("ours");
    let (certificate, key) = ours.issue("server", "IP:127.0.0.1");
    let options =
        [("cert", certificate), ("key", key)].map(|(w, path)| format!("--ssl-{w}={}", path.display()));
    cluster.primary_mut().restart_with(&options).await;
    cluster.primary().sql("CREATE TABLE test.t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT)").await;
    cluster.primary().sql("SET GLOBAL local_infile = 1").await;
    cluster.primary().sql("SET GLOBAL max_allowed_packet = 1073741824").await;
    cluster.primary().sql(UNHURRIED).await;
    let servers = "\n[pool]\ncompression = \"zlib\"\n\n[servers_tls]\nmode = \"required\"\n";
    let proxy = Proxy::start(&config(&cluster, "any", servers)).await;
    let plain = Client::new("mariadb", &["--skip-ssl"]);
    assert_eq!(compression(proxy.rw), "ON");
    let cipher = plain.run(proxy.rw, b"SHOW STATUS LIKE 'Ssl_cipher'").unwrap();
    assert!(cipher.len() > "Ssl_cipher\t".len(), "{cipher}");
    let scratch = crate::support::Scratch::new("compression");
    super::everything(&proxy, &plain, &scratch);
    super::everything(&proxy, &Client::new("mariadb", &["--compress", "--skip-ssl"]), &scratch);
}

/// The packets of a binary log get the sequence ids that the client expects, whatever those of the server are.
async fn a_dump_is_numbered_anew(kind: Kind, algorithm: &str) {
    let Some(cluster) = cluster(kind).await else { return };
    for _ in 0..100 {
        cluster.primary().sql("INSERT INTO test.t (v) VALUES (REPEAT('line ', 300))").await;
    }
    let servers = format!("\n[pool]\ncompression = \"{algorithm}\"\n");
    let proxy = Proxy::start(&config(&cluster, "off", &servers)).await;
    let logs = if kind == Kind::MariaDb { "SHOW MASTER STATUS" } else { "SHOW BINARY LOG STATUS" };
    let file = cluster.primary().sql(logs).await[0][0].clone().expect("a binary log");
    let mut client = Raw::connect(proxy.rw).await.unwrap();
    client.login("super", "super").await.unwrap();
    let checksum = "SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'";
    assert_eq!(error_code(&client.query(checksum).await.unwrap()), 0);
    let dump = [&[0x12, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0][..], file.as_bytes()].concat();
    client.send(0, &dump).await.unwrap();
    for expected in 1usize.. {
        let (seq, packet) = client.read().await.unwrap();
        assert_eq!(usize::from(seq), expected % 256);
        match packet.first() {
            Some(0) => {}
            Some(0xfe) if expected > 300 => break,
            _ => panic!("{expected}: {}", packet.escape_ascii()),
        }
    }
    // An ERR packet in the place of a stream.
    let mut client = Raw::connect(proxy.rw).await.unwrap();
    client.login("super", "super").await.unwrap();
    client.send(0, &[&dump[..11], b"nothing.000001"].concat()).await.unwrap();
    let (seq, packet) = client.read().await.unwrap();
    assert_eq!((seq, packet[0]), (1, 0xff), "{}", packet.escape_ascii());
}

#[tokio::test]
async fn mariadb_a_dump_through_a_compressed_connection() {
    a_dump_is_numbered_anew(Kind::MariaDb, "zlib").await;
}

#[tokio::test]
async fn mysql_a_dump_through_a_compressed_connection() {
    a_dump_is_numbered_anew(Kind::MySql, "zstd").await;
}

/// A replica of semi-synchronous replication replicates through the proxy, and never has to connect again.
async fn a_replica_stays(kind: Kind, own: bool, servers: bool) {
    let Some(mut cluster) = (match kind {
        Kind::MariaDb => Some(Cluster::mariadb(1).await),
        Kind::MySql => Cluster::mysql(1).await,
    }) else {
        return;
    };
    cluster.primary().sql("CREATE TABLE test.t (id INT PRIMARY KEY AUTO_INCREMENT, v TEXT)").await;
    cluster.wait_caught_up().await;
    let (pool, switch) = match kind {
        Kind::MariaDb => ("\n[pool]\ncompression = \"zlib\"\n", "SET GLOBAL slave_compressed_protocol = 1"),
        Kind::MySql => (
            "\n[pool]\ncompression = \"zstd\"\n",
            "STOP REPLICA; CHANGE REPLICATION SOURCE TO SOURCE_COMPRESSION_ALGORITHMS = 'zstd'",
        ),
    };
    let servers = if servers { pool } else { "" };
    let user = "\n[[users]]\nname = \"repl\"\npassword = \"repl\"\n";
    let proxy = Proxy::start(&config(&cluster, "any", &format!("{user}{servers}"))).await;
    if own {
        cluster.replica(0).sql(switch).await;
    }
    cluster.replicate_through(HashMap::from([((1, 0), proxy.rw)])).await;
    let insert = async |i: usize| {
        cluster.primary().sql(&format!("INSERT INTO test.t (v) VALUES (REPEAT('line {i} ', 200))")).await;
    };
    insert(0).await;
    cluster.wait_caught_up().await;
    let quits = "pointsman_client_disconnects_total{reason=\"quit\"}";
    let before = metric(&proxy, quits).await;
    for i in 1..300 {
        insert(i).await;
    }
    cluster.wait_caught_up().await;
    assert_eq!(cluster.replica(0).value("SELECT COUNT(*) FROM test.t").await, "300");
    assert_eq!(metric(&proxy, quits).await, before, "{own} {servers}: {}", proxy.log());
}

#[tokio::test]
async fn mariadb_a_replica_stays() {
    for (own, servers) in [(true, false), (false, true), (true, true)] {
        a_replica_stays(Kind::MariaDb, own, servers).await;
    }
}

#[tokio::test]
async fn mysql_a_replica_stays() {
    for (own, servers) in [(true, false), (false, true), (true, true)] {
        a_replica_stays(Kind::MySql, own, servers).await;
    }
}
