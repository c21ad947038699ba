//! The effective configuration as types. What can be reloaded (`Live`) and what
//! cannot (`Fixed`) are different types, so that code can only ask the right one.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::admin::AdminAccess;
use super::fingerprint::Fingerprint;
use super::kubernetes::Kubernetes;
use super::tls::ServersTls;

/// One whole, validated configuration file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Read once, at start.
    pub fixed: Fixed,
    /// Replaced whole by a reload.
    pub live: Live,
    /// The `password_file`s that were read: a change of one is a change of the configuration.
    pub sources: Vec<PathBuf>,
    /// What is in Kubernetes Secrets: passwords, which are empty in `live`, and the CA.
    pub secrets: Vec<SecretUse>,
    /// Which file this is.
    pub fingerprint: Fingerprint,
}

/// A password, or a CA, that is in a Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// Whose.
    pub account: Account,
    /// Where it is.
    pub at: SecretRef,
}

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// `[monitor]`
    Monitor,
    /// One of `[[users]]`.
    User(Arc<str>),
    /// Nobody's: the CA of `[servers_tls]`.
    ServersCa,
}

/// A key of a Kubernetes Secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// The Secret's.
    pub name: Arc<str>,
    /// Of its data.
    pub key: Arc<str>,
}

impl Config {
    /// `live` with what Secrets hold. A user whose Secret is not known cannot log in
    /// and so is not there.
    pub fn live_with(&self, mut value: impl FnMut(&SecretUse) -> Option<Secret>) -> Live {
        let mut live = self.live.clone();
        for used in &self.secrets {
            match (&used.account, value(used)) {
                (Account::Monitor, Some(password)) => live.monitor.password = password,
                (Account::ServersCa, Some(ca)) => live.servers_tls.ca = Some(ca),
                (Account::Monitor | Account::ServersCa, None) => {}
                (Account::User(name), None) => _ = live.users.remove(name),
                (Account::User(name), Some(password)) => {
                    if let Some(user) = live.users.get_mut(name) {
                        user.password = password;
                    }
                }
            }
        }
        live
    }

    /// True if this account may have an empty password.
    pub fn allows_empty_password(&self, account: &Account) -> bool {
        match account {
            Account::Monitor => self.live.monitor.allow_empty_password,
            Account::User(name) => self.live.users.get(name).is_some_and(|user| user.allow_empty_password),
            // A CA is not a password: its own check says what is wrong with it.
            Account::ServersCa => true,
        }
    }
}

impl std::fmt::Display for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Account::Monitor => f.write_str("the monitor"),
            Account::User(name) => write!(f, "user {name:?}"),
            Account::ServersCa => f.write_str("the servers' CA"),
        }
    }
}

/// What a running process cannot change.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// Data threads; 0 in the file means one per core.
    pub workers: NonZeroUsize,
    /// `[[listeners]]`
    pub listeners: Vec<Listener>,
    /// `[admin] http`, `host:port`; None (`"off"` in the file) switches HTTP off.
    pub admin_http: Option<String>,
    /// `[discovery]`; the servers of a static one are in `Live`.
    pub discovery: Discovery,
    /// `[log]`
    pub log: Log,
}

/// `[[listeners]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Shows in metrics and logs.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: String,
    /// What this port does with statements.
    pub mode: Mode,
    /// `allow_native_password`; default true.
    pub native_password: bool,
}

/// `listeners.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Writes to the primary, reads to replicas.
    Split,
    /// Everything to the primary.
    Primary,
    /// Everything to replicas; what would write gets ERROR 1290.
    Replica,
}

/// Who says which servers there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// The servers stand in the file; probes find the primary.
    Static,
    /// They are pods.
    Kubernetes(Box<Kubernetes>),
}

/// `discovery.kind`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiscoveryKind {
    /// `Discovery::Static`
    Static,
    /// `Discovery::Kubernetes`
    Kubernetes,
}

impl Discovery {
    /// Its word in the file.
    pub fn kind(&self) -> DiscoveryKind {
        match self {
            Discovery::Static => DiscoveryKind::Static,
            Discovery::Kubernetes(_) => DiscoveryKind::Kubernetes,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// A tracing filter: `info`, `pointsman=debug`, …
    pub level: String,
}

/// `log.format`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What SIGHUP or a change of the file replaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// `[[discovery.servers]]`
    pub servers: Vec<StaticServer>,
    /// `[admin]` but for the address.
    pub admin: AdminAccess,
    /// `[monitor]`
    pub monitor: Monitor,
    /// `[[users]]` by name.
    pub users: HashMap<Arc<str>, User>,
    /// `[servers_tls]`
    pub servers_tls: ServersTls,
    /// `listeners.consistency` by the listener's name: the one key of a listener that can be reloaded.
    pub listener_levels: HashMap<Arc<str>, Level>,
    /// `[consistency]`
    pub consistency: Consistency,
    /// `[replicas]`
    pub replicas: Replicas,
    /// `[failover]`
    pub failover: Failover,
    /// `[limits]`
    pub limits: Limits,
    /// `[pool]`
    pub pool: Pool,
    /// `[timeouts]`
    pub timeouts: Timeouts,
    /// `[drain]`
    pub drain: Drain,
    /// `[notify]`
    pub notify: Notify,
}

/// `[[discovery.servers]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticServer {
    /// Unique; shows in metrics, logs and `/topology`.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// Its share of the reads, in relation to the others'; 0: none. Default 1.
    pub weight: u16,
    /// Where it stands; None if nobody says.
    pub zone: Option<Arc<str>>,
    /// What its certificate is for; None: the host of its address.
    pub tls_name: Option<Arc<str>>,
}

/// `[monitor]`
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// The account the probes use.
    pub user: Arc<str>,
    /// Its password.
    pub password: Secret,
    /// The account has no password, and that is meant so.
    pub allow_empty_password: bool,
    /// Time between two probes of a server; default 100 ms.
    pub interval: Duration,
}

/// `[[users]]`: who may log in, and as whom the proxy logs in to the servers.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The account's name.
    pub name: Arc<str>,
    /// Its password, used on both legs.
    pub password: Secret,
    /// The account has no password, and that is meant so: anybody can log in by its name.
    pub allow_empty_password: bool,
    /// `max_connections`: server connections of this user on one server; None: only the server's limit.
    pub max_server_connections: Option<NonZeroUsize>,
    /// `consistency`: the level of its sessions; None: the listener's.
    pub level: Option<Level>,
}

/// `[consistency]`
#[derive(Debug, Clone, PartialEq)]
pub struct Consistency {
    /// Of listeners with mode `split` that do not say their own; default `strong`.
    pub level: Level,
    /// Default 50 ms.
    pub max_wait: Duration,
    /// How much of `limits.max_server_connections` reads may use on the primary at once that no replica can answer
    /// in time, in percent. Default 50.
    pub primary_share: u8,
}

/// `consistency.level`, the strictest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every write acknowledged before the read began.
    Strong,
    /// The session's own writes.
    Session,
    /// At most `replicas.max_lag` old.
    Bounded,
    /// Whatever the replica has.
    Eventual,
}

impl Level {
    /// A read must see what its session wrote before it.
    pub fn needs_own_writes(self) -> bool {
        self <= Level::Session
    }
}

/// `[replicas]`
#[derive(Debug, Clone, PartialEq)]
pub struct Replicas {
    /// Default 10 s.
    pub max_lag: Duration,
    /// Where reads go without any replica; default `primary`.
    pub fallback: Fallback,
    /// The proxy's own zone: reads stay in it as long as a replica serves there.
    pub zone: Option<Arc<str>>,
}

/// `replicas.fallback`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// To the primary; from a replica port read-only.
    Primary,
    /// Nowhere: an error.
    None,
}

/// `[failover]`
#[derive(Debug, Clone, PartialEq)]
pub struct Failover {
    /// How long a statement waits for a writer; default 30 s.
    pub hold: Duration,
    /// How long an open transaction may go on at a primary that is read-only or being deleted, while there is no
    /// other; default 5 s.
    pub grace: Duration,
    /// What becomes of a transaction whose server is lost; default `Safe`.
    pub replay: Replay,
    /// The most that is kept of one transaction, in bytes; default 1 MiB.
    pub replay_limit: usize,
    /// What becomes of a COMMIT whose server is lost before it answers; default `Unknown`.
    pub commit: LostCommit,
}

/// `failover.commit`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostCommit {
    /// The client hears that nobody knows.
    Unknown,
    /// On MySQL transactions are marked, and the mark is looked for on the new primary.
    LookedUp,
}

/// `failover.replay`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It is rolled back, and the client told.
    Off,
    /// It is run again on the new primary, and goes on if every answer is the same as before.
    Safe,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Clients of all ports together; beyond it ERROR 1040. Default 10,000.
    pub max_connections: usize,
    /// Clients of one address (an IPv4 address or a /64 network of IPv6); 0, the default: no limit of its own.
    pub max_connections_per_address: usize,
    /// Sessions of one user; 0, the default: no limit of its own.
    pub max_user_connections: usize,
    /// Failed logins a minute, of a user name from one address or of an address, until it is blocked; 0: never. Default 100.
    pub max_login_errors: usize,
    /// How long a block lasts; default 10 s.
    pub block_time: Duration,
    /// Memory that the process may use, in bytes, beyond which what is new is refused; None: three quarters of what
    /// its cgroup, or the machine, has.
    pub memory: Option<usize>,
    /// Server connections to one server, of all users together; default 1,000.
    pub max_server_connections: NonZeroUsize,
    /// How long a statement waits for a server connection when a limit is reached; default 10 s.
    pub queue_timeout: Duration,
}

/// `[pool]`
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// A pooled server connection unused this long is closed; default 60 s.
    pub idle_timeout: Duration,
    /// Prepared statements kept open on a server connection; the least used one is closed for another.
    /// Default 256.
    pub max_statements: NonZeroUsize,
}

/// `[timeouts]`
#[derive(Debug, Clone, PartialEq)]
pub struct Timeouts {
    /// TCP connect and login to a server; default 2 s.
    pub connect: Duration,
    /// A client's login, from accept to the OK packet; default 10 s.
    pub login: Duration,
    /// An idle client is closed after this; default 8 h, as `wait_timeout`.
    pub idle: Duration,
    /// A client that sends a part of a command and then nothing for this long is closed; default 30 s, as
    /// `net_read_timeout`.
    pub client_read: Duration,
    /// A client that reads nothing of its answer for this long is closed; default 60 s, as `net_write_timeout`.
    pub client_write: Duration,
}

/// `[drain]`
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// After SIGTERM: not ready, but still accepting, this long; default 0 s.
    pub delay: Duration,
    /// Then sessions end where their clients notice, at most this long; default 20 s.
    pub timeout: Duration,
}

/// `[notify]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notify {
    /// Where changes of the primary are told.
    pub webhook: Option<Webhook>,
    /// Also as Events of the pods; default false.
    pub events: bool,
}

/// An HTTP URL in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `host:port`
    pub authority: Arc<str>,
    /// From the slash on.
    pub path: Arc<str>,
}

impl Webhook {
    /// What is wrong with it, in words that follow it.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err("needs TLS, which webhooks do not speak yet"),
            _ => return Err("is no HTTP URL"),
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        // Behind the bracket of an IPv6 address, if it is one.
        let port = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        let (host, port) =
            port.map_or((authority, Some(80)), |(host, port)| (host, port.parse::<u16>().ok()));
        let strange = |c: char| c.is_whitespace() || "@?#".contains(c);
        if host.is_empty() || authority.contains(strange) || path.contains(char::is_whitespace) {
            return Err("has no host, or more than host, port and path");
        }
        let Some(port) = port else { return Err("has no port that is one") };
        let authority = format!("{host}:{port}").into();
        Ok(Webhook { authority, path: if path.is_empty() { "/".into() } else { path.into() } })
    }
}

/// A password: `Debug` and `Display` hide it, and its memory is overwritten when its last owner drops it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Wraps a password.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Arc::new(Zeroizing::new(text.into())))
    }

    /// True if there is nothing in it but ends of lines, as a full disk or an unfinished write leaves.
    pub fn is_empty(&self) -> bool {
        self.0.trim_matches(['\r', '\n']).is_empty()
    }

    /// The password itself, for the authentication exchanges only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}
