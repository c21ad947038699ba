//! Clients that speak the protocol from before version 4.1, as health checks do.

use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, proxy_config};

#[tokio::test]
async fn mariadb_checks_of_load_balancers() {
    checks_of_load_balancers(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_checks_of_load_balancers() {
    if let Some(cluster) = Cluster::mysql(1).await {
        checks_of_load_balancers(cluster).await;
    }
}

/// HAProxy's `option mysql-check user … pre-41` and what resembles it.
async fn checks_of_load_balancers(cluster: Cluster) {
    cluster.primary().sql("CREATE USER checker@'%'").await;
    cluster.wait_caught_up().await;
    let user = "\n[[users]]\nname = \"checker\"\npassword = \"\"\nallow_empty_password = true\n";
    let proxy = Proxy::start(&format!("{}{user}", patient(&proxy_config(&cluster)))).await;
    readers_are(&proxy, 1).await;
    let primary = cluster.primary().port();
    let responses: [&[u8]; 6] = [
        b"\0\x80\0\0\x01checker\0\0",
        b"\0\0\0\0\x01checker\0",
        b"\0\x80\0\0\x01app\0\0",
        b"\0\x80\0\0\x01nobody\0\0",
        b"\x01\0\0\0\x01app\x0012345678",
        b"\x08\x80\0\0\x01checker\0\0no_such_schema\0",
    ];
    for response in responses {
        let direct = check(primary, response).await;
        // MySQL calls the shorter forms a bad handshake, and both forms are refused.
        let proxied = check(proxy.rw, response).await;
        if cluster.kind() == Kind::MySql {
            assert_eq!((direct[0], proxied[0]), (0xff, 0xff));
            continue;
        }
        assert_eq!(proxied.escape_ascii().to_string(), direct.escape_ascii().to_string());
    }
    let up = check(proxy.rw, responses[0]).await;
    assert_eq!(error_code(&up), if cluster.kind() == Kind::MariaDb { 0 } else { 1251 });
    if cluster.kind() == Kind::MySql {
        assert_eq!(up, check(primary, responses[0]).await);
        return;
    }
    let mut raw = Raw::connect(proxy.rw).await.expect("connect");
    raw.greeting().await.expect("a greeting");
    raw.send(1, responses[0]).await.expect("sent");
    assert_eq!(raw.read().await.expect("an answer").1, [0, 0, 0]);
    assert_eq!(raw.command(0x0e, b"").await.expect("a pong"), [0, 0, 0]);
    assert_eq!(error_code(&raw.query("SELECT 1").await.expect("an answer")), 1047);
    raw.send(0, &[1]).await.expect("sent");
    assert!(raw.rest().await.is_empty());
}

/// The payload of the answer to a handshake response.
async fn check(port: u16, response: &[u8]) -> Vec<u8> {
    let mut raw = Raw::connect(port).await.expect("connect");
    raw.greeting().await.expect("a greeting");
    raw.send(1, response).await.expect("sent");
    raw.read().await.expect("an answer").1
}
