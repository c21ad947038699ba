//! What the grammar decides on replica ports: texts that are not understood, and what classes may rely on.

use super::*;
use crate::TextCharset;

/// What servers executed through this port although the guard had not understood it.
#[test]
fn what_is_not_understood_is_refused() {
    let texts: [&[u8]; 45] = [
        br"SELECT \NINTO OUTFILE '/f'",
        br"SELECT \N INTO OUTFILE '/f'",
        br"SELECT 1, \N",
        b"SELECT @a. INTO OUTFILE '/f'",
        b"SELECT 1, @a. INTO DUMPFILE '/f'",
        b"SELECT 5, @a. INTO @x, @leak",
        b"SELECT @a.b. INTO OUTFILE '/f'",
        b"SELECT @a.5INTO OUTFILE '/f'",
        b"SELECT @`a`.b",
        b"SELECT @ a",
        b"SET ROLE NONE, GLOBAL long_query_time = 7",
        b"SET ROLE NONE, @@global.read_only = 0",
        b"SET ROLE NONE, @@tx_read_only = 0",
        b"SET ROLE NONE, @x = w(1)",
        b"SET ROLE a, PASSWORD FOR b = 'x'",
        b"SET ROLE a, x = 1",
        b"SET ROLE DEFAULT, GLOBAL x = 1",
        b"SET ROLE ALL, GLOBAL x = 1",
        b"SET ROLE ALL EXCEPT a, GLOBAL x = 1",
        b"SET NAMES swe7",
        b"SET NAMES utf8mb4 COLLATE swe7_bin",
        b"SET CHARACTER SET swe7",
        b"SET character_set_client = swe7",
        b"SET character_set_connection = swe7",
        b"SET character_set_client = @a",
        b"SET character_set_database = swe7",
        b"SET @@session.character_set_server = swe7",
        b"SET collation_database = swe7_bin",
        b"SET collation_server = swe7_swedish_ci",
        b"EXECUTE IMMEDIATE 'SET CHARACTER SET utf8mb4'",
        b"PREPARE s FROM 'set charset utf8mb4'",
        b"PREPARE s FROM 'set @x = 1, char set default'",
        b"SET collation_connection = swe7_swedish_ci",
        b"SET NAMES utf8mb4, GLOBAL x = 1",
        b"SET NAMES unknown",
        b"SET sql_log_bin = 0",
        b"SET SESSION binlog_format = 'ROW'",
        b"SET RESOURCE GROUP g",
        b"SET DEFAULT ROLE a TO b",
        b"SET a.b = 1",
        b"SELECT 1 [2]",
        b"SELECT $$INTO OUTFILE$$",
        b"SELECT 1\0INTO OUTFILE '/f'",
        b"SELECT _gbk'\xbf'",
        b"SHOW TABLES INTO OUTFILE '/f'",
    ];
    for text in texts {
        assert!(!check(text, Options::default()).passes(), "{}", text.escape_ascii());
    }
    for text in [
        "SET CHARACTER SET utf8mb4",
        "PREPARE s FROM 'SET NAMES utf8mb4'",
        "SET collation_database = latin1_bin",
    ] {
        assert!(check(text.as_bytes(), Options::default()).passes(), "{text}");
    }
    let swe7 = Options { charset: TextCharset::Unsafe, ..Options::default() };
    assert!(!check(b"SELECT @a` INTO OUTFILE '/f' #`", swe7).passes());
    assert!(check(b"SET NAMES utf8mb4", swe7).passes(), "there is a way back");
}

/// Names outside ASCII are certain only in UTF-8.
#[test]
fn names_outside_ascii_pass_in_utf8() {
    let latin1 = Options { charset: TextCharset::SingleByte, ..Options::default() };
    for text in ["SELECT é FROM t", "SELECT t.é FROM t", "SELECT 1 AS é"] {
        assert!(check(text.as_bytes(), Options::default()).passes(), "{text}");
        assert!(!check(text.as_bytes(), latin1).passes(), "{text}");
    }
    assert!(check(b"SELECT '\xe9', `\xe9` FROM t", latin1).passes(), "in quotes a byte is a byte");
    let gbk = Options { charset: TextCharset::MultiByte, ..Options::default() };
    assert!(!check("SELECT `é` FROM t".as_bytes(), gbk).passes());
    assert!(!check(b"SELECT a\xff FROM t", Options::default()).passes());
    assert!(!check(b"PREPARE p FROM 'SELECT \xc3\xa9'", Options::default()).passes());
}

#[test]
fn a_refusal_names_the_token() {
    let said = |sql: &str| match check(sql.as_bytes(), Options::default()) {
        Verdict::Refused(refusal) => refusal.to_string(),
        _ => String::new(),
    };
    assert_eq!(said(r"SELECT \NINTO OUTFILE '/f'"), r#"is not understood (at "\\")"#);
    assert_eq!(said("SELECT 1 +"), "is not understood at its end");
    assert_eq!(said("SET sql_log_bin = 0"), r#"sets a variable that cannot be set here (at "sql_log_bin")"#);
    assert_eq!(said("DELETE FROM t"), r#"writes or may write (at "DELETE")"#);
}

/// Classes are kept by the shape of a text, in which literals have no value.
#[test]
fn what_is_understood_does_not_depend_on_literals() {
    let understood = |sql: &str| is_understood(sql.as_bytes(), Options::default());
    for sql in [
        "SELECT 'a', 1 FROM t",
        "SHOW TABLES LIKE 'x'",
        "SET @a = 'x'",
        "SET sql_mode = ''",
        "SET NAMES utf8mb4",
        "COMMIT",
    ] {
        assert!(understood(sql), "{sql}");
    }
    for sql in [
        "PREPARE p FROM 'SELECT 1'",
        "EXECUTE IMMEDIATE 'SELECT 1'",
        "SET transaction_read_only = 1",
        "SET NAMES 'utf8mb4'",
        "FLUSH STATUS",
        "SELECT 1; FLUSH STATUS",
        "ANALYZE TABLE t",
        "BEGIN NOT ATOMIC FLUSH STATUS; END",
        "INSERT INTO t VALUES (1)",
    ] {
        assert!(!understood(sql), "{sql}");
    }
}
