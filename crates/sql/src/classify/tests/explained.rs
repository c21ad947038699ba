//! Every form of statement with every knowledge of the relations that it names: explained, or why not.

use super::*;
use crate::RelationFacts::{
    self, Acts, CallingView, LooksBackView, Opaque, Plain, PlainToRead, ReadingView, ServerView, Unknown,
    UnknownView,
};
use pointsman_terms::Unexplained;

/// A catalogue in which all relations are alike, and all functions unknown or only reading.
struct Alike(RelationFacts);

impl Routines for Alike {
    fn function(&self, _: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        if name == b"reads" { RoutineFacts::ReadsOnly } else { RoutineFacts::Unknown }
    }

    fn procedure(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
        RoutineFacts::ReadsOnly
    }

    fn relation(&self, _: Option<&[u8]>, _: &[u8]) -> RelationFacts {
        self.0
    }

    fn version(&self) -> u64 {
        1
    }

    fn is_complete(&self) -> bool {
        true
    }
}

/// No catalogue was read: `()` and a catalogue without the relation say the same.
const KNOWLEDGE: [RelationFacts; 10] = [
    Unknown,
    Plain,
    PlainToRead,
    ReadingView,
    CallingView,
    ServerView,
    LooksBackView,
    Opaque,
    UnknownView,
    Acts,
];

fn by(sql: &str, facts: RelationFacts) -> Option<Unexplained> {
    classify(sql.as_bytes(), Context { options: Options::default(), schema: b"s" }, &Alike(facts))
        .unexplained()
}

/// Each of these texts is explained exactly with these facts.
fn explained_with(texts: &[&str], known: &[RelationFacts]) {
    for sql in texts {
        for facts in KNOWLEDGE {
            let by = by(sql, facts);
            let expected = known.contains(&facts);
            assert_eq!(by.is_none(), expected, "{sql} with {facts:?}: {by:?}");
        }
    }
}

/// None of these texts is explained, whatever is known of relations, for this reason.
fn never(texts: &[&str], reason: Unexplained) {
    for sql in texts {
        for facts in KNOWLEDGE {
            assert_eq!(by(sql, facts), Some(reason), "{sql} with {facts:?}");
        }
    }
}

#[test]
fn reads_of_what_is_plain_to_read() {
    let reads = [
        "SELECT a FROM t",
        "SELECT a FROM s.t",
        "(SELECT a FROM t)",
        "SELECT x.a FROM t x JOIN u y USING (a) LEFT JOIN w ON w.a = x.a WHERE x.a IN (SELECT a FROM v)",
        "SELECT a FROM t UNION SELECT b FROM u",
        "SELECT (SELECT MAX(a) FROM t)",
        "SELECT EXISTS (SELECT 1 FROM t)",
        "SELECT a FROM (SELECT a FROM t) d",
        "SELECT a, COUNT(*) FROM t GROUP BY a HAVING COUNT(*) > 1 ORDER BY a LIMIT 1",
        "SELECT a FROM t FOR UPDATE",
        "SELECT a FROM t LOCK IN SHARE MODE",
        "SELECT SQL_CALC_FOUND_ROWS a FROM t LIMIT 1",
        "SELECT GET_LOCK('x', (SELECT a FROM t))",
        "SELECT a INTO @x FROM t",
    ];
    explained_with(&reads, &[Plain, PlainToRead, ReadingView]);
    for sql in reads {
        for facts in [CallingView, ServerView, LooksBackView, Opaque, UnknownView, Acts, Unknown] {
            assert!(by(sql, facts).is_some(), "{sql} with {facts:?}");
        }
    }
}

/// A view counts as its query would in its place.
#[test]
fn reads_of_views() {
    let class = |sql: &str, facts| {
        classify(sql.as_bytes(), Context { options: Options::default(), schema: b"s" }, &Alike(facts))
    };
    let reads = [
        "SELECT a FROM v",
        "(SELECT a FROM s.v) UNION SELECT 1",
        "SELECT 1 FROM t WHERE a IN (SELECT a FROM v) LIMIT 1",
        "WITH c AS (SELECT * FROM v) SELECT * FROM c",
        "/*! SELECT */ SELECT a FROM v",
        "SELECT a FROM /*!50000 v */ v",
        "TABLE v",
        "DO (SELECT a FROM v)",
    ];
    for sql in reads {
        let of = |facts| {
            let class = class(sql, facts);
            (class.kind, class.reason)
        };
        for facts in [Unknown, Plain, PlainToRead, ReadingView, CallingView, Opaque] {
            assert_eq!(of(facts), of(Plain), "{sql} with {facts:?}");
        }
        if of(Plain).0 != K::Read {
            continue;
        }
        let expected = if sql.starts_with("DO") { K::Write } else { K::Admin };
        assert_eq!(of(ServerView).0, expected, "{sql}");
        assert_eq!(of(LooksBackView).1, R::LooksBack, "{sql}");
        assert_eq!(of(UnknownView), (K::Write, R::View), "{sql}");
        assert_eq!(of(Acts), (K::Write, R::View), "{sql}");
        let effects = |facts| class(sql, facts).effects;
        assert!(effects(ServerView).contains(E::READS_INSERT_ID | E::READS_USER_VARIABLES), "{sql}");
        assert!(effects(CallingView).contains(E::READS_INSERT_ID | E::READS_USER_VARIABLES), "{sql}");
        assert!(effects(LooksBackView).contains(E::READS_ROW_COUNT | E::READS_FOUND_ROWS), "{sql}");
        for facts in [UnknownView, Acts] {
            assert!(
                effects(facts).contains(E::LEAVES_UNKNOWN) && !effects(facts).contains(E::REPEATABLE),
                "{sql}"
            );
        }
        let hinted = format!("/* pointsman: replica */ {sql}");
        assert_eq!(class(&hinted, UnknownView).kind, K::Read, "{sql}");
        assert_eq!(class(&hinted, Acts).kind, K::Write, "{sql}");
    }
    for sql in ["INSERT INTO t SELECT * FROM v", "UPDATE v SET a = 1"] {
        assert!(class(sql, Acts).effects.contains(E::LEAVES_UNKNOWN), "{sql}");
        assert_eq!(class(sql, Acts).reason, R::Modifies, "{sql}");
    }
}

#[test]
fn writes_of_what_is_plain() {
    explained_with(
        &[
            "INSERT INTO t VALUES (1)",
            "INSERT INTO s.t (a, b) VALUES (1, 2), (3, DEFAULT)",
            "INSERT INTO t SET a = 1",
            "INSERT INTO t SELECT a FROM u",
            "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 2",
            "INSERT IGNORE INTO t VALUES (1)",
            "REPLACE INTO t VALUES (1)",
            "REPLACE INTO t SELECT a FROM u",
            "UPDATE t SET a = 1 WHERE b = 2",
            "UPDATE t, u SET t.a = 1 WHERE t.b = u.b",
            "UPDATE t JOIN u USING (a) SET t.b = u.b",
            "DELETE FROM t WHERE a = 1",
            "DELETE t FROM t JOIN u USING (a)",
        ],
        &[Plain],
    );
}

#[test]
fn a_view_that_is_only_read_does_not_matter_to_a_write_of_a_table() {
    struct Mixed(RelationFacts);
    impl Routines for Mixed {
        fn function(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
            RoutineFacts::Unknown
        }
        fn procedure(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
            RoutineFacts::Unknown
        }
        fn relation(&self, _: Option<&[u8]>, name: &[u8]) -> RelationFacts {
            if name == b"t" { Plain } else { self.0 }
        }
        fn version(&self) -> u64 {
            1
        }
    }
    for sql in [
        "INSERT INTO t SELECT a FROM v",
        "INSERT INTO t VALUES ((SELECT a FROM v))",
        "REPLACE INTO t SELECT a FROM v",
        "DELETE FROM t WHERE a IN (SELECT a FROM v)",
        "UPDATE t SET a = (SELECT MAX(a) FROM v)",
    ] {
        for facts in KNOWLEDGE {
            let context = Context { options: Options::default(), schema: b"s" };
            let by = classify(sql.as_bytes(), context, &Mixed(facts)).unexplained();
            let expected = matches!(facts, Plain | PlainToRead | ReadingView);
            assert_eq!(by.is_none(), expected, "{sql} with {facts:?}: {by:?}");
        }
    }
}

#[test]
fn what_needs_no_catalogue() {
    explained_with(
        &[
            "SELECT 1",
            "SELECT NOW(), CONCAT('a', UUID()), @x, @@sql_mode",
            "DO 1",
            "SELECT GET_LOCK('x', 1)",
            "SELECT LAST_INSERT_ID()",
            "SET @x = 5",
            "SET @x = CONCAT('a', 'b')",
            "SET sort_buffer_size = 300000",
            "SET NAMES utf8mb4",
            "SET last_insert_id = 5",
            "SET TRANSACTION READ ONLY",
            "USE s",
            "BEGIN",
            "START TRANSACTION READ ONLY",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT a",
            "ROLLBACK TO a",
            "SHOW TABLES",
            "SHOW WARNINGS",
            "PREPARE p FROM 'SELECT 1'",
        ],
        &KNOWLEDGE,
    );
}

#[test]
fn what_is_never_explained() {
    never(&["CALL p()", "CALL s.p(1, @x)"], Unexplained::Routine);
    never(
        &[
            "SELECT reads(a) FROM t",
            "SELECT gone(a) FROM t",
            "SELECT reads()",
            "INSERT INTO t VALUES (reads())",
        ],
        Unexplained::Function,
    );
    for sql in [
        "EXECUTE p",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "BEGIN NOT ATOMIC SET @x = 1; END",
        "SET ROLE r",
        "SET STATEMENT sort_buffer_size = 300000 FOR SELECT 1",
        "SET @x = (SELECT a FROM t)",
        "SET sort_buffer_size = (SELECT a FROM t)",
        "SET RESOURCE GROUP g",
        "SELECT NEXTVAL(q)",
        "SELECT NEXT VALUE FOR q",
        "SELECT LASTVAL(q)",
        "INSERT INTO t VALUES (NEXTVAL(q))",
        "INSERT INTO t VALUES (LAST_INSERT_ID(5))",
        "UPDATE t SET a = LAST_INSERT_ID(a + 1)",
        "SELECT LAST_INSERT_ID(a) FROM t WHERE b = f()",
        "SELECT LAST_INSERT_ID(5)",
        "DO (SELECT a FROM t)",
        "DELETE FROM t USING t JOIN u USING (a)",
        "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
        "LOAD DATA INFILE 'x' INTO TABLE t",
        "SELECT a FROM t PROCEDURE ANALYSE()",
        "SELECT 5, @a. INTO @x, @leak",
        "EXPLAIN SELECT a FROM t",
        "ANALYZE TABLE t",
        "HANDLER t OPEN",
        "LOCK TABLES t READ",
        "FLUSH TABLES",
        "CREATE TABLE t (a INT)",
        "CREATE TEMPORARY TABLE t (a INT)",
        "CREATE FUNCTION f() RETURNS INT RETURN 1",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "ALTER TABLE t ADD b INT",
        "DROP TABLE t",
        "TRUNCATE TABLE t",
        "XA START 'a'",
        "GRANT SELECT ON t TO u",
        "KILL 5",
        "INSTALL PLUGIN p SONAME 'p.so'",
        "SELECT a FROM t; CALL p()",
        "SELECT a FROM `t``u`",
        "not a statement",
    ] {
        for facts in KNOWLEDGE {
            assert!(by(sql, facts).is_some(), "{sql} with {facts:?} is explained");
        }
    }
}
