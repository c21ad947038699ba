//! A name or an address that leads to another server, while the former one lives on.

use crate::dialogue::eventually;
use crate::dialogue::raw::{Raw, error_code};
use crate::support::{Cluster, Kind, Proxy, Relay, config_without_servers};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

#[tokio::test]
async fn mariadb_that_is_another_one_gets_no_statement() {
    other_server(Cluster::mariadb(0).await, Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_that_is_another_one_gets_no_statement() {
    if let (Some(first), Some(second)) = (Cluster::mysql(0).await, Cluster::mysql(0).await) {
        other_server(first, second).await;
    }
}

/// A write: its number, and when it was sent and acknowledged.
struct Write {
    number: String,
    sent: Instant,
    done: Instant,
}

/// A client that writes until `over`.
async fn writes(port: u16, name: String, over: Arc<AtomicBool>) -> Vec<Write> {
    let mut client = Raw::app(port).await;
    let mut all = Vec::new();
    for n in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let (number, sent) = (format!("{name}-{n}"), Instant::now());
        let answer =
            client.query(&format!("INSERT INTO noted VALUES ('{number}')")).await.expect("an answer");
        // What was under way on the former server may be in doubt.
        if error_code(&answer) == 0 {
            all.push(Write { number, sent, done: Instant::now() });
        }
        sleep(std::time::Duration::from_millis(5)).await;
    }
    all
}

async fn numbers(cluster: &Cluster) -> HashSet<String> {
    let rows = cluster.primary().sql("SELECT number FROM test.noted").await;
    rows.into_iter().filter_map(|row| row[0].clone()).collect()
}

/// As soon as one write is acknowledged on the second server, none that is sent later goes to the first one.
async fn other_server(first: Cluster, second: Cluster) {
    for cluster in [&first, &second] {
        cluster.primary().sql("CREATE TABLE test.noted (number VARCHAR(40))").await;
    }
    if second.kind() == Kind::MariaDb {
        // The same number does not make it the same server.
        let number = first.primary().value("SELECT @@server_id").await;
        second.primary().sql(&format!("SET GLOBAL server_id = {number}")).await;
    }
    let relay = Relay::to(first.primary().port()).await;
    let server =
        format!("\n[[discovery.servers]]\nname = \"db-0\"\naddress = \"127.0.0.1:{}\"\n", relay.port());
    let proxy =
        Proxy::start(&(config_without_servers() + "\n[discovery]\nkind = \"static\"\n" + &server)).await;
    let over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for name in 0..4 {
        writers.spawn(writes(proxy.rw, format!("early{name}"), over.clone()));
    }
    eventually("the first server is written", async || (numbers(&first).await.len() > 20).then_some(()))
        .await;
    relay.lead_to(second.primary().port());
    for name in 0..12 {
        writers.spawn(writes(proxy.rw, format!("late{name}"), over.clone()));
    }
    eventually("the second server is written by all", async || {
        let there = numbers(&second).await;
        let wrote = |name: String| there.iter().any(|number| number.starts_with(&name));
        ((0..4).all(|n| wrote(format!("early{n}-"))) && (0..12).all(|n| wrote(format!("late{n}-"))))
            .then_some(())
    })
    .await;
    over.store(true, Ordering::Relaxed);
    let all: Vec<Write> = writers.join_all().await.into_iter().flatten().collect();
    let (on_first, on_second) = (numbers(&first).await, numbers(&second).await);
    let of_second = all.iter().filter(|write| on_second.contains(&write.number));
    let moved = of_second.map(|write| write.done).min().expect("a write on the second server");
    let strays = all.iter().filter(|write| on_first.contains(&write.number) && write.sent > moved);
    let strays: Vec<_> = strays.map(|write| &write.number).collect();
    assert!(strays.is_empty(), "both servers are written: {strays:?}");
    let lost: Vec<_> =
        all.iter().filter(|w| !on_first.contains(&w.number) && !on_second.contains(&w.number)).collect();
    assert!(lost.is_empty(), "{} acknowledged writes are nowhere", lost.len());
}
