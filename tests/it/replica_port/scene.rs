//! A cluster with objects that attacks need, and the read-only port in front of its replica, or of its primary if there is
//! no replica.

use super::state::{State, Watched};
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Node, Proxy, connect, proxy_config};
use mysql_async::Conn;
use std::path::PathBuf;

/// Statements that a server ends by itself, so that no attack takes long.
const PATIENCE_OF_MARIADB: &str = "SET GLOBAL max_statement_time = 2";
const PATIENCE_OF_MYSQL: &str = "SET GLOBAL max_execution_time = 2000; SET GLOBAL super_read_only = 0";

/// A primary, a replica, a proxy.
pub struct Scene {
    pub cluster: Cluster,
    pub proxy: Proxy,
    folder: PathBuf,
    bystander: Conn,
}

impl Scene {
    /// Starts everything. `cluster` has one replica, or none. The monitor's account sees into all objects.
    pub async fn new(cluster: Cluster) -> Self {
        cluster.primary().sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
        Self::with_opaque_views(cluster).await
    }

    /// Starts everything. The monitor's account has what it needs, and does not see into views.
    pub async fn with_opaque_views(mut cluster: Cluster) -> Self {
        let replicas = cluster.servers().len() - 1;
        let folder = cluster.server(replicas).data().parent().expect("a folder").join("files");
        std::fs::create_dir_all(&folder).expect("a folder for files");
        if cluster.kind() == Kind::MariaDb {
            let option = format!("--secure-file-priv={}", folder.display());
            cluster.server_mut(replicas).restart_with(&[option]).await;
            if replicas > 0 {
                cluster.server(1).wait_replicating().await;
            }
        }
        let folder = folder.canonicalize().expect("a folder");
        prepare(&cluster, &folder.display().to_string()).await;
        let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
        readers_are(&proxy, replicas).await;
        let bystander =
            connect(cluster.server(replicas).port(), "monitor", "monitor", "information_schema").await;
        Scene { cluster, proxy, folder, bystander: bystander.expect("a session past the proxy") }
    }

    /// The replica, or the primary if there is no replica: the server that answers the port.
    pub fn replica(&self) -> &Node {
        self.cluster.server(self.cluster.servers().len() - 1)
    }

    /// The server that answers the port, and what attacks could change there.
    pub fn watched(&self) -> Watched<'_> {
        Watched {
            server: self.replica(),
            folder: &self.folder,
            session: u64::from(self.bystander.id()),
            primary: self.cluster.primary(),
        }
    }

    /// Opens the bystander's session again if an attack has ended it.
    pub async fn refresh(&mut self) {
        use mysql_async::prelude::Queryable as _;
        if self.bystander.query_drop("SELECT 1").await.is_err() {
            let port = self.replica().port();
            self.bystander =
                connect(port, "monitor", "monitor", "information_schema").await.expect("a session");
        }
    }

    /// What placeholders of attacks stand for now.
    pub fn places(&self, state: &State) -> Places {
        let applier = state.iter().filter(|(_, user)| user.as_str() == "system user");
        let applier = applier.filter_map(|(name, _)| name.strip_prefix("thread ")).next_back().unwrap_or("0");
        Places {
            thread: applier.to_owned(),
            session: self.bystander.id().to_string(),
            folder: format!("{}/", self.folder.display()),
        }
    }
}

/// What placeholders of attacks stand for.
#[derive(Debug, Clone)]
pub struct Places {
    thread: String,
    session: String,
    folder: String,
}

impl Places {
    /// Fills in the placeholders of a text.
    pub fn fill(&self, text: &[u8]) -> Vec<u8> {
        let text = replaced(text, b"{thread}", self.thread.as_bytes());
        let text = replaced(&text, b"{session}", self.session.as_bytes());
        replaced(&text, b"/dir/", self.folder.as_bytes())
    }
}

fn replaced(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut all = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(old.len()).position(|part| part == old) {
        all.extend_from_slice(&rest[..at]);
        all.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    all.extend_from_slice(rest);
    all
}

/// Replaces `<A0>` by the byte.
pub fn bytes(text: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let byte = match rest {
            [b'<', high, low, b'>', ..] => hex(*high, *low),
            _ => None,
        };
        all.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &rest[4..] } else { tail };
    }
    all
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

async fn prepare(cluster: &Cluster, folder: &str) {
    let mariadb = cluster.kind() == Kind::MariaDb;
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1; SET GLOBAL lock_wait_timeout = 1; SET GLOBAL innodb_lock_wait_timeout = 1").await;
    }
    let primary = cluster.primary();
    primary.sql(&format!("USE test; {}", include_str!("tools/schema.sql"))).await;
    primary
        .sql(
            "CREATE TABLE test.pressed (id INT PRIMARY KEY, v VARCHAR(999)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4; \
             INSERT INTO test.pressed VALUES (1, REPEAT('a', 999)), (2, REPEAT('b', 999)), (3, REPEAT('c', 999)); \
             CREATE TABLE test.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT); CREATE TABLE test.u (id INT PRIMARY KEY); \
             INSERT INTO test.t VALUES (1, 1), (2, 2), (3, 3); INSERT INTO test.u VALUES (1), (2)",
        )
        .await;
    let unlock = if mariadb { "tx_read_only" } else { "transaction_read_only" };
    for (name, body) in [
        ("f_global()", "SET GLOBAL long_query_time = @@global.long_query_time + 1;".to_owned()),
        ("any_value(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("nvl(n INT, m INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("median(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("cube(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("rollup(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("analyse(n INT, m INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("percentile_cont(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("st_collect(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("uuid_v7()", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("vec_totext(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("encode(n INT, m INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("des_encrypt(n INT)", "SET GLOBAL long_query_time = 7;".to_owned()),
        ("f_unlock()", format!("SET SESSION session_track_system_variables = '', SESSION {unlock} = 0;")),
        ("f_file()", format!("SELECT 1 INTO OUTFILE '{folder}/by_a_view';")),
        ("w(n INT)", "INSERT INTO test.t (v) VALUES (n);".to_owned()),
    ] {
        // One server has some of these names itself.
        let sql =
            format!("CREATE FUNCTION test.{name} RETURNS INT MODIFIES SQL DATA BEGIN {body} RETURN 1; END");
        let _ = primary.try_sql(&sql).await;
    }
    for body in [
        r"f_escaped() RETURNS INT READS SQL DATA BEGIN DO '\''; SET GLOBAL long_query_time = 7; DO '\''; RETURN 1; END",
        r"f_phased() RETURNS INT READS SQL DATA BEGIN DO 'a\' + '; SET GLOBAL long_query_time = 7; DO ' + \'b'; RETURN 1; END",
    ] {
        primary.sql(&format!("SET SESSION sql_mode = ''; CREATE FUNCTION test.{body}")).await;
    }
    // A server may take the name for that of its own schema.
    for sql in ["CREATE DATABASE `SYS`", "CREATE VIEW `SYS`.v_global AS SELECT test.f_global() AS a"] {
        let _ = primary.try_sql(sql).await;
    }
    for (name, of) in [
        ("test.v_global", "SELECT test.f_global() AS a"),
        ("test.vv_global", "SELECT a FROM test.v_global"),
        ("sbtest.v_elsewhere", "SELECT a FROM test.vv_global"),
        ("test.`v_\u{b5}`", "SELECT test.f_global() AS a"),
        ("test.v_unlock", "SELECT test.f_unlock() AS a"),
        ("test.v_write", "SELECT test.w(50) AS a"),
        ("test.v_file", "SELECT test.f_file() AS a"),
    ] {
        primary.sql(&format!("CREATE VIEW {name} AS {of}")).await;
    }
    primary.sql("CREATE PROCEDURE test.w_proc() INSERT INTO test.t (v) VALUES (60)").await;
    if mariadb {
        primary
            .sql("CREATE SEQUENCE test.s; CREATE VIEW test.v_sequence AS SELECT NEXTVAL(test.s) AS a")
            .await;
        primary.sql("CREATE TABLE test.with_default (n INT DEFAULT NEXTVAL(test.s), d INT DEFAULT (1)); INSERT INTO test.with_default VALUES (1, 1)").await;
        let package = "CREATE PACKAGE test.pkg AS FUNCTION f RETURN INT; PROCEDURE p; END";
        let act = "BEGIN SET GLOBAL long_query_time = @@global.long_query_time + 1;";
        let body = format!(
            "CREATE PACKAGE BODY test.pkg AS FUNCTION f RETURN INT AS {act} RETURN 1; END; PROCEDURE p AS {act} END; END"
        );
        for sql in [package, &body, "CREATE VIEW test.v_package AS SELECT pkg.f() AS a FROM DUAL"] {
            primary.sql(&format!("USE test; SET SESSION sql_mode = 'ORACLE'; {sql}")).await;
        }
    } else {
        primary.sql("CREATE TABLE test.with_default (d INT DEFAULT (1)); INSERT INTO test.with_default VALUES (1)").await;
    }
    cluster.wait_caught_up().await;
    cluster
        .server(cluster.servers().len() - 1)
        .sql(if mariadb { PATIENCE_OF_MARIADB } else { PATIENCE_OF_MYSQL })
        .await;
}
