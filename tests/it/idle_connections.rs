//! Servers that end idle connections after three seconds, and clients that pause for about as long: no statement may be in
//! doubt, and none may be lost or run twice, because the server closed the connection that it was about to be sent on.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Error, Params};
use tokio::time::Instant;

use crate::dialogue::{patient, readers_are};
use crate::support::{Chance, number};
use crate::support::{Cluster, Proxy, connect, proxy_config};

const CLIENTS: u64 = 24;

/// A second around the servers' `wait_timeout`, in milliseconds.
const PAUSES: std::ops::Range<usize> = 2500..3500;

#[tokio::test]
async fn mariadb_closes_idle_connections_and_nobody_notices() {
    nobody_notices(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_closes_idle_connections_and_nobody_notices() {
    if let Some(cluster) = Cluster::mysql(1).await {
        nobody_notices(cluster).await;
    }
}

/// `SECONDS` is how long the clients go on.
async fn nobody_notices(cluster: Cluster) {
    cluster
        .primary()
        .sql("CREATE TABLE test.idle (id INT PRIMARY KEY AUTO_INCREMENT, client INT, step INT)")
        .await;
    cluster.wait_caught_up().await;
    let proxy =
        Proxy::start(&patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1))
            .await;
    readers_are(&proxy, 1).await;
    for server in cluster.servers() {
        server.sql("SET GLOBAL wait_timeout = 3; SET GLOBAL interactive_timeout = 3").await;
    }
    let until = Instant::now() + Duration::from_secs(number("SECONDS", 12) as u64);
    let seed = number("POINTSMAN_SEED", 3) as u64;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(play(proxy.rw, client, Chance::new(seed + client), until)))
        .collect();
    let mut steps = 0;
    for (client, done) in clients.into_iter().enumerate() {
        let acknowledged = done.await.expect("the client ends").unwrap_or_else(|error| panic!("{error}"));
        let stored = format!("SELECT COUNT(*), COUNT(DISTINCT step) FROM test.idle WHERE client = {client}");
        let rows = cluster.primary().sql(&stored).await;
        assert_eq!(
            rows[0],
            [Some(acknowledged.to_string()), Some(acknowledged.to_string())],
            "client {client}"
        );
        steps += acknowledged;
    }
    assert!(steps > 0, "nobody wrote");
}

/// Writes and reads with pauses between, as text and prepared. Returns how many writes were acknowledged.
async fn play(port: u16, client: u64, mut chance: Chance, until: Instant) -> Result<u32, Error> {
    let mut conn = connect(port, "app", "app", "test").await?;
    let mut step = 0;
    while Instant::now() < until {
        let pause =
            if chance.below(8) == 0 { chance.below(300) } else { PAUSES.start + chance.below(PAUSES.len()) };
        tokio::time::sleep(Duration::from_millis(pause as u64)).await;
        let insert = "INSERT INTO idle (client, step) VALUES (?, ?)";
        let written = match chance.below(5) {
            0 => conn.query_drop("SELECT COUNT(*) FROM idle").await.map(|()| false),
            1 => {
                conn.exec_drop("SELECT COUNT(*) FROM idle WHERE client = ?", (client,)).await.map(|()| false)
            }
            2 => conn.exec_drop(insert, (client, step)).await.map(|()| true),
            3 => {
                let text = format!("INSERT INTO idle (client, step) VALUES ({client}, {step})");
                conn.query_drop(text).await.map(|()| true)
            }
            _ => {
                conn.query_drop("BEGIN").await?;
                conn.exec_drop(insert, Params::from((client, step))).await?;
                conn.query_drop("COMMIT").await.map(|()| true)
            }
        }?;
        step += u32::from(written);
    }
    conn.disconnect().await?;
    Ok(step)
}
