//! What `classify` calls a read, on real servers: an ordinary account on a read-only server can run it in a
//! read-only transaction, and it leaves nothing. And the names of functions that it takes for built-in ones are.

mod charsets;
mod corpus;

use crate::support::{Cluster, Kind, Node, connect};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};
use pointsman::sql::vocabulary::names;
use pointsman::sql::{Options, RoutineFacts, Routines, classify};
use pointsman::terms::StatementKind;
use std::collections::BTreeMap;

/// Refused since it writes: read_only, a read-only transaction, and the same of InnoDB.
const READ_ONLY: [u16; 3] = [1290, 1792, 1836];

#[tokio::test]
async fn mariadb_runs_reads_anywhere() {
    reads_run(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_runs_reads_anywhere() {
    if let Some(cluster) = Cluster::mysql(0).await {
        reads_run(cluster).await;
    }
}

/// What the test's functions do; there are no others.
struct Known;

impl Routines for Known {
    fn function(&self, _: Option<&[u8]>, name: &[u8]) -> RoutineFacts {
        match name {
            b"reads" => RoutineFacts::ReadsOnly,
            b"writes" | b"uuid_v7" | b"max" | b"any" | b"json_query" => RoutineFacts::Other,
            _ => RoutineFacts::Unknown,
        }
    }

    fn procedure(&self, _: Option<&[u8]>, _: &[u8]) -> RoutineFacts {
        RoutineFacts::Other
    }

    fn relation(&self, _: Option<&[u8]>, _: &[u8]) -> pointsman::sql::RelationFacts {
        pointsman::sql::RelationFacts::Unknown
    }

    fn version(&self) -> u64 {
        1
    }

    fn is_complete(&self) -> bool {
        true
    }
}

async fn reads_run(cluster: Cluster) {
    let server = cluster.primary();
    prepare(server, cluster.kind()).await;
    names_are_functions(server, cluster.kind()).await;
    server.sql("SET GLOBAL read_only = 1").await;
    let before = content(server).await;
    let texts = corpus::texts();
    let mut session = Fresh::new(server).await;
    let (mut reads, mut answered) = (0, 0);
    let mut refused = Vec::new();
    for sql in &texts {
        if classify(sql.as_bytes(), Options::default(), &Known).kind != StatementKind::Read {
            continue;
        }
        reads += 1;
        match session.run(sql).await {
            Ok(()) => answered += 1,
            Err(Error::Server(error)) if !READ_ONLY.contains(&error.code) => {}
            Err(error) => refused.push(format!("{sql}: {error}")),
        }
        if let Some(left) = session.left().await {
            refused.push(format!("{sql}: leaves {left}"));
        }
    }
    assert!(refused.is_empty(), "{} of {reads}:\n{}", refused.len(), refused.join("\n"));
    assert_eq!(before, content(server).await);
    eprintln!(
        "{} texts, {reads} reads, {answered} of them understood by {}",
        texts.len(),
        cluster.kind().name()
    );
    // The corpus would show nothing if the servers understood little of it, or if all of it were reads.
    assert!(texts.len() >= 3000 && answered >= 600 && texts.len() - reads >= 600);
}

async fn prepare(server: &Node, kind: Kind) {
    server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    server.sql("CREATE TABLE test.t (a INT PRIMARY KEY, b VARCHAR(20), c JSON); CREATE TABLE test.u (a INT, b INT)").await;
    server
        .sql("INSERT INTO test.t VALUES (1, 'x', '{}'), (2, 'y', '[1]'); INSERT INTO test.u VALUES (1, 1)")
        .await;
    let writing = "BEGIN INSERT INTO test.u VALUES (4, 4); SET @left = 1; RETURN 1; END";
    for name in ["writes()", "`max`(x INT)", "`any`(x INT)", "uuid_v7()", "json_query(x INT, y INT)"] {
        // Where it is a built-in one it cannot be made or is never reached.
        let _ = server
            .try_sql(&format!("CREATE FUNCTION test.{name} RETURNS INT MODIFIES SQL DATA {writing}"))
            .await;
    }
    server
        .sql("CREATE FUNCTION test.`reads`() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM test.t)")
        .await;
    server.sql("CREATE PROCEDURE test.p() INSERT INTO test.u VALUES (4, 4)").await;
    if kind == Kind::MariaDb {
        server.sql("CREATE SEQUENCE test.s").await;
    }
}

async fn content(server: &Node) -> Vec<String> {
    let rows = server.sql("CHECKSUM TABLE test.t, test.u; SELECT table_name FROM information_schema.tables WHERE table_schema = 'test' ORDER BY 1").await;
    let mut all: Vec<String> = rows.into_iter().map(|row| format!("{row:?}")).collect();
    all.push(server.gtid().await);
    all
}

/// A session in read-only transactions that nobody has touched but the statements under test.
struct Fresh<'n> {
    server: &'n Node,
    client: Conn,
}

impl<'n> Fresh<'n> {
    async fn new(server: &'n Node) -> Self {
        Self { server, client: Self::login(server).await }
    }

    async fn login(server: &Node) -> Conn {
        let mut client = connect(server.port(), "app", "app", "test").await.expect("login");
        client.query_drop("SET SESSION TRANSACTION READ ONLY").await.expect("read-only");
        client
    }

    /// All results of a text. A session that it ended is made anew.
    async fn run(&mut self, sql: &str) -> Result<(), Error> {
        let result = self.client.query_drop(sql).await;
        if matches!(result, Err(Error::Io(_) | Error::Driver(_))) {
            self.client = Self::login(self.server).await;
        }
        result
    }

    /// What the session has that a fresh one has not.
    async fn left(&mut self) -> Option<String> {
        let names = ["left", "a", "b", "x"].map(|name| format!("@{name} IS NOT NULL")).join(" OR ");
        let variables: Option<bool> =
            self.client.query_first(format!("SELECT {names}")).await.expect("a look");
        let lock: Option<Option<u64>> =
            self.client.query_first("SELECT IS_USED_LOCK('x')").await.expect("a look");
        let transaction: Option<u8> = self.client.query_first("SELECT @@autocommit").await.expect("a look");
        let temporary = self.client.query_drop("SELECT 1 FROM made").await.is_ok();
        match () {
            () if variables != Some(false) => Some("a user variable".to_owned()),
            () if lock != Some(None) => Some("a lock".to_owned()),
            () if transaction != Some(1) => Some("autocommit off".to_owned()),
            () if temporary => Some("a temporary table".to_owned()),
            // BEGIN would be refused in an open transaction's place only by this.
            () if self.in_transaction().await => Some("a transaction".to_owned()),
            () => None,
        }
    }

    async fn in_transaction(&mut self) -> bool {
        // Only outside a transaction can its characteristics be set.
        self.client.query_drop("SET TRANSACTION READ ONLY").await.is_err()
    }
}

/// Each name that `classify` takes for a function of this server calls none that a user could make.
async fn names_are_functions(server: &Node, kind: Kind) {
    let mut client = connect(server.port(), "app", "app", "test").await.expect("login");
    let mut missing = BTreeMap::new();
    for name in names::CALLABLE.iter().chain(&names::TIGHT) {
        for arguments in ["", "1", "1, 2", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11"] {
            if let Err(Error::Server(error)) = client.query_drop(format!("SELECT {name}({arguments})")).await
                && [1305, 1630].contains(&error.code)
            {
                missing.insert(*name, error.message);
            }
        }
    }
    assert!(missing.is_empty(), "{}: {missing:?}", kind.name());
    for name in names::CALLABLE {
        if let Err(Error::Server(error)) = client.query_drop(format!("SELECT {name} (1)")).await {
            assert!(![1305, 1630].contains(&error.code), "{}: {name}: {}", kind.name(), error.message);
        }
    }
}
