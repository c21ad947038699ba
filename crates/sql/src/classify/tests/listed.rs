//! What must be told apart, one test by name each.

use super::*;
use crate::TextCharset;

const UNSURE: E = E::LEAVES_UNKNOWN.union(E::READS_INSERT_ID);
const CALLED: E = UNSURE.union(E::READS_USER_VARIABLES);

#[test]
fn call() {
    all(
        K::Write,
        R::Procedure,
        E::CALLS | CALLED,
        &["CALL p", "CALL p()", "call s.p(1, 'a')", "CALL `p`(f)"],
    );
    let out = E::CALLS | CALLED | E::SETS_USER_VARIABLES;
    all(K::Write, R::Procedure, out, &["CALL p(@a)", "CALL s.p(1, @b)"]);
    let known = |sql: &str| classify(sql.as_bytes(), Options::default(), &Catalogue).effects;
    assert!(!known("CALL harmless(1)").contains(E::LEAVES_UNKNOWN));
    assert!(!known("CALL s.reads()").contains(E::LEAVES_UNKNOWN));
    assert!(known("CALL other()").contains(E::LEAVES_UNKNOWN));
    assert!(known("CALL harmless(o1())").contains(E::LEAVES_UNKNOWN));
    all(K::Unknown, R::NotUnderstood, UNSURE, &["CALL", "CALL 1", "CALL 'p'"]);
}

#[test]
fn unknown_functions() {
    all(
        K::Write,
        R::UnknownFunction,
        CALLED,
        &[
            "SELECT f()",
            "SELECT f (1)",
            "SELECT s.f(1)",
            "SELECT `f`(1)",
            "SELECT `s` . `f` (1)",
            "SELECT s.abs(1)",
            "SELECT `abs`(1)",
            "SELECT a FROM t WHERE b = f(c)",
            "SELECT * FROM t ORDER BY f(a)",
            "WITH a AS (SELECT f()) SELECT * FROM a",
            "SELECT count (1) FROM t",
            "SELECT max/**/(a) FROM t",
            "SELECT json_query(a, '$.b') + md5(1) FROM t",
            "SELECT any(1)",
            "SELECT any(1), (SELECT 1)",
            "SELECT 1, any(1, 2), (SELECT 1)",
            "SELECT f(1), (2)",
            "SELECT lateral(1)",
            "VALUES ROW(f())",
            "SELECT été(1)",
        ],
    );
    let known = |sql: &str| classify(sql.as_bytes(), Options::default(), &Catalogue);
    for sql in
        ["SELECT R1()", "SELECT s.`r1`(a) FROM t", "SELECT JSON_QUERY(a, '$.b'), MD5(1), uuid_v7() FROM t"]
    {
        assert_eq!(known(sql).kind, K::Read, "{sql}");
        assert!(known(sql).effects.contains(E::REPEATABLE), "{sql}");
    }
    assert!(known("SELECT r1()").effects.contains(E::READS_INSERT_ID), "it may ask for it");
    assert_eq!((known("SELECT h1()").kind, known("SELECT h1()").reason), (K::Write, R::UnknownFunction));
    assert!(!known("SELECT h1()").effects.contains(E::LEAVES_UNKNOWN));
    assert!(known("SELECT o1()").effects.contains(E::LEAVES_UNKNOWN));
    // A stored function under the name of what is built in elsewhere.
    struct Own;
    impl Routines for Own {
        fn function(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
            RoutineFacts::Other
        }
        fn procedure(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
            RoutineFacts::Other
        }
        fn relation(&self, _: Option<&[u8]>, _: &[u8]) -> crate::RelationFacts {
            crate::RelationFacts::Unknown
        }

        fn version(&self) -> u64 {
            2
        }
        fn is_complete(&self) -> bool {
            true
        }
    }
    for sql in ["SELECT uuid_v7()", "SELECT json_query(a, '$.b')"] {
        assert_eq!(classify(sql.as_bytes(), Options::default(), &Own).kind, K::Write, "{sql}");
    }
    assert_eq!(classify(b"SELECT abs(1), now()", Options::default(), &Own).kind, K::Read);
}

#[test]
fn sequences() {
    all(
        K::Write,
        R::Sequence,
        E::USES_SEQUENCE,
        &[
            "SELECT NEXTVAL(s)",
            "SELECT nextval (d.s)",
            "SELECT NEXT VALUE FOR s",
            "SELECT next value for d.s",
            "SELECT SETVAL(s, 5)",
            "SELECT s.nextval",
            "SELECT d.s.NEXTVAL FROM dual",
        ],
    );
    all(
        K::Session,
        R::Sequence,
        E::READS_SEQUENCE,
        &["SELECT LASTVAL(s)", "SELECT PREVIOUS VALUE FOR s", "SELECT s.currval"],
    );
    assert!(class("INSERT INTO t VALUES (NEXT VALUE FOR s)").effects.contains(E::USES_SEQUENCE));
    reads(&["SELECT nextval, value FROM t"]);
}

#[test]
fn get_lock_family() {
    all(K::Session, R::NamedLock, E::GET_LOCK, &["SELECT GET_LOCK('a', 1)", "SELECT get_lock (a, 1) FROM t"]);
    all(K::Session, R::NamedLock, E::empty(), &["SELECT RELEASE_LOCK('a')", "SELECT RELEASE_ALL_LOCKS(), 1"]);
    all(K::Session, R::NamedLock, E::RELEASES_LOCKS, &["SELECT RELEASE_ALL_LOCKS()"]);
    all(K::Write, R::NamedLock, E::RELEASES_LOCKS, &["DO RELEASE_ALL_LOCKS()"]);
    all(K::Admin, R::NamedLock, E::empty(), &["SELECT IS_FREE_LOCK('a')", "SELECT IS_USED_LOCK('a')"]);
    assert!(class("INSERT INTO t VALUES (GET_LOCK('a', 1))").effects.contains(E::GET_LOCK));
}

#[test]
fn last_insert_id() {
    all(
        K::Session,
        R::InsertId,
        E::READS_INSERT_ID,
        &["SELECT LAST_INSERT_ID()", "SELECT last_insert_id( )"],
    );
    let sets = E::READS_INSERT_ID | E::SETS_STATE;
    all(K::Session, R::InsertId, sets, &["SELECT LAST_INSERT_ID(5)", "SELECT LAST_INSERT_ID(id + 1) FROM t"]);
    assert!(class("INSERT INTO t VALUES (LAST_INSERT_ID())").effects.contains(E::READS_INSERT_ID));
    assert!(class("UPDATE t SET a = LAST_INSERT_ID(a + 1)").effects.contains(sets));
    assert!(class("SET last_insert_id = 5").effects.contains(sets));
}

#[test]
fn identity() {
    let asks =
        ["SELECT @@identity", "SELECT @@LAST_INSERT_ID", "SELECT @@session.identity", "SELECT @@`identity`"];
    all(K::Session, R::InsertId, E::READS_INSERT_ID, &asks);
}

#[test]
fn found_rows() {
    all(K::Session, R::LooksBack, E::READS_FOUND_ROWS, &["SELECT FOUND_ROWS()"]);
    all(K::Session, R::LooksBack, E::CALC_FOUND_ROWS, &["SELECT SQL_CALC_FOUND_ROWS * FROM t LIMIT 1"]);
}

#[test]
fn row_count() {
    all(K::Session, R::LooksBack, E::READS_ROW_COUNT, &["SELECT ROW_COUNT()", "select row_count ( )"]);
    reads(&["SELECT row_count, found_rows FROM t"]);
}

#[test]
fn into_outfile() {
    all(
        K::Write,
        R::ServerFile,
        E::empty(),
        &[
            "SELECT 1 INTO OUTFILE '/x'",
            "SELECT 1 INTO DUMPFILE '/x'",
            "TABLE t INTO OUTFILE '/x'",
            "SELECT a INTO OUTFILE '/x' FROM t",
            "SELECT 1.5INTO OUTFILE '/x'",
            "SELECT LOAD_FILE('/x')",
        ],
    );
    all(K::Write, R::ServerFile, E::READS_USER_VARIABLES, &["SELECT @ INTO OUTFILE '/x'"]);
    let locks = E::READS_USER_VARIABLES | E::LOCKS_ROWS;
    all(K::Write, R::LockingRead, locks, &["SELECT @ FOR UPDATE", "SELECT @ LOCK IN SHARE MODE"]);
}

#[test]
fn into_variable() {
    all(
        K::Session,
        R::UserVariable,
        E::SETS_USER_VARIABLES | E::READS_USER_VARIABLES,
        &["SELECT 1 INTO @a", "SELECT a, b INTO @a, @b FROM t", "VALUES ROW(1) INTO @a"],
    );
}

#[test]
fn for_update_and_share() {
    all(
        K::Write,
        R::LockingRead,
        E::LOCKS_ROWS,
        &[
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t FOR SHARE",
            "SELECT * FROM t for/**/update SKIP LOCKED",
            "(SELECT * FROM t FOR UPDATE NOWAIT)",
            "SELECT * FROM t WHERE a IN (SELECT a FROM u FOR UPDATE)",
            "WITH a AS (SELECT 1) SELECT * FROM a FOR UPDATE",
            "TABLE t FOR UPDATE",
        ],
    );
    reads(&["SELECT SUBSTRING(a FROM 1 FOR 2) FROM t USE INDEX FOR JOIN (i)"]);
}

#[test]
fn lock_in_share_mode() {
    all(K::Write, R::LockingRead, E::LOCKS_ROWS, &["SELECT * FROM t LOCK IN SHARE MODE"]);
}

#[test]
fn assignment_in_a_query() {
    let effects = E::SETS_USER_VARIABLES | E::READS_USER_VARIABLES;
    all(
        K::Session,
        R::UserVariable,
        effects,
        &["SELECT @a := 1", "SELECT @a:=@a+1 FROM t", "(SELECT @`a` := 1)"],
    );
    all(
        K::Read,
        R::PlainRead,
        E::REPEATABLE | E::READS_USER_VARIABLES,
        &["SELECT @a", "SELECT * FROM t WHERE a = @a"],
    );
}

#[test]
fn show_about_one_server() {
    all(
        K::Admin,
        R::OneServer,
        E::REPEATABLE,
        &[
            "SHOW STATUS",
            "SHOW GLOBAL STATUS LIKE 'x'",
            "SHOW PROCESSLIST",
            "SHOW FULL PROCESSLIST",
            "SHOW SLAVE STATUS",
            "SHOW REPLICA STATUS",
            "SHOW MASTER STATUS",
            "SHOW BINARY LOGS",
            "SHOW ENGINES",
            "SHOW ENGINE INNODB STATUS",
            "SHOW TABLE STATUS",
            "SHOW INDEX FROM t",
            "SHOW KEYS FROM t",
            "SHOW OPEN TABLES",
            "SHOW GRANTS",
            "SHOW PLUGINS",
            "SHOW CREATE TABLE t",
            "SHOW EVENTS",
            "SHOW PROFILES",
            "SHOW",
        ],
    );
    all(
        K::Read,
        R::Definitions,
        E::REPEATABLE,
        &[
            "SHOW TABLES",
            "SHOW FULL TABLES FROM s LIKE 'a%'",
            "SHOW EXTENDED FULL COLUMNS FROM t",
            "SHOW COLUMNS FROM t WHERE Field = 'a'",
            "SHOW FIELDS IN t",
            "SHOW DATABASES",
            "SHOW SCHEMAS LIKE 'a'",
            "SHOW TRIGGERS",
            "SHOW CREATE VIEW v",
            "SHOW CREATE PROCEDURE p",
            "SHOW PROCEDURE STATUS",
            "SHOW FUNCTION CODE f",
            "SHOW CHARACTER SET",
            "SHOW COLLATION",
        ],
    );
    all(
        K::Session,
        R::LooksBack,
        E::READS_DIAGNOSTICS,
        &["SHOW WARNINGS", "SHOW ERRORS LIMIT 1", "SHOW COUNT(*) WARNINGS", "show count(*) errors"],
    );
    assert_eq!(class("SHOW TABLES WHERE f(1)").kind, K::Write);
    assert_eq!(class("SHOW TABLES WHERE NEXTVAL(s)").kind, K::Write);
}

#[test]
fn explain_of_a_write() {
    for sql in [
        "EXPLAIN UPDATE t SET a = 1",
        "EXPLAIN FORMAT=JSON INSERT INTO t VALUES (1)",
        "DESC DELETE FROM t",
        "EXPLAIN ANALYZE UPDATE t SET a = 1",
        "ANALYZE DELETE FROM t",
        "ANALYZE FORMAT=JSON UPDATE t SET a = 1",
        "EXPLAIN WITH a AS (SELECT 1) DELETE FROM t",
    ] {
        assert_eq!((class(sql).kind, class(sql).reason), (K::Write, R::Modifies), "{sql}");
    }
    all(
        K::Admin,
        R::OneServer,
        E::REPEATABLE,
        &[
            "EXPLAIN SELECT 1",
            "EXPLAIN EXTENDED SELECT * FROM t",
            "EXPLAIN FORMAT=TREE SELECT 1",
            "EXPLAIN ANALYZE SELECT 1",
            "ANALYZE SELECT 1",
            "EXPLAIN (SELECT 1)",
            "EXPLAIN FOR CONNECTION 5",
            "DESC TABLE t",
        ],
    );
    all(K::Read, R::Definitions, E::REPEATABLE, &["DESCRIBE t", "DESC s.t", "EXPLAIN t a", "DESC `t` 'a%'"]);
    assert_eq!(class("EXPLAIN").kind, K::Unknown);
}

#[test]
fn with_update() {
    all(
        K::Write,
        R::Modifies,
        E::empty(),
        &[
            "WITH a AS (SELECT 1) UPDATE t SET b = 1",
            "WITH a AS (SELECT 1), b (c) AS (SELECT 2) DELETE FROM t",
            "with recursive a as (select 1) insert into t select * from a",
        ],
    );
    reads(&[
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "WITH RECURSIVE a (n, m) AS (SELECT 1, 2 UNION ALL SELECT n + 1, m FROM a) SELECT * FROM a, (SELECT 1) AS b (c)",
        "(WITH a AS (SELECT 1) SELECT * FROM a)",
    ]);
}

#[test]
fn values_statement() {
    reads(&["VALUES ROW(1, 2), ROW(3, 4)", "VALUES (1, 2), (3, 4)", "(VALUES (1)) UNION (VALUES (2))"]);
}

#[test]
fn table_statement() {
    reads(&["TABLE t", "TABLE s.t ORDER BY a LIMIT 1", "(TABLE t) UNION TABLE u"]);
}

#[test]
fn handler() {
    all(K::Session, R::TableLock, E::HANDLER_OPEN, &["HANDLER t OPEN", "HANDLER s.t OPEN AS u"]);
    all(K::Session, R::TableLock, E::empty(), &["HANDLER t READ FIRST", "HANDLER t READ i = (1, 2) LIMIT 3"]);
    all(K::Session, R::TableLock, E::HANDLER_CLOSE, &["HANDLER t CLOSE"]);
}

#[test]
fn xa() {
    let all_of =
        ["XA START 'a'", "XA END 'a'", "XA PREPARE 'a'", "XA COMMIT 'a' ONE PHASE", "XA ROLLBACK 'a'"];
    all(K::Transaction, R::TransactionControl, E::LEAVES_UNKNOWN, &all_of);
    all(K::Admin, R::OneServer, E::empty(), &["XA RECOVER"]);
}

#[test]
fn binlog() {
    all(K::Write, R::Modifies, E::LEAVES_UNKNOWN, &["BINLOG 'x'"]);
}

#[test]
fn do_statement() {
    reads(&["DO 1", "DO SLEEP(1), NOW()"]);
    assert_eq!((class("DO f()").kind, class("DO f()").reason), (K::Write, R::UnknownFunction));
    assert_eq!(class("DO GET_LOCK('a', 1)").kind, K::Write);
    assert_eq!(class("DO @a := 1").kind, K::Write);
    assert_eq!(class("DO NEXTVAL(s)").kind, K::Write);
}

#[test]
fn check_analyze_checksum_table() {
    all(
        K::Admin,
        R::Administration,
        E::COMMITS_IMPLICITLY,
        &[
            "CHECK TABLE t",
            "ANALYZE TABLE t",
            "ANALYZE LOCAL TABLE t",
            "CHECKSUM TABLE t",
            "OPTIMIZE TABLE t",
            "REPAIR TABLE t",
            "ANALYZE TABLE t UPDATE HISTOGRAM ON a WITH 5 BUCKETS",
        ],
    );
}

#[test]
fn versioned_comments() {
    reads(
        &[
            "SELECT /*!40001 SQL_NO_CACHE */ * FROM t",
            "/*!50000 SELECT 1 */",
            "/*M! SELECT 1 */",
            "/*!99999 x */",
        ][..3],
    );
    for sql in [
        "/*!50000 INSERT */ INTO t VALUES (1)",
        "/*! DELETE FROM t */",
        "/*M!100100 DELETE FROM t */",
        "SELECT * FROM t /*!50000 FOR UPDATE */",
        "SELECT 1 /*!99999 INTO OUTFILE '/x' */",
        "/*!999999 SELECT */ DELETE FROM t",
        "WITH a AS (SELECT 1) /*!99999 SELECT */ DELETE FROM t",
        "/*!50000 SELECT */ /*!99999 SELECT */ DELETE FROM t",
    ] {
        assert!(class(sql).kind >= K::Write, "{sql}: {:?}", class(sql));
    }
    // A server that skips the comment has an empty statement.
    let nothing = E::OPENS_NO_TABLE | E::KEEPS_FOUND_ROWS;
    assert_eq!(class("/*!40101 SET @a = 1 */").effects, E::SETS_STATE | E::SETS_USER_VARIABLES | nothing);
    assert_eq!(class("/*!40101 SELECT a FROM t */").effects & nothing, E::empty());
    assert_eq!(class("SELECT /*!50000 f(1) */ 1").reason, R::UnknownFunction);
    for sql in [
        "SELECT 1 /*!50000 ; DROP TABLE t */",
        "SELECT /*!1*/ /*!50001*/ /*!50002*/ /*!50003*/ /*!50004*/ /*!50005*/ 1",
    ] {
        assert_eq!((class(sql).kind, class(sql).reason), (K::Unknown, R::Ambiguous), "{sql}");
    }
}

#[test]
fn several_statements() {
    all(K::Read, R::PlainRead, E::REPEATABLE | E::SEVERAL, &["SELECT 1; SELECT 2", "SELECT 1;; SELECT 2;"]);
    // Servers answer with two results: the second one has no statement.
    all(
        K::Read,
        R::PlainRead,
        E::REPEATABLE | E::SEVERAL,
        &["SELECT 1; -- end", "SELECT 1; /* x */", "SELECT 1;; # x"],
    );
    all(
        K::Read,
        R::PlainRead,
        E::REPEATABLE,
        &["/* x */ SELECT 1;", "SELECT 1 -- end", "SELECT 1 /* x */;", "SELECT 1; ;"],
    );
    all(
        K::Write,
        R::Modifies,
        E::SEVERAL,
        &["SELECT 1; DELETE FROM t", "DELETE FROM t; SELECT 1;", "SELECT 1; SELECT 2; DELETE FROM t"],
    );
    reads(&["SELECT 1;", ";SELECT 1", "", " ", ";", "-- x", "/* x */"]);
    let sets = class("SET @a = 1; SELECT @a");
    assert!(sets.effects.contains(E::SETS_USER_VARIABLES) && !sets.effects.contains(E::SETS_LITERALS));
}

#[test]
fn ambiguous_texts() {
    all(
        K::Unknown,
        R::Ambiguous,
        UNSURE,
        &[
            "SELECT 'a",
            "SELECT \"a",
            "SELECT `a",
            "SELECT /* a",
            "SELECT /*! a",
            "SELECT 1 --\u{7f} x",
            "SELECT 1 x\u{a0}INTO OUTFILE '/x'",
        ],
    );
    let gbk = Options { charset: TextCharset::MultiByte, ..Options::default() };
    assert_eq!(classify(b"SELECT '\xbf\\'; DROP TABLE t -- '", gbk, &()).reason, R::Ambiguous);
    assert_eq!(classify(b"SELECT '\xd6\xd0'", gbk, &()).kind, K::Read);
    for space in [0xa0u8, 0xff] {
        for word in ["INTO", "FOR", "LOCK", "max", "DELETE", "information_schema", "OUTFILE"] {
            let text = [b"SELECT 1 FROM t x".as_slice(), &[space], word.as_bytes(), b" (1)"].concat();
            assert_eq!(classify(&text, Options::default(), &()).reason, R::Ambiguous, "{word}");
        }
    }
    reads(&["SELECT à, là.à FROM `à` à WHERE ààà = 'à'", "SELECT * FROM таблица -- ñ"]);
}

#[test]
fn quotes_depend_on_the_mode() {
    let ansi = Options { ansi_quotes: true, ..Options::default() };
    let bare = Options { no_backslash_escapes: true, ..Options::default() };
    let mut cache = ClassCache::new();
    let one = br#"SELECT "\" FROM t; DROP TABLE t -- ""#;
    let two = br"SELECT '\'; DROP TABLE t -- '";
    for (sql, options, kind) in [
        (&one[..], Options::default(), K::Read),
        (one, ansi, K::Ddl),
        (two, Options::default(), K::Read),
        (two, bare, K::Ddl),
        (br#"SELECT "f", (1)"#, Options::default(), K::Read),
        (br#"SELECT "f"(1)"#, ansi, K::Write),
    ] {
        assert_eq!(classify(sql, options, &()).kind, kind, "{}", sql.escape_ascii());
        assert_eq!(cache.classify(sql, options, &()).kind, kind, "{}", sql.escape_ascii());
    }
}

#[test]
fn hints() {
    all(
        K::Read,
        R::Hint,
        E::REPEATABLE | E::HINT_PRIMARY,
        &["/* pointsman: primary */ SELECT 1", "SELECT /*pointsman:primary*/ 1"],
    );
    let replica = E::REPEATABLE | E::HINT_REPLICA;
    all(
        K::Read,
        R::Hint,
        replica,
        &["/* pointsman: replica */ SELECT 1", "SELECT @@hostname -- pointsman: replica"],
    );
    all(
        K::Read,
        R::Hint,
        E::HINT_REPLICA | E::READS_INSERT_ID | E::READS_USER_VARIABLES,
        &["/* pointsman: replica */ SELECT f(1)"],
    );
    all(K::Read, R::PlainRead, E::REPEATABLE | E::HINT_EXPLAIN, &["/* pointsman: explain */ SELECT 1"]);
    for sql in [
        "DELETE FROM t",
        "SELECT 1 FOR UPDATE",
        "SELECT NEXTVAL(s)",
        "SELECT GET_LOCK('a', 1)",
        "SELECT @a := f(1)",
        "KILL 5",
        "INSERT INTO t VALUES (f(1))",
        "SELECT f(1); DELETE FROM t",
        "SELECT @@version; DELETE FROM t",
        "SELECT f(1) INTO OUTFILE '/x'",
        "SELECT f(1) FROM t FOR UPDATE",
        "SELECT f(1), GET_LOCK('a', 1)",
        "SET STATEMENT max_statement_time = 1 FOR SELECT f(1)",
        "SET sql_mode = f(1)",
        "DO GET_LOCK('a', f(1))",
        "CALL p(f(1))",
        "HELP 'x'",
        "SHOW DROP TABLES",
        "SHOW INTO DUMPFILE TABLES",
    ] {
        let hinted = class(&format!("/* pointsman: replica */ {sql}"));
        assert_ne!(hinted.kind, K::Read, "{sql}");
        assert!(hinted.effects.contains(E::HINT_REPLICA));
    }
    reads(&["SELECT '/* pointsman: primary */'", "/* pointsman primary */ SELECT 1"]);
}
