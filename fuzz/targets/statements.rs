//! Texts made of bytes: as they are they seldom make statements, as choices of words and forms they do.

/// Functions that only read.
pub const READING: [&str; 5] = ["abs", "concat", "now", "count", "max"];

/// Functions that are called in generated texts.
pub const CALLED: [&str; 14] = [
    "abs",
    "concat",
    "now",
    "count",
    "max",
    "f",
    "test.f",
    "nextval",
    "setval",
    "group_replication_set_as_primary",
    "asynchronous_connection_failover_reset",
    "keyring_key_generate",
    "set_firewall_mode",
    "innodb_redo_log_archive_start",
];

/// Bytes as choices.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn next(&mut self) -> usize {
        self.0.next().copied().map_or(0, usize::from)
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.next() % of.len()]
    }
}

/// Each byte is a word.
pub fn words(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in bytes {
        text.extend_from_slice(WORDS[usize::from(*byte) % WORDS.len()].as_bytes());
        if byte & 0x80 == 0 {
            text.push(b' ');
        }
    }
    text
}

/// Statements of known forms, one behind the other, with what only the lexer should see between their words.
pub fn statement(bytes: &[u8]) -> Vec<u8> {
    let mut choices = Choices(bytes.iter());
    let mut text = String::new();
    for number in 0..=choices.next() % 3 {
        if number > 0 {
            text.push(';');
        }
        let form = choices.one(&FORMS);
        for part in form.split(' ') {
            let gap = choices.one(&GAPS);
            text.push_str(gap);
            text.push_str(&part_of(part, &mut choices, 0));
        }
    }
    text.into_bytes()
}

/// A part of a form: `$x` is an expression, `$q` a query, `$v` a variable, `$n` a name.
fn part_of(part: &str, choices: &mut Choices<'_>, depth: u8) -> String {
    let mut text = String::new();
    let mut rest = part;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        let (kind, behind) = rest[at + 1..].split_at(1);
        text.push_str(&match kind {
            "x" => expression(choices, depth),
            "q" => query(choices, depth),
            "v" => choices.one(&VARIABLES).to_owned(),
            _ => choices.one(&NAMES).to_owned(),
        });
        rest = behind;
    }
    text.push_str(rest);
    let upper = choices.next() % 4 == 0 && !text.contains(['\'', '"', '`']);
    if upper { text.to_lowercase() } else { text }
}

fn expression(choices: &mut Choices<'_>, depth: u8) -> String {
    if depth > 3 {
        return "1".to_owned();
    }
    match choices.next() % 7 {
        0 => format!("{}({})", choices.one(&CALLED), expression(choices, depth + 1)),
        1 => format!("({})", query(choices, depth + 1)),
        2 => format!("{} + {}", expression(choices, depth + 1), expression(choices, depth + 1)),
        3 => choices.one(&NAMES).to_owned(),
        4 => choices.one(&LITERALS).to_owned(),
        5 => format!("CASE WHEN {} THEN 1 END", expression(choices, depth + 1)),
        _ => choices.one(&VARIABLES).to_owned(),
    }
}

fn query(choices: &mut Choices<'_>, depth: u8) -> String {
    let form = choices.one(&QUERIES);
    form.split(' ').map(|part| part_of(part, choices, depth + 1)).collect::<Vec<_>>().join(" ")
}

const QUERIES: [&str; 12] = [
    "SELECT $x",
    "SELECT $x FROM $n",
    "SELECT $x FROM $n WHERE $x",
    "SELECT $x UNION ALL SELECT $x",
    "WITH $n AS ($q) SELECT $x",
    "WITH $n (a) AS ($q) DELETE FROM t",
    "WITH $n AS (DELETE FROM t) SELECT 1",
    "TABLE $n",
    "VALUES ROW($x)",
    "SELECT $x FROM ($q) AS d",
    "SELECT $x FROM $n FOR UPDATE",
    "INSERT INTO t VALUES ($x)",
];

const FORMS: [&str; 48] = [
    "$q",
    "($q)",
    "$q INTO OUTFILE 'x'",
    "INSERT INTO $n VALUES ($x)",
    "INSERT INTO $n $q",
    "REPLACE INTO $n VALUES ($x)",
    "UPDATE $n SET a = $x",
    "DELETE FROM $n WHERE $x",
    "TRUNCATE TABLE $n",
    "CREATE TABLE $n (a INT)",
    "CREATE TABLE $n AS $q",
    "CREATE VIEW $n AS $q",
    "CREATE DATABASE $n",
    "CREATE USER $n",
    "DROP TABLE $n",
    "ALTER TABLE $n ADD COLUMN b INT",
    "RENAME TABLE $n TO $n",
    "GRANT ALL ON *.* TO $n",
    "REVOKE ALL ON *.* FROM $n",
    "CALL $n($x)",
    "SET $v = $x",
    "SET $v = $x, $v = $x",
    "SET SESSION $v = $x",
    "SET GLOBAL $v = $x",
    "SET LOCAL $v = $x",
    "SET @@session.$v = $x",
    "SET @@global.$v = $x",
    "SET NAMES utf8mb4",
    "SET TRANSACTION READ WRITE",
    "SET SESSION TRANSACTION READ WRITE",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    "SET ROLE $n",
    "START TRANSACTION READ WRITE",
    "START TRANSACTION",
    "BEGIN",
    "COMMIT",
    "LOCK TABLES $n WRITE",
    "LOCK TABLES $n READ",
    "UNLOCK TABLES",
    "FLUSH TABLES",
    "ANALYZE TABLE $n",
    "EXPLAIN $q",
    "EXPLAIN ANALYZE $q",
    "EXPLAIN ANALYZE DELETE FROM $n",
    "SHOW TABLES",
    "KILL 5",
    "USE $n",
    "PREPARE $n FROM $q",
];

const NAMES: [&str; 10] = ["t", "a", "test.t", "`a`", "`delete`", "t1", "s", "x", "`a b`", "é"];

const LITERALS: [&str; 12] =
    ["1", "'a'", "'a''b'", "'\\''", "\"a\"", "\"\\\"\"", "0x41", "NULL", "TRUE", "';'", "'--'", "1.5e3"];

const VARIABLES: [&str; 16] = [
    "@a",
    "@`a`",
    "@@sql_mode",
    "sql_mode",
    "transaction_read_only",
    "tx_read_only",
    "@@transaction_read_only",
    "@@session.tx_read_only",
    "@@global.read_only",
    "autocommit",
    "gtid_next",
    "global.x",
    "password",
    "time_zone",
    "@@persist.x",
    "`tx_read_only`",
];

const GAPS: [&str; 12] =
    [" ", " ", " ", " ", "\n", "\t ", " /* ; */ ", " -- '\n", " # \"\n", "/**/", " /*! */ ", " /*!50000 */ "];

const WORDS: [&str; 96] = [
    "SELECT",
    "FROM",
    "WHERE",
    "t",
    "a",
    "(",
    ")",
    ",",
    ".",
    "=",
    ":=",
    "*",
    "+",
    "-",
    "1",
    "'x'",
    "\"x\"",
    "`x`",
    "@",
    "@@",
    ";",
    "--",
    "-- ",
    "#",
    "\n",
    "/*",
    "*/",
    "/*!",
    "/*!50000",
    "/*!99999",
    "/*M!",
    "/*+",
    "'",
    "\"",
    "`",
    "\\",
    "INSERT",
    "INTO",
    "VALUES",
    "UPDATE",
    "DELETE",
    "REPLACE",
    "SET",
    "GLOBAL",
    "SESSION",
    "LOCAL",
    "PERSIST",
    "TRANSACTION",
    "READ",
    "WRITE",
    "ONLY",
    "START",
    "BEGIN",
    "COMMIT",
    "CREATE",
    "TABLE",
    "VIEW",
    "DROP",
    "ALTER",
    "GRANT",
    "REVOKE",
    "CALL",
    "LOCK",
    "TABLES",
    "UNLOCK",
    "WITH",
    "AS",
    "RECURSIVE",
    "UNION",
    "ALL",
    "EXPLAIN",
    "ANALYZE",
    "DESC",
    "SHOW",
    "KILL",
    "USE",
    "PREPARE",
    "EXECUTE",
    "IMMEDIATE",
    "USING",
    "FOR",
    "NEXT",
    "VALUE",
    "nextval",
    "OUTFILE",
    "DUMPFILE",
    "tx_read_only",
    "sql_mode",
    "NAMES",
    "ROLE",
    "PASSWORD",
    "DO",
    "HANDLER",
    "f",
    "IN",
    "ON",
];
