//! Every kind of command, and of statement, behind every kind of statement, and every question about them: what is left of
//! ROW_COUNT(), FOUND_ROWS() and the diagnostics, on a direct connection and through the proxies.

use super::world::{Case, Side};
use crate::support::{Cluster, Kind};

/// In front of each case, so that FOUND_ROWS() is the session's own (MariaDB gives a new session that of the thread's former one),
/// and the statements that are executed are there.
const BEFORE: [&str; 4] = [
    "!bytes 1b 0100",
    "SELECT 5",
    "PREPARE p FROM 'SELECT ?'",
    "PREPARE w FROM 'UPDATE alike SET v = v + 1'",
];

/// On the primary and on a replica, with rows, counts, warnings and errors.
const STATEMENTS: [&str; 15] = [
    "UPDATE alike SET v = v + 1",
    "INSERT INTO alike (v) VALUES (1)",
    "SELECT 1",
    "SELECT v FROM alike ORDER BY id",
    "SELECT CAST('1x' AS SIGNED)",
    "SELEC",
    "SELECT nix FROM alike",
    "SET @a = 1",
    "SET NAMES latin1",
    "BEGIN",
    "SHOW WARNINGS",
    "EXECUTE w",
    "EXECUTE p USING @a",
    "EXECUTE p USING",
    "PREPARE q FROM 'UPDATE alike SET v = v + 1'",
];

const COMMANDS: [&str; 34] = [
    "",
    "!use no_such\n!bytes 0e",
    "!use no_such\n!use test\n!bytes 0e",
    "!use no_such\n!bytes 1b 0100",
    "!fields no_such\n!bytes 0e",
    "!fields no_such\n!use no_such\n!bytes 0e",
    "!fields alike\n!bytes 1d\n!bytes 0e",
    "!bytes 1d\n!use no_such\n!bytes 0e",
    "!bytes 1d\n!use test\n!bytes 1b 0100",
    "!bytes 1d\n!fields no_such\n!bytes 0e",
    "!bytes 1a ffff0000\n!bytes 0e",
    "!bytes 17 ffff00000001000000\n!use no_such\n!bytes 0e",
    "!bytes 17 ffff00000001000000\n!bytes 1b 0100\n!use test",
    "!bytes 05 6e6978\n!bytes 0e",
    "!bytes 17 01\n!bytes 0e",
    "!prepare SELECT 1",
    "!prepare SELECT v FROM alike ORDER BY id",
    "!prepare UPDATE alike SET v = 1",
    "!prepare SELECT nix",
    "!prepare SELEC",
    "!prepare SELECT v FROM alike ORDER BY id\n!close",
    "!prepare SELECT 1\n!forget",
    "!prepare SELECT 1\n!execute",
    "!bytes 1b 0100",
    "!bytes 1b 0700",
    "!bytes 1d",
    "!bytes 0e",
    "!bytes 17 ffff00000001000000",
    "!bytes 1a ffff0000",
    "!bytes 1c ffff000001000000",
    "!use test",
    "!use no_such",
    "!fields alike",
    "!fields no_such",
];

/// Behind the statements above, with these. Some open no table, which leaves MariaDB's diagnostics as they were, and some do not
/// show in their text whether they do.
const FURTHER: [&str; 32] = [
    "GET DIAGNOSTICS @n = NUMBER",
    "GET DIAGNOSTICS CONDITION 9 @s = RETURNED_SQLSTATE",
    "SELECT @@warning_count, CAST('abc' AS SIGNED)",
    "RESIGNAL",
    "DO 1",
    "SELECT @@version",
    "SELECT @a := 5",
    "SELECT alike_sets(1)",
    "SELECT alike_writes(1)",
    "SELECT GET_LOCK('test_lock', 0)",
    "SELECT 1; SELECT 2",
    "SELECT 1; SELECT v FROM alike ORDER BY id",
    "SELECT SQL_CALC_FOUND_ROWS v FROM alike ORDER BY id LIMIT 1",
    "CALL alike_out(@a)",
    "CALL alike_rows(@a)",
    "CALL alike_fails(1)",
    "CALL nix()",
    "DELETE FROM alike WHERE id = 99",
    "REPLACE INTO alike (id, v) VALUES (1, 1)",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT a",
    "USE test",
    "EXPLAIN SELECT 1",
    "CHECK TABLE alike",
    "SHOW TABLES LIKE 'alike%'",
    "CREATE TEMPORARY TABLE IF NOT EXISTS made_t (a INT)",
    "DROP TABLE IF EXISTS nix",
    "SIGNAL SQLSTATE '01000'",
    "DEALLOCATE PREPARE nix",
    "!prepare UPDATE alike SET v = v + 1\n!execute",
    "!prepare SELECT v FROM alike ORDER BY id\n!execute",
];

const FURTHER_ON_MARIADB: [&str; 9] = [
    "IF 1 THEN SELECT 1; END IF",
    "BEGIN NOT ATOMIC SELECT 1; END",
    "BEGIN NOT ATOMIC SELECT v FROM alike ORDER BY id; END",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "EXECUTE IMMEDIATE 'UPDATE alike SET v = 1'",
    "EXECUTE IMMEDIATE 'SELEC'",
    "SET STATEMENT sort_buffer_size = 400000 FOR SELECT 1",
    "SET STATEMENT sort_buffer_size = 400000 FOR UPDATE alike SET v = v + 1",
    "INSERT INTO alike (v) VALUES (1) RETURNING id",
];

/// Errors of the proxy's own, in front of a statement.
const OWN_ERRORS: [&str; 2] = ["!bytes 1d", "!bytes 17 ffff00000001000000"];

const QUESTIONS: [&str; 6] = [
    "SELECT ROW_COUNT()",
    "SELECT ROW_COUNT() AS n, 1",
    "SELECT FOUND_ROWS()",
    "SHOW WARNINGS",
    "SHOW COUNT(*) ERRORS",
    "SELECT @@error_count, @@warning_count",
];

/// Rows that were counted may be on another server: see docs/known-limits.md.
fn is_known(kind: Kind, command: &str, question: &str) -> bool {
    // These may run on another server than the query whose rows they leave counted.
    let elsewhere = match kind {
        Kind::MariaDb => ["EXECUTE w", "!prepare UPDATE alike SET v = v + 1\n"].as_slice(),
        Kind::MySql => &[],
    };
    question == "SELECT FOUND_ROWS()" && elsewhere.iter().any(|step| command.starts_with(step))
}

/// Reads with warnings and errors, on a replica: what reads no table stays where the statement before it ran.
const ON_REPLICA: [&str; 5] = [
    "SELECT id FROM alike\nSELECT CAST('1x' AS SIGNED)",
    "SELECT CAST('1x' AS SIGNED) FROM alike LIMIT 1",
    "SELECT nix FROM alike",
    "SELECT id FROM alike\nSELECT nix",
    "SELECT id FROM alike\n!prepare SELECT ? + 1\n!execute abc",
];

/// Stored functions with and without tables, with warnings and errors of their own.
const FUNCTIONS: [&str; 9] = [
    "SELECT alike_twice(1)",
    "SELECT alike_counts()",
    "SELECT alike_counts(), CAST('1x' AS SIGNED)",
    "SELECT alike_twice('1x')",
    "SELECT alike_counts() FROM alike LIMIT 1",
    "SET @a = alike_counts()",
    "DO alike_writes(1)",
    "SELECT no_such(1)",
    "!prepare SELECT alike_counts()\n!execute\n!execute",
];

/// Definitions, which are gone again behind each.
const DEFINITIONS: [&str; 6] = [
    "CREATE DATABASE test_3\nDROP DATABASE test_3",
    "CREATE FUNCTION made_f() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM alike)\nDROP FUNCTION made_f",
    "CREATE PROCEDURE made_p() SELECT * FROM alike\nALTER PROCEDURE made_p COMMENT 'x'\nDROP PROCEDURE made_p",
    "CREATE EVENT made_e ON SCHEDULE EVERY 9 HOUR DO SELECT 1\nSELECT id FROM alike\nSELECT nix\nDROP EVENT made_e",
    "CREATE TABLE made_t (a INT)\nDROP TABLE made_t",
    "ALTER DATABASE test CHARACTER SET utf8mb4",
];

/// Plays each of the second steps behind each of the first, with each question behind both.
async fn both_leave_what_they_leave(cluster: Cluster, firsts: &[&str], seconds: &[&str]) {
    plays(cluster, &BEFORE, firsts, seconds).await;
}

async fn plays(cluster: Cluster, before: &[&str], firsts: &[&str], seconds: &[&str]) {
    let kind = cluster.kind();
    let [(_, default), (_, tight)] = super::proxies(&cluster).await;
    let mut direct = Side::new(&cluster, "direct", cluster.primary().port(), "tz00".into()).await;
    let mut through = [
        Side::new(&cluster, "default", default.rw, "tz01".into()).await,
        Side::new(&cluster, "tight", tight.rw, "tz02".into()).await,
    ];
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for statement in firsts {
        for command in seconds {
            let mut steps: Vec<String> = before.iter().map(|step| (*step).to_owned()).collect();
            for question in QUESTIONS.iter().filter(|q| !is_known(kind, command, q)) {
                steps.extend(statement.lines().map(str::to_owned));
                steps.extend(command.lines().map(str::to_owned));
                steps.push((*question).to_owned());
                asked += 1;
            }
            let words = Vec::new();
            let case = Case { name: format!("{statement}, {command}"), kinds: vec![kind], words, steps };
            let [default, tight] = &mut through;
            let (expected, default, tight) =
                tokio::join!(direct.play(&case), default.play(&case), tight.play(&case));
            for (name, answers) in [("default", default), ("tight", tight)] {
                if let Some(at) = (0..expected.len()).find(|at| expected[*at] != answers[*at]) {
                    let before = case.steps[at.saturating_sub(4)..at].join("\n  ");
                    wrong.push(format!("  {before}\n  direct {}\n  {name} {}", expected[at], answers[at]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}: {} of {asked}:\n{}", kind.name(), wrong.len(), wrong.join("\n\n"));
}

#[tokio::test]
async fn mariadb_is_asked_about_the_statement_in_front_of_a_command() {
    both_leave_what_they_leave(Cluster::mariadb(1).await, &STATEMENTS, &COMMANDS).await;
}

#[tokio::test]
async fn mysql_is_asked_about_the_statement_in_front_of_a_command() {
    if let Some(cluster) = Cluster::mysql(1).await {
        both_leave_what_they_leave(cluster, &STATEMENTS, &COMMANDS).await;
    }
}

#[tokio::test]
async fn mariadb_is_asked_about_two_statements() {
    let firsts = [&STATEMENTS[..], &OWN_ERRORS].concat();
    let seconds = [&STATEMENTS[..], &FURTHER, &FURTHER_ON_MARIADB].concat();
    both_leave_what_they_leave(Cluster::mariadb(1).await, &firsts, &seconds).await;
}

#[tokio::test]
async fn mysql_is_asked_about_two_statements() {
    if let Some(cluster) = Cluster::mysql(1).await {
        let firsts = [&STATEMENTS[..], &OWN_ERRORS].concat();
        both_leave_what_they_leave(cluster, &firsts, &[&STATEMENTS[..], &FURTHER].concat()).await;
    }
}

/// Without what keeps a session on the primary, and without EXECUTE of it.
async fn sessions_on_replicas_are_asked(cluster: Cluster) {
    let seconds = [&STATEMENTS[..], &FURTHER, &FUNCTIONS, &DEFINITIONS].concat();
    let seconds: Vec<_> = seconds
        .into_iter()
        .filter(|step| !step.starts_with("EXECUTE") && !step.starts_with("PREPARE"))
        .collect();
    plays(cluster, &BEFORE[..2], &ON_REPLICA, &seconds).await;
}

#[tokio::test]
async fn mariadb_is_asked_by_sessions_that_read_on_replicas() {
    sessions_on_replicas_are_asked(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_is_asked_by_sessions_that_read_on_replicas() {
    if let Some(cluster) = Cluster::mysql(1).await {
        sessions_on_replicas_are_asked(cluster).await;
    }
}
