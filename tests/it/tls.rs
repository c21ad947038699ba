//! TLS towards real servers: every mode, certificates of every kind, and what passes through.

mod pods;
mod proof;

use crate::dialogue::{PATIENCE, eventually, metric, patient};
use crate::support::{Authority, Cluster, Kind, Proxy, Scratch, UNHURRIED, proxy_config};
use mysql_async::prelude::Queryable;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A name that no test's address has.
const NAME: &str = "db-0.cluster.svc";

async fn cluster(kind: Kind) -> Option<Cluster> {
    match kind {
        Kind::MariaDb => Some(Cluster::mariadb(0).await),
        Kind::MySql => Cluster::mysql(0).await,
    }
}

fn server_options((certificate, key): &(PathBuf, PathBuf), ca: &Path) -> Vec<String> {
    [("cert", certificate.as_path()), ("key", key), ("ca", ca)]
        .map(|(what, path)| format!("--ssl-{what}={}", path.display()))
        .to_vec()
}

/// How a server is without TLS.
fn without_tls(kind: Kind) -> Vec<String> {
    match kind {
        Kind::MariaDb => vec!["--skip-ssl".to_owned()],
        Kind::MySql => vec!["--tls-version=".to_owned()],
    }
}

/// The configuration with these lines in `[servers_tls]`, and the server's name.
fn config(cluster: &Cluster, tls_name: Option<&str>, lines: &[String]) -> String {
    let name = tls_name.map(|name| format!("tls_name = \"{name}\"\n")).unwrap_or_default();
    format!("{}{name}\n[servers_tls]\n{}\n", patient(&proxy_config(cluster)), lines.join("\n"))
}

fn mode(mode: &str) -> String {
    format!("mode = \"{mode}\"")
}

fn file(key: &str, path: &Path) -> String {
    format!("{key} = \"{}\"", path.display())
}

/// The cipher of a client's server connection, empty without one.
async fn cipher(proxy: &Proxy) -> String {
    let mut client = proxy.client().await.unwrap();
    let row: (String, String) =
        client.query_first("SHOW SESSION STATUS LIKE 'Ssl_cipher'").await.unwrap().unwrap();
    row.1
}

/// The report on the only server. None: the HTTP port is not open yet.
async fn server_report(proxy: &Proxy) -> Option<Value> {
    let Ok((200, body)) = proxy.get("/topology").await else { return None };
    Some(serde_json::from_str::<Value>(&body).unwrap()["servers"][0].clone())
}

/// What a proxy with this configuration makes of the server: the cipher, or the probes' error.
async fn outcome(config: &str) -> Result<String, String> {
    let mut proxy = Proxy::start_unready(config);
    let deadline = Instant::now() + PATIENCE;
    loop {
        sleep(Duration::from_millis(30)).await;
        assert!(Instant::now() < deadline, "neither up nor an error\n{}", proxy.log());
        let Some(server) = server_report(&proxy).await else { continue };
        // This machine may be busy.
        if let Some(error) = server["last_error"].as_str().filter(|error| !error.contains("probe's time")) {
            return Err(error.to_owned());
        }
        if server["health"] == "up" {
            // It listens a little later.
            proxy.wait_ready().await;
            let cipher = cipher(&proxy).await;
            let version = server["tls"].as_str().unwrap_or_default().to_owned();
            assert_eq!(version.is_empty(), cipher.is_empty(), "probes and clients differ");
            return Ok(version);
        }
    }
}

async fn modes(kind: Kind) {
    let Some(mut cluster) = cluster(kind).await else { return };
    cluster.primary_mut().restart_with(&without_tls(kind)).await;
    let mode_only = |word: &str| [mode(word)];
    assert_eq!(outcome(&config(&cluster, None, &[])).await.unwrap(), "");
    assert_eq!(outcome(&config(&cluster, None, &mode_only("disabled"))).await.unwrap(), "");
    let error = outcome(&config(&cluster, None, &mode_only("required"))).await.unwrap_err();
    assert!(
        error.contains("server db-0: the server offers no TLS") && error.contains("\"required\""),
        "{error}"
    );

    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let with_names = ours.issue("server", &format!("DNS:{NAME},IP:127.0.0.1"));
    cluster.primary_mut().restart_with(&server_options(&with_names, &ours.certificate())).await;
    let (ca, wrong_ca) = (file("ca_file", &ours.certificate()), file("ca_file", &other.certificate()));
    let encrypted = ["TLSv1.3", "TLSv1.2"];
    for (tls_name, lines) in [
        (None, vec![]),
        (None, vec![mode("preferred")]),
        (None, vec![mode("required")]),
        (Some("another"), vec![mode("verify_ca"), ca.clone()]),
        // By the address, and by the name.
        (None, vec![ca.clone()]),
        (Some(NAME), vec![mode("verify_identity"), ca.clone()]),
        // Nobody asks.
        (Some("another"), vec![mode("required"), wrong_ca.clone()]),
    ] {
        let version = outcome(&config(&cluster, tls_name, &lines)).await;
        let version = version.unwrap_or_else(|error| panic!("{lines:?}: {error}"));
        assert!(encrypted.contains(&&*version), "{tls_name:?} {lines:?}: {version:?}");
    }
    assert_eq!(outcome(&config(&cluster, None, &mode_only("disabled"))).await.unwrap(), "");
    let error =
        outcome(&config(&cluster, Some("db-1.cluster.svc"), std::slice::from_ref(&ca))).await.unwrap_err();
    let told = format!(
        "server db-0: the server's certificate is not for db-1.cluster.svc, but for {NAME}, 127.0.0.1"
    );
    assert!(error.contains(&told), "{error}");
    for word in ["verify_ca", "verify_identity"] {
        let error =
            outcome(&config(&cluster, Some(NAME), &[mode(word), wrong_ca.clone()])).await.unwrap_err();
        assert!(error.contains("was not issued by the CA"), "{error}");
    }

    let expired = ours.issue_expired("expired", &format!("DNS:{NAME}"));
    cluster.primary_mut().restart_with(&server_options(&expired, &ours.certificate())).await;
    let error = outcome(&config(&cluster, Some(NAME), &[mode("verify_ca"), ca.clone()])).await.unwrap_err();
    assert!(error.contains("is not valid any more"), "{error}");
    let version = outcome(&config(&cluster, Some(NAME), &mode_only("required"))).await.unwrap();
    assert!(encrypted.contains(&&*version));

    let nameless = ours.issue("nameless", "");
    cluster.primary_mut().restart_with(&server_options(&nameless, &ours.certificate())).await;
    outcome(&config(&cluster, Some(NAME), &[mode("verify_ca"), ca.clone()])).await.unwrap();
    let error = outcome(&config(&cluster, Some(NAME), &[ca])).await.unwrap_err();
    assert!(error.contains("but for no name at all"), "{error}");
}

#[tokio::test]
async fn modes_on_mariadb() {
    modes(Kind::MariaDb).await;
}

#[tokio::test]
async fn modes_on_mysql() {
    modes(Kind::MySql).await;
}

/// MySQL makes certificates for itself when it has none: a CA, and a certificate without any name.
#[tokio::test]
async fn what_mysql_makes_for_itself_can_be_verified() {
    let Some(cluster) = cluster(Kind::MySql).await else { return };
    let folder = cluster.primary().value("SELECT @@datadir").await;
    let ca = file("ca_file", &Path::new(&folder).join("ca.pem"));
    let version = outcome(&config(&cluster, None, &[mode("verify_ca"), ca.clone()])).await.unwrap();
    assert_eq!(version, "TLSv1.3");
    let error = outcome(&config(&cluster, None, &[ca])).await.unwrap_err();
    assert!(error.contains("verify_ca"), "the way out is said: {error}");
}

/// The first login of an account, for which its password must be sent.
#[tokio::test]
async fn the_first_login_of_an_account_needs_no_rsa_key() {
    let Some(mut cluster) = cluster(Kind::MySql).await else { return };
    let no_keys = [
        "--caching-sha2-password-auto-generate-rsa-keys=OFF",
        "--caching-sha2-password-private-key-path=none.pem",
        "--caching-sha2-password-public-key-path=none.pem",
    ];
    cluster.primary_mut().restart_with(&no_keys.map(str::to_owned)).await;
    let proxy = Proxy::start_unready(&config(&cluster, None, &[mode("disabled")]));
    let without = eventually("a probe was refused", async || {
        let report = server_report(&proxy).await?;
        (report["last_error"].is_string() || report["health"] == "up").then_some(report)
    })
    .await;
    assert_ne!(without["health"], "up", "the password went to the server without TLS: {without}");
    let proxy = Proxy::start(&config(&cluster, None, &[])).await;
    assert!(!cipher(&proxy).await.is_empty());
}

async fn client_certificate(kind: Kind) {
    let Some(mut cluster) = cluster(kind).await else { return };
    let ours = Authority::new("ours");
    let issued = ours.issue("server", &format!("DNS:{NAME}"));
    cluster.primary_mut().restart_with(&server_options(&issued, &ours.certificate())).await;
    cluster.primary().sql("ALTER USER app@'%' REQUIRE X509").await;
    let ca = file("ca_file", &ours.certificate());
    let proxy = Proxy::start(&config(&cluster, Some(NAME), std::slice::from_ref(&ca))).await;
    let refused = proxy.client().await.unwrap_err().to_string();
    assert!(refused.contains("Access denied"), "{refused}");
    let (certificate, key) = ours.issue("client", "");
    let lines = [ca, file("cert_file", &certificate), file("key_file", &key)];
    let proxy = Proxy::start(&config(&cluster, Some(NAME), &lines)).await;
    assert!(!cipher(&proxy).await.is_empty());
}

#[tokio::test]
async fn client_certificate_on_mariadb() {
    client_certificate(Kind::MariaDb).await;
}

#[tokio::test]
async fn client_certificate_on_mysql() {
    client_certificate(Kind::MySql).await;
}

/// Waits until the proxy's log says this so many times.
async fn logged(proxy: &Proxy, text: &str, times: usize) {
    eventually(&format!("the log says {text:?}"), async || {
        (proxy.log().matches(text).count() >= times).then_some(())
    })
    .await;
}

/// A CA follows another as it is done: both are trusted, the server changes over, only the new one is trusted.
async fn rotation(kind: Kind) {
    let Some(mut cluster) = cluster(kind).await else { return };
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let read = |authority: &Authority| std::fs::read_to_string(authority.certificate()).unwrap();
    let both = read(&old) + &read(&new);
    let folder = Scratch::new("used");
    let (ca, servers_ca) = (folder.path().join("ca.crt"), folder.path().join("server-ca.crt"));
    std::fs::write(&ca, read(&old)).unwrap();
    std::fs::write(&servers_ca, &both).unwrap();
    let issued = old.issue("server", &format!("DNS:{NAME}"));
    cluster.primary_mut().restart_with(&server_options(&issued, &servers_ca)).await;
    let hold = "[failover]\nhold = \"2s\"".to_owned();
    let config = config(&cluster, Some(NAME), &[file("ca_file", &ca), hold]);
    // Each worker has a pool. In a second one a connection of before could wait for the client that must not get any.
    let proxy = Proxy::start(&format!("workers = 1\n{config}")).await;
    assert!(!cipher(&proxy).await.is_empty());
    // Keeps its connection, so that the next client needs one of its own.
    let mut busy = proxy.client().await.unwrap();
    busy.query_drop("BEGIN").await.unwrap();

    // A bad file changes nothing.
    std::fs::write(&ca, "-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n").unwrap();
    logged(&proxy, "servers_tls.ca_file: ", 1).await;
    let mut second = proxy.client().await.unwrap();
    second.query_drop("BEGIN").await.unwrap();

    std::fs::write(&ca, &both).unwrap();
    logged(&proxy, "configuration reloaded changed=\"servers_tls\"", 1).await;
    let (certificate, key) = new.issue("server", &format!("DNS:{NAME}"));
    std::fs::copy(certificate, &issued.0).unwrap();
    std::fs::copy(key, &issued.1).unwrap();
    let reload = match kind {
        Kind::MariaDb => "FLUSH SSL",
        Kind::MySql => "ALTER INSTANCE RELOAD TLS",
    };
    cluster.primary().sql(reload).await;
    std::fs::write(&ca, read(&new)).unwrap();
    logged(&proxy, "configuration reloaded changed=\"servers_tls\"", 2).await;
    let mut third = proxy.client().await.unwrap();
    third.query_drop("BEGIN").await.unwrap();
    // And the old one is trusted no more.
    std::fs::write(&ca, read(&old)).unwrap();
    logged(&proxy, "configuration reloaded changed=\"servers_tls\"", 3).await;
    // The log says that the file was accepted; the certificates are loaded behind that.
    let mut clients = vec![busy, second, third];
    let refused = eventually("a new connection is refused", async || match proxy.client().await {
        Err(refused) => Some(refused.to_string()),
        Ok(mut early) => {
            // Keeps its connection, so that the next client needs one of its own.
            early.query_drop("BEGIN").await.unwrap();
            clients.push(early);
            None
        }
    })
    .await;
    assert!(refused.contains("was not issued by the CA"), "{refused}");
    for mut client in clients {
        client.query_drop("COMMIT").await.unwrap();
    }
}

#[tokio::test]
async fn the_ca_is_rotated_on_mariadb() {
    rotation(Kind::MariaDb).await;
}

#[tokio::test]
async fn the_ca_is_rotated_on_mysql() {
    rotation(Kind::MySql).await;
}

/// 64 MiB in one row, in one statement, and in a file.
async fn large(kind: Kind) {
    const SIZE: usize = 64 << 20;
    let Some(mut cluster) = cluster(kind).await else { return };
    let ours = Authority::new("ours");
    let issued = ours.issue("server", &format!("DNS:{NAME}"));
    cluster.primary_mut().restart_with(&server_options(&issued, &ours.certificate())).await;
    cluster.primary().sql(UNHURRIED).await;
    let proxy = Proxy::start(&config(&cluster, Some(NAME), &[file("ca_file", &ours.certificate())])).await;
    let mut client = proxy.client().await.unwrap();
    let row: Vec<u8> =
        client.query_first(format!("SELECT REPEAT('abcdefgh', {})", SIZE / 8)).await.unwrap().unwrap();
    assert!(row.len() == SIZE && row.chunks(8).all(|c| c == b"abcdefgh"));
    let text = "x".repeat(SIZE);
    let (len, sum): (usize, u64) =
        client.query_first(format!("SELECT LENGTH('{text}'), CRC32('{text}') * 0")).await.unwrap().unwrap();
    assert_eq!((len, sum), (SIZE, 0));
    drop(text);
    let rows: Vec<u64> = client
        .query(
            "WITH RECURSIVE n AS (SELECT 1 AS v UNION ALL SELECT v + 1 FROM n WHERE v < 900) \
                SELECT LENGTH(REPEAT('y', 70000)) + a.v * 0 FROM n a, n b LIMIT 500",
        )
        .await
        .unwrap();
    assert_eq!(rows, vec![70_000; 500]);
    assert!(!cipher(&proxy).await.is_empty());
    load_data(&proxy, &cluster).await;
}

async fn load_data(proxy: &Proxy, cluster: &Cluster) {
    const LINES: usize = 1 << 19;
    cluster.primary().sql("CREATE TABLE test.lines (v VARCHAR(200))").await;
    let folder = Scratch::new("file");
    let path = folder.path().join("lines");
    std::fs::write(&path, format!("{}\n", "z".repeat(127)).repeat(LINES)).unwrap();
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(proxy.rw)
        .user(Some("app"))
        .pass(Some("app"))
        .prefer_socket(false)
        .local_infile_handler(Some(mysql_async::WhiteListFsHandler::new([&path])));
    let mut client = mysql_async::Conn::new(options).await.unwrap();
    let load = format!("LOAD DATA LOCAL INFILE '{}' INTO TABLE test.lines", path.display());
    client.query_drop(load).await.unwrap();
    assert_eq!(client.affected_rows(), LINES as u64);
    let bytes: u64 = client.query_first("SELECT SUM(LENGTH(v)) FROM test.lines").await.unwrap().unwrap();
    assert_eq!(bytes, 127 * LINES as u64);
}

#[tokio::test]
async fn large_rows_and_files_on_mariadb() {
    large(Kind::MariaDb).await;
}

#[tokio::test]
async fn large_rows_and_files_on_mysql() {
    large(Kind::MySql).await;
}

/// A pool that grows: most of its handshakes need no certificate.
async fn resumption(kind: Kind) {
    let Some(mut cluster) = cluster(kind).await else { return };
    let ours = Authority::new("ours");
    let issued = ours.issue("server", &format!("DNS:{NAME}"));
    cluster.primary_mut().restart_with(&server_options(&issued, &ours.certificate())).await;
    let proxy = Proxy::start(&config(&cluster, Some(NAME), &[file("ca_file", &ours.certificate())])).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = proxy.client().await.unwrap();
        client.query_drop("BEGIN").await.unwrap();
        clients.push(client);
    }
    let count = async |result: &str| {
        let name = format!("pointsman_server_tls_handshakes_total{{result=\"{result}\"}}");
        metric(&proxy, &name).await
    };
    let (full, resumed, failed) = (count("full").await, count("resumed").await, count("failed").await);
    assert!(
        full + resumed >= 10.0 && resumed >= 5.0 && failed == 0.0,
        "{full} full, {resumed} resumed, {failed}"
    );
}

#[tokio::test]
async fn sessions_are_resumed_on_mariadb() {
    resumption(Kind::MariaDb).await;
}

#[tokio::test]
async fn sessions_are_resumed_on_mysql() {
    resumption(Kind::MySql).await;
}
