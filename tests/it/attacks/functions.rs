//! Functions on replica ports: what the servers document as built in is let through, but for the few that are named
//! here; what a server has loaded is refused, and so is a stored function that may write.

use crate::dialogue::{eventually, patient, readers_are, topology};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

/// MariaDB lists these, and none of them can be called by its name, or it writes.
const NOT_ON_MARIADB: &[&str] = &["nextval", "schemas", "setval", "trim_oracle"];

/// MySQL documents these as functions: of components that have to be installed, and of its own views.
const NOT_ON_MYSQL: &[&str] = &[
    "asymmetric_decrypt",
    "asymmetric_encrypt",
    "asymmetric_sign",
    "asymmetric_verify",
    "can_access_column",
    "can_access_database",
    "can_access_table",
    "can_access_user",
    "can_access_view",
    "create_asymmetric_priv_key",
    "create_asymmetric_pub_key",
    "create_digest",
    "distance",
    "get_dd_column_privileges",
    "get_dd_create_options",
    "get_dd_index_sub_part_length",
    "is_visible_dd_object",
    // Functions of a component since 9.6.
    "md5",
    "sha1",
    // Operators: not derived with parentheses behind them alone.
    "div",
    "like",
    "regexp",
];

#[tokio::test]
async fn mariadb_calls_what_it_has_built_in() {
    let built_in = "SELECT DISTINCT LOWER(function) FROM information_schema.sql_functions";
    calls_what_is_built_in(Cluster::mariadb(1).await, built_in, NOT_ON_MARIADB).await;
}

#[tokio::test]
async fn mysql_calls_what_it_has_built_in() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    let built_in = "SELECT DISTINCT LOWER(t.name) FROM mysql.help_topic t JOIN mysql.help_category c \
        USING (help_category_id) WHERE c.name LIKE '%Functions%' OR c.name IN ('GTID', 'XML', 'Geometry Constructors')";
    calls_what_is_built_in(cluster, built_in, NOT_ON_MYSQL).await;
}

async fn calls_what_is_built_in(cluster: Cluster, built_in: &str, refused: &[&str]) {
    prepare(&cluster).await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    let mut client = connect(proxy.ro, "super", "super", "test").await.unwrap();
    let names = names(&cluster, built_in).await;
    assert!(names.len() > 200, "{} names", names.len());
    // Until the catalogue was read, names that only some servers have are not known to be built in.
    eventually("the catalogue was read", async || {
        let catalogue = topology(&proxy).await["catalogue"].clone();
        (catalogue["routines"].as_u64() > Some(0)).then_some(())
    })
    .await;
    let mut wrong = Vec::new();
    for name in &names {
        let expected = refused.contains(&name.as_str()) || name.starts_with("internal_");
        if is_refused(&mut client, &format!("SELECT {name}()")).await != expected {
            wrong.push(name.as_str());
        }
    }
    assert!(wrong.is_empty(), "let through or refused against the lists: {wrong:?}");
    loaded_ones_are_refused(&cluster, &mut client).await;
    stored_ones_are_judged(cluster.kind(), &mut client).await;
}

async fn prepare(cluster: &Cluster) {
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    let primary = cluster.primary();
    // An account with all rights may call only what the catalogue sees to the end.
    primary.sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
    primary.sql("CREATE TABLE test.t (id INT PRIMARY KEY); INSERT INTO test.t VALUES (1), (2), (3)").await;
    let sum = "READS SQL DATA RETURN (SELECT SUM(id) FROM test.t)";
    primary.sql(&format!("CREATE FUNCTION test.total() RETURNS INT {sum}")).await;
    let body = "BEGIN SET GLOBAL long_query_time = 7; RETURN 1; END";
    for name in [elsewhere(cluster.kind()), "writes"] {
        primary.sql(&format!("CREATE FUNCTION test.{name}() RETURNS INT NO SQL {body}")).await;
    }
    cluster.wait_caught_up().await;
}

/// A name that only the other server has built in.
fn elsewhere(kind: Kind) -> &'static str {
    match kind {
        Kind::MariaDb => "any_value",
        Kind::MySql => "nvl",
    }
}

async fn names(cluster: &Cluster, sql: &str) -> Vec<String> {
    let rows = cluster.replica(0).sql(sql).await;
    let names = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
    let is_plain = |name: &String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    names.filter(is_plain).collect()
}

/// By the proxy: whatever else a server says of a call without arguments.
async fn is_refused(client: &mut Conn, sql: &str) -> bool {
    let answer: Result<Vec<mysql_async::Row>, Error> = client.query(sql).await;
    matches!(answer, Err(Error::Server(error)) if error.code == 1290 && error.message.contains("pointsman"))
}

async fn loaded_ones_are_refused(cluster: &Cluster, client: &mut Conn) {
    if cluster.kind() != Kind::MySql {
        return;
    }
    let loaded = names(cluster, "SELECT udf_name FROM performance_schema.user_defined_functions").await;
    assert!(loaded.len() > 5, "{loaded:?}");
    for name in loaded {
        assert!(is_refused(client, &format!("SELECT {name}('a')")).await, "{name}");
        assert!(is_refused(client, &format!("SELECT `{name}` ('a')")).await, "{name} in quotes");
    }
}

async fn stored_ones_are_judged(kind: Kind, client: &mut Conn) {
    for call in ["total()", "test.total()", "`Total` ()"] {
        let sql = format!("SELECT {call}");
        let answer =
            eventually("the catalogue was read", async || client.query_first::<i64, _>(&sql).await.ok());
        assert_eq!(answer.await, Some(6), "{call}");
    }
    for call in ["writes()", "test.writes()", "`writes`()", "total(writes())"] {
        assert!(is_refused(client, &format!("SELECT {call}")).await, "{call}");
    }
    let name = elsewhere(kind);
    for call in [format!("{name}()"), format!("test.{name}()"), format!("`{name}` ()")] {
        assert!(is_refused(client, &format!("SELECT {call}")).await, "{call}");
    }
}
