//! What statements did, by digest: `/digests` of the HTTP port, and digest texts as MySQL makes them.

use crate::dialogue::patient;
use crate::support::{Chance, Cluster, Proxy, connect, number, proxy_config};
use mysql_async::prelude::Queryable;
use pointsman::sql::{Options, digest};
use serde_json::Value;
use std::collections::BTreeMap;

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
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
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

        let metrics = proxy.get("/metrics").await.unwrap().1;
        for code in ["1062", "1146"] {
            let line = format!("pointsman_errors_total{{origin=\"server\",code=\"{code}\"}} 1\n");
            assert!(metrics.contains(&line), "{line}{metrics}");
        }
        let on_primary = "pointsman_server_statement_duration_seconds_count{server=\"db-0\"} ";
        let served = metrics.lines().find_map(|line| line.strip_prefix(on_primary)?.parse::<u64>().ok());
        assert!(served >= Some(15), "{metrics}");

        client.query_drop("BEGIN").await.unwrap();
        client.query_drop("SET @a = UUID()").await.unwrap();
        client.query_drop("ROLLBACK").await.unwrap();
        let all = digests(&proxy).await;
        assert_eq!(find(&all, "BEGIN")["pins"]["transaction"], 1);
        assert_eq!(find(&all, "SET @? = `UUID` ( )")["pins"]["user_variable"], 1);
        assert_eq!(find(&all, "ROLLBACK")["pins"], Value::Object(Default::default()));
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
    for file in std::fs::read_dir("tests/suites/equality").unwrap() {
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

/// What servers, or the proxy, counted of a digest: statements, errors, rows sent, rows affected.
type Sums = BTreeMap<String, [u64; 4]>;

/// A statement on the tables `dps` and `dps_log`; some fail.
fn statement(chance: &mut Chance, own_id: u64) -> String {
    let id = chance.below(1000);
    match chance.below(20) {
        0..8 => format!("SELECT v FROM dps WHERE id = {id}"),
        8..10 => format!("SELECT id, v FROM dps WHERE id < {id} ORDER BY id LIMIT {}", chance.below(50)),
        10 => {
            let ids: Vec<String> = (0..1 + chance.below(9)).map(|n| (id + n).to_string()).collect();
            format!("SELECT COUNT(*) FROM dps WHERE id IN ({})", ids.join(", "))
        }
        11..13 => format!("INSERT INTO dps_log VALUES ({own_id}, 'a'), ({}, 'b')", own_id + 1),
        13 => format!("INSERT INTO dps_log (id) VALUES ({own_id})"),
        14 => format!("INSERT INTO dps VALUES ({id}, 1)"),
        15 => format!("UPDATE dps SET v = v + 1 WHERE id BETWEEN {id} AND {}", id + chance.below(9)),
        16 => format!("DELETE FROM dps_log WHERE id = {}", own_id - chance.below(40) as u64),
        17 => format!("SELECT missing FROM dps WHERE id = {id}"),
        18 => format!("UPDATE dps_nowhere SET v = {id}"),
        _ => format!("SELECT v FROM dps WHERE id = {id} FOR UPDATE"),
    }
}

async fn sums_of_servers(cluster: &Cluster) -> Sums {
    let mut sums = Sums::new();
    for server in cluster.servers() {
        let mut client = connect(server.port(), "monitor", "monitor", "").await.unwrap();
        let rows: Vec<(String, u64, u64, u64, u64)> = client
            .query(
                "SELECT DIGEST_TEXT, COUNT_STAR, SUM_ERRORS, SUM_ROWS_SENT, SUM_ROWS_AFFECTED \
                 FROM performance_schema.events_statements_summary_by_digest \
                 WHERE SCHEMA_NAME = 'test' AND DIGEST_TEXT LIKE '%`dps%'",
            )
            .await
            .unwrap();
        for (text, count, errors, sent, affected) in rows {
            let sum = sums.entry(text.replace(' ', "")).or_default();
            sum.iter_mut().zip([count, errors, sent, affected]).for_each(|(n, more)| *n += more);
        }
        client.disconnect().await.unwrap();
    }
    sums
}

/// How many commands of this kind the primary has executed. Each of its threads counts for itself, so none is lost.
async fn executed(cluster: &Cluster, command: &str) -> u64 {
    let mut client = connect(cluster.primary().port(), "monitor", "monitor", "").await.unwrap();
    let sql = format!("SHOW GLOBAL STATUS LIKE 'Com_{}'", command.to_lowercase());
    let row: (String, u64) = client.query_first(sql).await.unwrap().unwrap();
    client.disconnect().await.unwrap();
    row.1
}

/// The sums of the proxy are those of the servers together, after many statements by several clients at once. Threads of a
/// server add to the sums of performance_schema without a lock, and lose some additions, five of a million here.
#[tokio::test(flavor = "multi_thread")]
async fn sums_are_those_of_the_servers() {
    const CLIENTS: u64 = 4;
    let each = number("STATEMENTS", 20_000) as u64 / CLIENTS;
    let Some(cluster) = Cluster::mysql(1).await else { return };
    cluster.primary().sql("CREATE TABLE test.dps (id INT PRIMARY KEY, v INT)").await;
    cluster.primary().sql("CREATE TABLE test.dps_log (id BIGINT PRIMARY KEY, v TEXT)").await;
    let rows: Vec<String> = (0..500).map(|id| format!("({}, 0)", id * 2)).collect();
    cluster.primary().sql(&format!("INSERT INTO test.dps VALUES {}", rows.join(", "))).await;
    cluster.wait_caught_up().await;
    for server in cluster.servers() {
        server.sql("TRUNCATE performance_schema.events_statements_summary_by_digest").await;
    }
    let config = patient(&proxy_config(&cluster)).replace("mode = \"primary\"", "mode = \"split\"");
    let proxy = Proxy::start(&config).await;
    let mut before = Vec::new();
    for command in ["INSERT", "UPDATE", "DELETE"] {
        before.push((command, executed(&cluster, command).await));
    }
    let port = proxy.rw;
    let running = (1..=CLIENTS).map(|which| {
        tokio::spawn(async move {
            let mut chance = Chance::new(which);
            let mut client = connect(port, "app", "app", "test").await.unwrap();
            for n in 0..each {
                let sql = statement(&mut chance, which << 40 | n << 1);
                // Some are to fail.
                let _ = client.query_drop(sql).await;
            }
            client.disconnect().await.unwrap();
        })
    });
    for client in running.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    let (mut ours, theirs) = (Sums::new(), sums_of_servers(&cluster).await);
    for one in digests(&proxy).await {
        let text = one["digest_text"].as_str().unwrap().replace(' ', "");
        if text.contains("`dps") {
            let key = |key: &str| one[key].as_u64().unwrap();
            let of = ["count", "failed", "rows_sent", "rows_affected"].map(key);
            // What servers did for nobody is theirs alone.
            let servers = theirs.get(&text).unwrap_or_else(|| panic!("{text} is not among {ours:?}"));
            // A server may have executed a repeated one, or not, when its connection was given up.
            let [count, failed, sent, affected] = of;
            let is_near = |ours: u64, theirs: u64, more: u64, most_each: u64| {
                let lost = most_each * (2 + ours / 5_000);
                (ours.saturating_sub(lost)..=ours + more).contains(&theirs)
            };
            let repeated = key("repeated");
            assert!(
                is_near(count, servers[0], repeated, 1),
                "{text}: {servers:?}, {of:?}, {repeated} repeated"
            );
            assert!(is_near(failed, servers[1], repeated, 1), "{text}: {servers:?}, {of:?}");
            assert!(is_near(sent, servers[2], 50 * repeated, 50), "{text}: {servers:?}, {of:?}");
            assert!(is_near(affected, servers[3], 0, 10), "{text}: {servers:?}, {of:?}");
            assert!(ours.insert(text, of).is_none());
        }
    }
    assert!(ours.keys().eq(theirs.keys()), "{ours:?}\n{theirs:?}");
    for (command, before) in before {
        let wanted: u64 =
            ours.iter().filter(|(text, _)| text.starts_with(command)).map(|(_, sums)| sums[0]).sum();
        assert_eq!(executed(&cluster, command).await - before, wanted, "{command}: {ours:?}");
    }
    let all = |at: usize| ours.values().map(|sums| sums[at]).sum::<u64>();
    assert_eq!(all(0), each * CLIENTS);
    assert!((1..4).all(|at| all(at) > 0), "{ours:?}");
}
