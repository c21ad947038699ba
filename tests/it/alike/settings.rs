//! Every variable that a session can set, with values of every kind: the session has its value on whichever connection it
//! gets next, and goes on.

use super::peer::Peer;
use crate::support::{Cluster, Kind, Node};
use std::collections::HashSet;

/// Tried with each variable, besides the items of those that have a list. A server refuses most of them.
const VALUES: [&str; 27] = [
    "DEFAULT",
    "NULL",
    "''",
    "0",
    "1",
    "2",
    "7",
    "-1",
    "100000",
    "18446744073709551615",
    "1.25",
    "0.000001",
    "1e3",
    "'ON'",
    "'default'",
    "'DEFAULT'",
    "'x'",
    "'all'",
    "'-1'",
    "'a,b'",
    "'latin1'",
    "'latin1_bin'",
    "'InnoDB'",
    "'2010-01-01 10:11:12.5'",
    "'+05:00'",
    "'de_DE'",
    "'READ-COMMITTED'",
];

/// A session keeps its connection behind these, so that a tight proxy bears few such sessions at a time.
const HELD: [&str; 15] = [
    "character_set_server",
    "collation_server",
    "gtid_next",
    "gtid_seq_no",
    "max_relay_log_size",
    "sql_slave_skip_counter",
    "system_versioning_asof",
    "insert_id",
    "max_join_size",
    "optimizer_trace",
    "profiling",
    "rand_seed1",
    "rand_seed2",
    "sql_auto_is_null",
    "pseudo_replica_mode",
];

/// What two sessions cannot have alike (the clock, a race against it), and what docs/known-limits.md says: the values of
/// `session_track_…`, and a character set that is set by the number of a collation.
fn is_left_out(name: &str, value: &str) -> bool {
    let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
    match name {
        "timestamp" => matches!(value, "DEFAULT" | "0" | "-1"),
        "max_statement_time" => value == "0.000001",
        "character_set_results" => is_number,
        name => name.starts_with("session_track_"),
    }
}

/// Sessions that share the tight proxy's connections at a time.
const TOGETHER: usize = 12;

const READ: &str = "SELECT a FROM settings ORDER BY a";

/// The variables of sessions, each with the items of its list, as literals.
async fn variables(primary: &Node, kind: Kind) -> Vec<(String, Vec<String>)> {
    let sql = match kind {
        Kind::MariaDb => {
            "SELECT LOWER(variable_name), enum_value_list FROM information_schema.system_variables \
             WHERE variable_scope LIKE 'SESSION%' AND read_only = 'NO' ORDER BY 1"
        }
        Kind::MySql => "SELECT variable_name, NULL FROM performance_schema.session_variables ORDER BY 1",
    };
    let rows = primary.sql(sql).await;
    let named =
        rows.into_iter().filter_map(|row| Some((row[0].clone()?, row[1].clone().unwrap_or_default())));
    let items = |list: String| list.split(',').map(|item| format!("'{item}'")).collect();
    named.map(|(name, list)| (name, if list.is_empty() { Vec::new() } else { items(list) })).collect()
}

/// A value that a server takes, on a direct connection and through the proxy.
struct Try {
    name: String,
    value: String,
    direct: Peer,
    through: Peer,
}

impl Try {
    async fn new(ports: [u16; 2], name: String, value: String) -> Try {
        let direct = Peer::login_as("super", ports[0], "test", 0).await;
        let through = Peer::login_as("super", ports[1], "test", 0).await;
        Try { name, value, direct, through }
    }

    /// Plays a step on both. Returns what differs.
    async fn step(&mut self, step: &str) -> Option<String> {
        let step = step.replace("{name}", &self.name).replace("{value}", &self.value);
        let (expected, answer) = (self.direct.step(&step).await, self.through.step(&step).await);
        let set = format!("SET SESSION {} = {}", self.name, self.value);
        (expected != answer).then(|| format!("  {set}\n  {step}\n  direct {expected}\n  tight  {answer}"))
    }

    /// Plays steps until one differs.
    async fn steps(&mut self, steps: &[&str]) -> Option<String> {
        for step in steps {
            if let Some(differs) = self.step(step).await {
                return Some(differs);
            }
        }
        None
    }
}

/// Sets these variables in sessions of their own, which take the connections from each other, and compares what each has.
async fn compare(ports: [u16; 2], values: &[(String, String)], wrong: &mut Vec<String>) {
    let mut tries = Vec::new();
    for (name, value) in values {
        tries.push(Try::new(ports, name.clone(), value.clone()).await);
    }
    // Behind a SET with a warning a session keeps its connection until a statement opens a table.
    for steps in [
        ["SET SESSION {name} = {value}", READ],
        ["SELECT @@SESSION.{name}", "SELECT COLLATION('a'), a FROM settings ORDER BY a"],
    ] {
        let mut left = Vec::new();
        for mut one in tries {
            match one.steps(&steps).await {
                None => left.push(one),
                Some(differs) => wrong.push(differs),
            }
        }
        tries = left;
    }
}

/// All values that a server takes, each once for what the server makes of it.
async fn taken(primary: &Node, kind: Kind) -> Vec<(String, String)> {
    let (mut taken, mut refused) = (Vec::new(), 0);
    for (name, items) in variables(primary, kind).await {
        let mut seen = HashSet::new();
        let mut peer = Peer::login_as("super", primary.port(), "test", 0).await;
        for value in VALUES.iter().map(|value| (*value).to_owned()).chain(items) {
            if peer.step(&format!("SET SESSION {name} = {value}")).await.contains("\\xff") {
                refused += 1;
            } else if seen.insert(peer.step(&format!("SELECT @@SESSION.{name}")).await) {
                taken.push((name.clone(), value));
            }
        }
    }
    eprintln!("{}: {} values of variables, {refused} that the server refuses", kind.name(), taken.len());
    taken
}

async fn every_value_goes_with_its_session(cluster: Cluster) {
    let kind = cluster.kind();
    let [_, (_, tight)] = super::proxies(&cluster).await;
    let primary = cluster.primary();
    primary.sql("CREATE TABLE test.settings (a INT PRIMARY KEY)").await;
    primary.sql("INSERT INTO test.settings VALUES (1), (2), (3)").await;
    let taken = taken(primary, kind).await.into_iter().filter(|(name, value)| !is_left_out(name, value));
    let (held, shared): (Vec<_>, Vec<_>) = taken.partition(|(name, _)| HELD.contains(&&**name));
    let ports = [primary.port(), tight.rw];
    let mut wrong = Vec::new();
    for values in shared.chunks(TOGETHER).chain(held.chunks(1)) {
        compare(ports, values, &mut wrong).await;
    }
    assert!(shared.len() > 300, "only {}", shared.len());
    assert!(wrong.is_empty(), "{}: {}:\n{}", kind.name(), wrong.len(), wrong.join("\n\n"));
}

#[tokio::test]
async fn mariadb_sessions_keep_every_value_of_every_variable() {
    every_value_goes_with_its_session(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_sessions_keep_every_value_of_every_variable() {
    if let Some(cluster) = Cluster::mysql(1).await {
        every_value_goes_with_its_session(cluster).await;
    }
}
