//! The other kinds.

use super::*;

#[test]
fn plain_reads() {
    reads(&[
        "SELECT 1",
        "SELECT c FROM sbtest1 WHERE id=123",
        "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 1 AND 2 ORDER BY c",
        "SELECT COUNT(*), SUM(a), MAX(DISTINCT b) FROM t GROUP BY (c) HAVING COUNT(*) > 1",
        "SELECT a FROM t WHERE b IN (1, 2, 3) AND (c = 'x' OR NOT (d) OR EXISTS (SELECT 1 FROM u))",
        "SELECT a FROM t WHERE b = ANY (SELECT 1) AND c > ALL (SELECT 2) OR d < SOME (SELECT 3)",
        "SELECT CASE WHEN (a) THEN (b) ELSE (c) END FROM t",
        "SELECT * FROM t JOIN u USING (a) LEFT JOIN v ON (t.a = v.a)",
        "SELECT * FROM (SELECT 1 AS a) x, LATERAL (SELECT 2) y",
        "SELECT CAST(a AS CHAR(10)), CONVERT(a, DECIMAL(10, 2)), CONVERT(a USING utf8mb4) FROM t",
        "SELECT EXTRACT(YEAR FROM a), TRIM(BOTH ' ' FROM b), POSITION('a' IN b), DATE_ADD(a, INTERVAL 1 DAY)",
        "SELECT ROW_NUMBER() OVER (PARTITION BY a ORDER BY b), SUM(c) OVER w FROM t WINDOW w AS (ORDER BY a)",
        "SELECT GROUP_CONCAT(DISTINCT a ORDER BY b SEPARATOR ',') FROM t",
        "SELECT MATCH (a, b) AGAINST ('x' IN BOOLEAN MODE) FROM t",
        "SELECT JSON_EXTRACT(a, '$.b'), a->'$.c', ST_Distance(p, q) FROM t",
        "SELECT NOW(), CURRENT_TIMESTAMP(6), UUID(), RAND(), IF(a, b, c), LEFT(a, 1), DATABASE(), CURRENT_USER()",
        "SELECT REPLACE(a, 'x', 'y'), INSERT(a, 1, 2, 'z'), CURRENT_USER, SCHEMA() FROM t",
        "SELECT SLEEP(1), BENCHMARK(1, 2)",
        "SELECT t.delete, `update`, a.into FROM t PARTITION (p0) a USE INDEX (i)",
        "(SELECT 1) UNION ALL (SELECT 2) EXCEPT (SELECT 3) INTERSECT (SELECT 4) LIMIT 1",
        "SELECT COUNT (*) FROM t",
        "SELECT version, user FROM t",
        "SELECT * FROM t WHERE a = ? AND b = ?",
    ]);
}

#[test]
fn what_looks_like_a_read_and_is_not_derived_goes_to_the_primary() {
    let texts = [
        "SELECT \\N",
        "SELECT @a. FROM t",
        "SELECT 1 2 3",
        "SELECT a FROM t USE INDEX (i) PARTITION (p0)",
        "SELECT a FROM t b c",
        "SELECT (1",
        "SELECT 1 FROM",
        "SELECT 1 FETCH FIRST",
    ];
    for sql in texts {
        let class = classify(sql.as_bytes(), Options::default(), &());
        assert_ne!(class.kind, K::Read, "{sql}");
        assert!(!class.effects.intersects(E::EXPLAINED | E::UNDERSTOOD), "{sql}");
    }
}

#[test]
fn functions_about_one_server() {
    let asks = [
        "SELECT CONNECTION_ID()",
        "SELECT USER()",
        "SELECT VERSION ()",
        "SELECT SESSION_USER(), 1",
        "SELECT MASTER_POS_WAIT('a', 4)",
        "SELECT WAIT_FOR_EXECUTED_GTID_SET('a')",
    ];
    all(K::Admin, R::OneServer, E::REPEATABLE, &asks);
    let variables = [
        "SELECT @@version",
        "SELECT @@global.read_only, 1",
        "SELECT @@session.sql_mode",
        "SELECT * FROM t WHERE a = @@server_id",
    ];
    all(K::Admin, R::SystemVariable, E::REPEATABLE, &variables);
    all(
        K::Session,
        R::LooksBack,
        E::READS_DIAGNOSTICS,
        &["SELECT @@warning_count", "SELECT @@session.error_count"],
    );
}

#[test]
fn system_schemas() {
    all(
        K::Read,
        R::Definitions,
        E::REPEATABLE,
        &[
            "SELECT * FROM information_schema.columns WHERE table_schema = 'a'",
            "SELECT table_name FROM information_schema.tables",
            "SELECT COUNT(*) FROM INFORMATION_SCHEMA.`TABLES` t JOIN `information_schema`.key_column_usage USING (a)",
            "SELECT index_name FROM information_schema.statistics",
            "TABLE information_schema.views",
        ],
    );
    all(
        K::Admin,
        R::OneServer,
        E::REPEATABLE,
        &[
            "SELECT * FROM information_schema.tables",
            "SELECT t.* FROM information_schema.tables t",
            "SELECT table_rows FROM information_schema.tables",
            "SELECT MAX(`CARDINALITY`) FROM information_schema.statistics",
            "TABLE information_schema.tables",
            "SELECT * FROM information_schema.processlist",
            "SELECT * FROM information_schema.innodb_trx",
            "SELECT * FROM performance_schema.threads",
            "SELECT user FROM mysql.user",
            "SELECT * FROM `mysql`.user",
            "SELECT * FROM sys.version",
            "DESC performance_schema.threads",
        ],
    );
    let inside = Context { options: Options::default(), schema: b"performance_schema" };
    assert_eq!(classify(b"SELECT * FROM threads", inside, &()).reason, R::OneServer);
    assert_eq!(classify(b"SELECT 1", inside, &()).kind, K::Read);
    let mut cache = ClassCache::new();
    for (schema, kind) in [(&b"a"[..], K::Read), (b"mysql", K::Admin), (b"", K::Read), (b"SYS", K::Admin)] {
        let context = Context { options: Options::default(), schema };
        assert_eq!(cache.classify(b"SELECT * FROM threads", context, &()).kind, kind);
    }
}

#[test]
fn writes() {
    all(
        K::Write,
        R::Modifies,
        E::empty(),
        &[
            "INSERT INTO t VALUES (1)",
            "INSERT INTO t (a, b) VALUES (1, 2), (3, 4) ON DUPLICATE KEY UPDATE a = VALUES(a)",
            "insert t(a) select now() from u",
            "INSERT INTO s.t (a) VALUE (1) RETURNING a",
            "INSERT INTO t SET a = 1",
            "REPLACE INTO t (a) VALUES (1)",
            "UPDATE t SET a = CONCAT(a, 'x') WHERE b IN (1)",
            "DELETE FROM t WHERE a = 1 RETURNING *",
            "DELETE t FROM t JOIN u USING (a)",
        ],
    );
    all(
        K::Write,
        R::Modifies,
        E::LOADS_LOCAL_FILE,
        &[
            "LOAD DATA LOCAL INFILE '/x' INTO TABLE t (a, b)",
            "load data low_priority local infile '/x' into table t",
            "LOAD DATA FROM LOCAL INFILE '/x' INTO TABLE t",
            "LOAD XML CONCURRENT LOCAL INFILE '/x' INTO TABLE t",
        ],
    );
    all(
        K::Write,
        R::ServerFile,
        E::empty(),
        &["LOAD DATA INFILE '/x' INTO TABLE t", "LOAD XML LOW_PRIORITY INFILE '/x' INTO TABLE t"],
    );
    let effects = |sql| class(sql).effects;
    let versioned = "/*!40000 LOAD DATA LOCAL INFILE '/x' */ INTO TABLE t";
    assert!(effects(versioned).contains(E::LOADS_LOCAL_FILE));
    assert!(effects("SELECT 1; LOAD DATA LOCAL INFILE '/x' INTO TABLE t").contains(E::LOADS_LOCAL_FILE));
    assert!(effects("INSERT INTO t VALUES (f(1))").contains(E::LEAVES_UNKNOWN));
    assert!(effects("INSERT INTO t (a) SELECT f(1)").contains(E::LEAVES_UNKNOWN));
    assert!(effects("UPDATE t SET a = @a := 1").contains(E::SETS_USER_VARIABLES));
    assert!(effects("DELETE FROM t WHERE a = @a").contains(E::READS_USER_VARIABLES));
    assert!(
        effects("LOAD DATA INFILE '/x' INTO TABLE t (a, @b) SET c = @b").contains(E::SETS_USER_VARIABLES)
    );
    assert!(effects("INSERT INTO t SELECT * FROM u FOR UPDATE").contains(E::LOCKS_ROWS));
}

#[test]
fn definitions() {
    let ddl = |effects, statements: &[&str]| {
        all(K::Ddl, R::Definition, E::COMMITS_IMPLICITLY | effects, statements);
    };
    ddl(E::empty(), &["TRUNCATE t", "CREATE INDEX i ON t (a)", "DROP INDEX i ON t"]);
    ddl(
        E::CHANGES_RELATIONS,
        &[
            "CREATE TABLE t (a INT(11), KEY i (a))",
            "ALTER TABLE t ADD b INT",
            "RENAME TABLE a TO b",
            "CREATE VIEW v AS SELECT f(1)",
            "CREATE OR REPLACE ALGORITHM = MERGE DEFINER = `a`@`b` SQL SECURITY INVOKER VIEW v AS SELECT 1",
            "DROP VIEW v",
            "CREATE SEQUENCE s",
            "DROP TRIGGER r",
            "IMPORT TABLE FROM '/x.sdi'",
            "ALTER TABLE t ADD user INT, ADD role INT",
            "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW SET NEW.a = 1",
        ],
    );
    ddl(
        E::RENEWS,
        &[
            "GRANT ALL ON *.* TO a@b",
            "REVOKE ALL ON *.* FROM a",
            "CREATE USER a IDENTIFIED BY 'x'",
            "CREATE OR REPLACE USER a",
            "ALTER USER IF EXISTS a DEFAULT ROLE r",
            "DROP ROLE r",
            "RENAME USER a TO b",
        ],
    );
    ddl(
        E::DROPS_TABLE | E::CHANGES_RELATIONS,
        &["DROP TABLE t", "DROP TABLE IF EXISTS a, s.b", "CREATE OR REPLACE TABLE t (a INT)"],
    );
    ddl(
        E::CHANGES_ROUTINES,
        &[
            "CREATE FUNCTION f() RETURNS INT RETURN @a := 1",
            "CREATE OR REPLACE DEFINER = `a`@`b` PROCEDURE p() DELETE FROM t",
            "DROP FUNCTION IF EXISTS f",
            "ALTER PROCEDURE p COMMENT 'x'",
            "CREATE AGGREGATE FUNCTION f RETURNS INT SONAME 'x'",
            "CREATE OR REPLACE PACKAGE BODY p AS END",
        ],
    );
    ddl(E::CHANGES_ROUTINES | E::CHANGES_RELATIONS, &["DROP DATABASE d", "ALTER SCHEMA d READ ONLY = 1"]);
    all(
        K::Write,
        R::TemporaryTable,
        E::CREATES_TEMPORARY,
        &["CREATE TEMPORARY TABLE t (a INT)", "create temporary table t select 1"],
    );
    all(
        K::Write,
        R::TemporaryTable,
        E::CREATES_TEMPORARY | E::DROPS_TABLE,
        &["CREATE OR REPLACE TEMPORARY TABLE t (a INT)"],
    );
    all(K::Write, R::TemporaryTable, E::DROPS_TABLE, &["DROP TEMPORARY TABLE t"]);
    assert!(
        class("CREATE TABLE t AS SELECT GET_LOCK('a', 1), f(1)")
            .effects
            .contains(E::GET_LOCK | E::LEAVES_UNKNOWN)
    );
    assert_eq!(class("SET PASSWORD = 'x'").kind, K::Ddl);
    assert_eq!(class("SET PASSWORD FOR a = 'x'").kind, K::Ddl);
    assert_eq!(class("SET DEFAULT ROLE a TO b").kind, K::Ddl);
}

#[test]
fn settings() {
    all(
        K::Session,
        R::SessionState,
        E::SETS_STATE,
        &[
            "SET NAMES utf8mb4",
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin, sql_mode = ''",
            "SET CHARACTER SET latin1",
            "SET sql_mode = 'ANSI', time_zone = '+00:00'",
            "SET SESSION wait_timeout = 5",
            "SET @@session.sql_mode = CONCAT(@@sql_mode, ',ANSI')",
            "USE s",
        ],
    );
    all(
        K::Session,
        R::SessionState,
        E::SETS_STATE | E::COMMITS_IMPLICITLY,
        &["SET autocommit=1", "SET @@session.autocommit = 0"],
    );
    let literals = [
        "SET @a = 1",
        "SET @a := -1.5, @b = 'x', @c = NULL, @d = x'41', @e = true, @f = 0x1f",
        "SET @a = 'it''s', sql_mode = ''",
    ];
    all(K::Session, R::SessionState, E::SETS_STATE | E::SETS_LITERALS, &literals);
    for sql in [
        "SET @a = 1 + 1",
        "SET @a = now()",
        "SET @a = 'x\\'y'",
        "SET @a = 1, @b = 'a' 'b'",
        "SET @a = @b",
        "SET @a = @@sql_mode",
    ] {
        let found = class(sql);
        assert_eq!((found.kind, found.reason), (K::Session, R::UserVariable), "{sql}");
        assert!(
            found.effects.contains(E::SETS_USER_VARIABLES) && !found.effects.contains(E::SETS_LITERALS),
            "{sql}"
        );
    }
    let effects = E::SETS_STATE;
    all(
        K::Admin,
        R::Administration,
        effects | E::RENEWS,
        &[
            "SET GLOBAL read_only = 0",
            "SET PERSIST a = 1",
            "SET @@global.a = 1",
            "SET GLOBAL TRANSACTION READ ONLY",
            "SET a = 1, GLOBAL b = 2",
        ],
    );
    all(
        K::Transaction,
        R::TransactionControl,
        effects | E::SETS_NEXT_TRANSACTION,
        &["SET TRANSACTION READ ONLY", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
    );
    all(K::Session, R::TransactionControl, effects, &["SET SESSION TRANSACTION READ ONLY"]);
    all(
        K::Session,
        R::SessionState,
        effects | E::SETS_NEXT_TRANSACTION,
        &["SET @@transaction_isolation = 'SERIALIZABLE'"],
    );
    all(
        K::Session,
        R::SessionState,
        effects,
        &["SET transaction_isolation = 'SERIALIZABLE'", "SET @@session.tx_read_only = 1"],
    );
    all(K::Session, R::SessionState, effects | E::LEAVES_UNKNOWN, &["SET RESOURCE GROUP g"]);
    all(
        K::Session,
        R::SessionState,
        effects | E::SETS_ROLE,
        &["SET ROLE a", "SET ROLE NONE", "SET ROLE ALL EXCEPT a, b", "SET ROLE a, 'b'@'c'"],
    );
    all(K::Session, R::SessionState, E::SETS_STATE, &["SET STATEMENT max_statement_time = 1 FOR SELECT 1"]);
    assert_eq!(class("SET STATEMENT max_statement_time = 1 FOR DELETE FROM t").kind, K::Write);
    assert_eq!(class("SET @a = f(1)").kind, K::Write);
    assert_eq!(class("SET @a = NEXTVAL(s)").kind, K::Write);
    for sql in ["SET", "SET x", "SET a = 1,", "SET , a = 1", "SET réad = 1", "SET SESSION AUTHORIZATION a@b"]
    {
        assert_eq!(class(sql).kind, K::Unknown, "{sql}");
    }
}

#[test]
fn transactions() {
    let control =
        |effects, statements: &[&str]| all(K::Transaction, R::TransactionControl, effects, statements);
    let begins = E::BEGINS | E::COMMITS_IMPLICITLY;
    control(
        begins,
        &["BEGIN", "begin work", "START TRANSACTION", "START TRANSACTION WITH CONSISTENT SNAPSHOT"],
    );
    control(
        begins | E::BEGINS_READ_WRITE,
        &["START TRANSACTION READ WRITE", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ WRITE"],
    );
    control(E::ENDS, &["COMMIT", "COMMIT WORK", "ROLLBACK", "COMMIT AND NO CHAIN"]);
    control(E::ENDS | E::KEEPS_SESSION, &["COMMIT NO RELEASE", "COMMIT AND NO CHAIN NO RELEASE"]);
    control(E::ENDS | E::BEGINS, &["COMMIT AND CHAIN"]);
    control(E::ENDS | E::BEGINS | E::KEEPS_SESSION, &["ROLLBACK WORK AND CHAIN NO RELEASE"]);
    control(
        E::ENDS | E::LEAVES_UNKNOWN | E::ENDS_SESSION,
        &["COMMIT RELEASE", "ROLLBACK AND NO CHAIN RELEASE"],
    );
    control(
        E::empty(),
        &["SAVEPOINT a", "RELEASE SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK WORK TO SAVEPOINT a"],
    );
    all(
        K::Transaction,
        R::ReadOnlyTransaction,
        E::BEGINS_READ_ONLY | E::COMMITS_IMPLICITLY,
        &[
            "START TRANSACTION READ ONLY",
            "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
            "START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT",
        ],
    );
    for sql in [
        "BEGIN NOT ATOMIC SELECT 1; END",
        "BEGIN SELECT 1",
        "START",
        "START x",
        "COMMIT x",
        "IF 1 THEN SELECT 1",
        "END",
    ] {
        assert_eq!(class(sql).kind, K::Unknown, "{sql}");
    }
}

#[test]
fn locks_and_administration() {
    all(
        K::Session,
        R::TableLock,
        E::LOCKS_TABLES | E::COMMITS_IMPLICITLY,
        &["LOCK TABLES t READ", "LOCK TABLE t WRITE"],
    );
    all(K::Session, R::TableLock, E::UNLOCKS | E::COMMITS_IMPLICITLY, &["UNLOCK TABLES"]);
    all(
        K::Admin,
        R::TableLock,
        E::READ_LOCK,
        &["LOCK INSTANCE FOR BACKUP", "BACKUP STAGE START", "BACKUP LOCK t"],
    );
    all(K::Admin, R::TableLock, E::UNLOCKS, &["UNLOCK INSTANCE", "BACKUP STAGE END", "BACKUP UNLOCK"]);
    all(
        K::Admin,
        R::TableLock,
        E::READ_LOCK | E::COMMITS_IMPLICITLY,
        &["FLUSH TABLES WITH READ LOCK", "FLUSH LOCAL TABLES a, b FOR EXPORT"],
    );
    all(
        K::Admin,
        R::Administration,
        E::COMMITS_IMPLICITLY,
        &[
            "FLUSH TABLES",
            "STOP SLAVE",
            "START REPLICA",
            "CHANGE MASTER TO a = 1",
            "RESET MASTER",
            "PURGE BINARY LOGS TO 'a'",
        ],
    );
    all(
        K::Admin,
        R::Administration,
        E::COMMITS_IMPLICITLY | E::RENEWS,
        &["FLUSH PRIVILEGES", "FLUSH LOCAL PRIVILEGES", "RESET PERSIST", "RESET PERSIST IF EXISTS a"],
    );
    all(
        K::Admin,
        R::Administration,
        E::empty(),
        &["KILL 5", "KILL QUERY 5", "SHUTDOWN", "CLONE LOCAL DATA DIRECTORY = 'x'"],
    );
    all(K::Admin, R::OneServer, E::empty(), &["HELP 'select'"]);
}

#[test]
fn statements_prepared_as_text() {
    all(K::Session, R::TextPrepared, E::PREPARES, &["PREPARE s FROM 'SELECT 1'"]);
    all(K::Session, R::TextPrepared, E::DEALLOCATES, &["DEALLOCATE PREPARE s", "DROP PREPARE s"]);
    let runs = E::EXECUTES | E::LEAVES_UNKNOWN | E::READS_INSERT_ID | E::READS_USER_VARIABLES;
    all(
        K::Unknown,
        R::TextPrepared,
        runs,
        &["EXECUTE s", "EXECUTE s USING @a", "EXECUTE IMMEDIATE 'SELECT 1'"],
    );
    all(
        K::Session,
        R::LooksBack,
        E::READS_DIAGNOSTICS | E::SETS_USER_VARIABLES,
        &["GET DIAGNOSTICS @a = NUMBER", "GET CURRENT DIAGNOSTICS CONDITION 1 @a = MESSAGE_TEXT"],
    );
    all(K::Session, R::SessionState, E::empty(), &["SIGNAL SQLSTATE '45000'"]);
    all(K::Session, R::SessionState, E::READS_DIAGNOSTICS, &["RESIGNAL"]);
}

#[test]
fn what_is_not_understood() {
    for sql in [
        "x",
        "SELECT 1 FROM t PROCEDURE ANALYSE()",
        "(INSERT INTO t VALUES (1))",
        "(",
        ")",
        "'SELECT' 1",
        "`SELECT` 1",
        "{call f()}",
        "SELECTX",
        "SELECT 1 DELETE FROM t",
        "SELECT (UPDATE t SET a = 1)",
        "WITH a AS (DELETE FROM t) SELECT 1",
        "SELECT 1 REPLACE INTO t VALUES (1)",
    ] {
        assert_eq!((class(sql).kind, class(sql).reason), (K::Unknown, R::NotUnderstood), "{sql}");
    }
}

#[test]
fn a_read_that_is_not_understood_is_a_write_beside_others_too() {
    for sql in ["WITH UNION", "COMMIT; WITH UNION", "WITH UNION; COMMIT", "SELECT 1; COMMIT; WITH UNION"] {
        assert_eq!((class(sql).kind, class(sql).reason), (K::Write, R::NotUnderstood), "{sql}");
    }
}

#[test]
fn a_text_without_a_statement_leaves_nothing() {
    for sql in ["", ";", "; -- a", "/* a */"] {
        let class = class(sql);
        assert_eq!(class.kind, K::Read, "{sql}");
        assert!(class.effects.contains(E::EXPLAINED), "{sql}");
    }
}

#[test]
fn queries_that_read_no_table() {
    let reads_none = |sql: &str| {
        let class = class(sql);
        assert_eq!(class.kind, K::Read, "{sql}");
        class.effects.contains(E::READS_NO_TABLE)
    };
    let none = [
        "SELECT 1",
        "select 1;",
        "/* ping */ SELECT 1",
        "SELECT 1 AS x, 'a' AS `b`",
        "SELECT NULL, TRUE, -1.5, ?",
        "SELECT 1; SELECT 2",
        "SELECT /*!80000 1, */ 2",
    ];
    for sql in none {
        assert!(reads_none(sql), "{sql}");
    }
    let may = [
        "SELECT a",
        "SELECT 1 x",
        "SELECT `a`",
        "SELECT NOW()",
        "SELECT 1 FROM t",
        "SELECT 1 FROM DUAL",
        "SELECT (SELECT 1)",
        "SELECT 1 UNION TABLE t",
        "SELECT 1; SELECT 1 FROM t",
        "SELECT 1 /*!80000 FROM t */",
        "SELECT 1 /*!99999 FROM t */",
        "SELECT 1 IN (TABLE t)",
        "WITH a AS (SELECT 1) SELECT 2",
        "TABLE t",
        "VALUES ROW(1)",
        "(SELECT 1)",
    ];
    for sql in may {
        assert!(!reads_none(sql), "{sql}");
    }
}

/// Every element of a SET counts for the audit log and for pooled connections, wherever it stands.
#[test]
fn each_element_of_a_set_renews() {
    let elements = [
        "GLOBAL long_query_time = 7",
        "@@global.read_only = 0",
        "PERSIST max_connections = 5",
        "@@persist_only.max_connections = 5",
        "PASSWORD = PASSWORD('x')",
        "PASSWORD FOR a = PASSWORD('x')",
        "PASSWORD FOR 'a'@'%' = PASSWORD('x')",
        "DEFAULT ROLE a FOR b",
        "something else",
    ];
    let fronts = [
        "",
        "ROLE NONE, ",
        "ROLE a, ",
        "NAMES latin1, ",
        "@a = 1, ",
        "@a = (SELECT 1), ",
        "autocommit = 1, ",
    ];
    for front in fronts {
        for element in elements {
            let sql = format!("SET {front}{element}");
            let class = class(&sql);
            assert!(class.effects.contains(E::RENEWS), "{sql}: {class:?}");
            assert!(
                matches!(class.kind, K::Admin | K::Ddl | K::Unknown),
                "the audit log has no {sql}: {class:?}"
            );
            assert!(!front.contains("ROLE") || class.effects.contains(E::SETS_ROLE), "{sql}: {class:?}");
        }
    }
    for sql in ["SET ROLE NONE, autocommit = 1", "SET ROLE a, NAMES latin1", "SET ROLE a, @b = 1"] {
        assert!(
            !class(sql).effects.contains(E::RENEWS) && class(sql).effects.contains(E::SETS_ROLE),
            "{sql}"
        );
    }
}
