//! A primary that pauses. While no other server is the primary, nobody loses anything, and nobody hears of it. If another
//! one takes over meanwhile, nothing that began in the pause is in doubt.

use crate::dialogue::raw::{Raw, error_code};
use crate::dialogue::{eventually, readers_are, topology, value, writer_is};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
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

#[tokio::test]
async fn what_begins_in_a_pause_of_mariadb_is_held() {
    begins_in_a_pause(Cluster::mariadb(1).await, Next::GoesOn).await;
    begins_in_a_pause(Cluster::mariadb(1).await, Next::Promoted).await;
}

#[tokio::test]
async fn what_begins_in_a_pause_of_mysql_is_held() {
    for next in [Next::GoesOn, Next::Promoted] {
        if let Some(cluster) = Cluster::mysql(1).await {
            begins_in_a_pause(cluster, next).await;
        }
    }
}

/// How a pause ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The primary goes on.
    GoesOn,
    /// The replica becomes the primary.
    Promoted,
}

/// A session with a table of its own, whose statement begins in the pause.
async fn with_own_table(port: u16) -> Raw {
    let mut client = Raw::app(port).await;
    works(&mut client, "CREATE TEMPORARY TABLE own (a INT)").await;
    client
}

async fn begins_in_a_pause(mut cluster: Cluster, next: Next) {
    cluster.primary().sql("CREATE TABLE test.noted (id INT AUTO_INCREMENT PRIMARY KEY, a INT)").await;
    cluster.primary().sql("CREATE TABLE test.marked (a INT)").await;
    cluster.wait_caught_up().await;
    // The replica alone has this row.
    let replica = cluster.replica(0);
    let mark = "SET sql_log_bin = 0; INSERT INTO test.marked VALUES (1)";
    match cluster.kind() {
        Kind::MariaDb => replica.sql(mark).await,
        Kind::MySql => {
            let (off, on) = ("SET GLOBAL super_read_only = OFF", "SET GLOBAL super_read_only = ON");
            replica.sql(&format!("{off}; {mark}; {on}")).await
        }
    };
    let config = proxy_config(&cluster).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&format!("{config}\n[consistency]\nlevel = \"session\"\n")).await;
    readers_are(&proxy, 1).await;
    // Tables are read on replicas once the primary has told which tables there are.
    let mut reads = connect(proxy.rw, "app", "app", "test").await.unwrap();
    let mut is_read_there = async || value(&mut reads, "SELECT COUNT(*) FROM marked").await.unwrap() == "1";
    eventually("a table is read on the replica", async || is_read_there().await.then_some(())).await;
    let (mut owner, mut prepares) = (with_own_table(proxy.rw).await, with_own_table(proxy.rw).await);
    let prepared = prepares.command(0x16, b"INSERT INTO noted (a) VALUES (2)").await.unwrap();
    let execute = [&prepared[1..5], b"\0\x01\0\0\0"].concat();
    let mut commits = Raw::app(proxy.rw).await;
    works(&mut commits, "BEGIN").await;
    works(&mut commits, "INSERT INTO noted (a) VALUES (3)").await;
    cluster.primary().freeze();
    eventually("the pause is noticed", async || {
        (topology(&proxy).await["servers"][0]["health"] == "down").then_some(())
    })
    .await;
    let written = tokio::spawn(async move { owner.query("INSERT INTO noted (a) VALUES (1)").await });
    let executed = tokio::spawn(async move { prepares.command(0x17, &execute).await });
    let committed = tokio::spawn(async move { commits.query("COMMIT").await });
    // Replicas answer all the while.
    assert!(is_read_there().await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!written.is_finished() && !executed.is_finished() && !committed.is_finished());
    if next == Next::Promoted {
        cluster.promote(1).await;
        writer_is(&proxy, 1).await;
    } else {
        cluster.primary().thaw();
    }
    let code = async |answer: JoinHandle<std::io::Result<Vec<u8>>>| {
        error_code(&answer.await.unwrap().expect("an answer"))
    };
    let codes = [code(written).await, code(executed).await, code(committed).await];
    if next == Next::Promoted {
        cluster.server(0).thaw();
    }
    let rows = cluster.primary().sql("SELECT a FROM test.noted ORDER BY a").await;
    let rows: Vec<_> = rows.into_iter().filter_map(|row| row[0].clone()).collect();
    match next {
        Next::GoesOn => assert_eq!((codes, rows.join(" ").as_str()), ([0, 0, 0], "1 2 3")),
        // The tables are gone, but nothing is in doubt; the transaction runs again. 1053 is ER_SERVER_SHUTDOWN.
        Next::Promoted => assert_eq!((codes, rows.join(" ").as_str()), ([1053, 1053, 0], "3")),
    }
    if next == Next::Promoted {
        let stray = cluster.server(0).value("SELECT COUNT(*) FROM test.noted").await;
        assert_eq!(stray, "0", "the former primary executed what began in its pause");
    }
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
