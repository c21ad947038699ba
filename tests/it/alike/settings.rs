//! Every variable that a session can set, with values of every kind: the session has its value on whichever connection it
//! gets next, and goes on. And no server is set to anything by it.

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
        // Milliseconds.
        "max_execution_time" => matches!(value, "1" | "2" | "7"),
        // Seconds: a busy machine may take as long between two steps.
        "wait_timeout" | "interactive_timeout" => (is_number && value.len() == 1) || value == "-1",
        "character_set_results" => is_number,
        name => name.starts_with("session_track_"),
    }
}

/// Sessions that share the tight proxy's connections at a time.
const TOGETHER: usize = 12;

/// How a session sets a variable: MariaDB reports nothing of the second form.
const FORMS: [&[&str]; 3] = [
    &["SET SESSION {name} = {value}"],
    &["SET @@{name} = {value}"],
    &["!prepare SET SESSION {name} = {value}", "!execute"],
];

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

/// A session with something set, on a direct connection and through the proxy.
struct Try {
    direct: Peer,
    through: Peer,
    /// What sets it.
    set: Vec<String>,
    /// What asks for it, on each server.
    asks: Vec<String>,
}

impl Try {
    async fn new(ports: [u16; 2], set: &[String], asks: &[String]) -> Try {
        let direct = Peer::login_as("super", ports[0], "test", 0).await;
        let through = Peer::login_as("super", ports[1], "test", 0).await;
        Try { direct, through, set: set.to_vec(), asks: asks.to_vec() }
    }

    /// Plays steps on both, and a read, until something differs.
    async fn play(&mut self, asks: bool) -> Option<String> {
        let steps = if asks { &self.asks } else { &self.set };
        for step in steps.iter().map(String::as_str).chain([READ]) {
            let (expected, answer) = (self.direct.step(step).await, self.through.step(step).await);
            if expected != answer {
                let set = self.set.join("; ");
                return Some(format!("  {set}\n  {step}\n  direct {expected}\n  tight  {answer}"));
            }
        }
        None
    }
}

/// Plays what these sessions set, then what they ask. They take the connections from each other.
async fn compare(ports: [u16; 2], together: &[(Vec<String>, Vec<String>)], wrong: &mut Vec<String>) {
    let mut tries = Vec::new();
    for (set, asks) in together {
        tries.push(Try::new(ports, set, asks).await);
    }
    for asks in [false, true] {
        let mut left = Vec::new();
        for mut one in tries {
            match one.play(asks).await {
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
    let before = globals(&cluster.servers()[1], kind).await;
    let mut wrong = Vec::new();
    let all = shared.chunks(TOGETHER).chain(held.chunks(1));
    for (values, form) in all.flat_map(|values| FORMS.map(|form| (values, form))) {
        let asks = |name: &str| vec![format!("SELECT @@SESSION.{name}"), "SELECT COLLATION('a')".to_owned()];
        let set = |name: &str, value: &str| {
            form.iter().map(|step| step.replace("{name}", name).replace("{value}", value)).collect()
        };
        let steps = values.iter().map(|(name, value)| (set(name, value), asks(name)));
        compare(ports, &steps.collect::<Vec<_>>(), &mut wrong).await;
    }
    let mut after = globals(&cluster.servers()[1], kind).await;
    after.retain(|row| !before.contains(row));
    assert!(shared.len() > 300, "only {}", shared.len());
    assert!(wrong.is_empty(), "{}: {}:\n{}", kind.name(), wrong.len(), wrong.join("\n\n"));
    assert!(after.is_empty(), "{}: the replica is set to {after:?}", kind.name());
    // A replica's refusal is not seen otherwise: the read goes to the primary.
    let log = tight.log();
    let refused: Vec<_> =
        log.lines().filter(|line| line.contains("refuses the state of a session")).collect();
    assert!(refused.is_empty(), "{}: {}", kind.name(), refused.join("\n"));
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

/// What the server is set to, but for what moves by itself.
async fn globals(server: &Node, kind: Kind) -> Vec<String> {
    let status = if kind == Kind::MariaDb { "SHOW ALL SLAVES STATUS" } else { "SHOW REPLICA STATUS" };
    let mut all = server.sql("SHOW GLOBAL VARIABLES").await;
    all.retain(|row| !row[0].as_deref().is_some_and(|name| name.starts_with("gtid_") || name == "timestamp"));
    let replicates = server.sql(status).await;
    assert_eq!(replicates.len(), 1, "{status}");
    all.into_iter().map(|row| format!("{row:?}")).collect()
}

async fn no_variable_changes_a_replica(cluster: Cluster) {
    let kind = cluster.kind();
    let [(_, proxy), _] = super::proxies(&cluster).await;
    let replica = &cluster.servers()[1];
    let (mut wrong, mut passed) = (Vec::new(), 0);
    let values = taken(cluster.primary(), kind).await;
    let mut before = globals(replica, kind).await;
    for of_one in values.chunk_by(|one, other| one.0 == other.0) {
        let mut peer = Peer::login_as("super", proxy.ro, "test", 0).await;
        for (name, value) in of_one {
            passed +=
                usize::from(!peer.step(&format!("SET SESSION {name} = {value}")).await.contains("\\xff"));
        }
        let after = globals(replica, kind).await;
        let changed: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
        if !changed.is_empty() {
            wrong.push(format!("  SET SESSION {}: {changed:?}", of_one[0].0));
        }
        before = after;
    }
    assert!(passed > 200, "only {passed}");
    assert!(wrong.is_empty(), "{}: {}:\n{}", kind.name(), wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn no_variable_of_a_session_changes_a_mariadb_replica() {
    no_variable_changes_a_replica(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn no_variable_of_a_session_changes_a_mysql_replica() {
    if let Some(cluster) = Cluster::mysql(1).await {
        no_variable_changes_a_replica(cluster).await;
    }
}
