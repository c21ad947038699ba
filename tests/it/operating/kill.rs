//! KILL from another session, by both numbers that a client knows of its connection.

use super::alone;
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{PATIENCE, refused, runs_on, value};
use crate::support::{Cluster, Proxy, connect};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[tokio::test]
async fn mariadb_kill() {
    kills(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_kill() {
    if let Some(cluster) = Cluster::mysql(0).await {
        kills(cluster).await;
    }
}

async fn kills(cluster: Cluster) {
    let config = alone(&cluster).await;
    let proxy =
        Proxy::start(&format!("workers = 2\nworker_fill = 0\n{config}\n[timeouts]\nconnect = \"20s\"\n"))
            .await;
    let mut killer = proxy.client().await.unwrap();
    killer.query_drop("DO 1").await.unwrap();
    for by_server_id in [false, true] {
        kill_query(&cluster, &proxy, &mut killer, by_server_id).await;
        kill_busy(&cluster, &proxy, &mut killer, by_server_id).await;
        kill_idle(&proxy, &mut killer, by_server_id).await;
    }
    by_command(&proxy).await;
    not_of_others(&cluster, &proxy, &mut killer).await;
    assert_eq!(answers(&cluster, proxy.rw).await, answers(&cluster, cluster.primary().port()).await);
    assert_eq!(value(&mut killer, "SELECT 1").await.unwrap(), "1", "the killer lives");
}

async fn victim(proxy: &Proxy, by_server_id: bool) -> (Conn, String) {
    let mut victim = proxy.client().await.unwrap();
    let own = value(&mut victim, "SELECT CONNECTION_ID()").await.unwrap();
    let id = if by_server_id { own } else { victim.id().to_string() };
    (victim, id)
}

/// A statement that ends with an error when it is killed, unlike a mere SLEEP.
fn sleeps(mut victim: Conn) -> JoinHandle<(Conn, Result<(), Error>)> {
    tokio::spawn(async move {
        let result = victim.query_drop("SELECT 1 FROM t WHERE SLEEP(600)").await;
        (victim, result)
    })
}

async fn kill_query(cluster: &Cluster, proxy: &Proxy, killer: &mut Conn, by_server_id: bool) {
    let (victim, id) = victim(proxy, by_server_id).await;
    let sleeping = sleeps(victim);
    runs_on(cluster, 0, "WHERE SLEEP").await;
    killer.query_drop(format!("KILL QUERY {id}")).await.unwrap();
    let (mut victim, result) = timeout(PATIENCE, sleeping).await.expect("killed").unwrap();
    assert_eq!(refused(result), (1317, "70100".to_owned()));
    assert_eq!(value(&mut victim, "SELECT 7").await.unwrap(), "7", "the connection stays");
}

async fn kill_busy(cluster: &Cluster, proxy: &Proxy, killer: &mut Conn, by_server_id: bool) {
    let (victim, id) = victim(proxy, by_server_id).await;
    let sleeping = sleeps(victim);
    runs_on(cluster, 0, "WHERE SLEEP").await;
    killer.query_drop(format!("KILL {id}")).await.unwrap();
    let (mut victim, result) = timeout(PATIENCE, sleeping).await.expect("killed").unwrap();
    assert!(result.is_err());
    assert!(victim.query_drop("SELECT 1").await.is_err(), "the connection ends");
    let left = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE '%WHERE SLEEP(%' AND info NOT LIKE '%COUNT%'";
    crate::dialogue::eventually("its statement ends on the server", async || {
        (cluster.primary().value(left).await == "0").then_some(())
    })
    .await;
}

async fn kill_idle(proxy: &Proxy, killer: &mut Conn, by_server_id: bool) {
    let (mut victim, id) = victim(proxy, by_server_id).await;
    killer.query_drop(format!("KILL CONNECTION {id}")).await.unwrap();
    assert!(victim.query_drop("SELECT 1").await.is_err(), "the connection ends");
    if !by_server_id {
        // The server's own number may live on, in the pool.
        let again = killer.query_drop(format!("KILL {id}")).await;
        assert_eq!(refused(again).0, 1094, "it is gone");
    }
}

/// COM_PROCESS_KILL, as libraries do it with the id that they were greeted with.
async fn by_command(proxy: &Proxy) {
    let mut victim = Raw::connect(proxy.rw).await.unwrap();
    let id = victim.login("app", "app").await.unwrap();
    let mut killer = Raw::app(proxy.rw).await;
    let answer = killer.command(0x0c, &id.to_le_bytes()).await.unwrap();
    assert_eq!(error_code(&answer), 0, "{}", String::from_utf8_lossy(&answer));
    victim.rest().await;
    assert_eq!(error_code(&killer.query("DO 1").await.unwrap()), 0);
}

/// An account without privileges kills nobody else's connections.
async fn not_of_others(cluster: &Cluster, proxy: &Proxy, killer: &mut Conn) {
    let mut other = connect(proxy.rw, "super", "super", "test").await.unwrap();
    let own = value(&mut other, "SELECT CONNECTION_ID()").await.unwrap();
    for (id, code) in [(other.id().to_string(), 1094), (own, 1095)] {
        let result = killer.query_drop(format!("KILL {id}")).await;
        assert_eq!(refused(result).0, code);
    }
    assert_eq!(value(&mut other, "SELECT 1").await.unwrap(), "1");
    assert_eq!(cluster.primary().value("SELECT 1").await, "1");
}

/// What a client hears that is killed while it waits, and clients that kill themselves or their own statement. None: nothing but the end.
async fn answers(cluster: &Cluster, port: u16) -> Vec<Option<Vec<u8>>> {
    // From now on caching_sha2_password takes a scramble.
    connect(port, "app", "app", "test").await.expect("a login");
    let mut victim = Raw::connect(port).await.unwrap();
    let id = victim.login("app", "app").await.unwrap();
    let sleeping = tokio::spawn(async move { victim.query("SELECT 1 FROM t WHERE SLEEP(600)").await.ok() });
    runs_on(cluster, 0, "WHERE SLEEP").await;
    let mut killer = Raw::app(port).await;
    assert_eq!(error_code(&killer.query(&format!("KILL {id}")).await.unwrap()), 0);
    let mut heard = vec![timeout(PATIENCE, sleeping).await.expect("killed").unwrap()];
    for kill in ["KILL", "KILL CONNECTION", "KILL QUERY"] {
        let mut own = Raw::connect(port).await.unwrap();
        let id = own.login("app", "app").await.unwrap();
        heard.push(own.query(&format!("{kill} {id}")).await.ok());
        heard.push(own.query("DO 1").await.ok());
    }
    heard
}
