//! Reads the sections of the file into the types, with the defaults.

use std::collections::{BTreeSet, HashMap};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::audit::AuditSettings;
use super::clients_tls::ClientsTls;
use super::credentials::CredentialSettings;
use super::digests::DigestSettings;
use super::error::ConfigError;
use super::fingerprint::Fingerprint;
use super::level::Level;
use super::networks::Networks;
use super::reader::{FileReader, Section};
use super::secret::Account;
use super::statements::StatementLog;
use super::traces::TraceSettings;
use super::types::*;
use super::values::{AddressUse, is_log_filter, no_duplicates};
use super::{admin, clients_tls, defaults, kubernetes, tls};

/// The shortest duration for settings for which 0 makes no sense.
const SOME: Duration = Duration::from_millis(1);
/// The shortest `monitor.interval`: probing more often costs more than it is worth.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);
/// The largest `discovery.servers.weight`.
const HEAVIEST: u16 = 1000;

impl Config {
    /// Reads a file; a `password_file` is relative to the folder of the file.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        // Zeroized when dropped: the text may contain passwords.
        let text = Zeroizing::new(text);
        let base_dir = path.parent().unwrap_or(Path::new(""));
        Config::parse(&text, base_dir)
    }

    /// Reads the text of a file in the folder `base_dir`.
    pub fn parse(text: &str, base_dir: &Path) -> Result<Config, ConfigError> {
        read(&FileReader::new(text, base_dir, &|name| std::env::var(name).ok()))
    }

    #[cfg(test)]
    pub(super) fn parse_with(
        text: &str,
        base_dir: &Path,
        env: super::reader::Environment<'_>,
    ) -> Result<Config, ConfigError> {
        read(&FileReader::new(text, base_dir, env))
    }
}

/// Reads a whole document.
pub(super) fn read(reader: &FileReader<'_>) -> Result<Config, ConfigError> {
    let (fixed, live) = reader.document(|root| {
        let (discovery, servers) = root.table("discovery", discovery);
        let Listeners { listeners, listener_levels, listener_tls } = listeners(root);
        let (addresses, admin) = root.table("admin", admin::admin);
        let (log, statements) = root.table("log", |s| (log(s), StatementLog::read(s)));
        let fixed = Fixed {
            workers: workers(root),
            worker_fill: root.count("worker_fill", 0).unwrap_or(defaults::WORKER_FILL),
            io: root.choice("io", IoChoice::default()),
            listeners,
            admin_http: addresses.http,
            admin_console: addresses.console,
            discovery,
            log,
        };
        let credentials = root.table("credentials", CredentialSettings::read);
        let live = Live {
            servers,
            admin,
            monitor: root.table("monitor", monitor),
            users: users(root, &credentials),
            withheld: BTreeSet::new(),
            credentials,
            listener_levels,
            listener_tls,
            servers_tls: root.table("servers_tls", tls::servers_tls),
            consistency: root.table("consistency", consistency),
            replicas: root.table("replicas", replicas),
            failover: root.table("failover", failover),
            limits: root.table("limits", limits),
            pool: root.table("pool", pool),
            timeouts: root.table("timeouts", timeouts),
            drain: root.table("drain", drain),
            digests: root.table("digests", DigestSettings::read),
            statements,
            audit: root.table("audit", AuditSettings::read),
            traces: root.table("traces", TraceSettings::read),
            notify: root.table("notify", |s| notify(s, &fixed.discovery)),
        };
        if fixed.discovery == Discovery::Static {
            reader.refuse_secrets("needs discovery.kind = \"kubernetes\"");
        }
        (fixed, live)
    })?;
    let (sources, secrets) = (reader.take_sources(), reader.take_secrets());
    Ok(Config { fixed, live, sources, secrets, fingerprint: Fingerprint::of(reader.text) })
}

fn workers(root: &Section<'_>) -> NonZeroUsize {
    root.count("workers", 0).and_then(NonZeroUsize::new).unwrap_or_else(defaults::workers)
}

/// `[[listeners]]`: what is fixed, and by name what a reload replaces.
struct Listeners {
    listeners: Vec<Listener>,
    listener_levels: HashMap<Arc<str>, Level>,
    listener_tls: HashMap<Arc<str>, ClientsTls>,
}

fn listeners(root: &Section<'_>) -> Listeners {
    let read = root.tables("listeners", |s| {
        let (name, name_line) = s.name("rw");
        let (address, line) = s.address("address", "0.0.0.0:3306", AddressUse::Bind);
        if s.get("mode").is_none() {
            s.problem(s.line, "mode", "is missing; write mode = \"split\", \"primary\" or \"replica\"");
        }
        let mode = s.choice("mode", Mode::Primary);
        let native_password = s.flag("allow_native_password").unwrap_or(true);
        let compression = s.choice("compression", ClientCompression::Off);
        let proxy_protocol_from = proxy_protocol_from(s, &address);
        let tls = s.table("tls", |s| clients_tls::clients_tls(s, &name));
        let listener = Listener { name, address, mode, native_password, compression, proxy_protocol_from };
        (listener, level_of_listener(s, mode), tls, name_line, line)
    });
    let Some(read) = read else {
        let listeners = defaults::listeners();
        let listener_tls = listeners.iter().map(|l| (l.name.clone(), ClientsTls::default())).collect();
        return Listeners { listeners, listener_levels: HashMap::new(), listener_tls };
    };
    if read.is_empty() {
        root.problem(
            None,
            "listeners",
            "is empty; write [[listeners]] with name, address and mode, or leave it out",
        );
    }
    let any_port = |address: &str| address.ends_with(":0") && !address.starts_with("unix:");
    let names = read.iter().map(|(l, .., line, _)| (&*l.name, *line));
    no_duplicates(root, "listeners.name", names);
    let fixed_ports = read.iter().filter(|(l, ..)| !any_port(&l.address));
    no_duplicates(root, "listeners.address", fixed_ports.map(|(l, .., line)| (&*l.address, *line)));
    let levels = read.iter().filter_map(|(l, level, ..)| Some((l.name.clone(), (*level)?))).collect();
    let listener_tls = read.iter().map(|(l, _, tls, ..)| (l.name.clone(), tls.clone())).collect();
    let listeners = read.into_iter().map(|(listener, ..)| listener).collect();
    Listeners { listeners, listener_levels: levels, listener_tls }
}

/// Reads the load balancers of a listener. Addresses on a unix socket are a problem, and so is the word for unix sockets
/// on any other listener: they would do nothing.
fn proxy_protocol_from(s: &Section<'_>, address: &str) -> Networks {
    let networks = s.networks("proxy_protocol_from").unwrap_or_default();
    let wrong = match address.starts_with("unix:") {
        true if networks.has_networks() => {
            "has networks, but clients of a unix socket have no address; write [\"unix\"]"
        }
        false if networks.has_unix() => {
            "has \"unix\", but this listener is no unix socket; write networks only"
        }
        _ => return networks,
    };
    s.problem(s.get("proxy_protocol_from").map(|found| found.line), "proxy_protocol_from", wrong);
    networks
}

/// Reads the level of a listener. A level on a port that never reads from a replica is a problem: it would do nothing.
fn level_of_listener(s: &Section<'_>, mode: Mode) -> Option<Level> {
    let found = s.get("consistency")?;
    if mode == Mode::Primary && s.get("mode").is_some() {
        let text = "does nothing with mode = \"primary\", which reads from the primary anyway; leave it out";
        s.problem(Some(found.line), "consistency", text);
    }
    level(s)
}

/// Reads `consistency`, if it is given.
fn level(s: &Section<'_>) -> Option<Level> {
    s.get("consistency").map(|_| s.choice("consistency", Level::Strong))
}

fn discovery(s: &Section<'_>) -> (Discovery, Vec<StaticServer>) {
    let kind = s.choice("kind", DiscoveryKind::Static);
    let servers = servers(s);
    if kind == DiscoveryKind::Kubernetes {
        if let Some(found) = s.get("servers") {
            s.problem(
                Some(found.line),
                "servers",
                "belongs to kind = \"static\"; the pods are the servers, leave it out",
            );
        }
        return (Discovery::Kubernetes(Box::new(kubernetes::kubernetes(s))), Vec::new());
    }
    kubernetes::refuse_all(s);
    // An empty list is what a package begins with: the file is still to be filled in.
    if servers.is_empty() && s.get("servers").is_none() {
        s.problem(
            s.line,
            "servers",
            "names no server; write [[discovery.servers]] with name and address for each",
        );
    }
    (Discovery::Static, servers)
}

fn servers(s: &Section<'_>) -> Vec<StaticServer> {
    let read = s.tables("servers", |s| {
        let (name, name_line) = s.name("db-0");
        let (address, line) = s.address("address", "db-0.example:3306", AddressUse::Connect);
        let weight = s.count_up_to("weight", 0, HEAVIEST).unwrap_or(defaults::WEIGHT);
        let drain = s.flag("drain").unwrap_or(false);
        let (zone, tls_name) = (s.zone(), tls::tls_name(s));
        (StaticServer { name, address: address.into(), weight, drain, zone, tls_name }, name_line, line)
    });
    let read = read.unwrap_or_default();
    no_duplicates(s, "servers.name", read.iter().map(|(server, line, _)| (&*server.name, *line)));
    no_duplicates(s, "servers.address", read.iter().map(|(server, _, line)| (&*server.address, *line)));
    read.into_iter().map(|(server, ..)| server).collect()
}

fn monitor(s: &Section<'_>) -> Monitor {
    let allow_empty_password = s.flag("allow_empty_password").unwrap_or(false);
    Monitor {
        user: s.required_text("user", "monitor").0.into(),
        password: s.secret(Account::Monitor, allow_empty_password),
        allow_empty_password,
        interval: s.duration("interval", defaults::MONITOR_INTERVAL, SHORTEST_INTERVAL),
    }
}

fn users(root: &Section<'_>, credentials: &CredentialSettings) -> HashMap<Arc<str>, User> {
    let read = root.tables("users", |s| {
        let (name, line) = s.required_text("name", "app");
        let name: Arc<str> = Arc::from(name);
        let allow_empty_password = s.flag("allow_empty_password").unwrap_or(false);
        let password = match credentials.ask_servers() && !s.has_secret() {
            true => None,
            false => Some(s.secret(Account::User(name.clone()), allow_empty_password)),
        };
        let unix_user = unix_user(s, password.is_some());
        let user = User {
            allow_empty_password,
            max_server_connections: s.nonzero("max_connections"),
            level: level(s),
            requires: clients_tls::requirements(s),
            from: from(s),
            unix_user,
            send_proxy_protocol: s.flag("send_proxy_protocol").unwrap_or(false),
            ..User::new(name, password)
        };
        (user, line)
    });
    let read = read.unwrap_or_default();
    if read.is_empty() && !credentials.ask_servers() {
        root.problem(
            None,
            "users",
            "names nobody, so nobody could log in; write [[users]] with name and password, or add \"accounts\" to \
             credentials.sources",
        );
    }
    no_duplicates(root, "users.name", read.iter().map(|(user, line)| (&*user.name, *line)));
    read.into_iter().map(|(user, _)| (user.name.clone(), user)).collect()
}

/// Reads `from`, if it is given. An empty list is a problem: it would keep the user out.
fn from(s: &Section<'_>) -> Option<Networks> {
    let line = s.get("from")?.line;
    let networks = s.networks("from")?;
    if networks.is_empty() {
        let text =
            "names no network, so this user could not log in; write from = [\"10.0.0.0/8\"], or leave it out";
        s.problem(Some(line), "from", text);
    }
    Some(networks)
}

/// Reads `unix_user`, if it is given. Without a password it is a problem: the servers ask the proxy for one.
fn unix_user(s: &Section<'_>, has_password: bool) -> Option<Arc<str>> {
    let line = s.get("unix_user")?.line;
    let (name, _) = s.required_text("unix_user", "app");
    if !has_password {
        let text = "needs the password that the proxy logs in to the servers with; write password = \"…\", or \
                    password_file, password_env or secret";
        s.problem(Some(line), "unix_user", text);
    }
    Some(name.into())
}

fn log(s: &Section<'_>) -> Log {
    let default = Log::default();
    let format = s.choice("format", default.format);
    let Some((level, line)) = s.text("level") else { return Log { format, ..default } };
    if !is_log_filter(&level) {
        let text = format!(
            "{level:?} is not a level; write off, error, warn, info, debug or trace, \
             or a list like \"info,pointsman::monitor=debug\""
        );
        s.problem(Some(line), "level", text);
    }
    Log { format, level }
}

fn consistency(s: &Section<'_>) -> Consistency {
    let default = Consistency::default();
    Consistency {
        level: s.choice("level", default.level),
        max_wait: s.duration("max_wait", default.max_wait, Duration::ZERO),
        primary_share: s.count_up_to("primary_share", 1, 100).unwrap_or(default.primary_share),
    }
}

fn replicas(s: &Section<'_>) -> Replicas {
    let default = Replicas::default();
    Replicas {
        max_lag: s.duration("max_lag", default.max_lag, Duration::ZERO),
        fallback: s.choice("fallback", default.fallback),
        zone: s.zone(),
    }
}

fn failover(s: &Section<'_>) -> Failover {
    let default = Failover::default();
    let hold = s.duration("hold", default.hold, Duration::ZERO);
    Failover {
        hold,
        grace: s.duration("grace", default.grace, Duration::ZERO),
        silence: s.duration("silence", hold, Duration::ZERO),
        replay: s.choice("replay", default.replay),
        replay_limit: s.size("replay_limit", default.replay_limit),
        commit: s.choice("commit", default.commit),
    }
}

fn limits(s: &Section<'_>) -> Limits {
    let default = Limits::default();
    Limits {
        max_connections: s.count("max_connections", 1).unwrap_or(default.max_connections),
        max_connections_per_address: s
            .count("max_connections_per_address", 0)
            .unwrap_or(default.max_connections_per_address),
        max_user_connections: s.count("max_user_connections", 0).unwrap_or(default.max_user_connections),
        max_login_errors: s.count("max_login_errors", 0).unwrap_or(default.max_login_errors),
        block_time: s.duration("block_time", default.block_time, SOME),
        memory: s.memory("memory"),
        max_server_connections: s.nonzero("max_server_connections").unwrap_or(default.max_server_connections),
        reserve: s.count("reserve", 0).unwrap_or(default.reserve),
        queue_timeout: s.duration("queue_timeout", default.queue_timeout, Duration::ZERO),
    }
}

fn pool(s: &Section<'_>) -> Pool {
    let default = Pool::default();
    Pool {
        idle_timeout: s.duration("idle_timeout", default.idle_timeout, SOME),
        max_statements: s.nonzero("max_statements").unwrap_or(default.max_statements),
        compression: s.choice("compression", default.compression),
        client_tag: s.choice("client_tag", default.client_tag),
    }
}

fn timeouts(s: &Section<'_>) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        connect: s.duration("connect", default.connect, SOME),
        login: s.duration("login", default.login, SOME),
        idle: s.duration("idle", default.idle, SOME),
        client_read: s.duration("client_read", default.client_read, SOME),
        client_write: s.duration("client_write", default.client_write, SOME),
    }
}

fn drain(s: &Section<'_>) -> Drain {
    let default = Drain::default();
    Drain {
        delay: s.duration("delay", default.delay, Duration::ZERO),
        timeout: s.duration("timeout", default.timeout, Duration::ZERO),
    }
}

fn notify(s: &Section<'_>, discovery: &Discovery) -> Notify {
    let webhook = s.text("webhook").and_then(|(url, line)| match Webhook::parse(&url) {
        Ok(webhook) => Some(webhook),
        Err(wrong) => {
            // The message does not show the URL, which may contain a password or a token.
            let text = format!("{wrong}; write \"http://alerts.monitoring.svc:8080/pointsman\"");
            s.problem(Some(line), "webhook", text);
            None
        }
    });
    let events = s.flag("events").unwrap_or(false);
    if events && *discovery == Discovery::Static {
        let line = s.get("events").map(|found| found.line);
        s.problem(
            line,
            "events",
            "needs discovery.kind = \"kubernetes\": they are Events of pods; leave it out",
        );
    }
    Notify { webhook, events }
}
