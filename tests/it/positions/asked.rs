//! The question for the primary's position, which the proxy prepares once it has asked it some times.

use crate::dialogue::{eventually, topology, value};
use crate::support::{Cluster, Proxy, proxy_config};

#[tokio::test]
async fn mariadb_answers_each_question_anew() {
    answers_each_question_anew(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_answers_each_question_anew() {
    if let Some(cluster) = Cluster::mysql(1).await {
        answers_each_question_anew(cluster).await;
    }
}

async fn answers_each_question_anew(cluster: Cluster) {
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.asked (n INT)").await;
    cluster.wait_caught_up().await;
    // No probe finds out what the questions must.
    let rare = "password = \"monitor\"\ninterval = \"60s\"\n";
    let config = proxy_config(&cluster).replace("password = \"monitor\"\n", rare);
    let proxy = Proxy::start(&config.replace("\"primary\"", "\"split\"")).await;
    let mut client = proxy.client().await.unwrap();
    let executed = async || {
        let rows = primary.sql("SHOW GLOBAL STATUS LIKE 'Com_stmt_execute'").await;
        rows[0][1].as_ref().unwrap().parse::<u64>().unwrap()
    };
    let before = executed().await;
    for n in 1..=40 {
        primary.sql("INSERT INTO test.asked VALUES (1)").await;
        let seen = value(&mut client, "SELECT COUNT(*) FROM test.asked").await.unwrap();
        assert_eq!(seen, n.to_string());
    }
    assert!(executed().await >= before + 20, "the question is not prepared");
    primary.sql("SET GLOBAL read_only = 1").await;
    let reading = tokio::spawn(async move { value(&mut client, "SELECT COUNT(*) FROM test.asked").await });
    eventually("there is no primary", async || topology(&proxy).await["writer"].is_null().then_some(()))
        .await;
    primary.sql("SET GLOBAL read_only = 0").await;
    assert_eq!(reading.await.unwrap().unwrap(), "40");
}
