//! Shows a report as tables for people. Pure: takes a report, returns a page of text.

use std::fmt::Write;

use super::plain::plain;
use crate::admin::{PrimaryChangeReport, Report, ServerReport};

/// How many changes of the primary the page shows.
const HISTORY: usize = 5;
const NOTHING: &str = "-";

/// Returns the page for the report `now`; rates need the earlier report `before`.
pub(super) fn render(now: &Report, before: Option<&Report>, unix_ms: u64) -> String {
    let mut page = headline(now);
    page.push('\n');
    page += &servers(now);
    page.push('\n');
    page += &ports(now, before);
    let traffic = &now.traffic;
    let _ = writeln!(
        page,
        "server connections {} ({} idle) · waiting for a primary {} · waiting for a connection {}",
        traffic.server_connections,
        traffic.server_idle,
        traffic.waiting_for_primary,
        traffic.waiting_for_connection
    );
    page += &configuration(now, unix_ms);
    if !now.users_passing_read_only.is_empty() {
        let users: Vec<_> = now.users_passing_read_only.iter().map(|user| plain(user)).collect();
        let _ = writeln!(page, "users that pass read_only: {}", users.join(", "));
    }
    if now.servers.is_empty() {
        for objects in now.kubernetes.iter().filter_map(|watch| watch.looks_for.as_deref()) {
            let _ = writeln!(page, "Kubernetes: there is no server among the {}", plain(objects));
        }
    }
    for watch in now.kubernetes.iter().filter(|watch| !watch.connected) {
        let (age, error) =
            (unix_ms.saturating_sub(watch.since_ms), watch.error.as_deref().unwrap_or("no answer yet"));
        let _ = writeln!(
            page,
            "Kubernetes, {}: nothing new for {}: {}",
            plain(&watch.resource),
            span(age),
            plain(error)
        );
    }
    for server in &now.servers {
        let Some(error) = server.last_error.as_deref() else { continue };
        let (name, error) = (plain(&server.name), plain(error));
        if server.barred {
            let _ = writeln!(
                page,
                "{name} lets no probe in; sessions' connections tell its role, what else is shown of it is from before: {error}"
            );
        } else if server.health != "up" {
            let _ = writeln!(page, "{name}: {error}");
        }
    }
    if !now.history.is_empty() {
        page.push('\n');
        page += &history(&now.history, unix_ms);
    }
    page
}

/// Returns which configuration the proxy serves; empty if the report does not say (an older proxy).
fn configuration(now: &Report, unix_ms: u64) -> String {
    let short = |sum: &str| plain(sum).chars().take(12).collect::<String>();
    let config = &now.config;
    if config.sha256.is_empty() {
        return String::new();
    }
    let since = span(unix_ms.saturating_sub(config.since_ms));
    let awaited = config.awaited.as_deref().map(|sum| format!(" · NOT READY: {} is awaited", short(sum)));
    format!("configuration {} for {since}{}\n", short(&config.sha256), awaited.unwrap_or_default())
}

fn headline(now: &Report) -> String {
    let primary = match (now.primary.as_deref(), now.alarm.as_deref()) {
        (Some(name), _) => format!("primary {}", plain(name)),
        (None, Some("several_candidates")) => "NO PRIMARY: several servers are writable".to_owned(),
        (None, Some("former_primary")) => {
            "NO PRIMARY: the only writable server is a former primary".to_owned()
        }
        (None, Some("no_candidate")) => "NO PRIMARY: no server that answers is fit to be it".to_owned(),
        (None, _) if now.servers.is_empty() => "NO PRIMARY: no server is known".to_owned(),
        (None, _) if now.servers.iter().all(|server| server.health == "down") => {
            "NO PRIMARY: no server answers".to_owned()
        }
        (None, _) => "NO PRIMARY".to_owned(),
    };
    let maintenance: Vec<_> = now.maintenance.iter().map(|word| plain(word)).collect();
    let maintenance = if maintenance.is_empty() {
        String::new()
    } else {
        format!(" · IN MAINTENANCE: {}", maintenance.join(", "))
    };
    let detail = now.alarm_detail.as_deref().map(|detail| format!("{}\n", plain(detail))).unwrap_or_default();
    format!(
        "pointsman {} · {} · up {} · {primary} · generation {}{maintenance}\n{detail}",
        plain(&now.pointsman),
        plain(&now.state),
        span(now.uptime_ms),
        now.generation
    )
}

fn servers(now: &Report) -> String {
    let header = ["SERVER", "ADDRESS", "HEALTH", "ROLE", "VERSION", "TLS", "READS", "LAG", "PROBE"];
    let rows = now.servers.iter().map(|server| {
        [
            plain(&server.name),
            plain(&server.address),
            plain(&server.health),
            role(server).to_owned(),
            server.version.as_deref().map_or(NOTHING.to_owned(), plain),
            server.tls.as_deref().map_or(NOTHING.to_owned(), |tls| plain(tls.trim_start_matches("TLSv"))),
            reads(server).to_owned(),
            server.lag_ms.map_or(NOTHING.to_owned(), lag),
            server
                .probe_us
                .map_or(NOTHING.to_owned(), |us| format!("{}.{:02} ms", us / 1000, us % 1000 / 10)),
        ]
    });
    table(header, rows)
}

fn reads(server: &ServerReport) -> &'static str {
    match (&server.drained, server.serves_reads) {
        (Some(_), _) => "drained",
        (None, true) => "yes",
        (None, false) => "no",
    }
}

/// Returns the server's role, and whether its replication is stopped.
fn role(server: &ServerReport) -> &'static str {
    match (server.role.as_str(), server.replicating) {
        ("primary", _) => "primary",
        ("replica", Some(false)) => "replica, stopped",
        ("replica", _) => "replica",
        _ => NOTHING,
    }
}

fn ports(now: &Report, before: Option<&Report>) -> String {
    let header = ["PORT", "CLIENTS", "STATEMENTS/S", "STATEMENTS"];
    let rows = now.traffic.ports.iter().map(|port| {
        let earlier = before.and_then(|before| before.traffic.ports.iter().find(|p| p.mode == port.mode));
        let rate = before.zip(earlier).and_then(|(before, earlier)| {
            let counted = port.statements.checked_sub(earlier.statements)?;
            let millis = now.uptime_ms.checked_sub(before.uptime_ms).filter(|&ms| ms > 0)?;
            Some(counted.saturating_mul(1000) / millis)
        });
        [
            plain(&port.mode),
            port.clients.to_string(),
            rate.map_or(NOTHING.to_owned(), |rate| rate.to_string()),
            port.statements.to_string(),
        ]
    });
    table(header, rows)
}

fn history(changes: &[PrimaryChangeReport], unix_ms: u64) -> String {
    let mut text = String::from("Changes of the primary, newest first:\n");
    for change in changes.iter().rev().take(HISTORY) {
        let name = |name: &Option<String>| name.as_deref().map_or("none".to_owned(), plain);
        let ago = span(unix_ms.saturating_sub(change.at_ms));
        let (from, to) = (name(&change.from), name(&change.to));
        let _ = write!(text, "  {ago} ago: {from} -> {to} ({})", plain(&change.reason));
        if let Some(cost) = change.cost {
            let _ = write!(text, ": {} ms without one, ", cost.without_primary_ms);
            let held = counted(cost.held, "statement waited", "statements waited");
            let errors = counted(cost.clients_with_errors(), "client was told", "clients were told");
            let _ = write!(text, "{held}, {errors}");
        }
        text.push('\n');
    }
    text
}

fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// Returns a table whose columns are as wide as their widest cell, with two spaces between them.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let all: Vec<[String; N]> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; N];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &all {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
    }
    text
}

fn lag(ms: u64) -> String {
    if ms < 10_000 { format!("{ms} ms") } else { span(ms) }
}

/// Returns a duration in its two largest units.
fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}
