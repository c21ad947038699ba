//! What statements did, by digest: `/digests` of the HTTP port, and digest texts as MySQL makes them.

use crate::support::{Cluster, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use pointsman::sql::{Options, digest};
use serde_json::Value;

/// The digests that the proxy has counted for the account `app`, by their texts.
async fn digests(proxy: &Proxy) -> Vec<Value> {
    let page: Value = serde_json::from_str(&proxy.get("/digests").await.unwrap().1).unwrap();
    let all = page["digests"].as_array().unwrap();
    all.iter().filter(|one| one["user"] == "app").cloned().collect()
}

fn find<'a>(all: &'a [Value], text: &str) -> &'a Value {
    let found = all.iter().find(|one| one["digest_text"] == text);
    found.unwrap_or_else(|| panic!("{text} is not among {all:#?}"))
}

#[tokio::test]
async fn statements_are_counted_by_digest_with_rows_errors_and_targets() {
    let mut clusters = vec![Cluster::mariadb(1).await];
    clusters.extend(Cluster::mysql(1).await);
    for cluster in clusters {
        let proxy = Proxy::start(&proxy_config(&cluster)).await;
        cluster.primary().sql("CREATE TABLE test.d (id INT PRIMARY KEY, v INT)").await;
        let mut client = connect(proxy.rw, "app", "app", "test").await.unwrap();
        client.query_drop("INSERT INTO d VALUES (1, 1), (2, 2)").await.unwrap();
        client.query_drop("INSERT INTO d VALUES (3, 3), (4, 4), (5, 5)").await.unwrap();
        assert!(client.query_drop("INSERT INTO d VALUES (1, 1)").await.is_err());
        for id in 1..=10 {
            client.exec_drop("SELECT v FROM d WHERE id = ?", (id,)).await.unwrap();
        }
        client.query_drop("SELECT v FROM d WHERE id < 4").await.unwrap();
        client.query_drop("UPDATE d SET v = 0 WHERE id IN (1, 2, 3)").await.unwrap();
        assert!(client.query_drop("SELECT 'secret' FROM nowhere").await.is_err());

        let all = digests(&proxy).await;
        let insert = find(&all, "INSERT INTO `d` VALUES (...) /* , ... */");
        assert_eq!((&insert["count"], &insert["rows_affected"]), (&2.into(), &5.into()));
        assert_eq!((&insert["schema"], &insert["targets"]["primary"]), (&"test".into(), &2.into()));
        let refused = find(&all, "INSERT INTO `d` VALUES (...)");
        assert_eq!((&refused["failed"], &refused["errors"]["1062"]), (&1.into(), &1.into()));
        let point = find(&all, "SELECT `v` FROM `d` WHERE `id` = ?");
        assert_eq!(
            (&point["count"], &point["rows_sent"]),
            (&10.into(), &5.into()),
            "a prepare is no execution"
        );
        assert!(point["max_us"].as_u64() >= point["p50_us"].as_u64() && point["sum_us"].as_u64() > Some(0));
        assert!(point["bytes_out"].as_u64() > Some(0) && point["bytes_in"].as_u64() > Some(0));
        assert_eq!(find(&all, "SELECT `v` FROM `d` WHERE `id` < ?")["rows_sent"], 3);
        assert_eq!(find(&all, "UPDATE `d` SET `v` = ? WHERE `id` IN (...)")["rows_affected"], 3);
        assert_eq!(find(&all, "SELECT ? FROM `nowhere`")["errors"]["1146"], 1);
        assert!(!serde_json::to_string(&all).unwrap().contains("secret"));
        client.disconnect().await.unwrap();
    }
}

/// Statements of the equality corpus whose digest is not MySQL's, with the reason.
const OTHERWISE: [&str; 3] = [
    // MySQL quotes the name of a hint that it does not know, and ends a hint at its first error.
    "SELECT /*+ NO_SUCH_HINT(x) */ 1",
    "SELECT /*+ SET_VAR(sql_mode = '') */ @@sql_mode",
    // A user variable without a name.
    "SET @ = 1",
];

#[tokio::test]
async fn digest_texts_are_those_of_mysql() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let mut client = connect(cluster.primary().port(), "app", "app", "test").await.unwrap();
    let (mut same, mut other) = (0, Vec::new());
    for file in std::fs::read_dir("tests/equality").unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| line.trim().trim_end_matches(';'));
        for sql in lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '-'])) {
            // MySQL returns an error for texts that it cannot parse: half statements, and those for MariaDB.
            let asked = client.exec_first("SELECT STATEMENT_DIGEST_TEXT(?)", (sql,)).await;
            let Ok(Some(Some(expected))) = asked as Result<Option<Option<String>>, _> else { continue };
            let mut ours = String::new();
            digest::digest(sql.as_bytes(), Options::default(), &mut ours);
            // Spaces aside.
            match ours.replace(' ', "") == expected.replace(' ', "") {
                true => same += 1,
                false if OTHERWISE.contains(&sql) => {}
                false => other.push(format!("{sql}\n  MySQL: {expected}\n  here:  {ours}")),
            }
        }
    }
    assert!(other.is_empty(), "{} of {}:\n{}", other.len(), same + other.len(), other.join("\n"));
    assert!(same > 1500, "{same}");
    client.disconnect().await.unwrap();
}
