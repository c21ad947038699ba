//! Limits: of clients, of server connections, of the servers themselves, of descriptors.

use super::{alone, scene};
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, metric};
use crate::support::{Cluster, Proxy};
use std::process::Command;
use tokio::task::JoinHandle;

const WAITING: &str = "pointsman_statements_waiting_for_connection";

#[tokio::test]
async fn one_client_too_many_gets_1040() {
    let (_cluster, proxy) = scene("[limits]\nmax_connections = 3\n").await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(Raw::app(proxy.rw).await);
    }
    for port in [proxy.rw, proxy.ro] {
        let mut refused = Raw::connect(port).await.unwrap();
        let (seq, answer) = refused.read().await.unwrap();
        assert_eq!((seq, error_code(&answer)), (0, 1040), "in place of the greeting");
        assert!(refused.rest().await.is_empty());
    }
    assert_eq!(error_code(&clients[0].query("DO 1").await.unwrap()), 0, "the others are served");
    drop(clients.pop());
    eventually("a place is free", async || {
        let mut client = Raw::connect(proxy.rw).await.unwrap();
        client.login("app", "app").await.ok()
    })
    .await;
}

/// A client whose statement is under way and which leaves with the answer, of which this is the first packet.
fn asks(port: u16) -> JoinHandle<Vec<u8>> {
    tokio::spawn(async move {
        let mut client = Raw::app(port).await;
        client.query("INSERT INTO t VALUES (2)").await.unwrap()
    })
}

/// Clients with a connection of their own, by an open transaction.
async fn busy(port: u16, count: usize) -> Vec<Raw> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = Raw::app(port).await;
        assert_eq!(error_code(&client.query("BEGIN").await.unwrap()), 0);
        clients.push(client);
    }
    clients
}

#[tokio::test]
async fn few_clients_have_one_worker_and_all_of_a_limit() {
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    let limited = config.replace("password = \"app\"\n", "password = \"app\"\nmax_connections = 6\n");
    let proxy = Proxy::start(&format!("workers = 2\nworker_fill = 4\n{limited}")).await;
    let mut clients = Vec::new();
    let of = |worker| format!("pointsman_clients{{port=\"primary\",worker=\"{worker}\"}}");
    for (number, expected) in [(4.0, (4.0, 0.0)), (6.0, (4.0, 2.0))] {
        while clients.len() < number as usize {
            clients.push(Raw::app(proxy.rw).await);
        }
        for client in &mut clients {
            assert_eq!(error_code(&client.query("DO 1").await.unwrap()), 0);
        }
        assert_eq!((metric(&proxy, &of(0)).await, metric(&proxy, &of(1)).await), expected);
        // With a half of the limit for each worker, the fourth client would take another one's connection.
        assert_eq!(metric(&proxy, "pointsman_server_connections").await, number);
        assert_eq!(metric(&proxy, "pointsman_connection_steals_total").await, 0.0);
    }
}

#[tokio::test]
async fn statements_queue_at_a_users_limit() {
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    let limited = config.replace("password = \"app\"\n", "password = \"app\"\nmax_connections = 2\n");
    let proxy = Proxy::start(&format!("{limited}\n[limits]\nqueue_timeout = \"60s\"\n")).await;
    let mut holders = busy(proxy.rw, 2).await;
    let waiting = [asks(proxy.rw), asks(proxy.rw)];
    eventually("two wait", async || (metric(&proxy, WAITING).await >= 2.0).then_some(())).await;
    assert!(waiting.iter().all(|w| !w.is_finished()));
    assert_eq!(error_code(&holders[1].query("INSERT INTO t VALUES (3)").await.unwrap()), 0);
    // Another account is not held up.
    let mut other = Raw::connect(proxy.rw).await.unwrap();
    other.login("super", "super").await.unwrap();
    assert_eq!(error_code(&other.query("DO 1").await.unwrap()), 0);
    holders.clear();
    for waiter in waiting {
        let answer = waiter.await.unwrap();
        assert_eq!(error_code(&answer), 0, "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(metric(&proxy, WAITING).await, 0.0);
}

#[tokio::test]
async fn who_queues_too_long_is_told() {
    let cluster = Cluster::mariadb(0).await;
    let config = alone(&cluster).await;
    let limited = config.replace("password = \"app\"\n", "password = \"app\"\nmax_connections = 1\n");
    let proxy = Proxy::start(&format!("{limited}\n[limits]\nqueue_timeout = \"300ms\"\n")).await;
    let mut holder = busy(proxy.rw, 1).await;
    let mut late = Raw::app(proxy.rw).await;
    for _ in 0..2 {
        let answer = late.query("INSERT INTO t VALUES (2)").await.unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(error_code(&answer), 1040, "{text}");
        assert!(text.contains("max_connections") && text.contains("try again"), "{text}");
    }
    holder.clear();
    eventually("its turn comes", async || {
        (error_code(&late.query("INSERT INTO t VALUES (2)").await.unwrap()) == 0).then_some(())
    })
    .await;
    let there = cluster.primary().value("SELECT COUNT(*) FROM test.t WHERE v = 2").await;
    assert_eq!(there, "1", "what was refused did not run");
}

#[tokio::test]
async fn mariadb_own_limit_makes_statements_queue() {
    own_limit(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_own_limit_makes_statements_queue() {
    if let Some(cluster) = Cluster::mysql(0).await {
        own_limit(cluster).await;
    }
}

/// MAX_USER_CONNECTIONS: error 1226 of the server must not reach a client.
async fn own_limit(cluster: Cluster) {
    let config = alone(&cluster).await;
    cluster.primary().sql("ALTER USER app@'%' WITH MAX_USER_CONNECTIONS 2").await;
    let proxy = Proxy::start(&format!("{config}\n[limits]\nqueue_timeout = \"60s\"\n")).await;
    let mut holders = busy(proxy.rw, 2).await;
    let waiting: Vec<_> = (0..4).map(|_| asks(proxy.rw)).collect();
    eventually("the refusal was heard, and four wait", async || {
        let refused = metric(&proxy, "pointsman_server_connect_errors_total").await;
        (refused >= 1.0 && waiting.iter().all(|w| !w.is_finished())).then_some(())
    })
    .await;
    holders.clear();
    for waiter in waiting {
        let answer = waiter.await.unwrap();
        assert_eq!(error_code(&answer), 0, "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn accept_survives_the_lack_of_descriptors() {
    let (_cluster, proxy) = scene("").await;
    let mut old = Raw::app(proxy.rw).await;
    assert_eq!(error_code(&old.query("DO 1").await.unwrap()), 0);
    limit_descriptors(&proxy, open_descriptors(&proxy) + 10);
    let mut crowd = Vec::new();
    for _ in 0..60 {
        // The kernel takes them all.
        crowd.push(Raw::connect(proxy.rw).await.unwrap());
    }
    eventually("the log tells", async || proxy.log().contains("cannot accept").then_some(())).await;
    assert_eq!(error_code(&old.query("INSERT INTO t VALUES (5)").await.unwrap()), 0, "others are served");
    drop(crowd);
    let mut new = Raw::app(proxy.rw).await;
    assert_eq!(error_code(&new.query("INSERT INTO t VALUES (6)").await.unwrap()), 0);
    assert!(metric(&proxy, "pointsman_accept_errors_total").await >= 1.0);
    let told = proxy.log().matches("cannot accept").count();
    assert!(told < 20, "{told} lines of log for one crowd");
}

fn open_descriptors(proxy: &Proxy) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).expect("/proc").count()
}

fn limit_descriptors(proxy: &Proxy, limit: usize) {
    let status = Command::new("prlimit")
        .args([format!("--pid={}", proxy.pid()), format!("--nofile={limit}:{limit}")])
        .status()
        .expect("prlimit of util-linux");
    assert!(status.success());
}
