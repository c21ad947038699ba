//! A primary that pauses while no other server is the primary: nobody loses anything, and nobody hears of it.

use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, readers_are, topology};
use crate::support::{Cluster, Proxy, proxy_config};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How long the primary pauses, each time. Probes are missed from 0.3 s on.
const PAUSES_MS: [u64; 3] = [200, 700, 2500];

#[tokio::test]
async fn mariadb_pauses_and_nothing_is_lost() {
    pauses(Cluster::mariadb(1).await, "primary").await;
    pauses(Cluster::mariadb(1).await, "split").await;
}

#[tokio::test]
async fn mysql_pauses_and_nothing_is_lost() {
    if let Some(cluster) = Cluster::mysql(1).await {
        pauses(cluster, "split").await;
    }
}

/// Runs a statement that must succeed.
async fn works(client: &mut Raw, sql: &str) {
    let answer = client.query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(error_code(&answer), 0, "{sql}: {}", String::from_utf8_lossy(&answer));
}

/// Clients that insert a row each 10 ms until `stop`; the rows are counted.
fn writers(port: u16, stop: &Arc<AtomicBool>, rows: &Arc<AtomicUsize>) -> Vec<JoinHandle<()>> {
    let write = |number: usize| {
        let (stop, rows) = (stop.clone(), rows.clone());
        tokio::spawn(async move {
            let mut client = Raw::app(port).await;
            while !stop.load(Ordering::Relaxed) {
                // Every other client writes in transactions.
                let transaction = number % 2 == 1;
                if transaction {
                    works(&mut client, "BEGIN").await;
                }
                works(&mut client, "INSERT INTO noted (a) VALUES (1)").await;
                if transaction {
                    works(&mut client, "COMMIT").await;
                }
                rows.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    };
    (0..8).map(write).collect()
}

async fn pauses(cluster: Cluster, mode: &str) {
    cluster.primary().sql("CREATE TABLE test.noted (id INT AUTO_INCREMENT PRIMARY KEY, a INT)").await;
    cluster.wait_caught_up().await;
    let config = proxy_config(&cluster).replacen("mode = \"primary\"", &format!("mode = \"{mode}\""), 1);
    let proxy = Proxy::start(&config).await;
    readers_are(&proxy, 1).await;
    let (stop, rows) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let writing = writers(proxy.rw, &stop, &rows);
    let mut keeping = Raw::app(proxy.rw).await;
    works(&mut keeping, "CREATE TEMPORARY TABLE own (a INT)").await;
    let mut open = Raw::app(proxy.rw).await;
    works(&mut open, "BEGIN").await;
    for pause in PAUSES_MS {
        works(&mut open, "INSERT INTO noted (a) VALUES (2)").await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        cluster.primary().freeze();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let state = topology(&proxy).await;
        cluster.primary().thaw();
        if pause > 1000 {
            assert_eq!(state["servers"][0]["health"], "down", "the pause was not noticed: {state:#}");
        }
        // What is kept on the connection is still there, directly behind the pause.
        works(&mut keeping, "INSERT INTO own VALUES (1)").await;
        eventually("the primary is back", async || {
            (topology(&proxy).await["servers"][0]["health"] == "up").then_some(())
        })
        .await;
    }
    works(&mut open, "COMMIT").await;
    stop.store(true, Ordering::Relaxed);
    for one in writing {
        one.await.expect("a writer");
    }
    let count = |value: u32| format!("SELECT COUNT(*) FROM test.noted WHERE a = {value}");
    let written = rows.load(Ordering::Relaxed);
    assert!(written > 50, "{written} rows");
    assert_eq!(cluster.primary().value(&count(1)).await, written.to_string(), "each once");
    assert_eq!(cluster.primary().value(&count(2)).await, PAUSES_MS.len().to_string());
}
