//! What of a server must be the same before and after statements of the read-only port.

use crate::support::{Kind, Node};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that a session can change for others, by name. A server that nobody writes to has the same state for ever.
pub type State = BTreeMap<String, String>;

/// What each server holds besides the rows of tables.
const OBJECTS: &[&str] = &[
    "SELECT 'table', table_schema, table_name FROM information_schema.tables \
     WHERE table_schema NOT IN ('information_schema', 'performance_schema', 'sys')",
    "SELECT 'routine', routine_schema, routine_name FROM information_schema.routines WHERE routine_schema <> 'sys'",
    "SELECT 'trigger', trigger_schema, trigger_name FROM information_schema.triggers WHERE trigger_schema <> 'sys'",
    "SELECT 'event', event_schema, event_name FROM information_schema.events",
    "SELECT 'plugin', plugin_name, plugin_status FROM information_schema.plugins",
    "SELECT 'schema', schema_name, default_collation_name FROM information_schema.schemata",
    // The table `pressed` is compressed. A read of INNODB_CMP_RESET makes the number 0.
    "SELECT 'counter of compressed pages', SUM(compress_ops) > 0 FROM information_schema.innodb_cmp",
];

const TABLES: &str = "CHECKSUM TABLE test.t, test.u, test.orders, test.customers, test.metrics, test.tree, test.with_default, mysql.db, mysql.tables_priv, mysql.columns_priv, mysql.procs_priv, \
    mysql.proxies_priv, mysql.func, mysql.plugin, mysql.servers";

const TABLES_OF_MARIADB: &str =
    "CHECKSUM TABLE mysql.global_priv, mysql.roles_mapping, mysql.proc, mysql.event, test.s";
const TABLES_OF_MYSQL: &str = "CHECKSUM TABLE mysql.user, mysql.global_grants, mysql.role_edges, mysql.default_roles, \
    mysql.component, mysql.password_history";

/// The server behind the port, a replica or a primary without replicas, and the folder into which attacks write.
#[derive(Debug, Clone, Copy)]
pub struct Watched<'a> {
    pub server: &'a Node,
    pub folder: &'a Path,
    /// A session past the proxy, which nobody may end.
    pub session: u64,
    /// What the server follows, or the server itself.
    pub primary: &'a Node,
}

impl Watched<'_> {
    /// Returns the server's state now.
    pub async fn state(&self) -> State {
        let mut all = State::new();
        let (tables, positions) = match self.server.kind() {
            Kind::MariaDb => (TABLES_OF_MARIADB, ["SHOW MASTER STATUS", "SELECT 'gtid', @@gtid_current_pos"]),
            Kind::MySql => (TABLES_OF_MYSQL, ["SHOW BINARY LOG STATUS", "SELECT 'gtid', @@gtid_executed"]),
        };
        let parts =
            OBJECTS.iter().copied().chain([TABLES, tables, "SHOW BINARY LOGS", positions[0], positions[1]]);
        let sql = parts.collect::<Vec<_>>().join(";");
        for row in self.server.sql(&sql).await {
            let values: Vec<String> = row.into_iter().map(Option::unwrap_or_default).collect();
            let (name, value) = if values.len() > 2 {
                (values[..2].join(" ") + " " + &values[2], "is there".to_owned())
            } else {
                (values[0].clone(), values[1..].join(" "))
            };
            all.insert(name, value);
        }
        for row in self.server.sql("SHOW GLOBAL VARIABLES").await {
            let [name, value] =
                <[_; 2]>::try_from(row).expect("a name and a value").map(Option::unwrap_or_default);
            all.insert(format!("global {name}"), value);
        }
        self.threads(&mut all).await;
        for file in self.files() {
            all.insert(format!("file {}", file.display()), "is there".to_owned());
        }
        all
    }

    /// The threads that replicate, and whether they work.
    async fn threads(&self, all: &mut State) {
        for row in self.server.sql("SHOW PROCESSLIST").await {
            let mut values = row.into_iter().map(Option::unwrap_or_default);
            let (id, user) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
            if user == "system user" || user == "event_scheduler" || id == self.session.to_string() {
                all.insert(format!("thread {id}"), user);
            }
        }
        for column in ["_IO_Running", "_SQL_Running"] {
            all.insert(format!("replication {column}"), self.server.replica_status(column).await);
        }
    }

    /// Files that statements may have written: the server makes no other ones while no table is made.
    fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(self.folder, &mut found);
        walk(&self.server.data(), &mut found);
        found.sort();
        found
    }

    /// Brings back what can be brought back: settings, files, rows, replication.
    pub async fn restore(&self, before: &State) {
        let now = self.state().await;
        for (name, value) in before.iter().filter(|(name, value)| now.get(*name) != Some(value)) {
            if let Some(variable) = name.strip_prefix("global ") {
                let quoted = format!("SET GLOBAL {variable} = '{value}'");
                if self.server.try_sql(&format!("SET GLOBAL {variable} = {value}")).await.is_err() {
                    let _ = self.server.try_sql(&quoted).await;
                }
            }
        }
        for name in now.keys().filter(|name| !before.contains_key(*name)) {
            if let Some(path) = name.strip_prefix("file ") {
                let _ = std::fs::remove_file(path);
            }
        }
        let _ = self
            .server
            .try_sql(
                "SET sql_log_bin = 0; DELETE FROM test.t; INSERT INTO test.t VALUES (1, 1), (2, 2), (3, 3)",
            )
            .await;
        let runs = |part: &&str| now.get(&format!("replication {part}")).is_some_and(|is| is == "Yes");
        if self.server.port() == self.primary.port() {
            return;
        }
        if !["_IO_Running", "_SQL_Running"].iter().all(runs) {
            self.follow_again().await;
        }
        self.server.wait_replicating().await;
    }
}

impl Watched<'_> {
    /// Starts replication again, without what the replica has of its own, and without relay logs: a thread that was killed may
    /// have left half an event there.
    async fn follow_again(&self) {
        let position = self.primary.gtid().await;
        let statements = match self.server.kind() {
            Kind::MariaDb => format!(
                "STOP SLAVE; RESET SLAVE; RESET MASTER; SET GLOBAL gtid_slave_pos = '{position}'; START SLAVE"
            ),
            Kind::MySql => "STOP REPLICA; RESET REPLICA; START REPLICA".to_owned(),
        };
        self.server.sql(&statements).await;
    }
}

/// Returns what differs, as `name: before -> after`.
pub fn changes(before: &State, after: &State) -> Vec<String> {
    let names = before.keys().chain(after.keys().filter(|name| !before.contains_key(*name)));
    let none = "nothing".to_owned();
    let of = |state: &State, name: &str| state.get(name).unwrap_or(&none).clone();
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| format!("{name}: {} -> {}", of(before, name), of(after, name)))
        .collect()
}

/// Not the server's own temporary files.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let of_the_server = ["#innodb", "ibtmp", "#sql", "aria_log", "ib_logfile"];
        if of_the_server.iter().any(|start| name.starts_with(start)) {
            continue;
        }
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}
