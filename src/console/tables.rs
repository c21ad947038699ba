//! The tables of the console and their columns. `docs/console.md` is made of this list.

/// The type of a column's values. Every column may be NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnKind {
    Integer,
    Real,
    Text,
}

/// One column.
pub(super) struct TableColumn {
    pub name: &'static str,
    pub kind: ColumnKind,
    pub about: &'static str,
}

/// One table, which is filled when a statement names it.
pub(super) struct ConsoleTable {
    pub name: &'static str,
    pub about: &'static str,
    pub columns: &'static [TableColumn],
}

/// A view over the tables, by a name that ProxySQL uses.
pub(super) struct View {
    pub name: &'static str,
    pub about: &'static str,
    pub columns: &'static [&'static str],
    /// The SELECT behind the view.
    pub select: &'static str,
}

impl ColumnKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            ColumnKind::Integer => "INTEGER",
            ColumnKind::Real => "REAL",
            ColumnKind::Text => "TEXT",
        }
    }
}

const fn integer(name: &'static str, about: &'static str) -> TableColumn {
    TableColumn { name, kind: ColumnKind::Integer, about }
}

const fn real(name: &'static str, about: &'static str) -> TableColumn {
    TableColumn { name, kind: ColumnKind::Real, about }
}

const fn text(name: &'static str, about: &'static str) -> TableColumn {
    TableColumn { name, kind: ColumnKind::Text, about }
}

/// Every table.
pub(super) const TABLES: &[ConsoleTable] = &[
    ConsoleTable {
        name: "servers",
        about: "The servers, with the results of the last probes.",
        columns: &[
            text("name", "The name as configured; of a pod, its name."),
            text("address", "The address that the proxy connects to."),
            text("host", "The host in the address; the path of a unix socket."),
            integer("port", "The port in the address; 0 for a unix socket."),
            text("role", "primary, replica or none."),
            text("health", "up, down or unknown."),
            integer("serves_reads", "1 if the server may get reads as a replica."),
            integer("read_only", "1 if the server says that it is read-only."),
            integer("replicating", "1 if both replication threads run; NULL if the server is not a replica."),
            text("source", "The source that the server replicates from, as host:port."),
            integer("lag_ms", "Milliseconds behind the primary; NULL if unknown."),
            text("gtid", "The applied GTID position."),
            text("flavor", "mysql or mariadb."),
            text("version", "The server's version."),
            integer("weight", "The server's share of the reads; NULL for pods."),
            text("zone", "The zone of the server."),
            text("label", "The role in the pod's labels; NULL without labels."),
            integer("deleting", "1 if the pod is being deleted."),
            text("drained", "Who drains the server: order, configuration or annotation; NULL: nobody."),
            text("tls", "The TLS version of the probes' connection; NULL if it is not encrypted."),
            integer("probe_us", "Round trip of the last answered probe, in microseconds."),
            integer("missed_probes", "Probes in a row without an answer."),
            text("last_error", "The error of the last probe that failed."),
        ],
    },
    ConsoleTable {
        name: "sessions",
        about: "The clients' sessions.",
        columns: &[
            integer("id", "The connection id that the client was greeted with; for KILL SESSION."),
            text("user", "The account; NULL before the login."),
            text("client", "The client's address and port."),
            text("host", "The client's address."),
            integer("port", "The client's port; 0 on a unix socket."),
            text("listener", "The listener's name."),
            text("mode", "The listener's mode."),
            text("tls", "The version of TLS; NULL if the connection is not encrypted."),
            text("consistency", "The consistency level of its reads."),
            text("schema", "The default schema; empty: none."),
            text("state", "logs_in, idle, waits (no server has the command) or runs."),
            integer("seconds", "How long it has been in this state."),
            text("statement", "The digest text of the statement under way, or of the last one."),
            text("server", "The server that executes the command under way."),
            text("kept_primary", "The server to whose connection for writes the session keeps."),
            text("kept_replica", "The server to whose connection for reads the session keeps."),
            text("pins", "Why the session keeps its connections: pins, separated by commas."),
            integer("worker", "The index of the worker."),
        ],
    },
    ConsoleTable {
        name: "pools",
        about: "The connections to each server, over all workers, by account.",
        columns: &[
            text("server", "The server's name."),
            text("user", "The account that the connections are logged in with."),
            integer("connections", "Open connections, in use or idle."),
            integer("idle", "Connections that are parked and may serve another session."),
        ],
    },
    ConsoleTable {
        name: "digests",
        about: "What the statements of each digest did. Times are in microseconds, points in time in seconds since 1970.",
        columns: &[
            text("user", "The account."),
            text("schema", "The default schema."),
            text("digest", "The digest's number, the same in all proxies."),
            text("digest_text", "The statement without its values."),
            integer("count", "How many statements."),
            integer("sum_us", "How long they took."),
            integer("min_us", "How long the shortest took, at most an eighth too much."),
            integer("p50_us", "How long half of them took at most."),
            integer("p95_us", "How long 95 % of them took at most."),
            integer("p99_us", "How long 99 % of them took at most."),
            integer("max_us", "How long the longest took."),
            integer("hold_us", "How long they waited for a primary."),
            integer("pool_us", "How long they waited for a server connection."),
            integer("position_us", "How long they waited for positions of servers."),
            integer("rows_sent", "Rows that clients got."),
            integer("rows_affected", "Rows changed."),
            integer("bytes_in", "Bytes from clients."),
            integer("bytes_out", "Bytes to clients."),
            integer("failed", "Statements that got an error."),
            integer("on_primary", "Statements that the primary executed."),
            integer("on_replicas", "Statements that replicas executed."),
            real("first_seen", "When the first one arrived."),
            real("last_seen", "When the last one arrived."),
        ],
    },
    ConsoleTable {
        name: "errors",
        about: "The errors of each digest by code.",
        columns: &[
            text("user", "The account."),
            text("schema", "The default schema."),
            text("digest", "The digest's number."),
            text("digest_text", "The statement without its values."),
            integer("code", "The error's code; NULL for codes beyond the first four of a digest."),
            integer("count", "How often the error occurred."),
            real("first_seen", "When the first statement of the digest arrived."),
            real("last_seen", "When the last statement of the digest arrived."),
        ],
    },
    ConsoleTable {
        name: "pins",
        about: "What keeps sessions on their server connections.",
        columns: &[
            text("pin", "The pin, as in the metric pointsman_pins_total."),
            text("words", "The pin in words."),
            integer("begun", "How often the pin began."),
            real("held_seconds", "How long it kept sessions, counted when it ended."),
        ],
    },
    ConsoleTable {
        name: "changes",
        about: "Changes of the primary, oldest first, and their effects on sessions.",
        columns: &[
            real("at", "When the change was seen, in seconds since 1970."),
            text("old", "The old primary's name."),
            text("new", "The new primary's name."),
            text("reason", "The reason in words."),
            integer("generation", "The generation after the change."),
            integer(
                "without_writer_ms",
                "Milliseconds without a primary; NULL until two seconds after the change.",
            ),
            integer("held", "Statements that waited for a primary."),
            integer("hold_expired", "Statements whose wait ended in an error."),
            integer("moved", "Sessions that moved without noticing."),
            integer("retried", "Reads that were retried on another server."),
            integer("replayed", "Transactions that were replayed without the client noticing."),
            integer("rolled_back", "Transactions that were rolled back, with an error to the client."),
            integer("outcome_unknown", "Writes whose outcome is unknown."),
            integer("answer_cut", "Answers that were cut off."),
            integer("state_lost", "Sessions that ended because they held state that cannot move."),
        ],
    },
    ConsoleTable {
        name: "config",
        about: "The configuration in effect, with what came from Kubernetes. Secrets and the URL of the webhook are hidden.",
        columns: &[
            text(
                "key",
                "The key with its section. Entries of a list have their name, or their place, in brackets.",
            ),
            text("value", "The value."),
        ],
    },
    ConsoleTable {
        name: "metrics",
        about: "The content of /metrics.",
        columns: &[
            text("name", "The metric, with the ending that Prometheus shows."),
            text("labels", "The labels, as in /metrics, without braces."),
            real("value", "The value."),
        ],
    },
    ConsoleTable {
        name: "tables",
        about: "All tables and views.",
        columns: &[
            text("name", "The name."),
            text("kind", "table, or view: a name of ProxySQL."),
            text("about", "What it has."),
        ],
    },
    ConsoleTable {
        name: "columns",
        about: "The columns of all tables and views.",
        columns: &[
            text("table_name", "The table or view."),
            text("column_name", "The column."),
            text("type", "INTEGER, REAL or TEXT; empty for a column of a view that is computed."),
            text("about", "What the column means; empty for views."),
        ],
    },
    ConsoleTable {
        name: "variables",
        about: "What clients ask for when they connect. These are constants of the console.",
        columns: &[text("name", "The variable."), text("value", "Its value.")],
    },
];

/// Every view.
pub(super) const VIEWS: &[View] = &[
    View {
        name: "runtime_mysql_servers",
        about: "hostgroup_id is 0 for the primary and 1 for all other servers. status is ONLINE for a server that gets \
                statements, OFFLINE_SOFT for one that is drained, SHUNNED for one that does not answer probes or is behind.",
        columns: &[
            "hostgroup_id",
            "hostname",
            "port",
            "gtid_port",
            "status",
            "weight",
            "compression",
            "max_connections",
            "max_replication_lag",
            "use_ssl",
            "max_latency_ms",
            "comment",
        ],
        select: "SELECT CASE role WHEN 'primary' THEN 0 ELSE 1 END AS hostgroup_id, host AS hostname, port, \
                 0 AS gtid_port, \
                 CASE WHEN drained IS NOT NULL THEN 'OFFLINE_SOFT' \
                 WHEN health = 'up' AND (role = 'primary' OR serves_reads) THEN 'ONLINE' ELSE 'SHUNNED' END AS status, \
                 coalesce(weight, 1) AS weight, 0 AS compression, \
                 (SELECT CAST(value AS INTEGER) FROM config WHERE key = 'limits.max_server_connections') AS max_connections, \
                 0 AS max_replication_lag, tls IS NOT NULL AS use_ssl, 0 AS max_latency_ms, name AS comment \
                 FROM servers",
    },
    View {
        name: "stats_mysql_connection_pool",
        about: "ConnUsed, ConnFree, Queries and Latency_us are those of the server; hostgroup and status as in \
                runtime_mysql_servers. Queries is an empty text for servers beyond the 16 that are counted apart. The proxy does not count the other columns for each server: they are empty texts.",
        columns: &[
            "hostgroup",
            "srv_host",
            "srv_port",
            "status",
            "ConnUsed",
            "ConnFree",
            "ConnOK",
            "ConnERR",
            "MaxConnUsed",
            "Queries",
            "Queries_GTID_sync",
            "Bytes_data_sent",
            "Bytes_data_recv",
            "Latency_us",
        ],
        select: "SELECT r.hostgroup_id AS hostgroup, r.hostname AS srv_host, r.port AS srv_port, r.status, \
                 coalesce(sum(p.connections - p.idle), 0) AS ConnUsed, coalesce(sum(p.idle), 0) AS ConnFree, \
                 '' AS ConnOK, '' AS ConnERR, '' AS MaxConnUsed, \
                 coalesce((SELECT CAST(m.value AS INTEGER) FROM metrics AS m \
                 WHERE m.name = 'pointsman_server_statement_duration_seconds_count' \
                 AND m.labels = 'server=\"' || s.name || '\"'), \
                 CASE WHEN (SELECT count(*) FROM metrics AS m \
                 WHERE m.name = 'pointsman_server_statement_duration_seconds_count') < 16 THEN 0 ELSE '' END) AS Queries, '' AS Queries_GTID_sync, \
                 '' AS Bytes_data_sent, '' AS Bytes_data_recv, coalesce(s.probe_us, 0) AS Latency_us \
                 FROM servers AS s JOIN runtime_mysql_servers AS r ON r.comment = s.name \
                 LEFT JOIN pools AS p ON p.server = s.name GROUP BY s.name",
    },
    View {
        name: "stats_mysql_processlist",
        about: "hostgroup, srv_host and srv_port are those of the server that executes the command under way, or -1 and \
                empty. command is Query, Sleep or Connect (logs in), info the digest text.",
        columns: &[
            "ThreadID",
            "SessionID",
            "user",
            "db",
            "cli_host",
            "cli_port",
            "hostgroup",
            "srv_host",
            "srv_port",
            "command",
            "time_ms",
            "info",
            "status_flags",
        ],
        select: "SELECT t.worker AS ThreadID, t.id AS SessionID, coalesce(t.user, '') AS user, t.schema AS db, \
                 t.host AS cli_host, t.port AS cli_port, \
                 CASE WHEN s.name IS NULL THEN -1 WHEN s.role = 'primary' THEN 0 ELSE 1 END AS hostgroup, \
                 coalesce(s.host, '') AS srv_host, coalesce(s.port, '') AS srv_port, \
                 CASE t.state WHEN 'idle' THEN 'Sleep' WHEN 'logs_in' THEN 'Connect' ELSE 'Query' END AS command, \
                 t.seconds * 1000 AS time_ms, coalesce(t.statement, '') AS info, 0 AS status_flags \
                 FROM sessions AS t LEFT JOIN servers AS s ON s.name = t.server",
    },
    View {
        name: "stats_mysql_users",
        about: "The accounts that have sessions now. frontend_max_connections is limits.max_user_connections; 0: no limit.",
        columns: &["username", "frontend_connections", "frontend_max_connections"],
        select: "SELECT user AS username, count(*) AS frontend_connections, \
                 (SELECT CAST(value AS INTEGER) FROM config WHERE key = 'limits.max_user_connections') AS frontend_max_connections \
                 FROM sessions WHERE user IS NOT NULL GROUP BY user",
    },
    View {
        name: "stats_mysql_query_digest",
        about: "hostgroup is where most statements of the digest ran: 0 for the primary, 1 for replicas. client_address is \
                empty, as in ProxySQL by default.",
        columns: &[
            "hostgroup",
            "schemaname",
            "username",
            "client_address",
            "digest",
            "digest_text",
            "count_star",
            "first_seen",
            "last_seen",
            "sum_time",
            "min_time",
            "max_time",
            "sum_rows_affected",
            "sum_rows_sent",
        ],
        select: "SELECT on_replicas > on_primary AS hostgroup, schema AS schemaname, user AS username, \
                 '' AS client_address, digest, digest_text, count AS count_star, \
                 CAST(first_seen AS INTEGER) AS first_seen, CAST(last_seen AS INTEGER) AS last_seen, \
                 sum_us AS sum_time, min_us AS min_time, max_us AS max_time, \
                 rows_affected AS sum_rows_affected, rows_sent AS sum_rows_sent FROM digests",
    },
    View {
        name: "stats_mysql_errors",
        about: "One row for each digest and code, without hostname, port and last_error; hostgroup is -1.",
        columns: &[
            "hostgroup",
            "hostname",
            "port",
            "username",
            "client_address",
            "schemaname",
            "errno",
            "count_star",
            "first_seen",
            "last_seen",
            "last_error",
        ],
        select: "SELECT -1 AS hostgroup, '' AS hostname, 0 AS port, user AS username, '' AS client_address, \
                 schema AS schemaname, code AS errno, count AS count_star, \
                 CAST(first_seen AS INTEGER) AS first_seen, CAST(last_seen AS INTEGER) AS last_seen, \
                 '' AS last_error FROM errors",
    },
    View {
        name: "stats_mysql_global",
        about: "The variables with the same meaning, under ProxySQL's names, and those without.",
        columns: &["Variable_Name", "Variable_Value"],
        select: "SELECT 'ProxySQL_Uptime' AS Variable_Name, \
                 CAST(CAST(unixepoch() - (SELECT value FROM metrics WHERE name = 'process_start_time_seconds') AS INTEGER) AS TEXT) \
                 AS Variable_Value \
                 UNION ALL SELECT g.variable, CAST(CAST(coalesce(sum(m.value), 0) AS INTEGER) AS TEXT) FROM \
                 (SELECT 'Client_Connections_connected' AS variable, 'pointsman_clients' AS metric, '%' AS labels \
                 UNION ALL SELECT 'Client_Connections_created', 'pointsman_client_connections_total', '%' \
                 UNION ALL SELECT 'Client_Connections_aborted', 'pointsman_logins_refused_total', '%' \
                 UNION ALL SELECT 'Access_Denied_Wrong_Password', 'pointsman_logins_refused_total', 'reason=\"password\"' \
                 UNION ALL SELECT 'Access_Denied_Max_Connections', 'pointsman_client_disconnects_total', 'reason=\"too_many_connections\"' \
                 UNION ALL SELECT 'Access_Denied_Max_User_Connections', 'pointsman_logins_refused_total', 'reason=\"user_connections\"' \
                 UNION ALL SELECT 'Server_Connections_connected', 'pointsman_server_connections', '%' \
                 UNION ALL SELECT 'Server_Connections_created', 'pointsman_server_connects_total', '%' \
                 UNION ALL SELECT 'Server_Connections_aborted', 'pointsman_server_connect_errors_total', '%' \
                 UNION ALL SELECT 'ConnPool_memory_bytes', 'pointsman_memory_bytes', '%' \
                 UNION ALL SELECT 'Questions', 'pointsman_statements_total', '%' \
                 UNION ALL SELECT 'Queries_frontends_bytes_recv', 'pointsman_client_received_bytes_total', '%' \
                 UNION ALL SELECT 'Queries_frontends_bytes_sent', 'pointsman_client_sent_bytes_total', '%' \
                 UNION ALL SELECT 'Servers_table_version', 'pointsman_generation', '%') AS g \
                 LEFT JOIN metrics AS m ON m.name = g.metric AND m.labels LIKE g.labels GROUP BY g.variable",
    },
    View {
        name: "stats_memory_metrics",
        about: "The memory that the proxy knows of.",
        columns: &["Variable_Name", "Variable_Value"],
        select: "SELECT 'jemalloc_allocated' AS Variable_Name, CAST(CAST(value AS INTEGER) AS TEXT) AS Variable_Value \
                 FROM metrics WHERE name = 'pointsman_memory_bytes' \
                 UNION ALL SELECT 'jemalloc_resident', CAST(CAST(value AS INTEGER) AS TEXT) \
                 FROM metrics WHERE name = 'process_resident_memory_bytes'",
    },
];
