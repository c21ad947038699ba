//! The schema of a session, while somebody else creates, drops, grants and revokes past the proxy: what the proxy once saw of
//! it must not outlive what the servers say.

use crate::dialogue::{eventually, patient, readers_are, refusal, value};
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

#[tokio::test]
async fn mariadb_schemas_that_come_and_go() {
    schemas_that_come_and_go(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_schemas_that_come_and_go() {
    if let Some(cluster) = Cluster::mysql(1).await {
        schemas_that_come_and_go(cluster).await;
    }
}

async fn schemas_that_come_and_go(cluster: Cluster) {
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&config).await;
    let tight = Proxy::start(&format!("{config}\n[limits]\nmax_server_connections = 1\n")).await;
    for proxy in [&proxy, &tight] {
        readers_are(proxy, 1).await;
    }
    let direct = logins(&cluster, cluster.primary().port()).await;
    assert_eq!(direct, ["in", "in", "1044", "in", "1049", "in"]);
    for port in [proxy.rw, proxy.ro, tight.rw, tight.ro] {
        assert_eq!(logins(&cluster, port).await, direct, "port {port}");
    }
    let direct = own_drop(&cluster, cluster.primary().port()).await;
    for proxy in [&proxy, &tight] {
        assert_eq!(own_drop(&cluster, proxy.rw).await, direct);
    }
    idle_session(&cluster, &proxy).await;
    idle_session(&cluster, &tight).await;
}

/// Waits until the replica has what the primary has.
async fn make(cluster: &Cluster, sql: &str) {
    cluster.primary().sql(sql).await;
    cluster.wait_caught_up().await;
}

const CREATE: &str = "DROP DATABASE IF EXISTS d; CREATE DATABASE d; CREATE TABLE d.t (v INT); INSERT INTO d.t VALUES (5); \
     GRANT ALL ON d.* TO app@'%'";

fn shown<T>(result: Result<T, Error>) -> String {
    result.map_or_else(
        |error| match error {
            Error::Server(error) => error.code.to_string(),
            other => panic!("{other}"),
        },
        |_| "in".to_owned(),
    )
}

/// What logins with the schema get while it is there, revoked, granted, dropped and created again.
async fn logins(cluster: &Cluster, port: u16) -> Vec<String> {
    let mut told = Vec::new();
    for before in [
        CREATE,
        "DO 1",
        "REVOKE ALL ON d.* FROM app@'%'",
        "GRANT ALL ON d.* TO app@'%'",
        "DROP DATABASE d",
        CREATE,
    ] {
        make(cluster, before).await;
        let login = connect(port, "app", "app", "d").await;
        told.push(match login {
            Ok(client) => {
                client.disconnect().await.expect("a good-bye");
                "in".to_owned()
            }
            Err(error) => shown::<()>(Err(error)),
        });
    }
    told
}

async fn said(client: &mut Conn, sql: &str) -> String {
    match value(client, sql).await {
        Ok(value) => value,
        Err(error) => shown::<()>(Err(error)),
    }
}

/// What a session sees that drops its own schema, which then is created again.
async fn own_drop(cluster: &Cluster, port: u16) -> Vec<String> {
    make(cluster, CREATE).await;
    let mut client = connect(port, "app", "app", "d").await.expect("login");
    let mut told = Vec::new();
    for sql in ["SELECT v FROM t", "DROP DATABASE d", "SELECT DATABASE()", "SELECT v FROM t"] {
        told.push(said(&mut client, sql).await);
    }
    make(cluster, CREATE).await;
    for sql in ["SELECT v FROM t", "SELECT DATABASE()", "CREATE TABLE u (v INT)", "USE d", "SELECT v FROM t"]
    {
        told.push(said(&mut client, sql).await);
    }
    client.disconnect().await.expect("a good-bye");
    told
}

/// A session whose schema somebody else drops goes on with what needs no schema, and sees it again once it is created again.
async fn idle_session(cluster: &Cluster, proxy: &Proxy) {
    make(cluster, CREATE).await;
    for port in [proxy.rw, proxy.ro] {
        let mut idle = connect(port, "app", "app", "d").await.expect("login");
        // Takes the connection of the idle session, if there is only one, and leaves another schema there.
        let mut other = connect(port, "app", "app", "test").await.expect("login");
        other.query_drop("DO 1").await.expect("an answer");
        make(cluster, "DROP DATABASE d").await;
        assert_eq!(said(&mut idle, "SELECT 1").await, "1");
        assert_eq!(said(&mut idle, "SELECT @@port IS NULL").await, "0");
        let missing = refusal(idle.query_drop("SELECT v FROM t").await).code;
        assert!([1046, 1049, 1146].contains(&missing), "{missing}");
        assert_eq!(said(&mut idle, "USE d").await, "1049");
        // The diagnostics of an error keep the connection up to the next statement.
        assert_eq!(said(&mut idle, "DO 0").await, "");
        other.query_drop("DO 1").await.expect("an answer");
        make(cluster, CREATE).await;
        eventually("the schema is seen again", async || {
            (said(&mut idle, "SELECT v FROM t").await == "5").then_some(())
        })
        .await;
        other.query_drop("DO 1").await.expect("an answer");
        make(cluster, "DROP DATABASE d").await;
        assert_eq!(said(&mut idle, "USE test").await, "");
        assert_eq!(said(&mut idle, "SELECT DATABASE()").await, "test");
        make(cluster, CREATE).await;
        for client in [idle, other] {
            client.disconnect().await.expect("a good-bye");
        }
    }
}
