//! The effective configuration as types. Settings that a reload replaces (`Live`) and settings that
//! need a restart (`Fixed`) are different types, so that code cannot confuse them.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::admin::AdminAccess;
use super::audit::AuditSettings;
use super::choice::Choice;
use super::clients_tls::{ClientsTls, Requirements};
use super::credentials::CredentialSettings;
use super::digests::DigestSettings;
use super::fingerprint::Fingerprint;
use super::kubernetes::Kubernetes;
use super::level::Level;
use super::networks::Networks;
use super::secret::{Account, Secret, SecretUse};
use super::statements::StatementLog;
use super::tls::ServersTls;
use super::traces::TraceSettings;

/// One whole, validated configuration file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The settings that are read only at the start.
    pub fixed: Fixed,
    /// The settings that a reload replaces as a whole.
    pub live: Live,
    /// The other files that were read, such as `password_file`s: a change of one is a change of the configuration.
    pub sources: Vec<PathBuf>,
    /// The values in Kubernetes Secrets: passwords, which are empty in `live`, and the CA.
    pub secrets: Vec<SecretUse>,
    /// The SHA-256 of the file.
    pub fingerprint: Fingerprint,
}

impl Config {
    /// Returns `live` with the values of the Secrets. A user whose Secret is not known cannot log in,
    /// and is left out.
    pub fn live_with(&self, mut value: impl FnMut(&SecretUse) -> Option<Secret>) -> Live {
        let mut live = self.live.clone();
        for used in &self.secrets {
            match (&used.account, value(used)) {
                (Account::Monitor, Some(password)) => live.monitor.password = password,
                (Account::ServersCa, Some(ca)) => live.servers_tls.ca = Some(ca),
                (Account::Listener(name, part), Some(value)) => {
                    if let Some(tls) = live.listener_tls.get_mut(name) {
                        tls.fill(part, value);
                    }
                }
                (Account::Console(name), value) => {
                    let users = live.admin.console.users.iter_mut();
                    users.filter(|user| user.name == *name).for_each(|user| user.password = value.clone());
                }
                (Account::Monitor | Account::ServersCa | Account::Listener(..), None) => {}
                (Account::User(name), None) => {
                    live.users.remove(name);
                    live.withheld.insert(name.clone());
                }
                (Account::User(name), Some(password)) => {
                    if let Some(user) = live.users.get_mut(name) {
                        user.password = Some(password);
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
            Account::Console(_) => false,
            // Certificates and keys are no passwords; they have their own checks.
            Account::ServersCa | Account::Listener(..) => true,
        }
    }
}

/// Settings that a running process cannot change.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// Data threads; 0 in the file means one per core.
    pub workers: NonZeroUsize,
    /// How many clients a data thread gets before the next one gets any.
    pub worker_fill: usize,
    /// How the data threads wait for their sockets.
    pub io: IoChoice,
    /// `[[listeners]]`
    pub listeners: Vec<Listener>,
    /// `[admin] http`, `host:port`; None (`"off"` in the file) switches HTTP off.
    pub admin_http: Option<String>,
    /// `[admin.console] address`, `host:port`; None: there is no console.
    pub admin_console: Option<String>,
    /// `[discovery]`; the servers of a static discovery are in `Live`.
    pub discovery: Discovery,
    /// `[log]`
    pub log: Log,
}

/// `[[listeners]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The name in metrics and logs.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: String,
    /// What this port does with statements.
    pub mode: Mode,
    /// `allow_native_password`; default true.
    pub native_password: bool,
    /// `compression`; default off.
    pub compression: ClientCompression,
    /// The load balancers, whose connections begin with a header of the PROXY protocol.
    pub proxy_protocol_from: Networks,
}

/// `listeners.compression`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientCompression {
    /// Not offered.
    #[default]
    Off,
    /// Clients may ask for zlib.
    Zlib,
    /// Clients may ask for zstd.
    Zstd,
    /// Clients may ask for either.
    Any,
}

/// `pool.compression`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerCompression {
    /// Not compressed.
    #[default]
    Off,
    /// zlib.
    Zlib,
    /// zstd, which MariaDB's servers do not have.
    Zstd,
}

/// `io`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IoChoice {
    /// io_uring where it works, otherwise epoll.
    #[default]
    Auto,
    /// epoll.
    Epoll,
    /// io_uring, or no start.
    IoUring,
}

/// `listeners.mode`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Writes to the primary, reads to replicas.
    Split,
    /// Everything to the primary.
    Primary,
    /// Everything to replicas; statements that would write get ERROR 1290.
    Replica,
}

/// Where the list of servers comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// The file names the servers; probes find the primary.
    Static,
    /// The servers are pods.
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
    /// Returns the kind, which is a word in the file.
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
    /// One JSON object per line.
    Json,
}

/// Settings that SIGHUP or a change of the file replaces.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// `[[discovery.servers]]`
    pub servers: Vec<StaticServer>,
    /// `[admin]`, except the address.
    pub admin: AdminAccess,
    /// `[monitor]`
    pub monitor: Monitor,
    /// `[[users]]` by name.
    pub users: HashMap<Arc<str>, User>,
    /// The users whose password is in a Secret that is not known. They cannot log in, and are not in `users`.
    pub withheld: BTreeSet<Arc<str>>,
    /// `[credentials]`
    pub credentials: CredentialSettings,
    /// `[servers_tls]`
    pub servers_tls: ServersTls,
    /// `listeners.consistency` by the listener's name.
    pub listener_levels: HashMap<Arc<str>, Level>,
    /// `[listeners.tls]` by the listener's name.
    pub listener_tls: HashMap<Arc<str>, ClientsTls>,
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
    /// `[digests]`
    pub digests: DigestSettings,
    /// `log.slow` and `log.literals`
    pub statements: StatementLog,
    /// `[audit]`
    pub audit: AuditSettings,
    /// `[traces]`
    pub traces: TraceSettings,
    /// `[notify]`
    pub notify: Notify,
}

impl Live {
    /// True if the texts of statements get digests.
    pub fn has_digests(&self) -> bool {
        self.digests.max > 0
            || self.statements.has_slow()
            || !self.audit.recorded().is_empty()
            || self.traces.endpoint.is_some()
    }
}

/// `[[discovery.servers]]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticServer {
    /// The unique name in metrics, logs and `/topology`.
    pub name: Arc<str>,
    /// `host:port` or `unix:/path`.
    pub address: Arc<str>,
    /// The server's share of the reads, relative to the weights of the other servers; 0: no reads. Default 1.
    pub weight: u16,
    /// True if the server gets no new reads, and what runs on it continues.
    pub drain: bool,
    /// The server's zone; None if the file does not say.
    pub zone: Option<Arc<str>>,
    /// The name in the server's certificate; None: the host of its address.
    pub tls_name: Option<Arc<str>>,
}

/// `[monitor]`
#[derive(Debug, Clone, PartialEq)]
pub struct Monitor {
    /// The account that the probes use.
    pub user: Arc<str>,
    /// The account's password.
    pub password: Secret,
    /// True if the account intentionally has no password.
    pub allow_empty_password: bool,
    /// Time between two probes of a server; default 100 ms.
    pub interval: Duration,
}

/// `[[users]]`: an account that may log in, and as which the proxy logs in to the servers.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The account's name.
    pub name: Arc<str>,
    /// The account's password, used on both legs; None: it comes from another source of `[credentials]`.
    pub password: Option<Secret>,
    /// True if the account intentionally has no password: anybody can log in with its name.
    pub allow_empty_password: bool,
    /// `max_connections`: the most connections of this user to one server; None: only the limit of the server applies.
    pub max_server_connections: Option<NonZeroUsize>,
    /// `consistency`: the level of the user's sessions; None: the listener's.
    pub level: Option<Level>,
    /// What the user's connections must have.
    pub requires: Requirements,
    /// From where the user may log in; None: from everywhere.
    pub from: Option<Networks>,
    /// `unix_user`: the operating system's user who is let in on unix sockets without a password; None: nobody.
    pub unix_user: Option<Arc<str>>,
    /// `send_proxy_protocol`: true if servers get the client's address in a PROXY header; default false.
    pub send_proxy_protocol: bool,
}

impl User {
    /// Creates a user with no other settings than its password.
    pub fn new(name: Arc<str>, password: Option<Secret>) -> Self {
        User {
            name,
            password,
            allow_empty_password: false,
            max_server_connections: None,
            level: None,
            requires: Requirements::default(),
            from: None,
            unix_user: None,
            send_proxy_protocol: false,
        }
    }

    /// True if the user may log in from this address; None is a unix socket.
    pub fn may_log_in_from(&self, address: Option<IpAddr>) -> bool {
        self.from.as_ref().is_none_or(|networks| networks.contains(address))
    }
}

/// `[consistency]`
#[derive(Debug, Clone, PartialEq)]
pub struct Consistency {
    /// The level of listeners with mode `split` that do not have their own; default `strong`.
    pub level: Level,
    /// How long a read may wait for a replica before it goes to the primary; default 50 ms.
    pub max_wait: Duration,
    /// The share of `limits.max_server_connections`, in percent, that the primary may use for reads that no replica can
    /// answer in time. Default 50.
    pub primary_share: u8,
}

/// `[replicas]`
#[derive(Debug, Clone, PartialEq)]
pub struct Replicas {
    /// A replica that is further behind than this gets no reads; default 10 s.
    pub max_lag: Duration,
    /// Where reads go if there is no replica; default `primary`.
    pub fallback: Fallback,
    /// The proxy's own zone: reads stay in it as long as a replica serves there.
    pub zone: Option<Arc<str>>,
}

/// `replicas.fallback`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// Reads go to the primary; those of a replica port over read-only connections.
    Primary,
    /// Reads get an error.
    None,
}

/// `[failover]`
#[derive(Debug, Clone, PartialEq)]
pub struct Failover {
    /// How long a statement waits for a primary; default 30 s.
    pub hold: Duration,
    /// How long an open transaction may continue on a primary that is read-only or being deleted, while there is no
    /// other primary; default 5 s.
    pub grace: Duration,
    /// How long what was sent to a primary waits while that answers nothing, its connections are open, and no other server
    /// may become the primary; default as long as `hold`.
    pub silence: Duration,
    /// What happens to a transaction whose server is lost; default `Safe`.
    pub replay: Replay,
    /// The most that is kept of one transaction for a replay, in bytes; default 1 MiB.
    pub replay_limit: usize,
    /// What happens to a COMMIT whose server is lost before it answers; default `Unknown`.
    pub commit: LostCommit,
}

/// `failover.commit`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostCommit {
    /// The client gets the error that the outcome is unknown.
    Unknown,
    /// Transactions are marked (on MySQL), and the new primary is searched for the mark.
    LookedUp,
}

/// `failover.replay`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// The transaction is rolled back, and the client gets an error.
    Off,
    /// The transaction is replayed on the new primary, and continues if every answer is the same as before.
    Safe,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The most clients of all ports together; further clients get ERROR 1040. Default 10,000.
    pub max_connections: usize,
    /// The most clients of one address (an IPv4 address or a /64 network of IPv6); 0, the default: no such limit.
    pub max_connections_per_address: usize,
    /// The most sessions of one user; 0, the default: no such limit.
    pub max_user_connections: usize,
    /// How many failed logins per minute block an address, or a user name from one address; 0: never. Default 100.
    pub max_login_errors: usize,
    /// How long a block lasts; default 10 s.
    pub block_time: Duration,
    /// The memory that the process may use, in bytes; while it is nearly used up, new work is refused. None: three
    /// quarters of the memory of its cgroup or of the machine.
    pub memory: Option<usize>,
    /// The most connections to one server, of all users together; default 1,000.
    pub max_server_connections: NonZeroUsize,
    /// How many of a server's `max_connections` are left to others, such as administrators: at most half of them.
    /// Default 10.
    pub reserve: usize,
    /// How long a statement waits for a server connection when a limit is reached; default 10 s.
    pub queue_timeout: Duration,
}

/// `[pool]`
#[derive(Debug, Clone, PartialEq)]
pub struct Pool {
    /// A pooled server connection that is unused for this long is closed; default 60 s.
    pub idle_timeout: Duration,
    /// The most prepared statements kept open on a server connection; beyond it the least used one is closed.
    /// Default 256.
    pub max_statements: NonZeroUsize,
    /// How connections to servers that have it are compressed; default off.
    pub compression: ServerCompression,
    /// How a server learns for which client a statement is; default `Off`.
    pub client_tag: ClientTag,
}

/// `pool.client_tag`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTag {
    /// The server does not learn it.
    Off,
    /// By the query attribute `pointsman_client`.
    Attribute,
    /// By a comment in front of the statement's text.
    Comment,
}

/// `[timeouts]`
#[derive(Debug, Clone, PartialEq)]
pub struct Timeouts {
    /// The time limit for TCP connect and login to a server; default 2 s.
    pub connect: Duration,
    /// The time limit for a client's login, from accept to the OK packet; default 10 s.
    pub login: Duration,
    /// An idle client is disconnected after this time; default 8 h, as `wait_timeout`.
    pub idle: Duration,
    /// A client that sends a part of a command and then nothing for this long is disconnected; default 30 s, as
    /// `net_read_timeout`.
    pub client_read: Duration,
    /// A client that reads nothing of its answer for this long is disconnected; default 60 s, as
    /// `net_write_timeout`.
    pub client_write: Duration,
}

/// `[drain]`
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// How long the proxy still accepts clients after SIGTERM, while it is not ready; default 0 s.
    pub delay: Duration,
    /// How long sessions then have to end at a point where clients can handle it; default 20 s.
    pub timeout: Duration,
}

/// `[notify]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Notify {
    /// The URL to which changes of the primary are posted.
    pub webhook: Option<Webhook>,
    /// True if changes are also posted as Events of the pods; default false.
    pub events: bool,
}

/// An HTTP URL in its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `host:port`
    pub authority: Arc<str>,
    /// The path, from the slash on.
    pub path: Arc<str>,
}

impl Webhook {
    /// Parses a URL. The error says what is wrong, in words that follow the URL.
    pub fn parse(url: &str) -> Result<Self, &'static str> {
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(("https", _)) => return Err("needs TLS, which webhooks do not speak yet"),
            _ => return Err("is no HTTP URL"),
        };
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        // A colon before the closing bracket belongs to an IPv6 address.
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

impl Choice for ClientCompression {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", ClientCompression::Off),
        ("zlib", ClientCompression::Zlib),
        ("zstd", ClientCompression::Zstd),
        ("any", ClientCompression::Any),
    ];
}

impl Choice for ServerCompression {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("off", ServerCompression::Off),
        ("zlib", ServerCompression::Zlib),
        ("zstd", ServerCompression::Zstd),
    ];
}

impl Choice for IoChoice {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", IoChoice::Auto), ("epoll", IoChoice::Epoll), ("io_uring", IoChoice::IoUring)];
}

impl Choice for Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("split", Mode::Split), ("primary", Mode::Primary), ("replica", Mode::Replica)];
}

impl Choice for DiscoveryKind {
    const WORDS: &'static [(&'static str, Self)] =
        &[("static", DiscoveryKind::Static), ("kubernetes", DiscoveryKind::Kubernetes)];
}

impl Choice for LogFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

impl Choice for Fallback {
    const WORDS: &'static [(&'static str, Self)] =
        &[("primary", Fallback::Primary), ("none", Fallback::None)];
}

impl Choice for Replay {
    const WORDS: &'static [(&'static str, Self)] = &[("off", Replay::Off), ("safe", Replay::Safe)];
}

impl Choice for ClientTag {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", ClientTag::Off), ("attribute", ClientTag::Attribute), ("comment", ClientTag::Comment)];
}

impl Choice for LostCommit {
    const WORDS: &'static [(&'static str, Self)] =
        &[("unknown", LostCommit::Unknown), ("looked_up", LostCommit::LookedUp)];
}
