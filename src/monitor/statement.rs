//! The probe's statement for MySQL and for MariaDB, and what its answer means.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::client::{Error, Greeting, ResultSet, Row};
use super::member;
use crate::backend::instance_question;
use crate::terms::Proof;
use crate::topology::{
    Facts, Flavor, GtidSet, Life, LoginFlags, Occupied, ProbeOutcome, Replication, TextModes,
};
use crate::wire::Capabilities;

/// MySQL 8.0 and later: one SELECT returns everything, with a row per replication channel, or one row with
/// NULLs if there is no channel. It needs `GRANT SELECT ON performance_schema.*`; the global variables need
/// no privilege. The lag is the age of the transaction that is being applied, by the clocks of the source and
/// this server. The lag is 0 if everything received is applied, and unknown (NULL), as with SHOW REPLICA
/// STATUS, while the server does not receive.
const MYSQL: &str = "SELECT @@global.read_only AS read_only, @@global.super_read_only AS super_read_only, \
@@global.innodb_read_only AS innodb_read_only, @@global.server_uuid AS identity, @@global.gtid_executed AS gtid, \
@@global.gtid_mode AS gtid_mode, LEAST(@@global.wait_timeout, @@global.interactive_timeout) AS wait_timeout, \
@@global.sql_mode AS sql_mode, @@global.init_connect AS init_connect, @@global.autocommit AS autocommit, @@global.character_set_client AS charset, @@global.max_allowed_packet AS max_packet, @@global.max_connections AS max_connections, \
c.HOST AS host, c.PORT AS port, s.SERVICE_STATE AS receiving, a.SERVICE_STATE AS applying, \
CASE WHEN s.SERVICE_STATE <> 'ON' THEN NULL \
WHEN s.LAST_QUEUED_TRANSACTION NOT IN ('', 'ANONYMOUS') \
AND GTID_SUBSET(s.LAST_QUEUED_TRANSACTION, @@global.gtid_executed) THEN 0 \
ELSE COALESCE(GREATEST(0, FLOOR(1000 * (UNIX_TIMESTAMP(NOW(6)) - COALESCE(\
(SELECT NULLIF(UNIX_TIMESTAMP(MIN(w.APPLYING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP)), 0) \
FROM performance_schema.replication_applier_status_by_worker w \
WHERE w.CHANNEL_NAME = c.CHANNEL_NAME AND w.APPLYING_TRANSACTION <> ''), \
(SELECT NULLIF(UNIX_TIMESTAMP(MIN(k.PROCESSING_TRANSACTION_ORIGINAL_COMMIT_TIMESTAMP)), 0) \
FROM performance_schema.replication_applier_status_by_coordinator k \
WHERE k.CHANNEL_NAME = c.CHANNEL_NAME AND k.PROCESSING_TRANSACTION <> ''))))), \
IF(s.LAST_QUEUED_TRANSACTION IN ('', 'ANONYMOUS'), 0, NULL)) END AS lag_ms, \
(SELECT CONCAT_WS(' ', SUM(g.MEMBER_ID = @@global.server_uuid), \
SUM(g.MEMBER_ID = @@global.server_uuid AND g.MEMBER_STATE = 'ONLINE'), \
SUM(g.MEMBER_ID = @@global.server_uuid AND g.MEMBER_ROLE = 'PRIMARY'), \
SUM(g.MEMBER_STATE IN ('ONLINE', 'RECOVERING')), COUNT(*), SUM(g.MEMBER_ROLE = 'PRIMARY')) \
FROM performance_schema.replication_group_members g) AS group_view \
FROM (SELECT 1) AS one \
LEFT JOIN performance_schema.replication_connection_configuration c \
ON c.CHANNEL_NAME NOT IN ('group_replication_applier', 'group_replication_recovery') \
LEFT JOIN performance_schema.replication_connection_status s ON s.CHANNEL_NAME = c.CHANNEL_NAME \
LEFT JOIN performance_schema.replication_applier_status a ON a.CHANNEL_NAME = c.CHANNEL_NAME";

const MYSQL_BARE: &str = "SELECT @@global.read_only AS read_only, @@global.super_read_only AS super_read_only, \
@@global.innodb_read_only AS innodb_read_only, @@global.server_uuid AS identity, @@global.gtid_executed AS gtid, \
@@global.gtid_mode AS gtid_mode, \
LEAST(@@global.wait_timeout, @@global.interactive_timeout) AS wait_timeout, \
@@global.sql_mode AS sql_mode, @@global.init_connect AS init_connect, @@global.autocommit AS autocommit, @@global.character_set_client AS charset, @@global.max_allowed_packet AS max_packet, @@global.max_connections AS max_connections";

/// MariaDB 10.11 has no table with the state of replication (the status variables show neither the source nor
/// the lag), so these are two statements in one COM_QUERY: still one round trip. It needs `GRANT SLAVE
/// MONITOR`. `gtid_slave_pos` advances when a replicated transaction is committed; `gtid_current_pos` also
/// covers the server's own writes; see `GtidSet::applied_by_mariadb`.
const MARIADB: &str = "SELECT @@global.read_only AS read_only, @@global.innodb_read_only AS innodb_read_only, \
@@global.server_id AS identity, @@global.gtid_slave_pos AS gtid_slave_pos, \
@@global.gtid_current_pos AS gtid, @@global.gtid_binlog_state AS binlog_state, \
LEAST(@@global.wait_timeout, @@global.interactive_timeout) AS wait_timeout, \
@@global.sql_mode AS sql_mode, @@global.init_connect AS init_connect, @@global.autocommit AS autocommit, @@global.character_set_client AS charset, @@global.max_allowed_packet AS max_packet, @@global.max_connections AS max_connections; SHOW ALL SLAVES STATUS";

const MARIADB_BARE: &str = "SELECT @@global.read_only AS read_only, @@global.innodb_read_only AS innodb_read_only, \
@@global.server_id AS identity, @@global.gtid_slave_pos AS gtid_slave_pos, \
@@global.gtid_current_pos AS gtid, @@global.gtid_binlog_state AS binlog_state, \
LEAST(@@global.wait_timeout, @@global.interactive_timeout) AS wait_timeout, \
@@global.sql_mode AS sql_mode, @@global.init_connect AS init_connect, @@global.autocommit AS autocommit, @@global.character_set_client AS charset, @@global.max_allowed_packet AS max_packet, @@global.max_connections AS max_connections";

fn proof(error: &Error) -> Option<Proof> {
    match error {
        Error::Server { code, .. } => Some(Proof::of(*code)),
        Error::Lost(_) | Error::Protocol(_) => None,
    }
}

pub(super) fn is_missing_privilege(error: &Error) -> bool {
    proof(error) == Some(Proof::RightMissing)
}

pub(super) fn is_goodbye(error: &Error) -> bool {
    matches!(error, Error::Lost(_)) || proof(error) == Some(Proof::ConnectionEnds)
}

/// True if the server does not let the probe in, and goes on with the connections that it has.
pub(super) fn is_barred(error: &Error) -> bool {
    proof(error).is_some_and(Proof::lets_open_ones_go_on)
}

/// True if the server does not let the probe's account in. Another attempt with the same password is of little use.
pub(super) fn is_account_refused(error: &Error) -> bool {
    proof(error) == Some(Proof::AccountRefused)
}

pub(super) fn flavor(greeting: &Greeting) -> Flavor {
    let is_mariadb = Capabilities::from_bits_retain(greeting.capabilities).are_of_mariadb();
    if is_mariadb { Flavor::MariaDb } else { Flavor::MySql }
}

/// Asked once on each connection, with `instance_question`: when the server was started. Needs no privilege.
const MYSQL_STARTED: &str = "SELECT UNIX_TIMESTAMP() - CAST(VARIABLE_VALUE AS UNSIGNED) AS started \
FROM performance_schema.global_status WHERE VARIABLE_NAME = 'Uptime'";
const MARIADB_STARTED: &str = "SELECT UNIX_TIMESTAMP() - CAST(VARIABLE_VALUE AS UNSIGNED) AS started \
FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'UPTIME'";

/// Not asked by each probe, since a server adds up what all of its threads count. Needs no privilege.
const CONNECTED: &str = "SHOW GLOBAL STATUS LIKE 'Threads_connected'";

/// What else a probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wsrep {
    /// Whether the server is a node of a Galera cluster, which is not known yet.
    Unknown,
    /// The node's state in its cluster.
    Node,
    /// Nothing: the server is no Galera node.
    None,
}

impl Wsrep {
    /// Returns what the next probe asks after this answer.
    pub fn of(queried: Self, sets: &[ResultSet]) -> Self {
        match queried {
            Wsrep::Unknown if member::is_galera(sets) => Wsrep::Node,
            Wsrep::Unknown => Wsrep::None,
            known => known,
        }
    }
}

/// Returns the statement, without the state of replication if the account may not see it. `counts`: it also asks how many
/// connections the server has.
pub(super) fn text(flavor: Flavor, with_replication: bool, wsrep: Wsrep, counts: bool) -> Cow<'static, str> {
    let text = match (flavor, with_replication) {
        (Flavor::MySql, true) => MYSQL,
        (Flavor::MariaDb, true) => MARIADB,
        (_, false) => text_of_any_account(flavor),
    };
    let text: Cow<'static, str> = match wsrep {
        Wsrep::Unknown => {
            let started = if flavor == Flavor::MySql { MYSQL_STARTED } else { MARIADB_STARTED };
            format!("{text}; {}; {started}; {}", member::WSREP, instance_question(flavor)).into()
        }
        Wsrep::Node => format!("{text}; {}", member::GALERA).into(),
        Wsrep::None => text.into(),
    };
    if counts { format!("{text}; {CONNECTED}").into() } else { text }
}

/// Returns a statement that any account may run: the role and the position.
pub(super) fn text_of_any_account(flavor: Flavor) -> &'static str {
    match flavor {
        Flavor::MySql => MYSQL_BARE,
        Flavor::MariaDb => MARIADB_BARE,
    }
}

/// Returns how many connections the server has, if the probe asked.
pub(super) fn connected(sets: &[ResultSet]) -> Option<usize> {
    let mut pairs = sets.iter().filter(|set| set.columns.len() == 2).flat_map(|set| &set.rows);
    let row = pairs.find(|row| {
        let name = row.first().and_then(|name| name.as_deref());
        name.is_some_and(|name| name.eq_ignore_ascii_case(b"Threads_connected"))
    })?;
    std::str::from_utf8(row.get(1)?.as_deref()?).ok()?.parse().ok()
}

/// What earlier answers on the same connection, or of the same server, said.
#[derive(Debug, Clone, Default)]
pub(super) struct Earlier {
    pub life: Life,
    pub occupied: Option<Occupied>,
}

/// The columns that describe a replica's channel: its source's host and port, whether it receives and
/// applies, its lag.
const MYSQL_CHANNEL: [&str; 5] = ["host", "port", "receiving", "applying", "lag_ms"];
const MARIADB_CHANNEL: [&str; 5] =
    ["Master_Host", "Master_Port", "Slave_IO_Running", "Slave_SQL_Running", "Seconds_Behind_Master"];

/// Returns the statement that grants the missing privilege.
pub(super) fn grant(flavor: Flavor, user: &str) -> String {
    match flavor {
        Flavor::MySql => format!("GRANT SELECT ON performance_schema.* TO '{user}'@'%'"),
        Flavor::MariaDb => format!("GRANT SLAVE MONITOR ON *.* TO '{user}'@'%'"),
    }
}

/// Returns which process gave the first answer on a connection; None: this is not the first answer.
pub(super) fn life(sets: &[ResultSet]) -> Option<Life> {
    let only = |column: &str| {
        let set = sets.iter().find(|set| set.columns.first().is_some_and(|name| name == column))?;
        value(set, set.rows.first()?, column)
    };
    let instance = Arc::from(only("instance")?);
    Some(Life { instance, started: only("started").and_then(|text| text.parse().ok()) })
}

/// Converts the answer to an outcome.
pub(super) fn outcome(
    greeting: &Greeting,
    sets: &[ResultSet],
    earlier: &Earlier,
    round_trip: Duration,
) -> Result<ProbeOutcome, Error> {
    let Earlier { life, occupied } = earlier.clone();
    let facts = Facts { life, occupied, ..facts(greeting, sets, round_trip)? };
    Ok(match member::member(sets) {
        Some(member) => ProbeOutcome::Member(facts, member),
        None => ProbeOutcome::Facts(facts),
    })
}

/// Converts the answer to facts.
pub(super) fn facts(greeting: &Greeting, sets: &[ResultSet], round_trip: Duration) -> Result<Facts, Error> {
    let flavor = flavor(greeting);
    let first = sets.first().ok_or_else(|| Error::Protocol("the probe got no result set".to_owned()))?;
    let row = first.rows.first().ok_or_else(|| Error::Protocol("the probe got no row".to_owned()))?;
    let read_only = value(first, row, "read_only")
        .ok_or_else(|| Error::Protocol("the probe's answer lacks read_only".to_owned()))?;
    // In MariaDB 12 `read_only` can also be NO_LOCK and NO_LOCK_NO_ADMIN, besides ON and OFF.
    let binds_super = is_on(value(first, row, "super_read_only"))
        || is_on(value(first, row, "innodb_read_only"))
        || read_only.eq_ignore_ascii_case("NO_LOCK_NO_ADMIN");
    let (set, names, lag_unit_ms) = match flavor {
        Flavor::MySql => (Some(first), MYSQL_CHANNEL, 1),
        Flavor::MariaDb => (sets.get(1), MARIADB_CHANNEL, 1000),
    };
    let has_channels = |set: &&ResultSet| set.columns.iter().any(|name| name.eq_ignore_ascii_case(names[0]));
    let replication_set = set.filter(has_channels);
    let replication = replication_set.and_then(|set| channels(set, names, lag_unit_ms));
    let position = position(flavor, first, row);
    Ok(Facts {
        flavor,
        version: greeting.version.clone(),
        capabilities: greeting.capabilities,
        collation: greeting.collation,
        tls: greeting.encryption.version(),
        read_only: is_on(Some(read_only)) || binds_super,
        super_read_only: binds_super,
        replication,
        tells_replication: replication_set.is_some(),
        wait_timeout: value(first, row, "wait_timeout").and_then(|v| v.parse().ok()).map(Duration::from_secs),
        max_packet: value(first, row, "max_packet").and_then(|v| v.parse().ok()),
        max_connections: value(first, row, "max_connections").and_then(|v| v.parse().ok()),
        occupied: None,
        gtid_on: position.is_some() && (flavor == Flavor::MariaDb || is_on(value(first, row, "gtid_mode"))),
        gtid: Arc::new(position.unwrap_or(GtidSet::empty(flavor))),
        identity: Arc::from(value(first, row, "identity").unwrap_or_default()),
        life: Life::default(),
        binlog_state: Arc::from(value(first, row, "binlog_state").unwrap_or_default()),
        first_own: Arc::default(),
        modes: TextModes::of_server(
            value(first, row, "sql_mode"),
            value(first, row, "init_connect"),
            value(first, row, "charset"),
        ),
        login: LoginFlags::of_server(
            flavor,
            value(first, row, "autocommit"),
            value(first, row, "sql_mode"),
            value(first, row, "init_connect"),
        ),
        round_trip,
    })
}

/// Parses the position. Returns None for a format that is unknown: no position is better than a wrong one.
fn position(flavor: Flavor, set: &ResultSet, row: &Row) -> Option<GtidSet> {
    let gtid = value(set, row, "gtid")?;
    let position = match flavor {
        Flavor::MySql => GtidSet::parse(flavor, gtid),
        Flavor::MariaDb => {
            let server = value(set, row, "identity")?.parse().ok()?;
            GtidSet::applied_by_mariadb(value(set, row, "gtid_slave_pos")?, gtid, server)
        }
    };
    position.inspect_err(|error| tracing::debug!(%error, "an unreadable position")).ok()
}

/// Combines the state of all channels: all must run, the largest lag counts, the first channel's source is
/// shown.
fn channels(set: &ResultSet, names: [&str; 5], lag_unit_ms: u64) -> Option<Replication> {
    let [host, port, receiving, applying, lag] = names;
    let mut all: Option<Replication> = None;
    for row in &set.rows {
        let Some(source) = value(set, row, host).filter(|host| !host.is_empty()) else { continue };
        let lag_ms = value(set, row, lag).and_then(|text| text.parse::<u64>().ok());
        let one = Replication {
            receiving: is_on(value(set, row, receiving)),
            applying: is_on(value(set, row, applying)),
            lag: lag_ms.map(|lag| Duration::from_millis(lag.saturating_mul(lag_unit_ms))),
            source: Some(endpoint(source, value(set, row, port))),
            several: false,
        };
        all = Some(match all {
            None => one,
            Some(sum) => Replication {
                receiving: sum.receiving && one.receiving,
                applying: sum.applying && one.applying,
                lag: sum.lag.zip(one.lag).map(|(a, b)| a.max(b)),
                source: sum.source,
                several: true,
            },
        });
    }
    all
}

/// Formats an address as in the configuration: IPv6 in brackets.
fn endpoint(host: &str, port: Option<&str>) -> Arc<str> {
    let port = port.unwrap_or("3306");
    if host.contains(':') { format!("[{host}]:{port}").into() } else { format!("{host}:{port}").into() }
}

fn is_on(value: Option<&str>) -> bool {
    value.is_some_and(|v| {
        v != "0"
            && ["ON", "YES", "1", "NO_LOCK", "NO_LOCK_NO_ADMIN"].iter().any(|on| v.eq_ignore_ascii_case(on))
    })
}

fn value<'a>(set: &ResultSet, row: &'a Row, column: &str) -> Option<&'a str> {
    let at = set.columns.iter().position(|name| name.eq_ignore_ascii_case(column))?;
    std::str::from_utf8(row.get(at)?.as_deref()?).ok()
}
