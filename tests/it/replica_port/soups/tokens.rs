//! Texts by chance: soups of tokens, and changes to texts that somebody wrote.

use crate::support::Chance;

/// What could change a server, or make two readers of a text disagree. `/dir/` is replaced by a folder.
const DANGEROUS: &[&[u8]] = &[
    b"INTO OUTFILE '/dir/s'",
    b"INTO DUMPFILE '/dir/s'",
    b"INTO",
    b"OUTFILE",
    b"DUMPFILE",
    b"'/dir/s'",
    b"INTO @x",
    b"\\N",
    b"\\NINTO OUTFILE '/dir/s'",
    b"@a.",
    b"@a. INTO OUTFILE '/dir/s'",
    b"@`a`.",
    b"@a.b",
    b"@",
    b"@@",
    b"@``",
    b":=",
    b"GLOBAL",
    b"PERSIST",
    b"PERSIST_ONLY",
    b"SESSION",
    b"LOCAL",
    b"@@global.",
    b"@@session.",
    b"GLOBAL long_query_time = 7",
    b"@@global.long_query_time = 7",
    b"long_query_time",
    b"tx_read_only = 0",
    b"transaction_read_only = 0",
    b"READ WRITE",
    b"ROLE NONE",
    b"SET ROLE NONE,",
    b"SET",
    b", GLOBAL long_query_time = 7",
    b"/*!50000",
    b"/*!99999",
    b"/*!101100",
    b"/*!101199",
    b"/*!100100",
    b"/*!90700",
    b"/*!90701",
    b"/*!090704",
    b"/*M!",
    b"/*M!100000",
    b"/*M!999999",
    b"/*!",
    b"*/",
    b"/*",
    b"/**/",
    b"/*+",
    b"-- ",
    b"--",
    b"--\x01",
    b"#",
    b"\n",
    b"'",
    b"\"",
    b"`",
    b"\\",
    b"\\'",
    b"''",
    b"\"\"",
    b"``",
    b";",
    b"\0",
    b"\xa0",
    b"\xc2\xa0",
    b"\xbf\\",
    b"\xbf`",
    b"\x95\\",
    b"\xc3\xa9",
    b"\xf0\x9f\x98\x80",
    b"\xff",
    b"\x0b",
    b"\x0c",
    b"f_global()",
    b"test.f_global()",
    b"w(1)",
    b"f_file()",
    b"f_unlock()",
    b"`f_global`()",
    b"NEXTVAL(s)",
    b"SETVAL(s, 99)",
    b"NEXT VALUE FOR s",
    b"s.nextval",
    b"PREVIOUS VALUE FOR s",
    b"v_global",
    b"v_write",
    b"v_unlock",
    b"v_file",
    b"FROM v_global",
    b"INSERT INTO t (v) VALUES (9)",
    b"DELETE FROM t",
    b"UPDATE t SET v = 9",
    b"REPLACE INTO t VALUES (1, 9)",
    b"TRUNCATE t",
    b"CALL w_proc()",
    b"CREATE TABLE made (a INT)",
    b"DROP TABLE u",
    b"FLUSH STATUS",
    b"FLUSH TABLES",
    b"ANALYZE",
    b"EXPLAIN",
    b"EXPLAIN ANALYZE",
    b"DESCRIBE",
    b"EXECUTE IMMEDIATE",
    b"PREPARE p FROM",
    b"EXECUTE p",
    b"USING",
    b"BEGIN NOT ATOMIC",
    b"BEGIN",
    b"END",
    b"IF 1 THEN",
    b"END IF",
    b"DECLARE",
    b"STATEMENT",
    b"FOR",
    b"RETURNING",
    b"PASSWORD = 'x'",
    b"KILL",
    b"KILL {thread}",
    b"{thread}",
    b"{session}",
    b"STOP SLAVE",
    b"STOP REPLICA",
    b"RESET PERSIST",
    b"HANDLER t OPEN",
    b"HANDLER t READ FIRST",
    b"LOCK TABLES t WRITE",
    b"LOCK TABLES t READ",
    b"START TRANSACTION",
    b"XA START 'x'",
    b"SET TRANSACTION READ WRITE",
    b"COMMIT AND CHAIN",
    b"SHUTDOWN_",
    b"PROCEDURE ANALYSE()",
    b"sql_mode = 'ANSI_QUOTES'",
    b"sql_mode = 'ORACLE'",
    b"sql_mode = 'NO_BACKSLASH_ESCAPES'",
    b"NAMES swe7",
    b"NAMES gbk",
    b"CHARACTER SET sjis",
    b"character_set_connection = swe7",
    b"_swe7",
    b"_gbk",
    b"_utf16",
    b"_binary",
    b"X'27'",
    b"0x27",
    b"N'a'",
    b"{d '2024-01-01'}",
    b"{fn w(1)}",
    b"{oj t}",
    b"$$",
    b"$a$",
    b"SET_VAR(long_query_time = 7)",
    b"/*+ SET_VAR(sort_buffer_size = 99999) */",
    b"/*+ QB_NAME(`*/",
    b"LOAD_FILE('/etc/passwd')",
];

/// What texts are made of.
const PLAIN: &[&[u8]] = &[
    b"SELECT",
    b"FROM",
    b"t",
    b"u",
    b"test",
    b".",
    b",",
    b"(",
    b")",
    b"*",
    b"1",
    b"2",
    b"0",
    b"1.",
    b".5",
    b"1e5",
    b"0x41",
    b"b'1'",
    b"'a'",
    b"\"b\"",
    b"`v`",
    b"id",
    b"v",
    b"=",
    b"<",
    b">",
    b"+",
    b"-",
    b"/",
    b"%",
    b"!",
    b"~",
    b"|",
    b"||",
    b"&&",
    b"^",
    b"?",
    b"AS",
    b"WHERE",
    b"AND",
    b"OR",
    b"NOT",
    b"IN",
    b"IS",
    b"NULL",
    b"LIKE",
    b"BETWEEN",
    b"CASE",
    b"WHEN",
    b"THEN",
    b"ELSE",
    b"END",
    b"UNION",
    b"ALL",
    b"INTERSECT",
    b"EXCEPT",
    b"WITH",
    b"RECURSIVE",
    b"q",
    b"ORDER BY",
    b"GROUP BY",
    b"HAVING",
    b"LIMIT",
    b"OFFSET",
    b"JOIN",
    b"LEFT",
    b"ON",
    b"USING",
    b"DISTINCT",
    b"COUNT(*)",
    b"VALUES",
    b"ROW",
    b"TABLE",
    b"SHOW",
    b"TABLES",
    b"VARIABLES",
    b"STATUS",
    b"DATABASES",
    b"CREATE",
    b"DO",
    b"USE",
    b"SAVEPOINT",
    b"ROLLBACK",
    b"COMMIT",
    b"@a",
    b"@@version",
    b"DEFAULT",
    b"INTERVAL 1 DAY",
    b"NOW()",
    b"CAST(1 AS CHAR)",
    b"COLLATE",
    b"utf8mb4_bin",
    b"BINARY",
    b"FOR UPDATE",
    b"LOCK IN SHARE MODE",
    b"EXISTS",
    b"OVER ()",
    b"PARTITION",
    b"WINDOW",
    b"LATERAL",
    b"NATURAL",
    b"DUAL",
    b"READ",
    b"ONLY",
    b"ISOLATION",
    b"LEVEL",
    b"KEY",
    b"date",
    b"type",
];

/// What can stand where a name or a number stands.
const EXPRESSIONS: &[&[u8]] = &[
    b"(SELECT 1 FROM t)",
    b"f_global()",
    b"test.f_global()",
    b"w(1)",
    b"@a.",
    b"\\N",
    b"@x := 1",
    b"CASE WHEN 1 THEN 2 END",
    b"ROW(1, 2)",
    b"EXISTS (SELECT 1)",
    b"CAST(1 AS CHAR)",
    b"_latin1'a'",
    b"t.v",
    b"NULL",
    b"1.",
    b".1",
    b"(SELECT a FROM v_global)",
    b"@`b`",
    b"@@sql_mode",
    b"(1)",
    b"-1",
    b"1 + 1",
    b"'a' 'b'",
    b"{d '2024-01-01'}",
    b"NEXT VALUE FOR s",
    b"NEXTVAL(s)",
    b"LASTVAL(s)",
    b"DEFAULT(v)",
    b"VALUES(v)",
    b"COUNT(*) OVER ()",
    b"1 IN (1, 2)",
    b"NOT 1",
    b"BINARY 'a'",
    b"INTERVAL(1, 2)",
    b"NOW() + INTERVAL 1 DAY",
    b"1 COLLATE binary",
    b"v",
    b"id",
    b"JSON_EXTRACT('{}', '$')",
    b"/*!50000 1 */",
    b"/*!99999 x */1",
    b"1 /* a */",
    b"t.*",
    b"ROW_COUNT()",
    b"LAST_INSERT_ID(5)",
    b"any_value(1)",
    b"nvl(1, 1)",
    b"`f_global`()",
    b"GET_LOCK('a', 0)",
    b"'\\''",
    b"\"'\"",
    b"'\"'",
    b"'\xbf\\'",
    b"x'41'",
    b"0b1",
    b"(VALUES (1))",
    b"(TABLE t)",
];

const GAPS: &[&[u8]] = &[
    b" ", b" ", b" ", b"", b"\n", b"\t", b"/**/", b"/* x */", b"\x0b", b"\x0c", b"\r", b"-- \n", b"#\n",
    b"\xa0",
];

/// Starts of statements that pass, and ends that must not.
const STARTS: &[&[u8]] = &[
    b"SELECT 1",
    b"SELECT 1,",
    b"SELECT",
    b"SELECT v FROM t",
    b"SELECT 'a'",
    b"(SELECT 1",
    b"SELECT * FROM (SELECT 1) AS q",
    b"SET",
    b"SET @a = 1",
    b"SET NAMES utf8mb4",
    b"SET ROLE NONE",
    b"SET ROLE DEFAULT",
    b"SET CHARACTER SET DEFAULT",
    b"SET autocommit = 1",
    b"SET SESSION TRANSACTION READ ONLY",
    b"EXPLAIN SELECT 1",
    b"WITH q AS (SELECT 1) SELECT * FROM q",
    b"SHOW TABLES",
    b"DO 1",
    b"START TRANSACTION",
    b"PREPARE p FROM 'SELECT 1",
    b"EXECUTE IMMEDIATE 'SELECT 1",
    b"USE test",
    b"HELP 'a'",
    b"CHECKSUM TABLE t",
    b"SELECT 1 FROM t WHERE id IN (1",
    b"SELECT \"a",
    b"SELECT `v",
    b"SELECT 'a",
    b"SELECT /*",
    b"SELECT /*!50000 1",
    b"BEGIN",
    b"COMMIT",
];
const ENDS: &[&[u8]] = &[
    b"INTO OUTFILE '/dir/s'",
    b"INTO DUMPFILE '/dir/s'",
    b"INTO OUTFILE '/dir/s' -- ",
    b"INTO OUTFILE '/dir/s' #'",
    b"INTO OUTFILE '/dir/s' #`",
    b"INTO OUTFILE '/dir/s' #\"",
    b"INTO OUTFILE \"/dir/s\"",
    b", GLOBAL long_query_time = 7",
    b", @@global.long_query_time = 7",
    b"GLOBAL long_query_time = 7",
    b", long_query_time = 7, @@tx_read_only = 0",
    b", f_global()",
    b"f_global()",
    b"(f_global())",
    b"FROM v_global",
    b", (SELECT a FROM v_global)",
    b"; DELETE FROM t",
    b"; SET GLOBAL long_query_time = 7",
    b"FROM v_file",
    b"READ WRITE",
    b", PERSIST long_query_time = 7",
    b"NEXT VALUE FOR s",
    b", NEXTVAL(s)",
];

/// One of a list.
pub fn one<'a, T>(chance: &mut Chance, of: &'a [T]) -> &'a T {
    &of[chance.below(of.len())]
}

fn word(chance: &mut Chance, of: &'static [&'static [u8]]) -> &'static [u8] {
    of[chance.below(of.len())]
}

/// Cuts a text into words, quoted parts, spaces and single bytes. Joined, they are the text.
pub fn tokens(text: &[u8]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.first() {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        let length = match first {
            b'\'' | b'"' | b'`' => {
                rest.iter().skip(1).position(|byte| byte == first).map_or(rest.len(), |at| at + 2)
            }
            byte if is_word(byte) => rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len()),
            byte if byte.is_ascii_whitespace() => {
                rest.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(rest.len())
            }
            b'/' if rest.starts_with(b"/*!") => {
                3 + rest[3..].iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len() - 3)
            }
            b'/' | b'*' | b'@' | b':' | b'<' | b'|' | b'&'
                if rest.len() > 1 && !is_word(&rest[1]) && !rest[1].is_ascii_whitespace() =>
            {
                2
            }
            _ => 1,
        };
        all.push(rest[..length].to_vec());
        rest = &rest[length..];
    }
    all
}

/// A text by chance, from texts that somebody wrote.
pub fn soup(chance: &mut Chance, corpus: &[Vec<Vec<u8>>]) -> Vec<u8> {
    match chance.below(10) {
        0 => of_tokens(chance),
        1 | 2 => joined(chance),
        3 | 4 => changed_a_little(chance, corpus),
        _ => changed(chance, corpus),
    }
}

/// Tokens in any order.
fn of_tokens(chance: &mut Chance) -> Vec<u8> {
    let mut text = if chance.below(3) > 0 { word(chance, STARTS).to_vec() } else { Vec::new() };
    for _ in 0..1 + chance.below(14) {
        text.extend_from_slice(word(chance, GAPS));
        let list = if chance.below(3) == 0 { DANGEROUS } else { PLAIN };
        text.extend_from_slice(word(chance, list));
    }
    text
}

/// A start that passes, something strange, and an end that must not pass.
fn joined(chance: &mut Chance) -> Vec<u8> {
    let mut text = word(chance, STARTS).to_vec();
    for _ in 0..chance.below(4) {
        text.extend_from_slice(word(chance, GAPS));
        let list = if chance.below(2) == 0 { DANGEROUS } else { PLAIN };
        text.extend_from_slice(word(chance, list));
    }
    text.extend_from_slice(word(chance, GAPS));
    text.extend_from_slice(word(chance, ENDS));
    bytes_changed(chance, &mut text);
    text
}

/// Somebody's text with a few changes.
fn changed(chance: &mut Chance, corpus: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut tokens = one(chance, corpus).clone();
    if chance.below(4) == 0 {
        let other = one(chance, corpus);
        tokens.truncate(chance.below(tokens.len() + 1));
        tokens.extend_from_slice(&other[chance.below(other.len() + 1)..]);
    }
    // Few changes, so that servers understand many of the texts.
    let changes = if chance.below(2) == 0 { 1 } else { 1 + chance.below(4) };
    for _ in 0..changes {
        change(chance, &mut tokens);
    }
    let mut text = tokens.concat();
    if chance.below(8) == 0 {
        bytes_changed(chance, &mut text);
    }
    text.truncate(4000);
    text
}

/// Somebody's text with another operand: mostly a text that servers understand.
fn changed_a_little(chance: &mut Chance, corpus: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut tokens = one(chance, corpus).clone();
    other_operand(chance, &mut tokens);
    if chance.below(3) == 0 {
        let at = chance.below(tokens.len() + 1);
        tokens.insert(at, word(chance, GAPS).to_vec());
    }
    tokens.concat()
}

/// Replaces a number, a literal or a quoted name.
fn other_operand(chance: &mut Chance, tokens: &mut [Vec<u8>]) {
    let is_operand = |token: &Vec<u8>| {
        token.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'\'' | b'`'))
    };
    let operands: Vec<usize> = (0..tokens.len()).filter(|at| is_operand(&tokens[*at])).collect();
    if !operands.is_empty() {
        tokens[*one(chance, &operands)] = word(chance, EXPRESSIONS).to_vec();
    }
}

fn change(chance: &mut Chance, tokens: &mut Vec<Vec<u8>>) {
    let at = chance.below(tokens.len() + 1);
    let other = chance.below(tokens.len().max(1));
    match chance.below(12) {
        0 if at < tokens.len() => drop(tokens.remove(at)),
        1 if at < tokens.len() => tokens.insert(other, tokens[at].clone()),
        2 if at < tokens.len() => tokens.swap(at, other),
        3 if at < tokens.len() => tokens[at] = word(chance, GAPS).to_vec(),
        4 if at < tokens.len() => tokens[at] = word(chance, PLAIN).to_vec(),
        5 => tokens.insert(at, word(chance, PLAIN).to_vec()),
        8..=10 => other_operand(chance, tokens),
        6 => tokens.insert(at, [word(chance, GAPS), word(chance, DANGEROUS), word(chance, GAPS)].concat()),
        7 => tokens.insert(at, word(chance, DANGEROUS).to_vec()),
        _ => tokens.push([b" ", word(chance, ENDS)].concat()),
    }
}

/// Replaces, inserts or removes single bytes.
fn bytes_changed(chance: &mut Chance, text: &mut Vec<u8>) {
    const BYTES: &[u8] = b"\0\x01\x0b'\"`\\;#-/*@.!,()= \n\x1a\x80\x95\xa0\xa1\xbf\xc2\xe3\xf0\xff";
    for _ in 0..chance.below(3) {
        let at = chance.below(text.len().max(1));
        match chance.below(3) {
            0 if at < text.len() => text[at] = *one(chance, BYTES),
            1 if at < text.len() => drop(text.remove(at)),
            _ => text.insert(at.min(text.len()), *one(chance, BYTES)),
        }
    }
}
