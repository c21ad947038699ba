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
        "EXPLAIN SELECT 1",
        "SET STATEMENT sort_buffer_size = 400000 FOR SELECT 1",
        "CREATE DATABASE d",
        "ALTER SCHEMA d CHARACTER SET utf8mb4",
        "DROP DATABASE IF EXISTS d",
        "CREATE OR REPLACE FUNCTION f() RETURNS INT RETURN 1",
        "CREATE PROCEDURE p() SELECT a FROM t",
        "ALTER PROCEDURE p COMMENT 'x'",
        "DROP FUNCTION f",
        "DROP EVENT e",
        "DROP TRIGGER r",
    ];
    for sql in none {
        assert!(opens_none(sql), "{sql}");
    }
    let may = [
        "SELECT * FROM t",
        "EXPLAIN SELECT 1 FROM t",
        "EXPLAIN UPDATE t SET a = 1",
        "SET STATEMENT sort_buffer_size = 400000 FOR UPDATE t SET a = 1",
        "SET STATEMENT a = 1 FOR SET STATEMENT b = 1 FOR UPDATE t SET a = 1",
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
        "CREATE EVENT e ON SCHEDULE EVERY 1 HOUR DO SELECT 1",
        "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "DROP TABLE t",
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

#[test]
fn statements_that_leave_the_count_of_rows_alone() {
    let keeps = |sql: &str| class(sql).effects.contains(E::KEEPS_FOUND_ROWS);
    let all = [
        "SET @a = 1",
        "SET NAMES utf8mb4",
        "USE test",
        "BEGIN",
        "COMMIT",
        "INSERT INTO t VALUES (1)",
        "REPLACE INTO t VALUES (1)",
        "DELETE FROM t WHERE a = 1",
        "CREATE TABLE t (a INT)",
        "CREATE PROCEDURE p() SELECT a FROM t",
        "CREATE OR REPLACE FUNCTION f() RETURNS INT RETURN (SELECT 1)",
        "PREPARE p FROM 'SELECT 1'",
        "SHOW WARNINGS",
        "SHOW CREATE TABLE t",
        "SET @a = 1; COMMIT",
    ];
    for sql in all {
        assert!(keeps(sql), "{sql}");
    }
    let sets = [
        "SELECT 1",
        "(SELECT 1) UNION SELECT 2",
        "TABLE t",
        "VALUES ROW(1)",
        "WITH w AS (SELECT 1) SELECT * FROM w",
        "SELECT a INTO @a FROM t",
        "SET @a = (SELECT a FROM t)",
        "INSERT INTO t SELECT a FROM t",
        "INSERT INTO t TABLE t",
        "DELETE FROM t WHERE a IN (SELECT a FROM u)",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t AS TABLE u",
        "CREATE TABLE t AS VALUES ROW(1)",
        "SET STATEMENT max_statement_time = 1 FOR SHOW TABLES",
        "SET STATEMENT max_statement_time = 1 FOR SELECT 1",
        "ANALYZE VALUES (1)",
        "SHOW TABLES",
        "DO (SELECT a FROM t)",
        "UPDATE t, u SET t.a = 1",
        "UPDATE t JOIN u USING (a) SET t.a = 1",
        "UPDATE (SELECT 1) d, t SET t.a = 1",
        "UPDATE t SET a = (SELECT a FROM u)",
        "EXPLAIN t",
        "EXPLAIN ANALYZE SELECT 1",
        "CALL p()",
        "EXECUTE p",
        "COMMIT; SELECT 1",
        "XX",
    ];
    for sql in sets {
        assert!(!keeps(sql), "{sql}");
    }
}

#[test]
fn statements_that_leave_the_count_of_rows_alone_on_one_kind_of_server() {
    let keeps = |sql: &str| {
        let effects = class(sql).effects;
        [effects.keeps_found_rows(true), effects.keeps_found_rows(false)]
    };
    let on_mariadb = [
        "DO 1",
        "UPDATE t SET a = 1",
        "UPDATE LOW_PRIORITY d.t AS x SET a = 1, b = f WHERE a IN (1, 2)",
        "INSERT INTO t VALUES (1) RETURNING a",
        "DELETE FROM t RETURNING a",
        "REPLACE INTO t VALUES (1) RETURNING a",
    ];
    for sql in on_mariadb {
        assert_eq!(keeps(sql), [true, false], "{sql}");
    }
    for sql in ["EXPLAIN SELECT 1", "DESC UPDATE t SET a = 1", "EXPLAIN FORMAT = JSON SELECT a FROM t"] {
        assert_eq!(keeps(sql), [false, true], "{sql}");
    }
}

#[test]
fn queries_whose_count_of_rows_is_that_of_the_rows_sent() {
    let are_sent = |sql: &str| class(sql).effects.contains(E::FOUND_ROWS_ARE_SENT);
    let all = [
        "SELECT 1",
        "(SELECT a FROM t)",
        "WITH q AS (SELECT 1 AS a) SELECT a FROM q",
        "SELECT a FROM t WHERE b = 'LIMIT 1' -- LIMIT 1",
    ];
    for sql in all {
        assert!(are_sent(sql), "{sql}");
    }
    let others = [
        "SELECT a FROM t LIMIT 1, 2",
        "SELECT a FROM (SELECT a FROM t LIMIT 1) u",
        "SELECT a FROM t OFFSET 1 ROWS FETCH NEXT 2 ROWS ONLY",
        "SELECT SQL_CALC_FOUND_ROWS a FROM t",
        "SELECT a FROM t WHERE ROWNUM() < 2",
        "SELECT a FROM t PROCEDURE ANALYSE()",
        "(SELECT a FROM t) UNION ALL (SELECT b FROM u)",
        "SELECT a FROM t INTERSECT SELECT b FROM u",
        "SELECT 1 /*!50000 LIMIT 1 */",
        "VALUES (1), (2)",
        "TABLE t",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "UPDATE t SET a = 1",
        "SELECT 1; SELECT a FROM t LIMIT 1",
    ];
    for sql in others {
        assert!(!are_sent(sql), "{sql}");
    }
}
