//! The random steps: what a session does next, as bytes that either side can be given.

use super::answer::Shape;

/// splitmix64: small, and the same everywhere for a seed.
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.draw() % limit.max(1) as u64) as usize
    }

    fn pick(&mut self, of: &[&'static str]) -> &'static str {
        of[self.below(of.len())]
    }
}

/// A parameter of a prepared statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// COM_QUERY; `{db}` stands for the side's schema.
    Query(String),
    Prepare(String),
    /// The slot of a statement; whether with a cursor; parameters.
    Execute(usize, bool, Vec<Value>),
    Fetch(usize, u32),
    LongData(usize, Vec<u8>),
    ResetStatement(usize),
    CloseStatement(usize),
    InitDb(String),
    FieldList(String),
    SetOption(u16),
    Ping,
    Statistics,
    ResetConnection,
    ChangeUser,
    Reconnect,
}

impl Step {
    pub fn shape(&self) -> Shape {
        match self {
            Step::Prepare(_) => Shape::Prepared,
            Step::Fetch(..) => Shape::Fetched,
            Step::FieldList(_) => Shape::Columns,
            Step::Statistics => Shape::Single,
            Step::LongData(..) | Step::CloseStatement(_) | Step::ChangeUser | Step::Reconnect => {
                Shape::Nothing
            }
            _ => Shape::Results,
        }
    }

    /// The command's bytes for a side; statements by their number there. None for what is not one command.
    pub fn bytes(&self, schema: &str, statements: &[Option<u32>]) -> Option<Vec<u8>> {
        let text = |command: u8, text: &str| [&[command], text.replace("{db}", schema).as_bytes()].concat();
        let numbered = |command: u8, slot: usize, rest: &[u8]| {
            let number = statements.get(slot).copied().flatten()?;
            Some([&[command], &number.to_le_bytes()[..], rest].concat())
        };
        match self {
            Step::Query(sql) => Some(text(0x03, sql)),
            Step::Prepare(sql) => Some(text(0x16, sql)),
            Step::InitDb(name) => Some(text(0x02, name)),
            Step::FieldList(table) => Some([text(0x04, table), vec![0]].concat()),
            Step::Execute(slot, cursor, values) => numbered(0x17, *slot, &execute(*cursor, values)),
            Step::Fetch(slot, rows) => numbered(0x1c, *slot, &rows.to_le_bytes()),
            Step::LongData(slot, data) => numbered(0x18, *slot, &[&[0, 0], data.as_slice()].concat()),
            Step::ResetStatement(slot) => numbered(0x1a, *slot, &[]),
            Step::CloseStatement(slot) => numbered(0x19, *slot, &[]),
            Step::SetOption(on) => Some([&[0x1b], &on.to_le_bytes()[..]].concat()),
            Step::Ping => Some(vec![0x0e]),
            Step::Statistics => Some(vec![0x09]),
            Step::ResetConnection => Some(vec![0x1f]),
            Step::ChangeUser | Step::Reconnect => None,
        }
    }
}

/// What follows the statement's number in COM_STMT_EXECUTE.
fn execute(cursor: bool, values: &[Value]) -> Vec<u8> {
    let mut out = vec![u8::from(cursor), 1, 0, 0, 0];
    if values.is_empty() {
        return out;
    }
    let mut nulls = vec![0_u8; values.len().div_ceil(8)];
    let (mut types, mut data) = (vec![1], Vec::new());
    for (at, value) in values.iter().enumerate() {
        match value {
            Value::Null => {
                nulls[at / 8] |= 1 << (at % 8);
                types.extend([6, 0]);
            }
            Value::Int(n) => {
                types.extend([8, 0]);
                data.extend(n.to_le_bytes());
            }
            Value::Text(text) => {
                types.extend([253, 0]);
                data.push(text.len().min(250) as u8);
                data.extend(text.bytes().take(250));
            }
        }
    }
    out.extend(nulls);
    out.extend(types);
    out.extend(data);
    out
}

/// Statements that can be prepared, and how many parameters they have.
const PREPARED: [(&str, usize); 14] = [
    ("SELECT id, v, s FROM {t} WHERE id > ? ORDER BY id LIMIT 20", 1),
    ("SELECT ? AS a, ? AS b", 2),
    ("SELECT COUNT(*), SUM(v) FROM {t} WHERE v < ? OR s = ?", 2),
    ("INSERT INTO {t} (v, s) VALUES (?, ?)", 2),
    ("UPDATE {t} SET v = ? WHERE id < ?", 2),
    ("DELETE FROM {t} WHERE v = ?", 1),
    ("SELECT @v", 0),
    ("SELECT id FROM {o} ORDER BY id", 0),
    ("SELECT id, s FROM {t} ORDER BY id FOR UPDATE", 0),
    ("CALL {t}_proc(?)", 1),
    ("SET @v = ?", 1),
    ("SELECT * FROM {t}_none WHERE id = ?", 1),
    ("SELEKT ?", 1),
    ("DO ?", 1),
];

const SELECTS: [&str; 21] = [
    "SELECT id, v, s FROM {t} ORDER BY id",
    "SELECT id, v FROM {o} ORDER BY id LIMIT 5",
    "SELECT COUNT(*), MIN(id), MAX(id), SUM(v) FROM {t}",
    "SELECT LAST_INSERT_ID()",
    "SELECT ROW_COUNT()",
    "SELECT @v, @w",
    "SELECT @w := {n}",
    "SELECT @v := COALESCE(@v, 0) + {n}",
    "SELECT SQL_CALC_FOUND_ROWS id FROM {t} ORDER BY id LIMIT 2",
    "SELECT DATABASE() IS NULL, DATABASE() = '{db}' AS own",
    "SELECT @@autocommit, @@sql_mode, @@group_concat_max_len, @@time_zone, @@sql_select_limit",
    "SELECT @@character_set_client, @@character_set_results, @@collation_connection",
    "SHOW WARNINGS",
    "SHOW COUNT(*) WARNINGS",
    "SELECT CAST('abc' AS SIGNED), 'é', 1/0",
    "SELECT id FROM {t} WHERE v = {n} FOR UPDATE",
    "SELECT REPEAT('x', {n} * 1000), NULL, '' ",
    "/* a comment */ SELECT {n} -- and another",
    "(SELECT {n}) UNION ALL (SELECT id FROM {t} ORDER BY id LIMIT 3)",
    "WITH c AS (SELECT v FROM {t}) SELECT COUNT(*) FROM c",
    "SHOW COLUMNS FROM {t}",
];

const WRITES: [&str; 14] = [
    "INSERT INTO {t} (v, s) VALUES ({n}, 'a'), ({n} + 1, 'b')",
    "INSERT INTO {t} (id, v) VALUES ({n}, {n})",
    "INSERT IGNORE INTO {t} (id, v, s) VALUES ({n}, 1, 'ignored'), ({n}, 70000, REPEAT('y', 99))",
    "REPLACE INTO {t} (id, v, s) VALUES ({n}, 5, 'replaced')",
    "INSERT INTO {t} (id, v) VALUES ({n}, 1) ON DUPLICATE KEY UPDATE v = v + 1",
    "UPDATE {t} SET v = v + 1 WHERE id % 3 = {n} % 3 AND v < 30000",
    "UPDATE {t} SET s = 'same' ORDER BY id LIMIT 3",
    "DELETE FROM {t} WHERE id % 7 = {n} % 7",
    "INSERT INTO {t} (v) SELECT v FROM {o} ORDER BY id LIMIT 2",
    "LOAD DATA LOCAL INFILE 'given' INTO TABLE {t} (v, s)",
    "LOAD DATA LOCAL INFILE 'given' INTO TABLE {t}_none (v, s)",
    "TRUNCATE TABLE {t}",
    "INSERT INTO {t} (v) VALUES (70000)",
    "DO 1",
];

const STATE: [&str; 34] = [
    "BEGIN",
    "START TRANSACTION READ ONLY",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT",
    "COMMIT",
    "COMMIT",
    "ROLLBACK",
    "COMMIT AND CHAIN",
    "SAVEPOINT p",
    "ROLLBACK TO SAVEPOINT p",
    "RELEASE SAVEPOINT p",
    "SET autocommit = 0",
    "SET autocommit = 1",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET TRANSACTION READ ONLY",
    "SET @v = {n}, @w = 'text'",
    "SET @v = (SELECT COUNT(*) FROM {t})",
    "SET NAMES latin1",
    "SET NAMES utf8mb4",
    "SET time_zone = '+02:00', SESSION group_concat_max_len = 2000 + {n}",
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = ''",
    "SET sql_select_limit = 3",
    "SET sql_select_limit = DEFAULT, sql_mode = DEFAULT",
    "SET SESSION no_such_variable = 1",
    "CREATE TEMPORARY TABLE {t}_temp (id INT PRIMARY KEY)",
    "INSERT INTO {t}_temp VALUES ({n})",
    "SELECT id FROM {t}_temp ORDER BY id",
    "DROP TEMPORARY TABLE {t}_temp",
    "USE {db}",
    "USE information_schema",
    "USE no_such_schema",
    "SELECT GET_LOCK(CONCAT('{db}', '{t}'), 0) AS locked",
    "SELECT RELEASE_LOCK(CONCAT('{db}', '{t}')) AS released",
];

const ODD: [&str; 20] = [
    "SELEKT {n}",
    "",
    ";",
    "SELECT * FROM {t}_none",
    "SELECT nope FROM {t}",
    "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'given'",
    "SELECT t.id, (SELECT u.id FROM {t} u WHERE u.id <= t.id) FROM {t} t ORDER BY t.id",
    "CALL {t}_proc({n})",
    "SELECT 1; SELECT v FROM {t} ORDER BY id; UPDATE {t} SET v = 1 WHERE id = {n}; SELECT @v",
    "SELECT 1; SELEKT 2; SELECT 3",
    "SET @v = 1; BEGIN; INSERT INTO {t} (v) VALUES ({n}); COMMIT",
    "PREPARE p FROM 'SELECT ? + 1, v FROM {t} ORDER BY id LIMIT 2'",
    "EXECUTE p USING @v",
    "DEALLOCATE PREPARE p",
    "HANDLER {t} OPEN",
    "HANDLER {t} READ FIRST LIMIT 2",
    "HANDLER {t} CLOSE",
    "LOCK TABLES {t} WRITE",
    "UNLOCK TABLES",
    "ALTER TABLE {t} COMMENT 'n{n}'",
];

const SLOTS: usize = 4;

/// A session's next step. `own` is its table, `other` the other session's, whose rows it only reads.
pub fn next(
    random: &mut Random,
    own: &str,
    other: &str,
    open: &[Option<usize>; SLOTS],
) -> (Step, Option<(usize, usize)>) {
    let n = random.below(60);
    let fill = |sql: &str| sql.replace("{t}", own).replace("{o}", other).replace("{n}", &n.to_string());
    let query = |sql: &str| (Step::Query(fill(sql)), None);
    let slot = random.below(SLOTS);
    match random.below(100) {
        0..24 => query(random.pick(&SELECTS)),
        24..44 => query(random.pick(&WRITES)),
        44..62 => query(random.pick(&STATE)),
        62..74 => query(random.pick(&ODD)),
        74..80 if open[slot].is_none() => {
            let which = random.below(PREPARED.len());
            (Step::Prepare(fill(PREPARED[which].0)), Some((slot, which)))
        }
        74..90 => match open[slot] {
            Some(which) => (statement_step(random, slot, PREPARED[which]), None),
            None => query(random.pick(&SELECTS)),
        },
        90 => (Step::InitDb("{db}".into()), None),
        91 => (Step::InitDb(random.pick(&["information_schema", "no_such_schema"]).to_string()), None),
        92 => (Step::FieldList(fill("{t}")), None),
        93 => (Step::SetOption(random.below(2) as u16), None),
        94 => (Step::Ping, None),
        95 => (Step::Statistics, None),
        96 => (Step::ResetConnection, None),
        97 => (Step::ChangeUser, None),
        98 => (Step::Reconnect, None),
        _ => query("SELECT 1"),
    }
}

fn statement_step(random: &mut Random, slot: usize, (sql, params): (&str, usize)) -> Step {
    // By slot, since MySQL 9.7 answers malformed (columns, then an OK packet with header 0x00) when a statement
    // that once had a cursor is executed without one, or when one without rows is executed with one.
    let cursor = slot.is_multiple_of(2) && sql.starts_with("SELECT");
    match random.below(12) {
        0 => Step::CloseStatement(slot),
        1 => Step::ResetStatement(slot),
        2 => Step::Fetch(slot, 1 + random.below(5) as u32),
        3 if params > 0 => Step::LongData(slot, b"7 long ".repeat(1 + random.below(20))),
        _ => {
            let values = (0..params).map(|_| value(random)).collect();
            Step::Execute(slot, cursor, values)
        }
    }
}

fn value(random: &mut Random) -> Value {
    match random.below(4) {
        0 => Value::Null,
        1 => Value::Text(random.pick(&["", "a", "same", "é🚂"]).to_string()),
        _ => Value::Int(random.below(60) as i64 - 10),
    }
}
