//! The greeting: what the proxy says first is what the servers behind it say.

use crate::dialogue::raw::{Raw, error_code};
use crate::support::{Cluster, Proxy, config_without_servers, connect, proxy_config};
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tokio::time::timeout;

/// Before a server was seen there is no greeting: it would name a flavour that may be wrong for the whole session.
#[tokio::test]
async fn a_client_waits_for_the_first_server() {
    let mut cluster = Cluster::mariadb(0).await;
    let port = cluster.primary().port();
    let servers = format!(
        "\n[discovery]\nkind = \"static\"\n\n[[discovery.servers]]\nname = \"db-0\"\naddress = \"127.0.0.1:{port}\"\n"
    );
    cluster.primary_mut().kill();
    let limits = "\n[timeouts]\nlogin = \"3s\"\n";
    let proxy = Proxy::start_unready(&format!("{}{servers}{limits}", config_without_servers()));
    let mut early = connected(proxy.rw).await;
    assert!(timeout(Duration::from_millis(300), early.read()).await.is_err(), "a greeting");
    let told = early.read().await.expect("an error").1;
    assert_eq!(error_code(&told), 1105, "{}", told.escape_ascii());
    // One that waits gets the greeting of the server.
    let mut waiting = connected(proxy.rw).await;
    let (started, greeting) = tokio::join!(cluster.primary_mut().restart(), waiting.read());
    let () = started;
    let greeting = greeting.expect("a greeting").1;
    assert!(greeting.windows(7).any(|part| part == b"MariaDB"), "{}", greeting.escape_ascii());
}

async fn connected(port: u16) -> Raw {
    crate::dialogue::eventually("the proxy listens", async || Raw::connect(port).await.ok()).await
}

/// An administrator may choose the text of MariaDB's version. What kind of server it is shows by the flags of its greeting.
#[tokio::test]
async fn a_version_of_another_kind_of_server_deceives_nobody() {
    let mut cluster = Cluster::mariadb(0).await;
    cluster.primary_mut().restart_with(&["--version=8.0.99-shop".to_owned()]).await;
    let proxy = Proxy::start(&proxy_config(&cluster)).await;
    let mut client = connect(proxy.rw, "app", "app", "").await.expect("a session");
    let seen: Option<(String, i64)> =
        client.query_first("SELECT @@version, @@gtid_domain_id").await.expect("MariaDB's variables");
    assert_eq!(seen, Some(("8.0.99-shop".to_owned(), 0)));
    client.query_drop("SET sql_mode = 'ORACLE'").await.expect("MariaDB's mode");
    client.disconnect().await.expect("an end");
}
