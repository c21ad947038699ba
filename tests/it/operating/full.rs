//! Servers that take no more connections: sessions wait for one that another session does not need, and nobody takes the
//! server for dead.

use super::{alone, end_probes, goes_on, writing};
use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, topology, value};
use crate::support::{Cluster, Proxy, connect, number, proxy_config};
use mysql_async::prelude::Queryable;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How many connections the server takes, and how many clients the proxies have.
const ROOM: usize = 24;
const CLIENTS: usize = 40;

#[tokio::test]
async fn mariadb_full_server_makes_statements_queue() {
    full_server(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_full_server_makes_statements_queue() {
    if let Some(cluster) = Cluster::mysql(0).await {
        full_server(cluster).await;
    }
}

/// Two proxies, two accounts, and more clients than the server has room for. Each client keeps what it has set.
async fn full_server(cluster: Cluster) {
    let config = alone(&cluster).await;
    let mut watching = connect(cluster.primary().port(), "super", "super", "test").await.expect("login");
    cluster.primary().sql(&format!("SET GLOBAL max_connections = {ROOM}")).await;
    let config = format!("workers = 2\nworker_fill = 0\n{config}\n[limits]\nqueue_timeout = \"60s\"\n");
    let proxies = [Proxy::start(&config).await, Proxy::start(&config).await];
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let account = if number % 3 == 0 { "super" } else { "app" };
        let mut client = Raw::connect(proxies[number % 2].rw).await.expect("a connection");
        client.login(account, account).await.unwrap_or_else(|error| panic!("login {number}: {error}"));
        clients.push((number, client));
    }
    let before = rows(&mut watching).await;
    let mut playing = Vec::new();
    for (number, mut client) in clients {
        playing.push(tokio::spawn(async move {
            let mut wrong = Vec::new();
            for sql in [
                format!("SET @number = {number}"),
                "INSERT INTO test.t VALUES (1000 + @number)".to_owned(),
                format!("INSERT INTO test.t SELECT 2000 + @number FROM DUAL WHERE @number = {number}"),
                "UPDATE test.t SET v = v + 1 WHERE v = 1000 + @number".to_owned(),
            ] {
                let answer = client.query(&sql).await.expect("an answer");
                if error_code(&answer) != 0 {
                    wrong.push(format!("{number}: {sql}: {}", String::from_utf8_lossy(&answer)));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            (wrong, client)
        }));
    }
    let (mut wrong, mut clients) = (Vec::new(), Vec::new());
    for one in playing {
        let (more, client) = one.await.expect("a client");
        wrong.extend(more);
        clients.push(client);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows(&mut watching).await - before, 2 * CLIENTS);
    let of = "SELECT COUNT(*) FROM test.t WHERE v BETWEEN 1001 AND 1000 + 40";
    let seen = value(&mut watching, of).await.expect("a number");
    assert_eq!(seen, CLIENTS.to_string(), "each saw its own variable");
}

#[tokio::test]
async fn mariadb_more_clients_than_room() {
    more_clients_than_room(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_more_clients_than_room() {
    if let Some(cluster) = Cluster::mysql(0).await {
        more_clients_than_room(cluster).await;
    }
}

/// 60 clients of two proxies insert a row each half second, and the server takes 40 connections.
/// env: SECONDS=30 for the figure in the documentation.
async fn more_clients_than_room(cluster: Cluster) {
    let config = alone(&cluster).await;
    cluster.primary().sql("SET GLOBAL max_connections = 40").await;
    let proxies = [Proxy::start(&config).await, Proxy::start(&config).await];
    let until = Instant::now() + Duration::from_secs(number("SECONDS", 5) as u64);
    let mut playing = Vec::new();
    for number in 0..60 {
        let port = proxies[number % 2].rw;
        playing.push(tokio::spawn(async move {
            let mut client = Raw::app(port).await;
            let (mut took, mut wrong) = (Vec::new(), Vec::new());
            while Instant::now() < until {
                let began = Instant::now();
                let answer = client.query("INSERT INTO test.t VALUES (5)").await.expect("an answer");
                took.push(began.elapsed());
                if error_code(&answer) != 0 {
                    wrong.push(String::from_utf8_lossy(&answer).into_owned());
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            (took, wrong)
        }));
    }
    let (mut took, mut wrong) = (Vec::new(), Vec::new());
    for one in playing {
        let (times, errors) = one.await.expect("a client");
        took.extend(times);
        wrong.extend(errors);
    }
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    eprintln!(
        "{} statements, {} errors; median {:?}, p99 {:?}, longest {:?}",
        took.len(),
        wrong.len(),
        at(50),
        at(99),
        at(100)
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn proxies_leave_room_on_mariadb() {
    proxies_leave_room(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn proxies_leave_room_on_mysql() {
    if let Some(cluster) = Cluster::mysql(0).await {
        proxies_leave_room(cluster).await;
    }
}

/// Clients of an account that run statements until `over`, and get no error.
fn busy(port: u16, account: &'static str, clients: usize, over: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut all = JoinSet::new();
    for _ in 0..clients {
        let over = over.clone();
        all.spawn(async move {
            let mut client = Raw::connect(port).await.expect("a connection");
            client.login(account, account).await.expect("a login");
            while !over.load(Ordering::Relaxed) {
                let answer = client.query("DO SLEEP(0.1)").await.expect("an answer");
                assert_eq!(error_code(&answer), 0, "{}", String::from_utf8_lossy(&answer));
            }
        });
    }
    all
}

/// The first proxy's clients could use all of the server's connections. Administrators find room all the same, and the second
/// proxy gets its part.
async fn proxies_leave_room(cluster: Cluster) {
    let config = alone(&cluster).await;
    let primary = cluster.primary();
    primary.sql("SET GLOBAL max_connections = 60").await;
    let config = format!("{config}\n[limits]\nqueue_timeout = \"60s\"\n");
    let (first, second) = (Proxy::start(&config).await, Proxy::start(&config).await);
    let connected = async || {
        let row = primary.sql("SHOW GLOBAL STATUS LIKE 'Threads_connected'").await;
        row[0][1].as_deref().and_then(|count| count.parse::<usize>().ok()).expect("a number")
    };
    let of_second = async || {
        let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'super'";
        primary.value(count).await.parse::<usize>().expect("a number")
    };
    let over = Arc::new(AtomicBool::new(false));
    let mut clients = busy(first.rw, "app", 70, &over);
    eventually("the server is nearly full", async || (connected().await >= 45).then_some(())).await;
    // Both proxies count the server's connections twice a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut others = busy(second.rw, "super", 30, &over);
    eventually("the second proxy has its part", async || (of_second().await >= 8).then_some(())).await;
    for second in 0..3 {
        // The count of the one who asks, and of what is being closed, comes on top.
        let roomy = async || (connected().await <= 53).then_some(());
        eventually(&format!("{second}: room is left"), roomy).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let shown = topology(&first).await["servers"][0]["connections"].as_u64();
    assert!(shown.is_some_and(|shown| (40..=60).contains(&shown)), "{shown:?}");
    over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("a client of the first proxy");
    }
    while let Some(client) = others.join_next().await {
        client.expect("a client of the second proxy");
    }
}

async fn rows(client: &mut mysql_async::Conn) -> usize {
    value(client, "SELECT COUNT(*) FROM test.t").await.expect("a number").parse().expect("a number")
}

#[tokio::test]
async fn mariadb_full_server_is_not_dead() {
    full_is_not_dead(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_full_server_is_not_dead() {
    if let Some(cluster) = Cluster::mysql(1).await {
        full_is_not_dead(cluster).await;
    }
}

/// The probes' connections end, and the server refuses new ones: what sessions have goes on.
async fn full_is_not_dead(cluster: Cluster) {
    alone(&cluster).await;
    let primary = cluster.primary();
    let proxy = Proxy::start(&proxy_config(&cluster)).await;
    let mut writing = writing(&proxy).await;
    let mut direct = Vec::new();
    for _ in 0..12 {
        direct.push(Raw::app(primary.port()).await);
    }
    let mut watching = connect(primary.port(), "super", "super", "test").await.expect("login");
    watching.query_drop("SET GLOBAL max_connections = 10").await.expect("a limit");
    for _ in 0..3 {
        end_probes(&mut watching).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let state = topology(&proxy).await;
    assert_eq!(state["servers"][0]["health"], "up", "{state:#}");
    assert!(state["servers"][0]["last_error"].to_string().contains("1040"), "{state:#}");
    goes_on(&mut writing).await;
    watching.query_drop("SET GLOBAL max_connections = 100").await.expect("a limit");
    eventually("the probes are back", async || {
        let server = topology(&proxy).await["servers"][0].clone();
        (server["last_error"].is_null() && server["max_connections"] == 100).then_some(())
    })
    .await;
    let there =
        primary.value("SELECT GROUP_CONCAT(v ORDER BY v) FROM test.t WHERE v BETWEEN 70 AND 72").await;
    assert_eq!(there, "70,71,72");
}
