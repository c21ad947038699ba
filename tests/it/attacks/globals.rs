//! Server-wide settings that are changed through the proxy: no new session gets a server connection that began with
//! the former ones.

use crate::dialogue::{eventually, patient, refusal, value};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

async fn started(cluster: &Cluster) -> Proxy {
    Proxy::start(&format!("workers = 2\nworker_fill = 0\n{}", patient(&proxy_config(cluster)))).await
}

/// So many sessions use connections at the same time and leave them, on all workers.
async fn crowd(proxy: &Proxy, user: &str) {
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = connect(proxy.rw, user, user, "test").await.expect("login");
        client.query_drop("BEGIN").await.expect("BEGIN");
        clients.push(client);
    }
    for mut client in clients {
        client.query_drop("COMMIT").await.expect("COMMIT");
        client.disconnect().await.expect("the end");
    }
}

async fn seen(proxy: &Proxy, user: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut clients: Vec<Conn> = Vec::new();
    for _ in 0..8 {
        let mut client = connect(proxy.rw, user, user, "test").await.expect("login");
        client.query_drop("BEGIN").await.expect("BEGIN");
        all.push(value(&mut client, "SELECT @@session.net_read_timeout").await.expect("a value"));
        clients.push(client);
    }
    all
}

#[tokio::test]
async fn mariadb_new_sessions_begin_with_the_new_settings() {
    begin_anew(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_new_sessions_begin_with_the_new_settings() {
    if let Some(cluster) = Cluster::mysql(0).await {
        begin_anew(cluster).await;
    }
}

async fn begin_anew(cluster: Cluster) {
    let proxy = started(&cluster).await;
    let name = "net_read_timeout";
    let mut ways = vec![
        format!("SET GLOBAL {name} = VALUE"),
        format!("SET @@global.{name} = VALUE"),
        format!("set @@GLOBAL . {name} := VALUE"),
        format!("SET SESSION sort_buffer_size = 65536, GLOBAL {name} = VALUE"),
        format!("SET @u = 1, GLOBAL {name} = VALUE, @w = 2"),
        format!("/*!40101 SET GLOBAL {name} = VALUE */"),
        format!("DO 1; SET GLOBAL {name} = VALUE; DO 2"),
    ];
    if cluster.kind() == Kind::MySql {
        ways.push(format!("SET PERSIST {name} = VALUE"));
        ways.push(format!("SET @@persist.{name} = VALUE"));
    }
    let mut setter = connect(proxy.rw, "super", "super", "test").await.expect("login");
    let mut old = connect(proxy.rw, "app", "app", "test").await.expect("login");
    let before = value(&mut old, "SELECT @@session.net_read_timeout").await.expect("a value");
    for (number, way) in ways.iter().enumerate() {
        crowd(&proxy, "app").await;
        let new = (100 + number).to_string();
        setter.query_drop(way.replace("VALUE", &new)).await.expect(way);
        assert_eq!(seen(&proxy, "app").await, vec![new; 8], "{way}");
        // As on a server, a session that is open keeps its own.
        let still = value(&mut old, "SELECT @@session.net_read_timeout").await.expect("a value");
        assert_eq!(still, before, "{way}");
    }
    for (value, prepares) in [(201, true), (202, false)] {
        crowd(&proxy, "app").await;
        if prepares {
            setter.exec_drop("SET GLOBAL net_read_timeout = ?", (value,)).await.expect("prepared");
        } else {
            setter.exec_drop(format!("SET GLOBAL net_read_timeout = {value}"), ()).await.expect("prepared");
        }
        assert_eq!(seen(&proxy, "app").await, vec![value.to_string(); 8]);
    }
}

#[tokio::test]
async fn the_size_of_packets_is_that_of_now() {
    let cluster = Cluster::mysql(0).await;
    let Some(cluster) = cluster else { return };
    let proxy = started(&cluster).await;
    crowd(&proxy, "app").await;
    let mut setter = connect(proxy.rw, "super", "super", "test").await.expect("login");
    setter.query_drop("SET GLOBAL max_allowed_packet = 1048576").await.expect("SET GLOBAL");
    for _ in 0..8 {
        let mut client = connect(proxy.rw, "app", "app", "test").await.expect("login");
        let size = value(&mut client, "SELECT @@session.max_allowed_packet").await.expect("a value");
        assert_eq!(size, "1048576");
    }
}

/// Who may not change a setting closes nobody's connections by asking for it.
#[tokio::test]
async fn who_is_refused_closes_nothing() {
    let cluster = Cluster::mariadb(0).await;
    let proxy = started(&cluster).await;
    crowd(&proxy, "super").await;
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'super'";
    let before = cluster.primary().value(count).await;
    assert!(before.parse::<u32>().expect("a number") >= 8, "{before}");
    let mut client = connect(proxy.rw, "app", "app", "test").await.expect("login");
    for sql in [
        "SET GLOBAL net_read_timeout = 1",
        "DO 1; SET GLOBAL net_read_timeout = 1",
        "GRANT ALL ON *.* TO app",
    ] {
        for _ in 0..3 {
            let refused = refusal(client.query_drop(sql).await);
            assert!([1227, 1044, 1045].contains(&refused.code), "{sql}: {refused:?}");
        }
    }
    assert_eq!(cluster.primary().value(count).await, before);
}

/// A default role counts from the next login on.
#[tokio::test]
async fn mariadb_a_default_role_is_that_of_now() {
    default_role(Cluster::mariadb(0).await, "SET DEFAULT ROLE r1 FOR app@'%'").await;
}

#[tokio::test]
async fn mysql_a_default_role_is_that_of_now() {
    if let Some(cluster) = Cluster::mysql(0).await {
        default_role(cluster, "SET DEFAULT ROLE r1 TO app@'%'").await;
    }
}

async fn default_role(cluster: Cluster, set: &str) {
    cluster.primary().sql("CREATE ROLE r1; GRANT r1 TO app@'%'").await;
    let proxy = started(&cluster).await;
    crowd(&proxy, "app").await;
    let mut setter = connect(proxy.rw, "super", "super", "mysql").await.expect("login");
    setter.query_drop(set).await.expect(set);
    for _ in 0..8 {
        let mut client = connect(proxy.rw, "app", "app", "test").await.expect("login");
        let role = value(&mut client, "SELECT CURRENT_ROLE()").await.expect("a role");
        assert!(role.contains("r1"), "{role}");
    }
    // What nobody comes back to is closed on all workers.
    setter.query_drop("SET GLOBAL net_read_timeout = 77").await.expect("SET GLOBAL");
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'app'";
    eventually("idle connections are closed", async || {
        (cluster.primary().value(count).await == "0").then_some(())
    })
    .await;
}
