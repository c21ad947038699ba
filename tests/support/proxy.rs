//! The built `pointsman` as a process, with a configuration on free ports.

use super::cluster::Cluster;
use super::scratch::{PID_FILE, Scratch, free_port, signal};
use crate::dialogue::PATIENCE;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// A configuration with a read-write and a read-only port in front of a cluster. `{rw}`, `{ro}` and `{http}`
/// are filled in by `Proxy::start`; append other sections as text.
pub fn proxy_config(cluster: &Cluster) -> String {
    let mut text = config_without_servers();
    text.push_str("\n[discovery]\nkind = \"static\"\n");
    for (i, server) in cluster.servers().iter().enumerate() {
        let port = server.port();
        let _ = write!(text, "\n[[discovery.servers]]\nname = \"db-{i}\"\naddress = \"127.0.0.1:{port}\"\n");
    }
    text
}

/// The same without the section that names the servers.
pub fn config_without_servers() -> String {
    String::from(
        r#"[[listeners]]
name = "rw"
address = "127.0.0.1:{rw}"
mode = "primary"

[[listeners]]
name = "ro"
address = "127.0.0.1:{ro}"
mode = "replica"

[admin]
http = "127.0.0.1:{http}"

[monitor]
user = "monitor"
password = "monitor"

[[users]]
name = "app"
password = "app"

[[users]]
name = "super"
password = "super"

[credentials]
sources = ["configuration"]
"#,
    )
}

/// A running proxy; it is killed with its owner.
#[derive(Debug)]
pub struct Proxy {
    child: Option<Child>,
    /// The process that has taken over last.
    successor: Option<u32>,
    /// `{rw}` in the configuration.
    pub rw: u16,
    /// `{ro}` in the configuration.
    pub ro: u16,
    /// `{http}` in the configuration.
    pub http: u16,
    scratch: Scratch,
}

impl Proxy {
    /// Starts it and waits until `/readyz` says 200.
    pub async fn start(config: &str) -> Self {
        let mut proxy = Self::start_unready(config);
        proxy.wait_ready().await;
        proxy
    }

    /// Starts it and does not wait: for set-ups that are not ready, and configurations that are wrong.
    pub fn start_unready(config: &str) -> Self {
        Self::start_with(config, &[])
    }

    /// The same with more in its environment.
    pub fn start_with(config: &str, environment: &[(&str, &str)]) -> Self {
        let program = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        Self::start_by(program, config, environment)
    }

    /// Starts it with this file in place of `/etc/hosts`, and waits until it is ready. Needs `has_own_disks`.
    pub async fn start_with_hosts(config: &str, hosts: &Path) -> Self {
        let mut program = Command::new("unshare");
        let own_hosts = "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"";
        program.args(["--mount", "sh", "-c", own_hosts, "sh"]).arg(hosts);
        program.arg(env!("CARGO_BIN_EXE_pointsman"));
        let mut proxy = Self::start_by(program, config, &[]);
        proxy.wait_ready().await;
        proxy
    }

    fn start_by(mut program: Command, config: &str, environment: &[(&str, &str)]) -> Self {
        let mut proxy = Proxy {
            child: None,
            successor: None,
            rw: free_port(),
            ro: free_port(),
            http: free_port(),
            scratch: Scratch::new("proxy"),
        };
        proxy.write_config(config);
        let log = std::fs::File::create(proxy.log_path()).expect("cannot create the proxy's log");
        let copy = log.try_clone().expect("cannot share the proxy's log");
        let child = program
            .args(["run", "--config"])
            .arg(proxy.config_path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(copy)
            .stderr(log)
            .spawn()
            .expect("cannot run pointsman");
        let pid = child.id().to_string();
        let _ = std::fs::write(proxy.scratch.path().join(PID_FILE), pid);
        proxy.child = Some(child);
        proxy
    }

    /// Waits until `/readyz` says 200.
    ///
    /// # Panics
    /// If that takes longer than `PATIENCE`, or if the proxy ends.
    pub async fn wait_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get("/readyz").await;
            if matches!(answer, Ok((200, _))) {
                return;
            }
            let exited = self.exit_status();
            assert!(
                exited.is_none() && Instant::now() < deadline,
                "the proxy is not ready: exit {exited:?}, /readyz {answer:?}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Replaces the file as an editor or Kubernetes does, in one step; the proxy reloads by itself or on SIGHUP.
    pub fn write_config(&self, config: &str) {
        let text = config
            .replace("{rw}", &self.rw.to_string())
            .replace("{ro}", &self.ro.to_string())
            .replace("{http}", &self.http.to_string());
        // Everything runs with the driver that the system has, or with the one of this variable.
        let text = match std::env::var("IO_DRIVER") {
            Ok(driver) if !text.contains("\nio = ") => format!("io = \"{driver}\"\n{text}"),
            _ => text,
        };
        // By default a login may take ten seconds. A machine that runs all tests may stand still for longer, and no such
        // time must decide a test. Tests of the timeouts set them themselves.
        let text = match text.contains("timeouts") {
            true => text,
            false => format!("timeouts.login = \"1m\"\n{text}"),
        };
        let new = self.scratch.path().join("new.toml");
        std::fs::write(&new, text).expect("cannot write the proxy's configuration");
        std::fs::rename(new, self.config_path()).expect("cannot replace the configuration");
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.scratch.path().join("pointsman.toml")
    }

    fn log_path(&self) -> PathBuf {
        self.scratch.path().join("log")
    }

    /// What it wrote so far, standard output and error together.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The log, once it contains these words. Some lines follow what a client or a metric shows.
    ///
    /// # Panics
    ///
    /// If that takes longer than `PATIENCE`.
    pub async fn told(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.contains(words) {
                return log;
            }
            assert!(Instant::now() < deadline, "the log does not say {words:?}\n{log}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Its process id; after an upgrade, that of the new process.
    pub fn pid(&self) -> u32 {
        self.successor.unwrap_or_else(|| self.child.as_ref().map_or(0, Child::id))
    }

    /// SIGUSR2, then waits until a new process has taken over. The former one drains, and is known by its id.
    ///
    /// # Panics
    /// When that takes longer than `PATIENCE`, or no process takes over.
    pub async fn upgrade(&mut self) -> u32 {
        let (former, before) = (self.pid(), self.successors().len());
        let failures = self.failed_upgrades();
        self.signal("USR2");
        let deadline = Instant::now() + PATIENCE;
        let pid = loop {
            match self.successors().get(before) {
                Some(pid) => break *pid,
                None if Instant::now() > deadline || self.failed_upgrades() > failures => {
                    panic!("no process has taken over")
                }
                None => sleep(Duration::from_millis(5)).await,
            }
        };
        let _ = std::fs::write(self.scratch.path().join(PID_FILE), pid.to_string());
        self.successor = Some(pid);
        former
    }

    /// How often a new process failed.
    pub fn failed_upgrades(&self) -> usize {
        self.log().matches("no new process has taken over").count()
    }

    /// The processes that have taken over, in order.
    fn successors(&self) -> Vec<u32> {
        let log = self.log();
        let told = log.lines().filter(|line| line.contains("a new process has taken over"));
        told.filter_map(|line| line.rsplit_once("pid=")?.1.trim().parse().ok()).collect()
    }

    /// Resident memory, KiB.
    pub fn rss_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.unwrap_or_default();
        let line = status.lines().find(|l| l.starts_with("VmRSS:"));
        line.and_then(|l| l.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
    }

    /// GET of an admin path: status and body.
    ///
    /// # Errors
    /// No connection, no HTTP answer, or none within `PATIENCE`.
    pub async fn get(&self, path: &str) -> std::io::Result<(u16, String)> {
        Self::get_from(self.http, path).await
    }

    /// The same of whichever proxy has this HTTP port.
    ///
    /// # Errors
    /// As `get`.
    pub async fn get_from(http: u16, path: &str) -> std::io::Result<(u16, String)> {
        let work = async {
            let mut stream = TcpStream::connect(("127.0.0.1", http)).await?;
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok());
            let body = answer.split_once("\r\n\r\n").map(|(_, b)| b.to_owned());
            status.zip(body).ok_or(std::io::ErrorKind::InvalidData.into())
        };
        timeout(PATIENCE, work).await?
    }

    /// A client on the read-write port, as `app` in schema `test`.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn client(&self) -> Result<mysql_async::Conn, mysql_async::Error> {
        super::connect(self.rw, "app", "app", "test").await
    }

    /// The same on the read-only port.
    ///
    /// # Errors
    /// As `connect`.
    pub async fn reader(&self) -> Result<mysql_async::Conn, mysql_async::Error> {
        super::connect(self.ro, "app", "app", "test").await
    }

    /// Sends a signal by name: `HUP`, `TERM`, `STOP` …
    pub fn signal(&self, name: &str) {
        assert!(signal(self.pid(), name), "cannot send SIG{name}");
    }

    /// How it ended, if it has.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|c| c.try_wait().ok().flatten())
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it has not ended within `limit`.
    pub async fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exit_status() {
                return status;
            }
            assert!(Instant::now() < deadline, "the proxy runs after {limit:?}\n{}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the proxy's log\n{}\n---", self.log());
        }
        for pid in self.successors() {
            // The number may belong to another process by now.
            let cmdline = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&cmdline).contains(&*self.scratch.path().to_string_lossy()) {
                signal(pid, "KILL");
            }
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
