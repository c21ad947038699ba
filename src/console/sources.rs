//! Fills the tables that a query reads, from what the proxy knows at this moment.

use std::collections::BTreeSet;

use rusqlite::types::Value;

use super::Console;
use super::functions::VARIABLES;
use super::outcome::bytes;
use super::tables::{TABLES, VIEWS};
use crate::admin::{
    PoolReport, PrimaryChangeReport, Report, ServerReport, SessionLine, Unanswered, sessions,
};
use crate::config::StaticServer;
use crate::telemetry::{DigestReport, DigestTotals};
use crate::terms::{Pin, Role};

type TableRow = Vec<Value>;

/// The most rows of a table that a query reads.
const ROWS: usize = 20_000;
/// The most memory of the rows of a table, in bytes: a query can read some tables at once.
const BYTES: usize = 12 << 20;

/// The rows of a table.
pub(super) struct Filled {
    pub table: &'static str,
    pub rows: Vec<TableRow>,
    /// True if the proxy knows of more rows.
    pub is_cut: bool,
}

impl Filled {
    /// Takes as many rows as a table may have.
    pub fn of(table: &'static str, all: impl Iterator<Item = TableRow>) -> Self {
        let mut filled = Filled { table, rows: Vec::new(), is_cut: false };
        let mut memory = 0;
        for row in all {
            memory += bytes(&row);
            if filled.rows.len() >= ROWS || memory > BYTES {
                filled.is_cut = true;
                break;
            }
            filled.rows.push(row);
        }
        filled
    }

    /// Returns the warning for the client if the query did not read all rows.
    pub fn warning(&self) -> Option<String> {
        let Filled { table, rows, is_cut } = self;
        is_cut
            .then(|| format!("the table {table} has more rows than a query can read: it read {}", rows.len()))
    }
}

/// Returns the rows of these tables.
pub(super) async fn rows(
    console: &Console,
    tables: &BTreeSet<&'static str>,
) -> Result<Vec<Filled>, Unanswered> {
    let needs = |names: &[&str]| names.iter().any(|name| tables.contains(name));
    let report = console.admin.report();
    let digests = match needs(&["digests", "errors"]) {
        true => console.admin.digests().await?,
        false => DigestReport::default(),
    };
    let metrics = match needs(&["metrics", "pins"]) {
        true => metrics(&console.admin.exposition().await.unwrap_or_default()),
        false => Vec::new(),
    };
    let pools = match needs(&["pools"]) {
        true => console.admin.pools().await?,
        false => Vec::new(),
    };
    let mut sessions = match needs(&["sessions"]) {
        true => sessions(&console.admin).await?,
        false => Vec::new(),
    };
    if sessions.len() > ROWS {
        // Those that the query will not read are idle, if possible.
        sessions.sort_by_key(|session| session.state == "idle");
    }
    let mut all = Vec::new();
    for table in tables {
        let whole = |rows: Vec<TableRow>| Filled::of(table, rows.into_iter());
        all.push(match *table {
            "servers" => whole(servers(&report, &console.live().servers)),
            "sessions" => Filled::of(table, sessions.iter().map(session)),
            "pools" => Filled::of(table, pools.iter().map(pool)),
            "digests" => Filled::of(table, digests.digests.iter().map(digest)),
            "errors" => Filled::of(table, digests.digests.iter().flat_map(errors)),
            "pins" => whole(pins(&metrics)),
            "changes" => Filled::of(table, report.history.iter().map(change)),
            "config" => whole(config(&report.config.text)),
            "metrics" => Filled::of(table, metrics.iter().cloned()),
            "tables" => whole(described()),
            "columns" => whole(columns()),
            "variables" => {
                let row = |(name, value): &(&'static str, &'static str)| vec![text(*name), text(*value)];
                Filled::of(table, VARIABLES.iter().map(row))
            }
            _ => whole(Vec::new()),
        });
    }
    Ok(all)
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(super) fn number(n: impl TryInto<i64>) -> Value {
    Value::Integer(n.try_into().unwrap_or(i64::MAX))
}

fn maybe<T>(value: Option<T>, as_value: impl FnOnce(T) -> Value) -> Value {
    value.map_or(Value::Null, as_value)
}

/// Splits an address. The port of a unix socket is 0.
fn host_and_port(address: &str) -> (&str, u16) {
    match address.strip_prefix("unix:") {
        Some(path) => (path, 0),
        None => {
            let (host, port) = address.rsplit_once(':').unwrap_or((address, "0"));
            (host.trim_matches(['[', ']']), port.parse().unwrap_or_default())
        }
    }
}

fn servers(report: &Report, configured: &[StaticServer]) -> Vec<TableRow> {
    let row = |server: &ServerReport| {
        let ServerReport { name, address, .. } = server;
        let (host, port) = host_and_port(address);
        let known = configured.iter().find(|known| *known.name == *name);
        let flag = |flag: bool| number(i64::from(flag));
        let words = |word: &Option<String>| maybe(word.clone(), Value::Text);
        vec![
            text(name),
            text(address),
            text(host),
            number(port),
            text(&server.role),
            text(&server.health),
            flag(server.serves_reads),
            maybe(server.read_only, flag),
            maybe(server.replicating, flag),
            words(&server.source),
            maybe(server.lag_ms, number),
            words(&server.gtid),
            words(&server.flavor),
            words(&server.version),
            maybe(known, |known| number(known.weight)),
            words(&server.zone),
            words(&server.label),
            flag(server.deleting),
            words(&server.drained),
            words(&server.tls),
            maybe(server.probe_us, number),
            number(server.missed_probes),
            words(&server.last_error),
        ]
    };
    report.servers.iter().map(row).collect()
}

fn session(session: &SessionLine) -> TableRow {
    let words = |word: &Option<String>| maybe(word.clone(), Value::Text);
    let (host, port) = host_and_port(&session.client);
    vec![
        number(session.id),
        words(&session.user),
        text(&session.client),
        text(host),
        number(port),
        text(&session.listener),
        text(session.mode),
        maybe(session.tls, text),
        text(session.consistency),
        text(&session.schema),
        text(session.state),
        number(session.seconds),
        words(&session.statement),
        words(&session.server),
        words(&session.kept_primary),
        words(&session.kept_replica),
        text(session.pins.join(",")),
        number(session.worker as u64),
    ]
}

fn pool(pool: &PoolReport) -> TableRow {
    vec![text(&pool.server), text(&pool.user), number(pool.connections as u64), number(pool.idle as u64)]
}

/// Returns the account, the schema, the number and the text of a digest.
fn name_of(one: &DigestTotals) -> TableRow {
    vec![text(&one.user), text(&one.schema), text(format!("0x{:016x}", one.id)), text(&one.text)]
}

/// Returns when the first statement of a digest arrived, and when the last one did.
fn seen(one: &DigestTotals) -> [Value; 2] {
    let seen = one.totals.seen.map(|(first, last)| [first, last].map(|at| Value::Real(at.as_secs_f64())));
    seen.unwrap_or([Value::Null, Value::Null])
}

fn digest(one: &DigestTotals) -> TableRow {
    let totals = &one.totals;
    let quantile = |share| number(totals.latency.quantile(share).min(totals.max));
    let on = |role: Role| number(totals.roles.get(role as usize).copied().unwrap_or_default());
    let mut row = name_of(one);
    row.extend([number(totals.count), number(totals.sum)]);
    row.extend([0.0, 0.5, 0.95, 0.99].map(quantile));
    row.push(number(totals.max));
    row.extend([totals.waits.hold, totals.waits.pool, totals.waits.position].map(number));
    let counts = [totals.rows_sent, totals.rows_affected, totals.bytes_in, totals.bytes_out, totals.failed()];
    row.extend(counts.map(number));
    row.extend([on(Role::Primary), on(Role::Replica)]);
    row.extend(seen(one));
    row
}

fn errors(one: &DigestTotals) -> Vec<TableRow> {
    let row = |code: Value, count: u64| {
        let mut row = name_of(one);
        row.extend([code, number(count)]);
        row.extend(seen(one));
        row
    };
    let known = one.totals.errors.iter().filter(|(_, count)| *count > 0);
    let known = known.map(|(code, count)| row(number(*code), *count));
    let other = Some(one.totals.other_errors).filter(|count| *count > 0);
    known.chain(other.map(|count| row(Value::Null, count))).collect()
}

fn change(change: &PrimaryChangeReport) -> TableRow {
    let PrimaryChangeReport { at_ms, from, to, reason, generation, cost } = change;
    let words = |word: &Option<String>| maybe(word.clone(), Value::Text);
    let mut row =
        vec![Value::Real(*at_ms as f64 / 1e3), words(from), words(to), text(reason), number(*generation)];
    let counts = cost.map(|cost| {
        [
            cost.without_primary_ms,
            cost.held,
            cost.hold_expired,
            cost.moved,
            cost.retried,
            cost.replayed,
            cost.rolled_back,
            cost.outcome_unknown,
            cost.answer_cut,
            cost.state_lost,
        ]
    });
    row.extend(counts.map_or([const { Value::Null }; 10], |counts| counts.map(number)));
    row
}

/// Reads the text of `/metrics`: lines of a name, perhaps labels in braces, a value, and perhaps an exemplar.
fn metrics(exposition: &str) -> Vec<TableRow> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#'));
    let row = |line: &str| {
        // Without the exemplar.
        let line = line.split_once(" # {").map_or(line, |(line, _)| line);
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.strip_suffix('}').unwrap_or(labels);
        Some(vec![text(name), text(labels), Value::Real(value.parse().ok()?)])
    };
    lines.filter_map(row).collect()
}

fn pins(metrics: &[TableRow]) -> Vec<TableRow> {
    let row = |pin: &Pin| {
        let labels = text(format!("pin=\"{}\"", pin.as_str()));
        let of = |name: &str| {
            let found =
                metrics.iter().find(|row| row.first() == Some(&text(name)) && row.get(1) == Some(&labels));
            match found.and_then(|row| row.get(2)) {
                Some(Value::Real(value)) => *value,
                _ => 0.0,
            }
        };
        let begun = number(of("pointsman_pins_total") as i64);
        vec![text(pin.as_str()), text(pin.words()), begun, Value::Real(of("pointsman_pinned_seconds_total"))]
    };
    Pin::ALL.iter().map(row).collect()
}

/// Returns each value of a configuration with the full path of its key.
fn config(toml: &str) -> Vec<TableRow> {
    let mut rows = Vec::new();
    if let Ok(table) = toml.parse::<toml::Table>() {
        flatten("", &toml::Value::Table(table), &mut rows);
    }
    rows
}

fn flatten(path: &str, value: &toml::Value, rows: &mut Vec<TableRow>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, rows);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            for (at, item) in items.iter().enumerate() {
                let name = item.get("name").and_then(toml::Value::as_str);
                let place = name.map_or_else(|| at.to_string(), str::to_owned);
                flatten(&format!("{path}[{place}]"), item, rows);
            }
        }
        toml::Value::String(word) => rows.push(vec![text(path), text(word)]),
        other => rows.push(vec![text(path), text(other.to_string())]),
    }
}

fn described() -> Vec<TableRow> {
    let tables = TABLES.iter().map(|table| vec![text(table.name), text("table"), text(table.about)]);
    let views = VIEWS.iter().map(|view| vec![text(view.name), text("view"), text(view.about)]);
    tables.chain(views).collect()
}

fn columns() -> Vec<TableRow> {
    let tables = TABLES.iter().flat_map(|table| {
        table.columns.iter().map(|column| {
            vec![text(table.name), text(column.name), text(column.kind.as_str()), text(column.about)]
        })
    });
    let views = VIEWS.iter().flat_map(|view| {
        view.columns.iter().map(|name| vec![text(view.name), text(*name), text(""), text("")])
    });
    tables.chain(views).collect()
}
