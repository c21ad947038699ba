use super::*;
use crate::{Lexer, Options};

fn derive(sql: &str) -> Result<Form, String> {
    let tokens: Vec<_> =
        Lexer::new(sql.as_bytes(), Options::default()).filter(|token| !token.is_trivia()).collect();
    Parser::new(&tokens).derive().map_err(|stop| {
        let rest = tokens.get(stop.at).map_or("", |token| &sql[token.start..]);
        format!("{:?} at {rest}", stop.why)
    })
}

#[test]
fn depth_is_bounded() {
    let nested = |open: &str, close: &str, depth: usize| {
        format!("SELECT {}1{}", open.repeat(depth), close.repeat(depth))
    };
    assert_eq!(derive(&nested("(", ")", 100_000)), Ok(Form::Query), "parentheses need no recursion");
    assert_eq!(derive(&nested("NOT (-(", "))", 10_000)), Ok(Form::Query));
    assert!(derive(&nested("(", "", 100_000)).is_err());
    for (open, close) in [
        ("ABS(", ")"),
        ("(SELECT ", ")"),
        ("CASE WHEN ", " THEN 1 END"),
        ("@a := ", ""),
        ("{d ", "}"),
        ("INTERVAL ", " DAY"),
    ] {
        assert_eq!(derive(&nested(open, close, 45)), Ok(Form::Query), "{open}");
        for closes in ["", close] {
            let deep = derive(&nested(open, closes, 100_000));
            assert!(deep.as_ref().is_err_and(|stop| stop.starts_with("TooDeep")), "{open}: {deep:?}");
        }
    }
    let tables = format!("SELECT * FROM {}t", "(".repeat(100_000));
    assert!(derive(&tables).is_err_and(|stop| stop.starts_with("TooDeep")));
}

fn relations(sql: &str) -> String {
    let tokens: Vec<_> =
        Lexer::new(sql.as_bytes(), Options::default()).filter(|token| !token.is_trivia()).collect();
    let mut parser = Parser::new(&tokens);
    parser.derive().unwrap_or_else(|stop| panic!("{sql}: {stop:?}"));
    let all = parser.facts.relations.iter().map(|name| {
        let schema = name.schema.map(|schema| format!("{}.", String::from_utf8_lossy(schema)));
        schema.unwrap_or_default() + &String::from_utf8_lossy(name.name)
    });
    all.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_name_is_a_common_table_expression_only_where_it_is_known() {
    for (sql, expected) in [
        ("WITH c AS (SELECT 1) SELECT * FROM c", ""),
        ("WITH c AS (SELECT * FROM c) SELECT * FROM c", "c"),
        ("WITH RECURSIVE c AS (SELECT 1 UNION SELECT * FROM c) SELECT * FROM c", ""),
        ("WITH c AS (SELECT 1), d AS (SELECT * FROM c) SELECT * FROM d", ""),
        ("WITH d AS (SELECT * FROM c), c AS (SELECT 1) SELECT * FROM d", "c"),
        ("WITH c AS (SELECT 1) SELECT * FROM s.c", "s.c"),
        ("WITH c AS (SELECT 1) SELECT * FROM C", "C"),
        ("WITH c AS (SELECT 1) SELECT * FROM `c`", ""),
        ("WITH c AS (SELECT 1) SELECT 1 UNION SELECT * FROM c", ""),
        ("WITH c AS (SELECT 1) SELECT (SELECT 1 FROM c) FROM (SELECT * FROM c) x", ""),
        ("SELECT * FROM c, (WITH c AS (SELECT 1) SELECT * FROM c) x", "c"),
        ("SELECT * FROM (WITH c AS (SELECT 1) SELECT * FROM c) x, c", "c"),
        ("(WITH c AS (SELECT 1) SELECT * FROM c) UNION SELECT * FROM c", "c"),
        ("WITH c AS (WITH d AS (SELECT 1) SELECT * FROM d) SELECT * FROM c, d", "d"),
        ("WITH c AS (SELECT 1) SELECT * FROM x WHERE a IN (WITH c AS (SELECT * FROM c) TABLE c)", "x c"),
        ("WITH c AS (SELECT 1) SELECT 1 WHERE EXISTS (WITH c AS (SELECT * FROM c) SELECT * FROM c)", "c"),
        ("WITH c AS (SELECT 1) SELECT * FROM (WITH d AS (SELECT * FROM c) SELECT * FROM d) x, c", "c"),
        ("WITH `a``b` AS (SELECT 1) SELECT * FROM `a``b`", "a``b"),
        ("INSERT INTO c WITH c AS (SELECT 1) SELECT * FROM c", "c"),
    ] {
        assert_eq!(relations(sql), expected, "{sql}");
    }
    let many: Vec<String> = (0..MANY).map(|at| format!("c{at} AS (SELECT 1)")).collect();
    let sql = format!("WITH {} SELECT * FROM c{}, c0", many.join(", "), MANY - 1);
    assert_eq!(relations(&sql), "c0", "a name is compared with the last ones only");
}

/// More common table expressions than a name is compared with.
const MANY: usize = 100;

#[test]
fn what_shows_a_relation_names_it() {
    for (sql, expected) in [
        ("SHOW COLUMNS FROM t", "t"),
        ("SHOW EXTENDED FULL FIELDS IN t IN s LIKE 'a%'", "s.t"),
        ("SHOW FULL COLUMNS FROM s.t WHERE Field = 'a'", "s.t"),
        ("SHOW COLUMNS FROM a.t FROM b", "b.t"),
        ("SHOW INDEX FROM t", "t"),
        ("SHOW EXTENDED INDEXES FROM t", "t"),
        ("SHOW KEYS IN t", "t"),
        ("SHOW CREATE TABLE s.t", "s.t"),
        ("SHOW CREATE VIEW v", "v"),
        ("SHOW CREATE SEQUENCE q", "q"),
        ("SHOW TABLE STATUS FROM s LIKE 't'", "information_schema.TABLES"),
        ("DESCRIBE v", "v"),
        ("DESC s.v a", "s.v"),
        ("EXPLAIN v 'a%'", "v"),
        ("SHOW FULL TABLES FROM s", ""),
        ("SHOW CREATE DATABASE s", ""),
        ("SHOW CREATE FUNCTION f", ""),
        ("SHOW GLOBAL STATUS LIKE 'a'", ""),
    ] {
        assert_eq!(relations(sql), expected, "{sql}");
    }
    for sql in ["SHOW COLUMNS", "SHOW FULL COLUMNS LIKE 't'", "SHOW INDEX t", "SHOW CREATE TABLE"] {
        assert!(derive(sql).is_err(), "{sql}");
    }
}
