//! The effective configuration as TOML, for `check`; secrets are hidden.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::level::Level;
use super::secret::{Account, Secret, SecretUse};
use super::tls::Identity;
use super::types::{ClientCompression, Config, Discovery, Fixed, Live, Webhook};
use super::values::{format_duration, format_size};
use super::written::{quoted, word, write_text};
use super::{clients_tls, kubernetes};

impl Display for Config {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Config { fixed, live, sources: _, secrets, fingerprint: _ } = self;
        Shown { fixed, live, secrets }.fmt(f)
    }
}

impl Config {
    /// Returns the settings as text for people who may read less than the file: `live` in place of the file's, and no
    /// URL of a webhook, since such a URL may be a secret.
    pub fn shown_with(&self, live: &Live) -> String {
        let mut live = live.clone();
        if let Some(webhook) = &mut live.notify.webhook {
            *webhook = Webhook { authority: Secret::default().to_string().into(), path: "".into() };
        }
        Shown { fixed: &self.fixed, live: &live, secrets: &self.secrets }.to_string()
    }
}

struct Shown<'a> {
    fixed: &'a Fixed,
    live: &'a Live,
    secrets: &'a [SecretUse],
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Shown { fixed, live, secrets } = self;
        write_fixed(f, fixed, live, secrets)?;
        write_servers(f, fixed, live)?;
        write_monitor(f, live, secrets)?;
        live.credentials.write(f)?;
        write_users(f, live, secrets)?;
        write_servers_tls(f, live, secrets)?;
        write_settings(f, live)
    }
}

fn duration(value: Duration) -> String {
    quoted(&format_duration(value))
}

fn write_fixed(f: &mut Formatter<'_>, fixed: &Fixed, live: &Live, secrets: &[SecretUse]) -> fmt::Result {
    writeln!(f, "workers = {}\nworker_fill = {}", fixed.workers, fixed.worker_fill)?;
    writeln!(f, "io = {}", word(fixed.io))?;
    for listener in &fixed.listeners {
        writeln!(f, "\n[[listeners]]\nname = {}", quoted(&listener.name))?;
        writeln!(f, "address = {}\nmode = {}", quoted(&listener.address), word(listener.mode))?;
        if !listener.native_password {
            writeln!(f, "allow_native_password = false")?;
        }
        if listener.compression != ClientCompression::Off {
            writeln!(f, "compression = {}", word(listener.compression))?;
        }
        if !listener.proxy_protocol_from.is_empty() {
            writeln!(f, "proxy_protocol_from = {}", listener.proxy_protocol_from)?;
        }
        write_level(f, live.listener_levels.get(&listener.name).copied())?;
        clients_tls::write(f, &listener.name, &live.listener_tls, secrets)?;
    }
    writeln!(f, "\n[admin]\nhttp = {}", quoted(fixed.admin_http.as_deref().unwrap_or("off")))?;
    if live.admin.token.is_some() {
        writeln!(f, "token = \"{}\"", Secret::default())?;
    }
    write_identity(f, "admin.tls", live.admin.tls.as_ref())?;
    write_console(f, fixed, live, secrets)?;
    writeln!(f, "\n[log]\nformat = {}\nlevel = {}", word(fixed.log.format), quoted(&fixed.log.level))?;
    live.statements.write(f)
}

fn write_identity(f: &mut Formatter<'_>, section: &str, identity: Option<&Identity>) -> fmt::Result {
    let Some(identity) = identity else { return Ok(()) };
    let (cert, key) = (quoted(&identity.cert_file), quoted(&identity.key_file));
    writeln!(f, "\n[{section}]\ncert_file = {cert}\nkey_file = {key}")
}

fn write_console(f: &mut Formatter<'_>, fixed: &Fixed, live: &Live, secrets: &[SecretUse]) -> fmt::Result {
    let Some(address) = &fixed.admin_console else { return Ok(()) };
    writeln!(f, "\n[admin.console]\naddress = {}", quoted(address))?;
    write_identity(f, "admin.console.tls", live.admin.console.tls.as_ref())?;
    for user in &live.admin.console.users {
        writeln!(f, "\n[[admin.console.users]]\nname = {}", quoted(&user.name))?;
        write_password(f, &Account::Console(user.name.clone()), secrets)?;
    }
    Ok(())
}

fn write_servers(f: &mut Formatter<'_>, fixed: &Fixed, live: &Live) -> fmt::Result {
    writeln!(f, "\n[discovery]\nkind = {}", word(fixed.discovery.kind()))?;
    if let Discovery::Kubernetes(pods) = &fixed.discovery {
        kubernetes::write(f, pods)?;
    }
    for server in &live.servers {
        let (name, address) = (quoted(&server.name), quoted(&server.address));
        writeln!(
            f,
            "\n[[discovery.servers]]\nname = {name}\naddress = {address}\nweight = {}\ndrain = {}",
            server.weight, server.drain
        )?;
        write_zone(f, server.zone.as_deref())?;
        write_text(f, "tls_name", server.tls_name.as_deref())?;
    }
    Ok(())
}

fn write_monitor(f: &mut Formatter<'_>, live: &Live, secrets: &[SecretUse]) -> fmt::Result {
    let monitor = &live.monitor;
    writeln!(f, "\n[monitor]\nuser = {}", quoted(&monitor.user))?;
    write_password(f, &Account::Monitor, secrets)?;
    write_allowed(f, monitor.allow_empty_password)?;
    writeln!(f, "interval = {}", duration(monitor.interval))
}

fn write_zone(f: &mut Formatter<'_>, zone: Option<&str>) -> fmt::Result {
    write_text(f, "zone", zone)
}

fn write_servers_tls(f: &mut Formatter<'_>, live: &Live, secrets: &[SecretUse]) -> fmt::Result {
    let tls = &live.servers_tls;
    writeln!(f, "\n[servers_tls]\nmode = {}", word(tls.mode))?;
    write_text(f, "ca_file", tls.ca_file.as_deref())?;
    let named = secrets.iter().find(|used| used.account == Account::ServersCa);
    write_text(f, "ca_secret", named.map(|used| used.at.to_string()).as_deref())?;
    write_text(f, "cert_file", tls.identity.as_ref().map(|identity| &*identity.cert_file))?;
    write_text(f, "key_file", tls.identity.as_ref().map(|identity| &*identity.key_file))
}

/// Writes where a password is, or `********` for one in the file.
fn write_password(f: &mut Formatter<'_>, of: &Account, secrets: &[SecretUse]) -> fmt::Result {
    match secrets.iter().find(|used| used.account == *of) {
        Some(SecretUse { at, .. }) => writeln!(f, "secret = {}", quoted(&at.to_string())),
        None => writeln!(f, "password = \"{}\"", Secret::default()),
    }
}

fn write_allowed(f: &mut Formatter<'_>, allow_empty_password: bool) -> fmt::Result {
    if allow_empty_password { writeln!(f, "allow_empty_password = true") } else { Ok(()) }
}

fn write_users(f: &mut Formatter<'_>, live: &Live, secrets: &[SecretUse]) -> fmt::Result {
    let mut users: Vec<_> = live.users.values().collect();
    users.sort_by(|a, b| a.name.cmp(&b.name));
    for user in users {
        writeln!(f, "\n[[users]]\nname = {}", quoted(&user.name))?;
        if user.password.is_some() {
            write_password(f, &Account::User(user.name.clone()), secrets)?;
        }
        write_allowed(f, user.allow_empty_password)?;
        if let Some(most) = user.max_server_connections {
            writeln!(f, "max_connections = {most}")?;
        }
        write_level(f, user.level)?;
        clients_tls::write_requirements(f, &user.requires)?;
        if let Some(from) = &user.from {
            writeln!(f, "from = {from}")?;
        }
        write_text(f, "unix_user", user.unix_user.as_deref())?;
        if user.send_proxy_protocol {
            writeln!(f, "send_proxy_protocol = true")?;
        }
    }
    Ok(())
}

fn write_level(f: &mut Formatter<'_>, level: Option<Level>) -> fmt::Result {
    level.map_or(Ok(()), |level| writeln!(f, "consistency = {}", word(level)))
}

fn write_settings(f: &mut Formatter<'_>, live: &Live) -> fmt::Result {
    let Live { consistency, replicas, failover, limits, pool, timeouts, drain, notify, .. } = live;
    writeln!(f, "\n[consistency]\nlevel = {}", word(consistency.level))?;
    writeln!(f, "max_wait = {}", duration(consistency.max_wait))?;
    writeln!(f, "primary_share = {}", consistency.primary_share)?;
    writeln!(f, "\n[replicas]\nmax_lag = {}", duration(replicas.max_lag))?;
    writeln!(f, "fallback = {}", word(replicas.fallback))?;
    write_zone(f, replicas.zone.as_deref())?;
    writeln!(f, "\n[failover]\nhold = {}\ngrace = {}", duration(failover.hold), duration(failover.grace))?;
    writeln!(f, "silence = {}", duration(failover.silence))?;
    writeln!(f, "replay = {}", word(failover.replay))?;
    writeln!(f, "replay_limit = {}", quoted(&format_size(failover.replay_limit)))?;
    writeln!(f, "commit = {}", word(failover.commit))?;
    writeln!(f, "\n[limits]\nmax_connections = {}", limits.max_connections)?;
    writeln!(f, "max_connections_per_address = {}", limits.max_connections_per_address)?;
    writeln!(f, "max_user_connections = {}", limits.max_user_connections)?;
    writeln!(f, "max_login_errors = {}", limits.max_login_errors)?;
    writeln!(f, "block_time = {}", duration(limits.block_time))?;
    if let Some(memory) = limits.memory {
        writeln!(f, "memory = {}", quoted(&format_size(memory)))?;
    }
    writeln!(f, "max_server_connections = {}", limits.max_server_connections)?;
    writeln!(f, "reserve = {}", limits.reserve)?;
    writeln!(f, "queue_timeout = {}", duration(limits.queue_timeout))?;
    writeln!(f, "\n[pool]\nidle_timeout = {}", duration(pool.idle_timeout))?;
    writeln!(f, "max_statements = {}", pool.max_statements)?;
    writeln!(f, "compression = {}", word(pool.compression))?;
    writeln!(f, "client_tag = {}", word(pool.client_tag))?;
    writeln!(f, "\n[timeouts]\nconnect = {}", duration(timeouts.connect))?;
    writeln!(f, "login = {}\nidle = {}", duration(timeouts.login), duration(timeouts.idle))?;
    writeln!(f, "client_read = {}", duration(timeouts.client_read))?;
    writeln!(f, "client_write = {}", duration(timeouts.client_write))?;
    writeln!(f, "\n[drain]\ndelay = {}\ntimeout = {}", duration(drain.delay), duration(drain.timeout))?;
    live.digests.write(f)?;
    live.audit.write(f)?;
    live.traces.write(f)?;
    writeln!(f, "\n[notify]\nevents = {}", notify.events)?;
    match &notify.webhook {
        Some(Webhook { authority, path }) => {
            writeln!(f, "webhook = {}", quoted(&format!("http://{authority}{path}")))
        }
        None => Ok(()),
    }
}
