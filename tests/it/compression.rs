//! Compression of the protocol, with the command-line clients of both kinds and a driver: small and large statements and
//! rows, local files, with and without TLS.

mod peers;

use crate::dialogue::{patient, value};
use crate::support::{Cluster, Kind, Proxy, Scratch, UNHURRIED, proxy_config};
use mysql_async::prelude::Queryable;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// One way to run a command-line client.
#[derive(Debug, Clone)]
struct Client {
    program: PathBuf,
    options: Vec<&'static str>,
}

impl Client {
    fn new(program: impl Into<PathBuf>, options: &[&'static str]) -> Self {
        Client { program: program.into(), options: options.to_vec() }
    }

    /// Runs these statements as `app`, and returns what the client printed, or its error.
    fn run(&self, port: u16, sql: &[u8]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(["--no-defaults", "-h127.0.0.1", "-uapp", "-papp", "-N", "-B", "--raw"]);
        command.args(["--max-allowed-packet=1G", "--local-infile=1", "-P", &port.to_string()]);
        command.args(&self.options).arg("test");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("cannot run a command-line client");
        let mut stdin = child.stdin.take().expect("a pipe");
        let sql = sql.to_vec();
        let writing = std::thread::spawn(move || drop(stdin.write_all(&sql)));
        let output = child.wait_with_output().expect("a command-line client");
        writing.join().expect("a writer");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// MySQL's own command-line client, if it is installed.
fn mysql() -> Option<PathBuf> {
    let cache = std::env::var_os("POINTSMAN_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/pointsman"));
    cache.or(home).map(|cache| cache.join("mysql97/bin/mysql")).filter(|program| program.exists())
}

/// The clients that compress: without TLS and with it.
fn clients() -> Vec<Client> {
    let mut clients = vec![
        Client::new("mariadb", &["--compress", "--skip-ssl"]),
        Client::new("mariadb", &["--compress", "--ssl"]),
    ];
    if let Some(mysql) = mysql() {
        let plain = ["--ssl-mode=DISABLED", "--get-server-public-key"];
        let with = |options: &[&'static str]| Client::new(&mysql, &[options, &["--commands"]].concat());
        clients.push(with(&["--compression-algorithms=zlib", plain[0], plain[1]]));
        clients.push(with(&["--compression-algorithms=zstd", plain[0], plain[1]]));
        clients.push(with(&["--compression-algorithms=zlib,zstd,uncompressed", plain[0], plain[1]]));
        clients.push(with(&["--compression-algorithms=zstd", "--zstd-compression-level=9"]));
    }
    clients
}

/// The configuration with this compression of clients, and of server connections.
fn config(cluster: &Cluster, clients: &str, servers: &str) -> String {
    let text = patient(&proxy_config(cluster))
        .replace("mode = \"", &format!("compression = \"{clients}\"\nmode = \""));
    // A client compresses 16 MiB before it sends the first byte of them.
    let timeouts = "\n[timeouts]\nclient_read = \"5m\"\nclient_write = \"5m\"\n";
    format!("workers = 1\n{text}{timeouts}{servers}")
}

async fn cluster(kind: Kind) -> Option<Cluster> {
    let cluster = match kind {
        Kind::MariaDb => Cluster::mariadb(0).await,
        Kind::MySql => Cluster::mysql(0).await?,
    };
    for server in cluster.servers() {
        server.sql("SET GLOBAL max_allowed_packet = 1073741824").await;
        server.sql("SET GLOBAL local_infile = 1").await;
        server.sql(UNHURRIED).await;
    }
    cluster.primary().sql("CREATE TABLE test.t (id INT PRIMARY KEY AUTO_INCREMENT, v LONGTEXT)").await;
    Some(cluster)
}

/// Short and long statements, rows and files.
fn everything(proxy: &Proxy, client: &Client, scratch: &Scratch) {
    let run = |sql: &[u8]| {
        client
            .run(proxy.rw, sql)
            .unwrap_or_else(|e| panic!("{client:?}: {}", &e[e.len().saturating_sub(300)..]))
    };
    assert_eq!(run(b"SELECT 1; SELECT REPEAT('x', 100);"), format!("1\n{}", "x".repeat(100)));
    // 64 MiB that compress, and 3 MiB that do not.
    let long = run(b"SELECT REPEAT(SHA2(7, 256), 1048576)");
    assert!(long.len() == 64 << 20 && long.as_bytes().chunks(64).all(|part| part == &long.as_bytes()[..64]));
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 900) \
                SELECT SHA2(a.i * 1000 + b.i, 256) FROM n a, n b WHERE a.i <= 60";
    assert_eq!(run(rows.as_bytes()).lines().count(), 54_000);
    // A statement of 20 MiB: two packets.
    let mut sql = b"DELETE FROM t; INSERT INTO t (v) VALUES ('".to_vec();
    for i in 0..(20 << 20) / 8 {
        write!(sql, "{:08x}", (i as u32).wrapping_mul(2_654_435_761)).expect("memory");
    }
    sql.extend_from_slice(b"'); SELECT LENGTH(v), ROW_COUNT() FROM t;");
    assert_eq!(run(&sql), "20971520\t1");
    // A local file.
    let mut lines = String::new();
    for i in 0..30_000 {
        let _ = writeln!(lines, "{i}\tline {i} of a file that does not fit into one packet");
    }
    let file = scratch.path().join("lines");
    std::fs::write(&file, lines).expect("a file");
    let load = format!(
        "DELETE FROM t; LOAD DATA LOCAL INFILE '{}' INTO TABLE t; SELECT COUNT(*), MAX(id) FROM t; DELETE FROM t",
        file.display()
    );
    let loaded = run(load.replace("INTO TABLE t;", "INTO TABLE t (@n, v) SET id = @n + 1;").as_bytes());
    assert_eq!(loaded, "30000\t30000");
    // The server asks for a file with each sequence id near 255, the last one.
    std::fs::write(&file, "a line that is longer than what is never compressed\n").expect("a file");
    for before in 250..=257 {
        let load = format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE t (v); DELETE FROM t", file.display());
        let sql = format!("DELIMITER //\n{}{load}; SELECT ROW_COUNT()//\n", "DO 1; ".repeat(before));
        assert_eq!(run(sql.as_bytes()), "1", "{before}");
    }
    // An error, and the connection after it.
    let errors = client.run(proxy.rw, b"SELECT nothing;").expect_err("an unknown column");
    assert!(errors.contains("ERROR 1054"), "{errors}");
}

/// A driver with everything that only drivers send.
async fn driver(proxy: &Proxy) {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(proxy.rw)
        .user(Some("app"))
        .pass(Some("app"))
        .db_name(Some("test"))
        .prefer_socket(false)
        .max_allowed_packet(Some(1 << 30))
        .compression(mysql_async::Compression::fast());
    let mut conn = mysql_async::Conn::new(options).await.unwrap();
    let long = "y".repeat(17 << 20);
    for text in ["", "short", &long[..70_000], &long] {
        let back: Option<(String, usize)> =
            conn.exec_first("SELECT ?, LENGTH(?)", (text, text)).await.unwrap();
        assert!(back.unwrap() == (text.to_owned(), text.len()), "{}", text.len());
    }
    conn.query_drop("SET @mine = 5").await.unwrap();
    conn.query_drop("INSERT INTO t (v) VALUES ('a')").await.unwrap();
    assert_eq!(value(&mut conn, "SELECT @mine + COUNT(*) FROM t WHERE v = 'a'").await.unwrap(), "6");
    conn.query_drop("DELETE FROM t").await.unwrap();
    conn.reset().await.unwrap();
    assert_eq!(value(&mut conn, "SELECT @mine").await.unwrap(), "NULL");
    let mut results = conn.query_iter("SELECT 1; SELECT 2; DO 1; SELECT REPEAT('z', 40000)").await.unwrap();
    let mut all = Vec::new();
    while !results.is_empty() {
        all.extend(results.collect::<String>().await.unwrap());
    }
    drop(results);
    assert_eq!(all, ["1", "2", &"z".repeat(40_000)]);
    conn.change_user(mysql_async::ChangeUserOpts::default()).await.unwrap();
    assert_eq!(value(&mut conn, "SELECT REPEAT('q', 100)").await.unwrap(), "q".repeat(100));
    conn.disconnect().await.unwrap();
}

async fn clients_compress(kind: Kind) {
    let Some(cluster) = cluster(kind).await else { return };
    let proxy = Proxy::start(&config(&cluster, "any", "")).await;
    let scratch = Scratch::new("compression");
    for client in clients() {
        let status = client.run(proxy.rw, b"\\s\n").unwrap();
        assert!(status.contains("Compressed") || status.contains("ompression"), "{client:?}: {status}");
        everything(&proxy, &client, &scratch);
    }
    driver(&proxy).await;
    // What is not offered is not used; a client that insists is refused by itself.
    let proxy = Proxy::start(&config(&cluster, "off", "")).await;
    for client in clients() {
        if let Ok(status) = client.run(proxy.rw, b"\\s\n") {
            assert!(!status.contains("Compressed"), "{client:?}: {status}");
        }
    }
}

async fn server_connections_compress(kind: Kind, algorithm: &str) {
    let Some(cluster) = cluster(kind).await else { return };
    let servers = format!("\n[pool]\ncompression = \"{algorithm}\"\n");
    let proxy = Proxy::start(&config(&cluster, "any", &servers)).await;
    let scratch = Scratch::new("compression");
    let has = kind == Kind::MySql || algorithm == "zlib";
    let shown =
        Client::new("mariadb", &["--skip-ssl"]).run(proxy.rw, b"SHOW STATUS LIKE 'Compression'").unwrap();
    assert_eq!(shown, format!("Compression\t{}", if has { "ON" } else { "OFF" }));
    let mut all = vec![Client::new("mariadb", &["--skip-ssl"])];
    all.extend(clients().into_iter().take(1));
    for client in all {
        everything(&proxy, &client, &scratch);
    }
    driver(&proxy).await;
}

#[tokio::test]
async fn server_connections_compress_with_zlib_to_mariadb() {
    server_connections_compress(Kind::MariaDb, "zlib").await;
}

#[tokio::test]
async fn server_connections_compress_with_zlib_to_mysql() {
    server_connections_compress(Kind::MySql, "zlib").await;
}

#[tokio::test]
async fn server_connections_compress_with_zstd_where_servers_have_it() {
    server_connections_compress(Kind::MySql, "zstd").await;
    server_connections_compress(Kind::MariaDb, "zstd").await;
}

#[tokio::test]
async fn clients_compress_in_front_of_mariadb() {
    clients_compress(Kind::MariaDb).await;
}

#[tokio::test]
async fn clients_compress_in_front_of_mysql() {
    clients_compress(Kind::MySql).await;
}
