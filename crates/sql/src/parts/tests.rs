use super::*;
use crate::TextCharset;

const PLAIN: Options =
    Options { ansi_quotes: false, no_backslash_escapes: false, charset: TextCharset::Utf8 };

fn values(sql: &str) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let found = user_variables(sql.as_bytes(), PLAIN)?;
    Some(found.iter().map(|(n, v)| format!("{}={}", text(n), text(v))).collect::<Vec<_>>().join(" "))
}

#[test]
fn user_variables_of_a_set() {
    for (sql, expected) in [
        ("SET @a = 1", "a=1"),
        ("SET @A:=-1.5, @`b` = 'x', @c = NULL", "a=-1.5 b='x' c=NULL"),
        ("SET @a = x'41', @b = 0x1F, @c = b'01', @d = true, @e = 1e5", "a=x'41' b=0x1F c=b'01' d=true e=1e5"),
        ("SET @a = \"it's\", @b = \"a\"\"b\", @c = 'it''s'", "a='it''s' b='a\"b' c='it''s'"),
        ("SET sql_mode = CONCAT('a', 'b'), @a = 1, NAMES utf8, autocommit := 0", "a=1"),
        ("SET @a = 1;", "a=1"),
        ("SET @a.b = 1", ""),
        ("SET sql_mode = ''", ""),
        ("set /* x */ @a = 1 -- y", "a=1"),
    ] {
        let expected = if sql.contains("@a.b") { None } else { Some(expected.to_owned()) };
        assert_eq!(values(sql), expected, "{sql}");
    }
    for sql in [
        "",
        "SELECT 1",
        "SET @a = 1 + 1",
        "SET @a = 'x\\'y'",
        "SET @a = 'a' 'b'",
        "SET @a = (1)",
        "SET @a = - - 1",
        "SET @a = x 'a'",
        "SET @a = _utf8'x'",
        "SET @a = @b",
        "SET @a = b",
        "SET @a",
        "SET @a =",
        "SET @a = 1,",
        "SET @a = 1; SET @b = 2",
        "SET @é = 1",
        "SET @`a ` = 1",
        "/*!40101 SET @a = 1 */",
        "SET @a = 1, sql_mode = (SELECT @b := 'x')",
    ] {
        assert_eq!(values(sql), None, "{sql}");
    }
    let ansi = Options { ansi_quotes: true, ..PLAIN };
    assert_eq!(user_variables(b"SET @a = \"b\"", ansi), None);
    assert_eq!(user_variables(b"SET @\"a\" = 1", ansi), Some(vec![(b"a".to_vec(), b"1".to_vec())]));
}

fn name(schema: Option<&str>, table: &str) -> TableName {
    TableName { schema: schema.map(|name| name.as_bytes().to_vec()), table: table.as_bytes().to_vec() }
}

#[test]
fn temporary_tables() {
    let made = |sql: &str| temporary_table(sql.as_bytes(), PLAIN);
    assert_eq!(made("CREATE TEMPORARY TABLE t (a INT)"), Some(name(None, "t")));
    assert_eq!(
        made("create temporary table if not exists `s`.`a``b` select 1"),
        Some(name(Some("s"), "a`b"))
    );
    assert_eq!(made("CREATE OR REPLACE TEMPORARY TABLE t LIKE u"), Some(name(None, "t")));
    for sql in [
        "CREATE TABLE t (a INT)",
        "SELECT 1",
        "CREATE TEMPORARY TABLE",
        "CREATE TEMPORARY TABLE t (a INT); SELECT 1",
    ] {
        assert_eq!(made(sql), None, "{sql}");
    }
    let dropped = |sql: &str| dropped_tables(sql.as_bytes(), PLAIN);
    assert_eq!(dropped("DROP TABLE t"), Some(vec![name(None, "t")]));
    assert_eq!(
        dropped("DROP TEMPORARY TABLE IF EXISTS a, s.b CASCADE"),
        Some(vec![name(None, "a"), name(Some("s"), "b")])
    );
    for sql in
        ["DROP VIEW v", "DROP TABLE", "DROP TABLE a,", "DROP TABLE a b.c (", "DROP TABLE a; DROP TABLE b"]
            [..3]
            .iter()
    {
        assert_eq!(dropped(sql), None, "{sql}");
    }
}

#[test]
fn prepared_statements() {
    let read = |sql: &str| {
        prepared(sql.as_bytes(), PLAIN)
            .map(|(n, t)| (String::from_utf8(n).unwrap(), String::from_utf8(t).unwrap()))
    };
    assert_eq!(read("PREPARE S FROM 'SELECT ''a'''"), Some(("s".into(), "SELECT 'a'".into())));
    assert_eq!(read(r#"PREPARE `a b` FROM "SELECT \"?\"""#), Some(("a b".into(), "SELECT \"?\"".into())));
    for sql in ["PREPARE s FROM @a", "PREPARE s FROM CONCAT('a')", "PREPARE s FROM 'a' 'b'", "EXECUTE s"] {
        assert_eq!(read(sql), None, "{sql}");
    }
    assert_eq!(executed(b"EXECUTE S USING @a, @b", PLAIN), Some(b"s".to_vec()));
    assert_eq!(executed(b"execute s", PLAIN), Some(b"s".to_vec()));
    assert_eq!(executed(b"EXECUTE IMMEDIATE 'SELECT 1'", PLAIN), None);
    assert_eq!(immediate(b"EXECUTE IMMEDIATE 'DO \\'1'", PLAIN), Some(b"DO '1".to_vec()));
    assert_eq!(immediate(b"execute immediate 'DO ?' USING @a, 5", PLAIN), Some(b"DO ?".to_vec()));
    assert_eq!(immediate(b"EXECUTE IMMEDIATE CONCAT('DO ', 1)", PLAIN), None);
    assert_eq!(immediate(b"EXECUTE IMMEDIATE @a", PLAIN), None);
    assert_eq!(immediate(b"EXECUTE IMMEDIATE 'DO ?' USING (SELECT a FROM t)", PLAIN), None);
    assert_eq!(immediate(b"EXECUTE IMMEDIATE 'DO 1'; DO 2", PLAIN), None);
    assert_eq!(deallocated(b"DEALLOCATE PREPARE s", PLAIN), Some(b"s".to_vec()));
    assert_eq!(deallocated(b"DROP PREPARE `S`", PLAIN), Some(b"s".to_vec()));
    assert_eq!(deallocated(b"DROP TABLE s", PLAIN), None);
}

#[test]
fn locks_by_name() {
    let locks = |sql: &str| named_locks(sql.as_bytes(), PLAIN);
    let expected = |taken: &[&str], released: &[&str]| {
        let names = |all: &[&str]| all.iter().map(|name| name.as_bytes().to_vec()).collect();
        Some(NamedLocks { taken: names(taken), released: names(released) })
    };
    assert_eq!(locks("SELECT GET_LOCK('A', 10)"), expected(&["a"], &[]));
    assert_eq!(locks("SELECT GET_LOCK('a', -1) AS x, RELEASE_LOCK('b') y;"), expected(&["a"], &["b"]));
    assert_eq!(locks("DO RELEASE_LOCK('a')"), expected(&[], &["a"]));
    for sql in [
        "SELECT GET_LOCK(@a, 1)",
        "SELECT GET_LOCK('a' 'b', 1)",
        "SELECT GET_LOCK(CONCAT('a'), 1)",
        "SELECT GET_LOCK('a', 1) FROM t",
        "SELECT GET_LOCK('a', 1) WHERE 0",
        "SELECT IF(1, GET_LOCK('a', 1), 0)",
        "SELECT GET_LOCK('a', 1) + 1",
        "SELECT RELEASE_ALL_LOCKS()",
        "SELECT GET_LOCK('é', 1)",
        "SELECT 1",
    ] {
        assert_eq!(locks(sql), None, "{sql}");
    }
}

fn set(sql: &str) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let one = |variable: &SystemVariable| {
        let given = match &variable.given {
            Given::Literal(value) => text(value),
            Given::Default => "DEFAULT".into(),
            Given::Unknown => "?".into(),
        };
        format!("{}{}={given}", if variable.unscoped { "@@" } else { "" }, text(&variable.name))
    };
    Some(system_variables(sql.as_bytes(), PLAIN)?.iter().map(one).collect::<Vec<_>>().join(" "))
}

#[test]
fn system_variables_of_a_set() {
    for (sql, expected) in [
        ("SET @@a = 1", "@@a=1"),
        ("SET A := -1.5, @@`b` = 'x', @@session.c = ON, local d = \"e\"", "a=-1.5 @@b=x c=ON d=e"),
        ("SET @@global.a = 1, @@b = DEFAULT, persist c = 1, @u = 2", "@@b=DEFAULT"),
        ("SET NAMES utf8, @@a = true", "@@a=1"),
        (
            "SET timestamp = UNIX_TIMESTAMP(), @@a = @b, @@c = NULL, @@d = 1e3",
            "timestamp=? @@a=? @@c=? @@d=?",
        ),
        ("SET @@a = CURRENT_TIMESTAMP, @@b = 'x\\'y', @@c = x'41'", "@@a=? @@b=? @@c=?"),
    ] {
        assert_eq!(set(sql).as_deref(), Some(expected), "{sql}");
    }
    for sql in [
        "SELECT 1",
        "SET @@a = 1, a = 2",
        "SET @@a = 1; SET @@b = 2",
        "SET STATEMENT a = 1 FOR SET @@b = 2",
        "SET @@a.b = 1",
        "SET TRANSACTION READ ONLY",
        "SET /*!50000 @@a = 1 */",
    ] {
        assert_eq!(set(sql), None, "{sql}");
    }
}

#[test]
fn user_variables_that_are_named() {
    let named = |sql: &str| {
        let names = named_user_variables(sql.as_bytes(), PLAIN)?;
        Some(
            names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>().join(" "),
        )
    };
    for (sql, expected) in [
        ("SET @a = CONCAT('@b', @C), @`d` = 1", "a c d"),
        ("SELECT @a := @a + 1; SELECT 2 INTO @'b'", "a b"),
        ("LOAD DATA INFILE 'x' INTO TABLE t (a, @b) SET c = @b", "b"),
    ] {
        assert_eq!(named(sql).as_deref(), Some(expected), "{sql}");
    }
    for sql in ["SELECT 1 INTO x", "SELECT @a.b := 1", "SET @é = 1 + 1", "SELECT 'x"] {
        assert_eq!(named(sql), None, "{sql}");
    }
}

#[test]
fn user_variables_that_a_text_creates_by_reading() {
    let both = ["MariaDB", "MySQL"];
    let mariadb = &both[..1];
    for (sql, on) in [
        ("INSERT INTO t VALUES (@a)", &both[..]),
        ("/* x */ replace into t select @a", &both),
        ("DELETE FROM t WHERE a = @a", &both),
        ("UPDATE t SET a = @a", &both),
        ("CREATE OR REPLACE TEMPORARY TABLE t SELECT @a", &both),
        ("SELECT 1; UPDATE t SET a = @a", &both),
        ("SET STATEMENT sql_mode = '' FOR INSERT INTO t VALUES (@a)", &both),
        ("EXPLAIN FORMAT=JSON DELETE FROM t WHERE a = @a", mariadb),
        ("ANALYZE UPDATE t SET a = @a", mariadb),
        ("WITH c AS (SELECT 1) UPDATE t SET a = @a", &both[1..]),
        ("SELECT @a FROM t FOR UPDATE", &[]),
        ("EXPLAIN SELECT REPLACE(@a, 1, 2)", &[]),
        ("DO @a", &[]),
        ("SET @b = @a", &[]),
        ("CREATE VIEW v AS SELECT @a", &[]),
        ("EXPLAIN WITH c AS (SELECT 1) SELECT @a", &[]),
        ("INSERT INTO t VALUES (@a, 'x", &[]),
    ] {
        let found =
            both.iter().filter(|name| creates_what_it_reads(sql.as_bytes(), PLAIN, **name == "MariaDB"));
        assert!(found.eq(on), "{sql}");
    }
}

#[test]
fn files_of_the_client() {
    let names = |sql: &str| -> Vec<String> {
        let all = local_files(sql.as_bytes(), Options::default());
        all.into_iter().map(|name| String::from_utf8(name).unwrap()).collect()
    };
    assert_eq!(names("LOAD DATA LOCAL INFILE 'a' INTO TABLE t FIELDS TERMINATED BY ','"), ["a"]);
    assert_eq!(names("load xml local/**/infile \"a''b\\\\c\" into table t"), ["a''b\\c"]);
    let two = "LOAD DATA LOCAL INFILE 'a' INTO TABLE t; LOAD DATA LOCAL INFILE 'b' INTO TABLE t";
    assert_eq!(names(two), ["a", "b"]);
    assert_eq!(names("LOAD DATA LOCAL INFILE /*!99999 'a' */ 'b' INTO TABLE t"), ["a", "b"]);
    assert_eq!(names("LOAD DATA /*!50000 LOCAL */ INFILE 'a\\0b' INTO TABLE t"), ["a"]);
    for sql in [
        "LOAD DATA INFILE 'a' INTO TABLE t",
        "SELECT 'LOCAL INFILE', 'a'",
        "SELECT 1 /* LOCAL INFILE 'a' */",
        "SELECT local, infile, 'a'",
        "LOAD DATA LOCAL INFILE 'a' INTO TABLE t FIELDS TERMINATED BY '",
    ] {
        assert_eq!(names(sql), [""; 0], "{sql}");
    }
}

#[test]
fn files_of_the_client_in_an_unknown_character_set() {
    let options = Options { charset: crate::TextCharset::Unsafe, ..Options::default() };
    for (sql, expected) in [
        ("LOAD DATA LOCAL INFILE 'a' INTO TABLE t (id, @x) SET v = 3", &[&b"a"[..]][..]),
        ("LOAD DATA LOCAL INFILE 'a' INTO TABLE t (id, 'x@", &[b"a"]),
        ("LOAD DATA LOCAL INFILE '@a' INTO TABLE t", &[]),
        ("SELECT '`'; LOAD DATA LOCAL INFILE 'a' INTO TABLE t", &[]),
        ("LOAD DATA LOCAL INFILE 'a' INTO TABLE t (id, 'x", &[]),
    ] {
        assert_eq!(local_files(sql.as_bytes(), options), expected, "{sql}");
        let class = crate::classify(sql.as_bytes(), options, &());
        assert!(class.may_load_local_file() || expected.is_empty(), "{sql}");
    }
}

#[test]
fn the_cost_of_the_last_statement() {
    let asks = |sql: &str| asks_query_cost(sql.as_bytes(), Options::default());
    assert!(asks("SHOW STATUS LIKE 'last_query_cost'"));
    assert!(asks("show session status where variable_name = 'Last_query_cost';"));
    assert!(!asks("SHOW STATUS"));
    assert!(!asks("SHOW GLOBAL STATUS LIKE 'last_query_cost'"));
    assert!(!asks("SHOW STATUS LIKE 'threads%'"));
    assert!(!asks("SHOW STATUS LIKE 'last_query_cost'; SELECT 1"));
}

#[test]
fn a_name_that_means_something_inside_quotes_is_not_read() {
    let named = |sql: &str| executed(sql.as_bytes(), Options::default());
    assert_eq!(named("EXECUTE `a b`"), Some(b"a b".to_vec()));
    for odd in [
        "EXECUTE `a``b`",
        "EXECUTE `a'b`",
        "EXECUTE `a\"b`",
        "EXECUTE `a\\b`",
        "EXECUTE `a\nb`",
        "EXECUTE `\u{e9}`",
    ] {
        assert_eq!(named(odd), None, "{odd}");
    }
    assert_eq!(prepared(b"PREPARE `x`` FROM 'SELECT 1' -- ` FROM 'SELECT 5'", Options::default()), None);
    assert_eq!(named_user_variables(b"SELECT 7 INTO @'x` into outfile'", Options::default()), None);
}

#[test]
fn only_the_variables_in_front_of_for_are_set_for_the_statement() {
    let sets = |sql: &str| {
        let names = set_for_statement(sql.as_bytes(), Options::default());
        names.iter().any(|name| name.eq_ignore_ascii_case(b"sql_mode"))
    };
    assert!(sets("SET STATEMENT sql_mode = '' FOR SELECT 1"));
    assert!(sets("set statement max_statement_time=1, `SQL_MODE`='ANSI' for update t set a = 1;"));
    assert!(!sets("SET STATEMENT max_statement_time = 1 FOR SET sql_mode = 'ANSI'"));
    assert!(!sets("SET STATEMENT lc_time_names = @@sql_mode FOR SELECT 1"));
    assert!(!sets("SET sql_mode = 'ANSI'"));
    assert!(!sets("SET STATEMENT sql_mode = '' FOR SELECT 1; SELECT 2"));
    assert!(!sets("SET STATEMENT /*!50000 sql_mode = '' */ FOR SELECT 1"));
}

#[test]
fn set_statement_sets_nothing_beyond_a_statement_that_is_no_set() {
    let alone = |sql: &str| sets_for_statement_alone(sql.as_bytes(), Options::default());
    assert!(alone("SET STATEMENT max_statement_time = 1 FOR SELECT @@sort_buffer_size"));
    assert!(alone("set statement sql_mode = '' for update t set a = @@version_comment"));
    assert!(!alone("SET STATEMENT max_statement_time = 1 FOR SET @@sql_mode = 'ANSI'"));
    assert!(!alone("SET STATEMENT max_statement_time = 1 FOR CALL p(@@sql_mode)"));
    assert!(!alone("SET STATEMENT max_statement_time = 1 FOR SELECT 1; SET @@sql_mode = ''"));
    assert!(!alone("SET @@sql_mode = 'ANSI'"));
}
