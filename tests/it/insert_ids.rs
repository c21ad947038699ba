//! `LAST_INSERT_ID()` of sessions that share few server connections, while somebody executes statements behind which the proxy
//! closes its pooled connections: the id that only a connection knows is asked for first.

use crate::dialogue::patient;
use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

const SESSIONS: u64 = 10;
const ROUNDS: u64 = 150;

#[tokio::test]
async fn mariadb_insert_ids_outlive_renewals() {
    insert_ids_outlive_renewals(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_insert_ids_outlive_renewals() {
    if let Some(cluster) = Cluster::mysql(1).await {
        insert_ids_outlive_renewals(cluster).await;
    }
}

async fn insert_ids_outlive_renewals(cluster: Cluster) {
    let rows: Vec<_> = (0..SESSIONS).map(|id| format!("({id}, 0)")).collect();
    let made = [
        "CREATE TABLE test.ids (id INT PRIMARY KEY, n BIGINT)".to_owned(),
        format!("INSERT INTO test.ids VALUES {}", rows.join(",")),
    ];
    cluster.primary().sql(&made.join("; ")).await;
    cluster.wait_caught_up().await;
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let limits = "[limits]\nmax_server_connections = 3\nqueue_timeout = \"50s\"\n";
    let proxy = Proxy::start(&format!("workers = 1\n{config}\n{limits}")).await;
    let port = proxy.rw;

    let renewing = tokio::spawn(async move {
        let mut renews = connect(port, "super", "super", "test").await.expect("a login");
        loop {
            renews.query_drop("GRANT SELECT ON test.* TO 'app'@'%'").await.expect("a right");
            sleep(Duration::from_millis(2)).await;
        }
    });
    let mut sessions = JoinSet::new();
    for id in 0..SESSIONS {
        sessions.spawn(async move {
            let mut session = connect(port, "app", "app", "test").await.expect("a login");
            for round in 1..=ROUNDS {
                let update = format!("UPDATE ids SET n = LAST_INSERT_ID(n + 1) WHERE id = {id}");
                session.query_drop(update).await.expect("an update");
                if round % 2 == 0 {
                    session.query_drop("SELECT n FROM ids").await.expect("a read");
                }
                let told = session.query_first::<u64, _>("SELECT LAST_INSERT_ID()").await;
                assert_eq!(told.expect("an insert id"), Some(round), "session {id}");
            }
        });
    }
    while let Some(ended) = sessions.join_next().await {
        ended.expect("each session has its own ids");
    }
    assert!(!renewing.is_finished(), "nobody renewed");
    renewing.abort();
}
