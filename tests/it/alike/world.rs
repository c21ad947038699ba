//! What the sessions find: tables, views, triggers and routines, for each way to the servers in a schema of its own. The names of
//! the schemas are equally long, and what is shown calls each of them `test`.

use super::peer::{self, Peer};
use crate::support::{Cluster, Kind, Node};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::time::sleep;

/// A schema with everything in it.
const MADE: &[&str] = &[
    "CREATE TABLE alike (id INT AUTO_INCREMENT PRIMARY KEY, v INT, s VARCHAR(20) DEFAULT 'x') CHARACTER SET utf8mb4",
    "CREATE TABLE alike_2 (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
    "CREATE TABLE alike_3 (id INT PRIMARY KEY, d DECIMAL(10,3) DEFAULT 1.5, f DOUBLE, dt DATETIME(3), b VARBINARY(30), \
     e ENUM('a','b','c') DEFAULT 'b', c CHAR(5) CHARACTER SET latin1, u BIGINT UNSIGNED, t TIME, y YEAR, bits BIT(5), j TEXT, \
     g INT GENERATED ALWAYS AS (id * 2) STORED, w INT AS (id + 1) VIRTUAL, UNIQUE KEY (u), KEY (c))",
    "CREATE TABLE alike_log (n INT, what VARCHAR(20))",
    "CREATE TABLE alike_child (id INT PRIMARY KEY, parent INT, CHECK (id < 1000), KEY (parent))",
    "CREATE VIEW alike_seen AS SELECT id, v, CONCAT(s, '!') AS s FROM alike",
    "CREATE VIEW alike_sum AS SELECT COUNT(*) AS n, SUM(v) AS total FROM alike",
    "CREATE FUNCTION alike_twice(a INT) RETURNS INT DETERMINISTIC NO SQL RETURN a * 2",
    "CREATE FUNCTION alike_sets(a INT) RETURNS INT NO SQL BEGIN SET @f = a; RETURN a + 1; END",
    "CREATE FUNCTION alike_counts() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM alike)",
    "CREATE FUNCTION alike_writes(a INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO alike_log VALUES (a, 'function'); \
     RETURN a; END",
    "CREATE TRIGGER alike_before BEFORE INSERT ON alike_2 FOR EACH ROW SET NEW.v = COALESCE(NEW.v, 7)",
    "CREATE TRIGGER alike_after AFTER UPDATE ON alike_2 FOR EACH ROW INSERT INTO alike_log VALUES (NEW.v, 'trigger')",
    "CREATE PROCEDURE alike_out(INOUT a INT) BEGIN SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'one'; SET a = a + 1; END",
    "CREATE PROCEDURE alike_rows(INOUT a INT) BEGIN UPDATE alike SET v = v + 1; SELECT v, s FROM alike ORDER BY id; \
     SELECT a; SET a = 5; END",
    "CREATE PROCEDURE alike_long(OUT a LONGTEXT) BEGIN SELECT 1; SET a = REPEAT('abc', 10000); END",
    "CREATE PROCEDURE alike_fails(a INT) BEGIN SELECT a; IF a > 1 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'many', \
     MYSQL_ERRNO = 4711; END IF; INSERT INTO alike (id) VALUES (a); SELECT v FROM alike WHERE id = a; END",
    "CREATE PROCEDURE alike_commits(a INT) BEGIN START TRANSACTION; INSERT INTO alike_2 (v) VALUES (a); COMMIT; END",
    "CREATE PROCEDURE alike_reads() SELECT COUNT(*), MAX(v) FROM alike",
    "CREATE PROCEDURE alike_changes() BEGIN SET @a = 'changed'; SET @f = 'changed'; END",
    "CREATE PROCEDURE alike_runs() EXECUTE p",
];

const CLEARED: &str = "BEGIN; DELETE FROM alike_child; DELETE FROM alike; DELETE FROM alike_2; DELETE FROM alike_3; \
     DELETE FROM alike_log; DELETE FROM test_2.alike; COMMIT; \
     ALTER TABLE alike AUTO_INCREMENT = 1; ALTER TABLE alike_2 AUTO_INCREMENT = 1; \
     ALTER TABLE test_2.alike AUTO_INCREMENT = 1; BEGIN";

const ROWS: &[&str] = &[
    "INSERT INTO alike (v, s) VALUES (1, 'one'), (2, NULL), (3, 'three')",
    "INSERT INTO alike_3 (id, d, f, dt, b, e, c, u, t, y, bits, j) VALUES \
     (1, 12.25, 0.5, '2020-02-29 12:34:56.789', X'00ff80', 'a', 'caf\u{e9}', 18446744073709551615, '-12:30:00', 1999, 5, '{\"a\": 1}'), \
     (2, -0.001, -1e100, '1999-12-31', '', 'c', '', 0, '800:00:01', 2070, 31, '[]'), \
     (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
    "INSERT INTO alike_child VALUES (1, 1); COMMIT",
];

/// The type and the name of what a statement of `MADE` makes.
fn made(statement: &str) -> (&str, &str) {
    let mut words = statement.split([' ', '(']).skip(1);
    (words.next().unwrap_or_default(), words.next().unwrap_or_default())
}

/// What of `MADE` belongs to this name. `DROP TABLE` takes a table's triggers along.
fn belongs_to(statement: &str, name: &str) -> bool {
    match made(statement) {
        ("TRIGGER", _) => statement.contains(&format!(" ON {name} ")),
        (_, own) => own == name,
    }
}

/// What a session may have left otherwise than `MADE` says.
#[derive(Debug, PartialEq)]
enum Spoilt {
    All,
    These {
        names: BTreeSet<&'static str>,
        /// The second schema, too.
        second: bool,
    },
}

/// What sessions make.
const DROPPED: &str = "DROP TABLE IF EXISTS made_a, made_o, made_r, made_s, made_t, made_u; DROP VIEW IF EXISTS made_v; \
     DROP PROCEDURE IF EXISTS made_p; DROP FUNCTION IF EXISTS made_f; DROP FUNCTION IF EXISTS made_g; \
     DROP TRIGGER IF EXISTS made_tr";

/// The schemas of a side; sessions begin in the first one. Everything of them is dropped and made again.
const SCHEMAS: [&str; 2] = ["test", "test_2"];
const SECOND_MADE: &str = "CREATE DATABASE test_2 CHARACTER SET utf8mb4; \
     CREATE TABLE test_2.alike (id INT AUTO_INCREMENT PRIMARY KEY, other VARCHAR(9))";
/// What a session may make besides.
const MORE_SCHEMA: &str = "test_3";

/// A session's steps, one a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub name: String,
    pub kinds: Vec<Kind>,
    /// Words of `peer::capability`.
    pub words: Vec<String>,
    pub steps: Vec<String>,
}

impl Case {
    /// As it stands in `cases.txt`.
    pub fn text(&self) -> String {
        let kind = if self.kinds.len() == 1 { self.kinds[0].name() } else { "" };
        let words = [self.words.join(" "), kind.to_owned()].join(" ");
        let head = match words.trim() {
            "" => format!("== {}", self.name),
            words => format!("== {} | {words}", self.name),
        };
        format!("{head}\n{}\n", self.steps.join("\n"))
    }

    fn capabilities(&self) -> u64 {
        self.words.iter().fold(0, |all, word| all | peer::capability(word))
    }

    fn has(&self, words: &str) -> bool {
        self.steps.iter().any(|step| step.contains(words))
    }

    /// The tables, views and routines of `MADE` that may be others behind it.
    fn spoilt(&self) -> Spoilt {
        let (mut names, mut second) = (BTreeSet::new(), false);
        for step in self.steps.iter().map(|step| step.to_ascii_lowercase()) {
            let has = |word: &&str| step.contains(*word);
            let words: Vec<_> = step.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
            let defines = words.iter().any(|word| DEFINING.contains(word)) && !HARMLESS.iter().any(has);
            if step.starts_with("show ") || !defines && !SPOILING.iter().any(has) {
                continue;
            }
            let named = MADE.iter().map(|statement| made(statement).1).filter(|name| words.contains(name));
            let named: Vec<_> = named.collect();
            match (words.contains(&"database"), words.contains(&SCHEMAS[1])) {
                (true, true) => second = true,
                (true, false) => return Spoilt::All,
                (false, _) if named.is_empty() => return Spoilt::All,
                (false, _) => names.extend(named),
            }
        }
        second |= !names.is_empty() && self.has(SCHEMAS[1]);
        Spoilt::These { names, second }
    }
}

/// Words of statements that make or change something.
const DEFINING: [&str; 4] = ["create", "drop", "alter", "rename"];
/// Words with which they leave `MADE` alone: names that nothing of it has.
const HARMLESS: [&str; 8] = [
    " temporary ",
    "drop prepare ",
    "database mysql",
    "made_",
    "no_such",
    MORE_SCHEMA,
    "create table alike",
    "create table if not exists alike",
];
/// Words with which they do not.
const SPOILING: [&str; 2] = ["rename table", " index "];

/// A way to the servers.
#[derive(Debug)]
pub struct Side {
    pub name: &'static str,
    port: u16,
    /// In place of `test`; equally long.
    schema: String,
    kind: Kind,
    primary: Conn,
    replica: Conn,
    /// What must be made again.
    spoilt: Spoilt,
    /// Something whose name begins with `made_`, and schemas, must be dropped.
    more: bool,
    /// The servers between which `!move` and `!moving` move the primary. None: these steps do nothing.
    moves: Option<Cluster>,
}

/// Moves the primary between the two servers, as an operator does in a planned switchover.
async fn switch_over(moves: &mut Option<Cluster>) -> bool {
    let Some(cluster) = moves else { return false };
    cluster.switchover(1 - cluster.primary_number()).await;
    true
}

async fn administrator(node: &Node) -> Conn {
    let socket = node.socket();
    let options = OptsBuilder::default().socket(socket.to_str()).user(Some("root"));
    let mut conn = Conn::new(options).await.expect("an administrator's login");
    conn.query_drop("SET lock_wait_timeout = 5, innodb_lock_wait_timeout = 5").await.expect("SET");
    conn
}

impl Side {
    pub async fn new(cluster: &Cluster, name: &'static str, port: u16, schema: String) -> Self {
        assert_eq!(schema.len(), "test".len());
        let primary = administrator(cluster.primary()).await;
        for node in cluster.servers() {
            node.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
        }
        let replica = administrator(cluster.replica(0)).await;
        let mut side = Side {
            name,
            port,
            schema,
            kind: cluster.kind(),
            primary,
            replica,
            spoilt: Spoilt::All,
            more: false,
            moves: None,
        };
        side.grant().await;
        side
    }

    /// The servers are this side's alone, and their primary moves.
    pub fn moving(self, cluster: Cluster) -> Self {
        Side { moves: Some(cluster), ..self }
    }

    async fn grant(&mut self) {
        for one in SCHEMAS.iter().chain([&MORE_SCHEMA]) {
            self.run(&format!("GRANT ALL ON {one}.* TO app@'%'")).await.expect("GRANT");
        }
    }

    /// Replaces the schema's name where a session would name it.
    fn there(&self, text: &str) -> String {
        text.replace("test", &self.schema)
    }

    /// The same backwards.
    fn here(&self, text: &str) -> String {
        text.replace(&self.schema, "test")
    }

    async fn run(&mut self, text: &str) -> Result<(), mysql_async::Error> {
        let text = self.there(text);
        self.primary.query_drop(text).await
    }

    async fn must(&mut self, text: &str) {
        self.run(text).await.unwrap_or_else(|error| panic!("{}: {text}: {error}", self.name));
    }

    /// Drops a schema. MariaDB sometimes forgets a file of a table that a session dropped, and then never drops the schema (1010):
    /// this side goes on under another name, and returns false.
    async fn drops(&mut self, schema: &str) -> bool {
        for tries in 0.. {
            let Err(error) = self.run(&format!("DROP DATABASE IF EXISTS {schema}")).await else { break };
            let later = matches!(&error, mysql_async::Error::Server(error) if error.code == 1010);
            assert!(later, "{}: DROP DATABASE {schema}: {error}", self.name);
            if tries > 10 {
                static NAMES: AtomicUsize = AtomicUsize::new(100);
                self.schema = format!("y{}", NAMES.fetch_add(1, Relaxed));
                self.grant().await;
                return false;
            }
            sleep(Duration::from_millis(100)).await;
        }
        true
    }

    /// Makes everything as it was at the beginning.
    async fn restore(&mut self) {
        if self.more && !self.drops(MORE_SCHEMA).await {
            self.spoilt = Spoilt::All;
        }
        match std::mem::replace(&mut self.spoilt, Spoilt::All) {
            Spoilt::These { names, second } => {
                if self.more {
                    self.must(DROPPED).await;
                }
                if second && !self.drops(SCHEMAS[1]).await {
                    self.make_all().await;
                } else {
                    if second {
                        self.must(SECOND_MADE).await;
                    }
                    for name in names {
                        self.make_again(name).await;
                    }
                    self.must(CLEARED).await;
                }
            }
            Spoilt::All => self.make_all().await,
        }
        for statement in ROWS {
            self.must(statement).await;
        }
        self.caught_up().await;
    }

    /// Drops both schemas, and makes them.
    async fn make_all(&mut self) {
        for schema in SCHEMAS {
            // Under another name there is nothing yet.
            if !self.drops(schema).await {
                break;
            }
        }
        self.must(SECOND_MADE).await;
        self.must("CREATE DATABASE test CHARACTER SET utf8mb4; USE test").await;
        for statement in MADE {
            self.must(statement).await;
        }
    }

    async fn make_again(&mut self, name: &str) {
        let own = || MADE.iter().filter(|statement| belongs_to(statement, name));
        let kind = own().map(|statement| made(statement).0).next().expect("a name of MADE");
        self.must(&format!("DROP {kind} IF EXISTS {name}")).await;
        for statement in own() {
            self.must(statement).await;
        }
    }

    /// Waits until the replica has what the primary has now.
    async fn caught_up(&mut self) {
        let (position, wait) = match self.kind {
            Kind::MariaDb => ("SELECT @@gtid_current_pos", "MASTER_GTID_WAIT"),
            Kind::MySql => ("SELECT @@gtid_executed", "WAIT_FOR_EXECUTED_GTID_SET"),
        };
        let position: Option<String> = self.primary.query_first(position).await.expect("a position");
        let wait = format!("SELECT {wait}('{}', 120)", position.unwrap_or_default().replace('\n', ""));
        let done: Option<i64> = self.replica.query_first(wait).await.expect("a wait");
        if done != Some(0) {
            let status = match self.kind {
                Kind::MariaDb => "SHOW SLAVE STATUS",
                Kind::MySql => "SELECT * FROM performance_schema.replication_applier_status_by_worker",
            };
            let rows: Vec<mysql_async::Row> = self.replica.query(status).await.expect(status);
            let shown = |row: mysql_async::Row| {
                row.unwrap().iter().map(|value| value.as_sql(true)).collect::<Vec<_>>()
            };
            let rows: Vec<_> = rows.into_iter().map(shown).collect();
            panic!("{}, {}: the replica does not catch up: {rows:#?}", self.name, self.schema);
        }
    }

    /// What somebody else does meanwhile; an error of that is an answer, too.
    async fn other(&mut self, text: &str) -> String {
        let done = self.run(text).await;
        self.caught_up().await;
        done.err().map_or_else(String::new, |error| error.to_string())
    }

    /// Plays a case. Returns what each step answered.
    pub async fn play(&mut self, case: &Case) -> Vec<String> {
        self.restore().await;
        let mut peer = Peer::login(self.port, &self.schema, case.capabilities()).await;
        let mut answers = vec![format!("login: {}", self.here(&peer.login))];
        let mut steps = case.steps.iter();
        while let Some(mut step) = steps.next() {
            let (moved, answer) = match step.strip_prefix("!other ") {
                Some(text) => (false, self.other(text).await),
                None if step == "!move" => (switch_over(&mut self.moves).await, String::new()),
                None if step == "!moving" => {
                    answers.push(String::new());
                    // Nothing but the last step has none behind it.
                    step = steps.next().unwrap_or(step);
                    let there = self.there(step);
                    tokio::join!(switch_over(&mut self.moves), peer.step(&there))
                }
                None => (false, peer.step(&self.there(step)).await),
            };
            if moved {
                std::mem::swap(&mut self.primary, &mut self.replica);
                self.must("USE test").await;
            }
            answers.push(format!("{step}\n      {}", self.here(&answer)));
        }
        self.spoilt = case.spoilt();
        self.more = case.has("made_") || case.has(MORE_SCHEMA);
        answers
    }
}
