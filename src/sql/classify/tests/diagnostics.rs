//! What statements do to the diagnostics of the statement before them.

use super::*;

#[test]
fn statements_that_open_no_table() {
    let opens_none = |sql: &str| class(sql).effects.contains(E::OPENS_NO_TABLE);
    let none = [
        "SELECT 1",
        "SELECT @@version, NOW()",
        "SELECT 1 FROM DUAL",
        "SELECT TRIM('a' FROM 'b'), EXTRACT(YEAR FROM NOW())",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT @@warning_count",
        "VALUES (1)",
        "DO 1",
        "SET @a = 1, sql_mode = ''",
        "SET @a = (SELECT 1)",
        "SET NAMES utf8mb4",
        "BEGIN",
        "START TRANSACTION READ ONLY",
        "COMMIT",
        "ROLLBACK TO a",
        "SAVEPOINT a",
        "UNLOCK TABLES",
        "USE test",
        "SHOW WARNINGS",
        "SHOW COUNT(*) ERRORS",
        "SHOW FULL PROCESSLIST",
        "SHOW CREATE DATABASE test",
        "GET DIAGNOSTICS @n = NUMBER",
        "SELECT 1; SELECT 2",
        "SELECT LAST_INSERT_ID()",
    ];
    for sql in none {
        assert!(opens_none(sql), "{sql}");
    }
    let may = [
        "SELECT * FROM t",
        "SELECT * FROM (SELECT 1) t",
        "SELECT TRIM('a' FROM (SELECT a FROM t))",
        "TABLE t",
        "SET @a = (SELECT a FROM t)",
        "SELECT f(1)",
        "CALL p()",
        "SELECT 1; SELECT a FROM t",
        "SHOW TABLES",
        "SHOW VARIABLES",
        "SHOW CREATE TABLE t",
        "SHOW ENGINES",
        "LOCK TABLES t READ",
        "INSERT INTO t VALUES (1)",
        "DESCRIBE t",
        "EXECUTE p",
        "XX",
    ];
    for sql in may {
        assert!(!opens_none(sql), "{sql}");
    }
}

#[test]
fn statements_that_keep_the_diagnostics_on_every_server() {
    let keeps = |sql: &str| class(sql).effects.contains(E::KEEPS_DIAGNOSTICS);
    for sql in ["SHOW WARNINGS", "SHOW COUNT(*) ERRORS", "GET DIAGNOSTICS @n = NUMBER"] {
        assert!(keeps(sql), "{sql}");
    }
    // MySQL clears them for a query.
    for sql in ["SELECT @@warning_count", "SELECT 1", "SHOW WARNINGS; SELECT 1", "BEGIN"] {
        assert!(!keeps(sql), "{sql}");
    }
}
