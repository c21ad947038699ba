//! What one session leaves on its server connection and the next one of its account must not find: every session
//! variable that can be set, and every other kind of state that the servers keep. First what COM_RESET_CONNECTION
//! leaves on the servers themselves, then what a session behind the proxy finds of the one before it.

use crate::dialogue::{row, value};
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use std::collections::BTreeMap;

/// One connection to the server, which every session gets in turn.
const ONE: &str = "[limits]\nmax_server_connections = 1\n[[users]]\nname = \"roled\"\npassword = \"roled\"\n";

/// They differ between any two connections, or move by themselves.
const MOVING: [&str; 10] = [
    "gtid_owned",
    "identity",
    "last_gtid",
    "last_insert_id",
    "pseudo_thread_id",
    "rand_seed1",
    "rand_seed2",
    "statement_id",
    "timestamp",
    "warning_count",
];

struct State {
    name: &'static str,
    user: &'static str,
    leaves: &'static [&'static str],
    looks: &'static str,
}

const fn state(
    name: &'static str,
    user: &'static str,
    leaves: &'static [&'static str],
    looks: &'static str,
) -> State {
    State { name, user, leaves, looks }
}

/// Where a server does not know one of the statements, the state is not its own.
const STATES: [State; 24] = [
    state("role", "roled", &["SET ROLE r1"], "SELECT CURRENT_ROLE()"),
    state("role by text", "roled", &["PREPARE p FROM 'SET ROLE r1'", "EXECUTE p"], "SELECT CURRENT_ROLE()"),
    state("role by procedure", "roled", &["CALL test.sets_role()"], "SELECT CURRENT_ROLE()"),
    state("role by function", "roled", &["SELECT test.role_set()"], "SELECT CURRENT_ROLE()"),
    state("role in a block", "roled", &["BEGIN NOT ATOMIC SET ROLE r1; END"], "SELECT CURRENT_ROLE()"),
    state(
        "resource group",
        "super",
        &["SET RESOURCE GROUP g1"],
        "SELECT resource_group FROM performance_schema.threads WHERE processlist_id = CONNECTION_ID()",
    ),
    state("profiles", "super", &["SET profiling = 1", "SELECT 1 = 2"], "SHOW PROFILES"),
    state(
        "profiles that ended",
        "super",
        &["SET profiling = 1", "SELECT 1 = 2", "SET profiling = 0"],
        "SHOW PROFILES",
    ),
    state(
        "trace",
        "super",
        &["SET optimizer_trace = 'enabled=on'", "SELECT * FROM test.s WHERE b = 777"],
        "SELECT query FROM information_schema.optimizer_trace",
    ),
    state(
        "trace that ended",
        "super",
        &[
            "SET optimizer_trace = 'enabled=on'",
            "SELECT * FROM test.s WHERE b = 777",
            "SET optimizer_trace = DEFAULT",
        ],
        "SELECT query FROM information_schema.optimizer_trace",
    ),
    state("user variable", "super", &["SET @x = 1"], "SELECT @x"),
    state("computed user variable", "super", &["SELECT @x := 1 + 1"], "SELECT @x"),
    state("named lock", "super", &["SELECT GET_LOCK('held', 1)"], "SELECT IS_USED_LOCK('held')"),
    state(
        "temporary table",
        "super",
        &["CREATE TEMPORARY TABLE test.s (hidden INT)"],
        "SELECT COUNT(b) FROM test.s",
    ),
    state("handler", "super", &["HANDLER test.s OPEN"], "HANDLER s READ FIRST"),
    state(
        "table lock",
        "super",
        &["LOCK TABLES test.s READ"],
        "INSERT INTO test.empty SELECT * FROM test.empty",
    ),
    state("global lock", "super", &["FLUSH TABLES WITH READ LOCK"], "INSERT INTO test.empty VALUES (1)"),
    state(
        "transaction",
        "super",
        &["BEGIN", "INSERT INTO test.s (b) VALUES (5)"],
        "SELECT COUNT(*) FROM test.s",
    ),
    state(
        "branch",
        "super",
        &["XA START 'b'", "INSERT INTO test.s (b) VALUES (5)", "XA END 'b'"],
        "SELECT COUNT(*) FROM test.s",
    ),
    state("text statement", "super", &["PREPARE p FROM 'SELECT 1'"], "EXECUTE p"),
    state("insert id", "super", &["INSERT INTO test.s (b) VALUES (1)"], "SELECT LAST_INSERT_ID()"),
    state("warnings", "super", &["SELECT CAST('x' AS SIGNED)"], "SHOW WARNINGS"),
    state("sequence", "super", &["SELECT NEXTVAL(test.sq)"], "SELECT LASTVAL(test.sq)"),
    state("next transaction", "super", &["SET TRANSACTION READ ONLY"], "UPDATE test.s SET b = 1 WHERE a = 0"),
];

/// What a reset leaves on the servers: for each of them the proxy closes the connection.
const LEFT_BY_RESET: [&str; 10] = [
    "role",
    "role by text",
    "role by procedure",
    "role by function",
    "role in a block",
    "resource group",
    "profiles",
    "profiles that ended",
    "trace",
    "trace that ended",
];

async fn prepare(cluster: &Cluster) {
    let server = cluster.primary();
    for sql in [
        "CREATE ROLE r1",
        "CREATE USER roled@'%' IDENTIFIED BY 'roled'",
        "GRANT ALL ON test.* TO roled@'%'",
        "GRANT r1 TO roled@'%'",
        "CREATE TABLE test.s (a INT PRIMARY KEY AUTO_INCREMENT, b INT)",
        "CREATE TABLE test.empty (a INT)",
        "CREATE PROCEDURE test.sets_role() SQL SECURITY INVOKER SET ROLE r1",
        "CREATE FUNCTION test.role_set() RETURNS INT READS SQL DATA SQL SECURITY INVOKER BEGIN SET ROLE r1; RETURN 1; END",
    ] {
        server.sql(sql).await;
    }
    let own = match cluster.kind() {
        Kind::MariaDb => "CREATE SEQUENCE test.sq",
        Kind::MySql => "CREATE RESOURCE GROUP g1 TYPE = USER",
    };
    // A container may forbid resource groups.
    if let Err(error) = server.try_sql(own).await {
        eprintln!("{own}: {error}");
    }
}

/// What a look finds, an error among it.
async fn look(client: &mut Conn, sql: &str) -> String {
    match client.query::<mysql_async::Row, _>(sql).await {
        Ok(rows) => format!("{rows:?}"),
        Err(error) => error.to_string(),
    }
}

async fn leaves(client: &mut Conn, state: &State) -> bool {
    for sql in state.leaves {
        if client.query_drop(*sql).await.is_err() {
            return false;
        }
    }
    true
}

/// All session variables but those that move.
async fn variables(client: &mut Conn) -> BTreeMap<String, String> {
    let all: Vec<(String, String)> = client.query("SHOW SESSION VARIABLES").await.expect("variables");
    let all = all.into_iter().map(|(name, value)| (name.to_lowercase(), value));
    all.filter(|(name, _)| !MOVING.contains(&&**name)).collect()
}

/// Other values that the variable might take.
fn candidates(name: &str, value: &str) -> Vec<String> {
    let quoted = |value: &str| format!("'{value}'");
    let mut all = match name {
        "sql_mode" => vec![quoted("ANSI_QUOTES")],
        "time_zone" => vec![quoted("+03:00")],
        "lc_messages" | "lc_time_names" => vec![quoted("de_DE")],
        "gtid_next" => vec![quoted("aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1")],
        name if name.starts_with("collation_") => vec![quoted("latin1_bin")],
        name if name.starts_with("character_set_") => vec![quoted("latin1")],
        _ => Vec::new(),
    };
    if let Ok(number) = value.parse::<f64>() {
        let whole = number.clamp(0.0, 1e15) as u64;
        let others = [whole + 1, whole * 2, whole.saturating_sub(1), whole + 1024, whole / 2];
        all.extend(others.map(|number| number.to_string()));
        all.push("0.5".to_owned());
    }
    let words =
        ["ON", "OFF", "1", "2", "MINIMAL", "READ-UNCOMMITTED", "STATEMENT", "MIXED", "MEMORY", "FORCE", "x"];
    all.extend(words.map(quoted));
    all.extend(["0", "1", "2"].map(str::to_owned));
    all
}

/// Sets it to something else. False: it cannot be set.
async fn sets(client: &mut Conn, name: &str, before: &str) -> bool {
    for candidate in candidates(name, before) {
        if client.query_drop(format!("SET SESSION `{name}` = {candidate}")).await.is_err() {
            continue;
        }
        let now = value(client, &format!("SELECT @@session.`{name}`")).await;
        if now.is_ok_and(|now| now != before && now != u8::from(before == "ON").to_string()) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn mariadb_what_a_reset_leaves_is_known() {
    resets(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_what_a_reset_leaves_is_known() {
    if let Some(cluster) = Cluster::mysql(0).await {
        resets(cluster).await;
    }
}

/// The servers themselves, without a proxy: nothing outlives COM_RESET_CONNECTION but what the proxy knows of.
async fn resets(cluster: Cluster) {
    prepare(&cluster).await;
    let port = cluster.primary().port();
    let connect = async |user: &str| connect(port, user, user, "test").await.expect("login");
    // As a reset leaves a connection on which nothing was done.
    let after_reset = async || {
        let mut client = connect("super").await;
        client.reset().await.expect("a reset");
        variables(&mut client).await
    };
    let before = after_reset().await;
    let (mut settable, mut left) = (0, Vec::new());
    for (name, value) in &before {
        let mut client = connect("super").await;
        if !sets(&mut client, name, value).await {
            continue;
        }
        settable += 1;
        client.reset().await.expect("a reset");
        let after = variables(&mut client).await;
        // Some are the whole server's, whatever they are called: every session has the new value.
        let others = after_reset().await;
        let differ = others.iter().filter(|(name, value)| after.get(*name) != Some(value));
        left.extend(differ.map(|(other, _)| format!("{other}, set by {name}")));
    }
    eprintln!("{} of {} session variables were set", settable, before.len());
    assert!(settable > 100, "only {settable} variables could be set");
    assert!(left.is_empty(), "variables that outlive a reset: {left:?}");
    let mut found = Vec::new();
    for state in &STATES {
        let fresh = look(&mut connect(state.user).await, state.looks).await;
        let mut client = connect(state.user).await;
        if leaves(&mut client, state).await {
            client.reset().await.expect("a reset");
            if look(&mut client, state.looks).await != fresh {
                found.push(state.name);
            }
        }
    }
    eprintln!("{:?} leaves by a reset: {found:?}", cluster.kind());
    assert!(found.contains(&"role"), "roles end with a reset now: the proxy need not close the connection");
    let unknown: Vec<_> = found.iter().filter(|name| !LEFT_BY_RESET.contains(name)).collect();
    assert!(unknown.is_empty(), "these outlive a reset: {unknown:?}");
}

#[tokio::test]
async fn mariadb_a_session_finds_nothing_of_the_one_before() {
    finds_nothing(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_a_session_finds_nothing_of_the_one_before() {
    if let Some(cluster) = Cluster::mysql(0).await {
        finds_nothing(cluster).await;
    }
}

async fn finds_nothing(cluster: Cluster) {
    prepare(&cluster).await;
    let proxy =
        Proxy::start(&format!("workers = 1\n{}\n{ONE}", crate::dialogue::patient(&proxy_config(&cluster))))
            .await;
    let port = cluster.primary().port();
    let connect = async |user: &str| connect(proxy.rw, user, user, "test").await.expect("login");
    let before = variables(&mut connect("super").await).await;
    let (mut settable, mut found) = (0, Vec::new());
    for (name, value) in &before {
        let mut client = connect("super").await;
        if name.starts_with("session_track") || !sets(&mut client, name, value).await {
            continue;
        }
        settable += 1;
        drop(client.disconnect().await);
        let after = variables(&mut connect("super").await).await;
        if after == before {
            continue;
        }
        // Some are the whole server's, whatever they are called: a session without the proxy has the new value, too.
        let direct =
            variables(&mut self::connect(port, "super", "super", "test").await.expect("login")).await;
        for (other, value) in &before {
            if after.get(other) != Some(value) && after.get(other) != direct.get(other) {
                found.push(format!("{other}, of {name}: {value:?} is {:?}", after.get(other)));
            }
        }
    }
    assert!(settable > 100, "only {settable} variables could be set");
    for state in &STATES {
        let fresh = look(&mut connect(state.user).await, state.looks).await;
        let mut client = connect(state.user).await;
        if !leaves(&mut client, state).await {
            continue;
        }
        drop(client.disconnect().await);
        let now = look(&mut connect(state.user).await, state.looks).await;
        // The row that the session itself committed is no leak.
        if now != fresh && state.name != "insert id" {
            found.push(format!("{}: {fresh} is {now}", state.name));
        }
    }
    assert!(found.is_empty(), "found of the session before:\n{}", found.join("\n"));
}

#[tokio::test]
async fn mariadb_a_role_is_its_sessions_alone() {
    role_is_its_own(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_a_role_is_its_sessions_alone() {
    if let Some(cluster) = Cluster::mysql(1).await {
        role_is_its_own(cluster).await;
    }
}

const NO_ROLE: &str = "SELECT CURRENT_ROLE() <=> NULL, CURRENT_ROLE() <=> 'NONE'";

/// Reads and writes of the session have its role, on whichever port; nobody else has, however the session ends.
async fn role_is_its_own(cluster: Cluster) {
    prepare(&cluster).await;
    cluster.wait_caught_up().await;
    let more = "[[users]]\nname = \"roled\"\npassword = \"roled\"\n";
    let config = crate::dialogue::patient(&proxy_config(&cluster)).replacen(
        "mode = \"primary\"",
        "mode = \"split\"",
        1,
    );
    let proxy = Proxy::start(&format!("workers = 1\n{config}\n{more}")).await;
    crate::dialogue::readers_are(&proxy, 1).await;
    let none =
        row(&mut connect(cluster.primary().port(), "roled", "roled", "test").await.expect("login"), NO_ROLE)
            .await
            .expect("no role");
    for port in [proxy.rw, proxy.ro] {
        for round in 0..8 {
            let connect = async || connect(port, "roled", "roled", "test").await.expect("login");
            let mut client = connect().await;
            let mut other = connect().await;
            client.query_drop("SET ROLE r1").await.expect("SET ROLE");
            for sql in ["SELECT COUNT(*) FROM s", "SELECT CURRENT_ROLE()", "DO 1", "SELECT CURRENT_ROLE()"] {
                let answer = row(&mut client, sql).await;
                if sql.contains("ROLE") {
                    assert!(answer.expect("a role")[0].contains("r1"), "{port} {round}");
                }
                let of_other = row(&mut other, NO_ROLE).await;
                assert_eq!(of_other.expect("no role"), none);
            }
            match round % 4 {
                0 => drop(client.disconnect().await),
                1 => drop(client),
                2 => assert!(client.reset().await.expect("a reset")),
                _ => client.change_user(mysql_async::ChangeUserOpts::new()).await.expect("COM_CHANGE_USER"),
            }
            for _ in 0..3 {
                let mut next = connect().await;
                assert_eq!(row(&mut next, NO_ROLE).await.expect("no role"), none, "{port} {round}");
            }
        }
    }
}
