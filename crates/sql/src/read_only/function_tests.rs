//! Which functions a replica port lets through.

use super::*;
use crate::{RoutineFacts, Routines};

/// What a catalogue says of these functions, whatever their schema.
struct Catalogue(&'static [(&'static [u8], RoutineFacts)]);

impl Routines for Catalogue {
    fn function(&self, schema: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        let found = self.0.iter().find(|(known, _)| *known == name);
        // Names of other schemas are not known.
        let here = schema.is_none_or(|schema| schema == b"test");
        found.filter(|_| here).map_or(RoutineFacts::Unknown, |(_, facts)| *facts)
    }

    fn procedure(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
        RoutineFacts::Unknown
    }

    fn relation(&self, _: Option<&[u8]>, _: &[u8]) -> crate::RelationFacts {
        crate::RelationFacts::Unknown
    }

    fn version(&self) -> u64 {
        1
    }

    fn is_complete(&self) -> bool {
        true
    }
}

const KNOWN: Catalogue = Catalogue(&[
    (b"looks", RoutineFacts::ReadsOnly),
    (b"harmless", RoutineFacts::Harmless),
    (b"writes", RoutineFacts::Other),
    (b"count", RoutineFacts::Other),
    (b"md5", RoutineFacts::Other),
    (b"nvl", RoutineFacts::ReadsOnly),
]);

fn verdict_of(sql: &str, readings: Readings) -> Verdict {
    check_calls(sql.as_bytes(), readings, &Calls { schema: b"test", routines: &KNOWN })
}

fn verdict(sql: &str) -> Verdict {
    verdict_of(sql, Readings::default())
}

#[track_caller]
fn allowed(statements: &[&str]) {
    for sql in statements {
        assert!(verdict(sql).passes(), "{sql}: {:?}", verdict(sql));
    }
}

#[track_caller]
fn refused(reason: Reason, statements: &[&str]) {
    for sql in statements {
        let stopped = |found| found == Reason::NotUnderstood && reason != Reason::WritingFunction;
        assert!(
            matches!(verdict(sql), Verdict::Refused(refusal) if refusal.reason == reason || stopped(refusal.reason)),
            "{sql}: {:?}",
            verdict(sql)
        );
    }
}

#[test]
fn functions_that_are_built_in_pass() {
    allowed(&[
        "SELECT ABS(-1), count(*), Concat ('a', 'b'), NOW(6), sha1('x'), json_query(a, '$')",
        "SELECT `concat`('a')",
        "SELECT REPLACE(a, 'x', 'y'), INSERT(a, 1, 2, 'z'), MOD(5, 2) FROM t",
        "SELECT GET_LOCK('a', 1), LAST_INSERT_ID(), FOUND_ROWS(), ROW_COUNT(), VERSION()",
        "SELECT LOAD_FILE('/x'), LASTVAL(s)",
        "SELECT 1 IN (1, 2), 1 = ANY (SELECT 1), EXISTS (SELECT 1), (1), NOT (1), a MEMBER OF (b)",
        "SELECT CAST(a AS DECIMAL(10, 2)), CAST(a AS DATETIME(6)), CONVERT(a, CHAR(3)), TRIM(BOTH ('x') FROM a)",
        "SELECT SUM(a) OVER (PARTITION BY b ORDER BY (c) ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t",
        "SELECT RANK() OVER w FROM t WINDOW w AS (ORDER BY a)",
        "SELECT * FROM t PARTITION (p0) FORCE INDEX (i) JOIN u USING (a) WHERE MATCH (a) AGAINST ('x')",
        "SELECT * FROM JSON_TABLE(a, '$[*]' COLUMNS (i FOR ORDINALITY, d DATETIME(6) PATH '$.d', b BIT(1) PATH '$.b')) AS j",
        "SELECT * FROM (SELECT 1, 2) AS d (a, b)",
        "SELECT * FROM (SELECT 1, 2) d (a, b)",
        "WITH c (a, `b`) AS (SELECT 1, 2), d (e) AS (SELECT 3) SELECT * FROM c, d",
        "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT * FROM c",
        "(WITH c (a) AS (SELECT 1) SELECT * FROM c)",
        "VALUES ROW(1, 2), ROW(3, 4)",
        "SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY a) OVER (PARTITION BY b) FROM t",
        "SELECT a FROM t GROUP BY ROLLUP (a)",
        "SELECT DISTINCT (a) FROM t HAVING (a) LIMIT 5",
        "EXPLAIN INSERT INTO t (a, b) VALUES (1, 2)",
        "EXPLAIN INSERT INTO db.t (a, b) SELECT 1, 2",
        "EXPLAIN REPLACE t (a) VALUES (1)",
        "EXPLAIN FORMAT=TREE (SELECT 1)",
        "SHOW TABLES WHERE (1)",
        "SET @a = CONCAT('a', (SELECT MAX(b) FROM t))",
        "SELECT {fn CONCAT('a')}",
        "HANDLER t READ i = (1) WHERE ABS(a) > 1",
        "SELECT @f, @`f`, @a := (1), @@session.sql_mode",
        "PREPARE p FROM 'SELECT ABS(?)'",
        "EXECUTE IMMEDIATE 'SELECT ?' USING ABS(1)",
    ]);
}

#[test]
fn stored_functions_pass_if_the_catalogue_says_that_they_only_read() {
    allowed(&[
        "SELECT looks()",
        "SELECT `LOOKS` (1)",
        "SELECT test.looks()",
        "DO looks()",
        "SELECT nvl(a, b)",
    ]);
    refused(
        Reason::UnknownFunction,
        &[
            "SELECT harmless()",
            "SELECT writes()",
            "SELECT test.writes(1)",
            "SELECT other.looks()",
            "SELECT `other`.`looks`()",
            // It may be the stored one: a space stands before the parenthesis, or the server has no such function.
            "SELECT count (a)",
            "SELECT md5(a)",
            "SELECT `count`(a)",
        ],
    );
}

#[test]
fn what_nobody_knows_is_refused_wherever_it_is_called() {
    refused(
        Reason::UnknownFunction,
        &[
            "SELECT f()",
            "SELECT `f`()",
            "SELECT f /* x */ (1)",
            "SELECT 1, f(a, b)",
            "SELECT 1, f(a, b) AS c",
            "SELECT f(a) AS c FROM (SELECT 1) d",
            "SELECT 1 + f(1)",
            "SELECT (f(1))",
            "SELECT @ , f(1)",
            "SELECT @ f(1)",
            "SELECT * FROM t WHERE f(a)",
            "SELECT * FROM t ORDER BY f(a)",
            "WITH c (a) AS (SELECT f()) SELECT * FROM c",
            "WITH c (a, f()) AS (SELECT 1) SELECT * FROM c",
            "WITH c (a) SELECT 1",
            "WITH c (a)",
            "WITH c (a",
            "SET @a = f()",
            "DO 1, f()",
            "SHOW TABLES WHERE f()",
            "KILL f()",
            "HANDLER t READ FIRST WHERE f()",
            "EXECUTE p USING f()",
            "EXECUTE IMMEDIATE 'SELECT ?' USING f()",
            "EXECUTE IMMEDIATE 'SELECT f()'",
            "PREPARE p FROM 'SELECT f()'",
            "EXPLAIN SELECT f()",
            "EXPLAIN INSERT INTO t VALUES (f())",
            "SELECT /*!50000 f( */ /*!99999 abs( */ 1)",
            "SELECT keyring_key_generate('a', 'AES', 16)",
            "SELECT group_replication_disable_member_action('a', 'b')",
            "SELECT mysql_firewall_flush_status()",
            "SELECT innodb_redo_log_archive_start('a', 'b')",
            "SELECT null(1)",
            "SELECT mysql(1)",
            "SELECT delete(1)",
        ],
    );
    refused(
        Reason::WritingFunction,
        &["SELECT nextval(s)", "SELECT s.nextval", "SELECT test.`s` . NEXTVAL FROM t", "SELECT s.`nextval`"],
    );
    refused(
        Reason::Writes,
        &[
            "WITH c AS (DELETE FROM t) SELECT 1",
            "(WITH c (a) AS (SELECT 1) DELETE FROM t)",
            "SELECT 1 + (WITH c AS (SELECT 1) UPDATE t SET a = 1)",
            "SELECT (UPDATE t SET a = 1)",
            "SELECT (INSERT",
            "SELECT 1 IN (REPLACE t)",
        ],
    );
}

#[test]
fn every_way_to_read_a_text_counts() {
    let open = Readings { either_quotes: true, either_escapes: true, ..Readings::default() };
    let is = |sql: &str, reason: Option<Reason>| {
        let refused = match verdict_of(sql, open) {
            Verdict::Refused(refusal) => Some(refusal.reason),
            _ => None,
        };
        assert_eq!(refused, reason, "{sql}");
    };
    is(r#"SELECT 1 "\", f() -- ""#, Some(Reason::UnknownFunction));
    is(r"SELECT '\', f() -- '", Some(Reason::UnknownFunction));
    is(r"SELECT '\'; DELETE FROM t -- '", Some(Reason::Writes));
    is(r"SELECT 'it\'s'", Some(Reason::Unreadable));
    is(r"SELECT 'a\n', 'it''s', `a`", None);
    is(r#"SELECT "a", 'b'"#, None);
}

#[test]
fn a_text_is_cut_where_its_statements_end() {
    let cut = |sql: &'static str| {
        let (first, rest) = first_statement(sql.as_bytes(), Options::default());
        (String::from_utf8_lossy(first), rest.map(String::from_utf8_lossy))
    };
    assert_eq!(
        cut("SELECT ';' /* ; */ ; SELECT 2;"),
        ("SELECT ';' /* ; */ ".into(), Some(" SELECT 2;".into()))
    );
    assert_eq!(cut("SELECT 1"), ("SELECT 1".into(), None));
    assert_eq!(cut("SELECT 1;"), ("SELECT 1".into(), Some("".into())));
    assert_eq!(cut("SELECT '; SELECT 2"), ("SELECT '; SELECT 2".into(), None));
}
