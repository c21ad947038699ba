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
const LIMIT: Duration = Duration::from_secs(60);

/// A server with this setting waits ten minutes for the rest of a statement or of a file, in place of half a minute: on a busy
/// machine much that is large stands still for that long.
pub const UNHURRIED: &str = "SET GLOBAL net_read_timeout = 600; SET GLOBAL net_write_timeout = 600";

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
    /// MiB of a file system of its own, gone with the process. Needs root.
    pub(super) disk: Option<usize>,
    /// The administrator's connection, where each statement's own could be refused.
    held: tokio::sync::Mutex<Option<mysql_async::Conn>>,
}

/// Whether servers can have disks of their own here: root can do that.
pub fn has_own_disks() -> bool {
    let mut command = Command::new("unshare");
    command.args(["--mount", "true"]).stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Its folder is a file system in a name space of its own, which nobody has to unmount.
const OWN_DISK: &str = "mount -t tmpfs -o size=\"$1\"m tmpfs \"$2\" && shift 2 && exec \"$@\"";

impl Node {
    /// Starts it and does not wait.
    pub(super) fn spawn(kind: Kind, role: Role, port: u16, server_id: usize, dir: PathBuf) -> Self {
        let mut node = Self::planned(kind, role, port, server_id, dir);
        node.start();
        node
    }

    /// Does not start it yet.
    pub(super) fn planned(kind: Kind, role: Role, port: u16, server_id: usize, dir: PathBuf) -> Self {
        Node {
            kind,
            role,
            port,
            server_id,
            dir,
            options: Vec::new(),
            child: None,
            disk: None,
            held: None.into(),
        }
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
        let program = scripts.join("server.sh");
        let mut command = match self.disk {
            None => Command::new(program),
            Some(size) => {
                let mut apart = Command::new("unshare");
                apart.args(["--mount", "--propagation", "private", "sh", "-c", OWN_DISK, "sh"]);
                apart.arg(size.to_string()).arg(&self.dir).arg(program);
                apart
            }
        };
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

    /// Waits until it answers, two minutes at most.
    pub(super) async fn ready(&mut self) {
        let deadline = Instant::now() + 2 * LIMIT;
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

    /// Its folder as it sees it itself.
    fn inside(&self) -> PathBuf {
        match (self.disk, self.pid()) {
            (Some(_), Some(pid)) => PathBuf::from(format!("/proc/{pid}/root{}", self.dir.display())),
            _ => self.dir.clone(),
        }
    }

    /// Leaves nothing of its disk.
    pub fn fill_disk(&self) {
        use std::io::Write as _;
        assert!(self.disk.is_some(), "it has the disk of everybody");
        let mut file = std::fs::File::create(self.inside().join("filler")).expect("a file on its disk");
        let mut size = 1 << 20;
        while size > 0 {
            if file.write_all(&vec![0; size]).is_err() {
                size /= 2;
            }
        }
    }

    /// Its folder.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.inside().join("data")
    }

    /// Which server.
    pub fn kind(&self) -> Kind {
        self.kind
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
    /// The server's, or an I/O error after `LIMIT` without an answer.
    pub async fn try_sql(&self, statements: &str) -> Result<Rows, mysql_async::Error> {
        let rows = self.query(statements, LIMIT).await?;
        Ok(rows.into_iter().map(|row| row.unwrap().into_iter().map(text).collect()).collect())
    }

    async fn query(
        &self,
        statements: &str,
        limit: Duration,
    ) -> Result<Vec<mysql_async::Row>, mysql_async::Error> {
        let work = async {
            if let Some(conn) = self.held.lock().await.as_mut() {
                return all_rows(conn, statements).await;
            }
            let mut conn = self.administrator().await?;
            let rows = all_rows(&mut conn, statements).await?;
            conn.disconnect().await?;
            Ok(rows)
        };
        timeout(limit, work).await.unwrap_or_else(|e| Err(std::io::Error::from(e).into()))
    }

    /// The unix socket.
    pub fn socket(&self) -> std::path::PathBuf {
        self.inside().join("sock")
    }

    async fn administrator(&self) -> Result<mysql_async::Conn, mysql_async::Error> {
        let socket = self.inside().join("sock");
        let options = mysql_async::OptsBuilder::default().socket(socket.to_str()).user(Some("root"));
        mysql_async::Conn::new(options).await
    }

    /// It takes no further connections, not even of the administrator, who keeps one.
    pub async fn close_doors(&self) {
        *self.held.lock().await = Some(self.administrator().await.expect("a login"));
        self.sql("SET GLOBAL max_connections = 10").await;
    }

    pub async fn open_doors(&self) {
        self.sql("SET GLOBAL max_connections = 500").await;
        *self.held.lock().await = None;
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
        if let Err(e) = self.query(statement, 2 * LIMIT).await {
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

    /// SIGTERM: it ends in good order, and says so to whom it answers.
    pub fn tell_to_end(&self) {
        let pid = self.pid().expect("cannot end a killed server");
        assert!(signal(pid, "TERM"));
    }

    /// The same, and waits until it has ended.
    pub async fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        assert!(signal(child.id(), "TERM"));
        let deadline = Instant::now() + 2 * LIMIT;
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

    /// The same with further options, in place of those given so before.
    pub async fn restart_with(&mut self, options: &[String]) {
        self.end().await;
        self.options = options.to_vec();
        self.restart().await;
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

async fn all_rows(
    conn: &mut mysql_async::Conn,
    statements: &str,
) -> Result<Vec<mysql_async::Row>, mysql_async::Error> {
    let mut result = conn.query_iter(statements).await?;
    let mut rows = Vec::new();
    while !result.is_empty() {
        rows.extend(result.collect::<mysql_async::Row>().await?);
    }
    Ok(rows)
}

fn text(value: mysql_async::Value) -> Option<String> {
    match value {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}
