//! One database server of a test: a process, its folder, and the administrator's way in
//! through its Unix socket, which no proxy sees.

use super::scratch::{PID_FILE, signal};
use mysql_async::prelude::Queryable;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Debian's MariaDB.
    MariaDb,
    /// MySQL 9.7.
    MySql,
}

impl Kind {
    /// As `tests/setup/server.sh` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::MariaDb => "mariadb",
            Kind::MySql => "mysql",
        }
    }
}

/// How a server starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Writable.
    Primary,
    /// Read-only.
    Replica,
}

/// A statement without an answer for so long has failed.
const LIMIT: Duration = Duration::from_secs(20);

/// Rows of a result; NULL is None.
pub type Rows = Vec<Vec<Option<String>>>;

/// One server.
#[derive(Debug)]
pub struct Node {
    pub(super) kind: Kind,
    pub(super) role: Role,
    port: u16,
    server_id: usize,
    dir: PathBuf,
    /// Further options of the server.
    pub(super) options: Vec<String>,
    child: Option<Child>,
}

impl Node {
    /// Starts it and does not wait.
    pub(super) fn spawn(kind: Kind, role: Role, port: u16, server_id: usize, dir: PathBuf) -> Self {
        let mut node = Self::planned(kind, role, port, server_id, dir);
        node.start();
        node
    }

    /// Does not start it yet.
    pub(super) fn planned(kind: Kind, role: Role, port: u16, server_id: usize, dir: PathBuf) -> Self {
        Node { kind, role, port, server_id, dir, options: Vec::new(), child: None }
    }

    pub(super) fn start(&mut self) {
        std::fs::create_dir_all(&self.dir).expect("cannot create a server's folder");
        let log = || {
            std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(self.dir.join("log"))
                .expect("cannot open a server's log")
        };
        let child =
            self.command().stdout(log()).stderr(log()).spawn().expect("cannot run tests/setup/server.sh");
        let _ = std::fs::write(self.dir.join(PID_FILE), child.id().to_string());
        self.child = Some(child);
    }

    fn command(&self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/setup");
        // A Galera server calls one of them.
        let path = format!("{}:{}", scripts.display(), std::env::var("PATH").unwrap_or_default());
        let role = match self.role {
            Role::Primary => "primary",
            Role::Replica => "replica",
        };
        let mut command = Command::new(scripts.join("server.sh"));
        command
            .env("PATH", path)
            .args(["run", self.kind.name(), &self.port.to_string()])
            .arg(&self.dir)
            .args([&self.server_id.to_string(), role])
            .args(&self.options)
            .stdin(Stdio::null());
        command
    }

    /// Where in Galera's history its data is: the server says it and ends. Makes the data where there is none.
    pub(super) fn recovered_position(&self) -> String {
        let done = self.command().arg("--wsrep-recover").output().expect("cannot run tests/setup/server.sh");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let position = said.lines().find_map(|line| line.split("Recovered position: ").nth(1));
        position.unwrap_or_else(|| panic!("no position: {said}")).trim().to_owned()
    }

    /// Waits until it answers, 60 s at most.
    pub(super) async fn ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let error = match self.try_sql("SELECT 1").await {
                Ok(_) => return,
                Err(e) => e,
            };
            let ended = self.child.as_mut().is_none_or(|c| !matches!(c.try_wait(), Ok(None)));
            if ended || Instant::now() > deadline {
                panic!(
                    "{} on port {} did not start: {error}\n{}",
                    self.kind.name(),
                    self.port,
                    self.log_tail()
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Its folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its port on 127.0.0.1; the same for its whole life.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id while it runs (or is frozen).
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it was started and not killed.
    pub fn is_running(&self) -> bool {
        self.child.is_some()
    }

    /// The last lines of its error log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(self.dir.join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// Runs statements as root past any proxy; the rows of all their results.
    ///
    /// # Errors
    /// The server's, or an I/O error after 20 s without an answer.
    pub async fn try_sql(&self, statements: &str) -> Result<Rows, mysql_async::Error> {
        let rows = self.query(statements, LIMIT).await?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    async fn query(
        &self,
        statements: &str,
        limit: Duration,
    ) -> Result<Vec<mysql_async::Row>, mysql_async::Error> {
        let options =
            mysql_async::OptsBuilder::default().socket(self.dir.join("sock").to_str()).user(Some("root"));
        let work = async {
            let mut conn = mysql_async::Conn::new(options).await?;
            let mut result = conn.query_iter(statements).await?;
            let mut rows = Vec::new();
            while !result.is_empty() {
                rows.extend(result.collect::<mysql_async::Row>().await?);
            }
            drop(result);
            conn.disconnect().await?;
            Ok(rows)
        };
        timeout(limit, work).await.unwrap_or_else(|e| Err(std::io::Error::from(e).into()))
    }

    /// The first row with its column names; NULL is empty. Empty without a row.
    pub async fn named_row(&self, statement: &str) -> Vec<(String, String)> {
        let rows = self.query(statement, LIMIT).await;
        let rows = rows.unwrap_or_else(|e| panic!("port {}: {statement}: {e}", self.port));
        let Some(row) = rows.into_iter().next() else {
            return Vec::new();
        };
        let columns = row.columns();
        let names = columns.iter().map(|c| c.name_str().into_owned());
        let values = row.unwrap().into_iter().map(|v| text(v).unwrap_or_default());
        names.zip(values).collect()
    }

    /// One that takes longer, and must succeed.
    pub(super) async fn slow_sql(&self, statement: &str) {
        if let Err(e) = self.query(statement, 6 * LIMIT).await {
            panic!("port {}: {statement}: {e}\n{}", self.port, self.log_tail());
        }
    }

    /// `try_sql` that must succeed.
    pub async fn sql(&self, statements: &str) -> Rows {
        match self.try_sql(statements).await {
            Ok(rows) => rows,
            Err(e) => panic!("port {}: {statements}: {e}\n{}", self.port, self.log_tail()),
        }
    }

    /// The first column of the first row; empty for NULL or no row.
    pub async fn value(&self, statement: &str) -> String {
        let rows = self.sql(statement).await;
        rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()).unwrap_or_default()
    }

    /// SIGKILL: no goodbye to anybody; its folder stays.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = std::fs::remove_file(self.dir.join(PID_FILE));
        }
    }

    /// SIGTERM, and waits until it has ended in good order.
    pub(super) async fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        assert!(signal(child.id(), "TERM"));
        let deadline = Instant::now() + Duration::from_secs(60);
        while matches!(child.try_wait(), Ok(None)) {
            assert!(Instant::now() < deadline, "port {} does not end\n{}", self.port, self.log_tail());
            sleep(Duration::from_millis(20)).await;
        }
        let _ = std::fs::remove_file(self.dir.join(PID_FILE));
    }

    /// SIGSTOP: connections stay open, nothing is answered. No `sql` until `thaw`.
    pub fn freeze(&self) {
        let pid = self.pid().expect("cannot freeze a killed server");
        assert!(signal(pid, "STOP"));
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        let pid = self.pid().expect("cannot thaw a killed server");
        assert!(signal(pid, "CONT"));
    }

    /// Kills it if it runs, starts it again with the role it had, waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        self.start();
        self.ready().await;
    }

    /// Starts over from the template, as one who restores a server does.
    pub(super) async fn recreate(&mut self, role: Role) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.dir);
        self.role = role;
        // A new identity: events of its former life must not look like its own and be skipped.
        self.server_id += 100;
        self.restart().await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let ended = self.child.as_mut().is_some_and(|c| !matches!(c.try_wait(), Ok(None)));
        if ended && std::thread::panicking() {
            eprintln!(
                "--- {} on port {} ended by itself\n{}\n---",
                self.kind.name(),
                self.port,
                self.log_tail()
            );
        }
        self.kill();
    }
}

fn text(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}
