//! Objects that leave state out of sight: every kind of state, by views, functions, procedures, triggers, cascades, packages,
//! defaults and generated columns. All belong to another account than most sessions.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

use super::driver::{login, run_sql};
use super::shared::Settings;
use crate::wire::Conn;

/// One kind of state that code can leave in a session.
pub struct Kind {
    pub name: &'static str,
    /// Statements that leave it; `{v}` is a value of the session, `{n}` the session's number.
    body: &'static str,
    /// The rights with which a function runs that does it.
    security: &'static str,
    pub mariadb: bool,
}

const fn kind(name: &'static str, body: &'static str) -> Kind {
    Kind { name, body, security: "SQL SECURITY DEFINER", mariadb: false }
}

/// Kinds that functions and triggers can leave.
pub const KINDS: [Kind; 9] = [
    kind("into", "SELECT {v} INTO @nlh_into;"),
    kind("set", "SET @nlh_set = {v};"),
    kind("named", "SET @nlh_named = {v}; SET SESSION max_seeks_for_key = 100000 + {n};"),
    kind(
        "blind",
        "SET SESSION session_track_system_variables = ''; SET SESSION max_seeks_for_key = 100000 + {n}; SET @nlh_blind = {v};",
    ),
    kind("lock", "DO GET_LOCK(CONCAT('nlh.', {v}), 0);"),
    kind(
        "temporary",
        "CREATE TEMPORARY TABLE IF NOT EXISTS test.nlh_temporary (v VARCHAR(40)); INSERT INTO test.nlh_temporary VALUES ({v});",
    ),
    Kind { security: "SQL SECURITY INVOKER", ..kind("role", "SET ROLE nlh_role;") },
    Kind {
        mariadb: true,
        ..kind("sequence", "INSERT INTO test.nlh_numbers VALUES (NEXTVAL(test.nlh_sequence), {v});")
    },
    kind("changing", "SELECT {v} INTO @nlh_changing;"),
];

/// Kinds that only procedures can leave, or that a session sees in every later statement. LOCK TABLES and HANDLER are
/// refused in all routines.
pub const PROCEDURES: [Kind; 7] = [
    kind(
        "prepared",
        "SET @nlh_set = CONCAT('SELECT ''', {v}, ''''); PREPARE nlh_statement FROM @nlh_set; SET @nlh_set = {v};",
    ),
    kind("insert_id", "DO LAST_INSERT_ID(900000000 + {n});"),
    kind("forced", "SET insert_id = 1000 + {n};"),
    kind("clock", "SET timestamp = 1000000000 + {n};"),
    kind("random", "SET rand_seed1 = {n} + 1, rand_seed2 = {n} + 1;"),
    kind("next", "SET TRANSACTION READ ONLY;"),
    kind("thread", "SET pseudo_thread_id = 1000000000 + {n};"),
];

const NUMBER: &str = "CAST(SUBSTRING_INDEX(SUBSTRING({v}, 2), '.', 1) AS SIGNED)";

pub(super) fn body(kind: &Kind, value: &str) -> String {
    kind.body.replace("{n}", NUMBER).replace("{v}", value)
}

fn function(kind: &Kind) -> String {
    format!(
        "CREATE FUNCTION test.nlh_f_{}(v VARCHAR(40)) RETURNS VARCHAR(40) MODIFIES SQL DATA {} BEGIN {} RETURN v; END",
        kind.name,
        kind.security,
        body(kind, "v")
    )
}

/// A body for a trigger. A trigger runs as its definer; so a role needs a function that runs as the session.
pub(super) fn trigger(kind: &Kind, value: &str) -> String {
    match kind.name {
        "role" | "changing" => format!("DO test.nlh_f_{}({value});", kind.name),
        _ => body(kind, value),
    }
}

/// Makes all objects, with rows for each of these names of sessions.
pub async fn make(conn: &mut Conn, mariadb: bool) -> io::Result<()> {
    for sql in
        ["CREATE ROLE IF NOT EXISTS nlh_role", "GRANT nlh_role TO app@'%'", "GRANT nlh_role TO super@'%'"]
    {
        run_sql(conn, sql).await?;
    }
    // The functions change something and do not declare it.
    run_sql(conn, "SET GLOBAL log_bin_trust_function_creators = ON").await?;
    if !mariadb {
        // Behind a COM_RESET_CONNECTION, MySQL 9.7 ignores what a session sets.
        run_sql(conn, "SET GLOBAL enable_cascade_triggers = ON").await?;
    }
    for table in ["nlh_tags", "nlh_sink", "nlh_numbers"] {
        run_sql(conn, &format!("DROP TABLE IF EXISTS test.{table}")).await?;
    }
    for sql in [
        "CREATE TABLE test.nlh_tags (owner INT PRIMARY KEY, v VARCHAR(40) NOT NULL)",
        "INSERT INTO test.nlh_tags SELECT owner, '' FROM test.nl_rows WHERE id = -1",
        "CREATE TABLE test.nlh_sink (v VARCHAR(40))",
        "CREATE TABLE test.nlh_numbers (a BIGINT, v VARCHAR(40), KEY (a))",
    ] {
        run_sql(conn, sql).await?;
    }
    if mariadb {
        run_sql(conn, "DROP SEQUENCE IF EXISTS test.nlh_sequence").await?;
        run_sql(conn, "CREATE SEQUENCE test.nlh_sequence").await?;
    }
    for kind in KINDS.iter().filter(|kind| mariadb || !kind.mariadb) {
        of_kind(conn, kind).await?;
    }
    for kind in &PROCEDURES {
        run_sql(conn, &format!("DROP PROCEDURE IF EXISTS test.nlh_p_{}", kind.name)).await?;
        let body = body(kind, "v");
        run_sql(conn, &format!("CREATE PROCEDURE test.nlh_p_{}(v VARCHAR(40)) BEGIN {body} END", kind.name))
            .await?;
    }
    // What sets the sessions' own variables.
    for at in 0..4 {
        run_sql(conn, &format!("DROP PROCEDURE IF EXISTS test.nlh_own_{at}")).await?;
        run_sql(conn, &format!("CREATE PROCEDURE test.nlh_own_{at}(v VARCHAR(40)) SET @u{at} = v")).await?;
    }
    if mariadb { package(conn).await } else { Ok(()) }
}

/// The function, the view, the view over the view, and the tables with triggers of one kind.
async fn of_kind(conn: &mut Conn, kind: &Kind) -> io::Result<()> {
    let name = kind.name;
    for sql in [
        format!("DROP VIEW IF EXISTS test.nlh_over_{name}, test.nlh_view_{name}"),
        format!("DROP FUNCTION IF EXISTS test.nlh_f_{name}"),
        format!(
            "DROP TABLE IF EXISTS test.nlh_chain_{name}, test.nlh_child_{name}, test.nlh_parent_{name}, test.nlh_table_{name}"
        ),
        function(kind),
        format!(
            "CREATE VIEW test.nlh_view_{name} AS SELECT owner, v, test.nlh_f_{name}(v) AS w FROM test.nlh_tags"
        ),
        format!("CREATE VIEW test.nlh_over_{name} AS SELECT owner, w FROM test.nlh_view_{name}"),
        format!(
            "CREATE TABLE test.nlh_table_{name} (owner INT, id INT, v VARCHAR(40), PRIMARY KEY (owner, id))"
        ),
        format!(
            "INSERT INTO test.nlh_table_{name} SELECT owner, n, '' FROM test.nlh_tags, (SELECT 0 AS n UNION SELECT 9) x"
        ),
        format!("CREATE TABLE test.nlh_chain_{name} (owner INT, v VARCHAR(40))"),
        format!("CREATE TABLE test.nlh_parent_{name} (owner INT, id INT, PRIMARY KEY (owner, id))"),
        format!(
            "CREATE TABLE test.nlh_child_{name} (owner INT, id INT, PRIMARY KEY (owner, id), FOREIGN KEY (owner, id) REFERENCES test.nlh_parent_{name} (owner, id) ON UPDATE CASCADE)"
        ),
        format!("INSERT INTO test.nlh_parent_{name} SELECT owner, 1 FROM test.nlh_tags"),
        format!("INSERT INTO test.nlh_child_{name} SELECT owner, 1 FROM test.nlh_tags"),
    ] {
        run_sql(conn, &sql).await?;
    }
    // A row may be older than the session's present life; the value there is not.
    let own = |row: &str| format!("(SELECT v FROM test.nlh_tags WHERE owner = {row}.owner)");
    let chain = format!("REPLACE INTO test.nlh_table_{name} (owner, id, v) VALUES (NEW.owner, 1, NEW.v);");
    for (trigger, when, table, body) in [
        ("insert", "BEFORE INSERT", "table", trigger(kind, "NEW.v")),
        ("update", "BEFORE UPDATE", "table", trigger(kind, "NEW.v")),
        ("delete", "BEFORE DELETE", "table", trigger(kind, &own("OLD"))),
        ("chain", "AFTER INSERT", "chain", chain),
        ("cascade", "BEFORE UPDATE", "child", trigger(kind, &own("NEW"))),
    ] {
        let sql = format!(
            "CREATE TRIGGER test.nlh_{trigger}_{name} {when} ON test.nlh_{table}_{name} FOR EACH ROW BEGIN {body} END"
        );
        run_sql(conn, &sql).await?;
    }
    Ok(())
}

/// MariaDB's package with each function. A view calls it, since a session may have any default schema.
async fn package(conn: &mut Conn) -> io::Result<()> {
    let head = |kind: &Kind| format!("FUNCTION f_{}(v VARCHAR2(40)) RETURN VARCHAR2(40)", kind.name);
    let heads: Vec<String> = KINDS.iter().map(|kind| format!("{};", head(kind))).collect();
    let bodies: Vec<String> = KINDS
        .iter()
        .map(|kind| format!("{} AS BEGIN {} RETURN v; END;", head(kind), body(kind, "v")))
        .collect();
    for sql in [
        "SET sql_mode = 'ORACLE'".to_string(),
        format!("CREATE OR REPLACE PACKAGE test.nlh_package SQL SECURITY INVOKER AS {} END", heads.join(" ")),
        format!(
            "CREATE OR REPLACE PACKAGE BODY test.nlh_package SQL SECURITY INVOKER AS {} END",
            bodies.join(" ")
        ),
        "SET sql_mode = DEFAULT".to_string(),
    ] {
        run_sql(conn, &sql).await?;
    }
    Ok(())
}

/// Replaces a function past the proxy, again and again: by one that only reads, and by one that leaves something.
pub async fn replace(settings: Settings, port: u16) {
    let settings = Settings { port, ..settings };
    let Some(kind) = KINDS.iter().find(|kind| kind.name == "changing") else { return };
    let acts = function(kind);
    let reads = acts.replace(&body(kind, "v"), "").replace("MODIFIES SQL DATA", "READS SQL DATA");
    let last = settings.accounts.len() - 1;
    loop {
        let Ok(mut conn) = Conn::connect(&login(&settings, last)).await else { return };
        let _ = run_sql(&mut conn, "SET lock_wait_timeout = 1").await;
        for sql in [&reads, &acts].into_iter().cycle().take(100) {
            let _ = run_sql(&mut conn, "DROP FUNCTION IF EXISTS test.nlh_f_changing").await;
            let _ = run_sql(&mut conn, sql).await;
            sleep(Duration::from_millis(500)).await;
        }
    }
}
