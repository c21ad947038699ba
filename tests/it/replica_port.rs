//! The read-only port in front of real servers: nothing that writes gets through, not even
//! for an account that read_only does not bind, with and without replicas.

mod attacks;
mod client;
mod corpus;
mod dumps;
mod scene;
mod soups;
mod state;
mod statements;
mod tools;

use crate::dialogue::raw::{Raw, error_code, framed};
use crate::dialogue::{patient, port_of, readers_are, refusal, value};
use crate::support::{Cluster, Kind, Node, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use statements::{HARMLESS, PREPARED, READING, writing};
use std::collections::BTreeSet;

const ACCOUNTS: [&str; 2] = ["app", "super"];

#[tokio::test]
async fn mariadb_only_reads() {
    only_reads(Cluster::mariadb(2).await).await;
}

#[tokio::test]
async fn mysql_only_reads() {
    if let Some(cluster) = Cluster::mysql(2).await {
        only_reads(cluster).await;
    }
}

async fn only_reads(mut cluster: Cluster) {
    prepare(&cluster).await;
    let config = patient(&proxy_config(&cluster));
    let proxy = Proxy::start(&config).await;
    let strict = Proxy::start(&format!("{config}\n[replicas]\nfallback = \"none\"\n")).await;
    for proxy in [&proxy, &strict] {
        readers_are(proxy, 2).await;
    }
    let before = fingerprints(&cluster).await;
    let replicas = BTreeSet::from([cluster.server(1).port(), cluster.server(2).port()]);
    for account in ACCOUNTS {
        assert_eq!(ports_of_sessions(proxy.ro, account).await, replicas, "reads are spread");
        tries_to_write(&cluster, proxy.ro, account, &replicas).await;
        same(&before, &fingerprints(&cluster).await, account);
    }

    let primary = BTreeSet::from([cluster.primary().port()]);
    for number in [1, 2] {
        cluster.server_mut(number).kill();
    }
    for proxy in [&proxy, &strict] {
        readers_are(proxy, 0).await;
    }
    let before = fingerprints(&cluster).await;
    for account in ACCOUNTS {
        assert_eq!(ports_of_sessions(proxy.ro, account).await, primary, "the primary stands in");
        tries_to_write(&cluster, proxy.ro, account, &primary).await;
        same(&before, &fingerprints(&cluster).await, account);
    }
    without_any_replica(&cluster, &strict).await;
}

/// `replicas.fallback = "none"`: the sessions stay, the primary is not touched.
async fn without_any_replica(cluster: &Cluster, strict: &Proxy) {
    let mut raw = Raw::connect(strict.ro).await.unwrap();
    raw.login("app", "app").await.expect("a login needs no server");
    for _ in 0..2 {
        let answer = raw.query("SELECT COUNT(*) FROM t").await.unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(error_code(&answer), 1105, "{text}");
        assert!(text.contains("no replica") && text.contains("replicas.fallback"), "{text}");
    }
    let mut writer = strict.client().await.expect("the read-write port is as ever");
    assert_eq!(port_of(&mut writer).await.unwrap(), cluster.primary().port());
    writer.query_drop("UPDATE t SET v = 2 WHERE id = 2").await.unwrap();
}

async fn prepare(cluster: &Cluster) {
    let primary = cluster.primary();
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    primary
        .sql("CREATE TABLE test.t (id INT PRIMARY KEY, v INT); CREATE TABLE test.u (id INT PRIMARY KEY)")
        .await;
    primary.sql("INSERT INTO test.t VALUES (1, 1), (2, 2), (3, 3); INSERT INTO test.u VALUES (1), (2)").await;
    primary.sql("CREATE PROCEDURE test.w() INSERT INTO test.t VALUES (4, 4)").await;
    let body = "BEGIN INSERT INTO test.t VALUES (4, 4); RETURN 1; END";
    primary.sql(&format!("CREATE FUNCTION test.f() RETURNS INT MODIFIES SQL DATA {body}")).await;
    if cluster.kind() == Kind::MariaDb {
        primary.sql("CREATE SEQUENCE test.s").await;
    }
    cluster.wait_caught_up().await;
}

/// What must be the same afterwards, on every server that runs.
async fn fingerprints(cluster: &Cluster) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for server in cluster.servers().iter().filter(|s| s.is_running()) {
        all.push(fingerprint(server).await);
    }
    all
}

async fn fingerprint(server: &Node) -> Vec<String> {
    let mut all = vec![server.gtid().await];
    for sql in [
        "CHECKSUM TABLE test.t, test.u",
        "SELECT table_schema, table_name FROM information_schema.tables ORDER BY 1, 2",
        "SELECT routine_schema, routine_name FROM information_schema.routines ORDER BY 1, 2",
        "SELECT trigger_name FROM information_schema.triggers ORDER BY 1",
        "SELECT user, host, authentication_string FROM mysql.user ORDER BY 1, 2",
        "SHOW GLOBAL VARIABLES WHERE Variable_name NOT LIKE '%gtid%'",
    ] {
        all.extend(server.sql(sql).await.into_iter().map(|row| format!("{row:?}")));
    }
    all
}

fn same(before: &[Vec<String>], after: &[Vec<String>], account: &str) {
    for (number, (before, after)) in before.iter().zip(after).enumerate() {
        let changed: Vec<_> = before.iter().zip(after).filter(|(a, b)| a != b).collect();
        assert!(changed.is_empty(), "server {number} of those running, {account}: {changed:?}");
        assert_eq!(before.len(), after.len(), "server {number} of those running, {account}");
    }
}

/// Of so many sessions that none of two servers is left out by chance.
async fn ports_of_sessions(port: u16, account: &str) -> BTreeSet<u16> {
    let mut clients = Vec::new();
    let mut ports = BTreeSet::new();
    for _ in 0..40 {
        let mut client = connect(port, account, account, "test").await.unwrap();
        ports.insert(port_of(&mut client).await.unwrap());
        clients.push(client);
    }
    ports
}

async fn tries_to_write(cluster: &Cluster, port: u16, account: &str, servers: &BTreeSet<u16>) {
    let mut client = connect(port, account, account, "test").await.unwrap();
    let mut through = Vec::new();
    for sql in writing(cluster.kind()) {
        if let Some(answer) = not_1290(run(&mut client, sql).await) {
            through.push(format!("{sql}: {answer}"));
        }
        // Still there, and still reading.
        assert_eq!(value(&mut client, "SELECT COUNT(*) FROM t").await.unwrap(), "3", "after {sql}");
    }
    for sql in PREPARED {
        let result = match client.prep(*sql).await {
            Ok(statement) => client.exec_drop(&statement, ()).await,
            Err(e) => Err(e),
        };
        if let Some(answer) = not_1290(result) {
            through.push(format!("prepared {sql}: {answer}"));
        }
    }
    assert!(through.is_empty(), "{account}: not 1290:\n{}", through.join("\n"));
    for sql in HARMLESS {
        run(&mut client, sql).await.unwrap_or_else(|e| panic!("{account}: {sql}: {e}"));
    }
    for (sql, answer) in READING {
        assert_eq!(value(&mut client, sql).await.unwrap(), *answer, "{account}: {sql}");
    }
    in_a_transaction(&mut client).await;
    by_commands(port, account).await;
    assert!(servers.contains(&port_of(&mut client).await.unwrap()));
}

/// All results of all statements.
async fn run(client: &mut Conn, sql: &str) -> Result<(), mysql_async::Error> {
    let mut result = client.query_iter(sql).await?;
    while !result.is_empty() {
        result.collect::<mysql_async::Row>().await?;
    }
    Ok(())
}

fn not_1290(result: Result<(), mysql_async::Error>) -> Option<String> {
    match result {
        Err(mysql_async::Error::Server(e)) if e.code == 1290 => None,
        other => Some(format!("{other:?}")),
    }
}

/// A transaction that only reads goes on after a refusal.
async fn in_a_transaction(client: &mut Conn) {
    client.query_drop("BEGIN").await.unwrap();
    assert_eq!(value(client, "SELECT v FROM t WHERE id = 1").await.unwrap(), "1");
    let error = refusal(client.query_drop("UPDATE t SET v = 9").await);
    assert_eq!((error.code, &*error.state), (1290, "HY000"));
    assert!(error.message.contains("read-only"), "{}", error.message);
    client.query_drop("COMMIT").await.unwrap();
    let error = refusal(client.query_drop("COMMIT AND CHAIN; UPDATE t SET v = 9").await);
    assert_eq!(error.code, 1290);
    client.query_drop("ROLLBACK").await.unwrap();
}

/// Commands that are no SQL: COM_CREATE_DB, COM_DROP_DB, COM_REFRESH, COM_SHUTDOWN, and an INSERT by COM_QUERY that
/// comes in two pieces.
async fn by_commands(port: u16, account: &str) {
    let mut raw = Raw::connect(port).await.unwrap();
    raw.login(account, account).await.unwrap();
    for (command, argument) in [(0x05, &b"made"[..]), (0x06, b"test"), (0x07, &[1]), (0x08, &[0])] {
        let answer = raw.command(command, argument).await.unwrap();
        // MySQL forgot the first two, MariaDB did not: no such command is an answer, too.
        let code = error_code(&answer);
        assert!([1290, 1047].contains(&code), "{account}: command {command}: {code} {answer:?}");
    }
    use tokio::io::AsyncWriteExt;
    let packet = framed(0, b"\x03INSERT INTO t VALUES (4, 4)");
    let (front, back) = packet.split_at(9);
    raw.stream.write_all(front).await.unwrap();
    raw.stream.flush().await.unwrap();
    tokio::task::yield_now().await;
    raw.stream.write_all(back).await.unwrap();
    assert_eq!(error_code(&raw.read().await.unwrap().1), 1290);
}
