//! What the proxy knows of real servers besides their roles: positions, as exact as the servers' own
//! functions, and stored routines, as far as the monitor account may see them.

mod functions;
mod relations;
mod views;

use crate::dialogue::PATIENCE;
use crate::support::{Cluster, Kind, Node, connect, proxy_config};
use mysql_async::prelude::Queryable;
use pointsman::config::{Config, Live};
use pointsman::discovery;
use pointsman::monitor::{BackendConnector, Kicker, Routines};
use pointsman::net::SystemRuntime;
use pointsman::sql::RoutineCatalogue;
use pointsman::sql::vocabulary::{RoutineFacts, Routines as _};
use pointsman::topology::{Facts, Flavor, GtidSet, Snapshot};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio::time::timeout;

/// The control thread's part of a proxy, in the test's own thread.
struct Control {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    kicker: Kicker,
    live: watch::Receiver<Arc<Live>>,
    _reload: watch::Sender<Arc<Live>>,
}

impl Control {
    /// Must run inside a `LocalSet`.
    fn start(cluster: &Cluster, monitor: &str) -> Self {
        let config = proxy_config(cluster).replace("user = \"monitor\"", &format!("user = \"{monitor}\""));
        let config = config.replace("{rw}", "1").replace("{ro}", "2").replace("{http}", "3");
        let config = Config::parse(&config, Path::new("")).unwrap();
        let (reload, live) = watch::channel(Arc::new(config.live));
        let (snapshot, kicker) =
            discovery::start(live.clone(), BackendConnector::new(SystemRuntime::default(), Arc::default()));
        Control { snapshot, kicker, live, _reload: reload }
    }

    /// Waits until the last probe of a server says this.
    async fn sees(&mut self, number: usize, what: &str, wanted: impl Fn(&Facts) -> bool) -> Facts {
        let name = format!("db-{number}");
        let facts =
            |snapshot: &Snapshot| snapshot.servers.iter().find(|server| *server.name == *name)?.facts.clone();
        self.kicker.kick_all();
        let seen = self.snapshot.wait_for(|snapshot| facts(snapshot).is_some_and(|facts| wanted(&facts)));
        let seen = timeout(PATIENCE, seen).await.map(|seen| facts(&seen.unwrap()));
        match seen {
            Ok(facts) => facts.unwrap(),
            Err(_) => panic!("{name} never: {what}; {:?}", facts(&self.snapshot.borrow())),
        }
    }
}

fn parsed(kind: Kind, text: &str) -> GtidSet {
    let flavor = match kind {
        Kind::MariaDb => Flavor::MariaDb,
        Kind::MySql => Flavor::MySql,
    };
    GtidSet::parse(flavor, text).unwrap()
}

#[tokio::test]
async fn mariadb_positions_are_what_is_applied() {
    LocalSet::new().run_until(positions_are_what_is_applied(Cluster::mariadb(1).await)).await;
}

#[tokio::test]
async fn mysql_positions_are_what_is_applied() {
    if let Some(cluster) = Cluster::mysql(1).await {
        LocalSet::new().run_until(positions_are_what_is_applied(cluster)).await;
    }
}

async fn positions_are_what_is_applied(mut cluster: Cluster) {
    let kind = cluster.kind();
    let mut control = Control::start(&cluster, "monitor");
    cluster.primary().sql("CREATE TABLE test.t (id INT PRIMARY KEY)").await;
    let written = write(kind, cluster.primary(), 1).await;
    assert!(!written.is_empty());
    let facts = control.sees(0, "what it wrote", |facts| facts.gtid.contains(&written)).await;
    assert!(facts.gtid_on);
    assert_eq!(facts.gtid.to_string(), cluster.primary().gtid().await);
    let facts = control.sees(1, "what it applied", |facts| facts.gtid.contains(&written)).await;
    assert_eq!(*facts.gtid, parsed(kind, &cluster.server(1).gtid().await));

    // Received is not applied.
    let stop = match kind {
        Kind::MariaDb => "STOP SLAVE SQL_THREAD",
        Kind::MySql => "STOP REPLICA SQL_THREAD",
    };
    cluster.server(1).sql(stop).await;
    let written = write(kind, cluster.primary(), 2).await;
    let stopped = |facts: &Facts| facts.replication.as_ref().is_some_and(|r| !r.applying && r.receiving);
    let facts = control.sees(1, "its applier stopped", stopped).await;
    assert!(!facts.gtid.contains(&written), "{} has {written}", facts.gtid);
    cluster.server(1).sql(&stop.replace("STOP", "START")).await;
    control.sees(1, "what it caught up with", |facts| facts.gtid.contains(&written)).await;

    // The old primary has its own writes and what its successor writes.
    cluster.switchover(1).await;
    let later = write(kind, cluster.primary(), 3).await;
    for number in [0, 1] {
        let both = |facts: &Facts| facts.gtid.contains(&written) && facts.gtid.contains(&later);
        control.sees(number, "all writes", both).await;
    }

    // What someone writes to a replica says nothing about the primary's next write, which has the same
    // sequence number on MariaDB.
    let stop = stop.replace(" SQL_THREAD", "");
    cluster.server(0).sql(&stop).await;
    let off = match kind {
        Kind::MariaDb => "SET GLOBAL gtid_strict_mode = 0, GLOBAL read_only = 0",
        Kind::MySql => "SET GLOBAL read_only = 0",
    };
    cluster.server(0).sql(off).await;
    let stray = write(kind, cluster.server(0), 4).await;
    control.sees(0, "the stray write", |facts| facts.gtid.contains(&stray)).await;
    let missed = write(kind, cluster.primary(), 5).await;
    control.sees(1, "the primary's write", |facts| facts.gtid.contains(&missed)).await;
    let facts = control.sees(0, "an answer", |_| true).await;
    assert!(!facts.gtid.contains(&missed), "{} has {missed}", facts.gtid);
}

/// Inserts a row; the write's position as the session that wrote it is told.
async fn write(kind: Kind, server: &Node, id: u32) -> GtidSet {
    let mut client = connect(server.port(), "super", "super", "test").await.unwrap();
    let ask = match kind {
        Kind::MariaDb => "SELECT @@last_gtid",
        Kind::MySql => "SELECT @@global.gtid_executed",
    };
    let before: Option<String> = client.query_first(ask).await.unwrap();
    client.query_drop(format!("INSERT INTO test.t VALUES ({id})")).await.unwrap();
    let after: Option<String> = client.query_first(ask).await.unwrap();
    parsed(kind, &after.unwrap()).subtract(&parsed(kind, &before.unwrap()))
}

/// Random sets with tags: parse, contains, union and subtract against the server's own.
#[tokio::test]
async fn mysql_agrees_on_sets() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    let mut client = connect(cluster.primary().port(), "super", "super", "test").await.unwrap();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for _ in 0..2_000 {
        let (a, b) = (random.set(), random.set());
        let union = format!("{a},{b}");
        let row: Option<(bool, bool, String, String, String)> = client
            .exec_first(
                "SELECT GTID_SUBSET(?, ?), GTID_SUBSET(?, ?), GTID_SUBTRACT(?, ?), GTID_SUBTRACT(?, ''), GTID_SUBTRACT(?, '')",
                (&b, &a, &a, &b, &a, &b, &union, &a),
            )
            .await
            .unwrap();
        let (b_in_a, a_in_b, rest, both, written) = row.unwrap();
        let (set_a, set_b) = (parsed(Kind::MySql, &a), parsed(Kind::MySql, &b));
        let shown = format!("{a} and {b}");
        assert_eq!((set_a.contains(&set_b), set_b.contains(&set_a)), (b_in_a, a_in_b), "{shown}");
        assert_eq!(set_a.subtract(&set_b).to_string(), rest.replace('\n', ""), "{shown}");
        assert_eq!(set_a.to_string(), written.replace('\n', ""));
        let mut union = set_a;
        union.union(&set_b);
        assert_eq!(union.to_string(), both.replace('\n', ""), "{shown}");
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    /// A GTID set as people and servers write it, in any order, with overlaps.
    fn set(&mut self) -> String {
        let mut text = String::new();
        for part in 0..self.below(4) {
            let comma = if part > 0 { ",\n" } else { "" };
            let uuid = self.below(2) + 1;
            write!(text, "{comma}{uuid}e11fa47-71ca-11e1-9e33-c80aa9429562").unwrap();
            for _ in 0..=self.below(3) {
                if self.below(3) == 0 {
                    write!(text, ":{}", ["tag", "Tag", "a_1"][usize::try_from(self.below(3)).unwrap()])
                        .unwrap();
                }
                let (first, more) = (self.below(12) + 1, self.below(5));
                if more == 0 { write!(text, ":{first}") } else { write!(text, ":{first}-{}", first + more) }
                    .unwrap();
            }
        }
        text
    }
}

#[tokio::test]
async fn mariadb_routines_are_known_as_far_as_they_can_be_seen() {
    LocalSet::new().run_until(routines_are_known(Cluster::mariadb(1).await)).await;
}

#[tokio::test]
async fn mysql_routines_are_known_as_far_as_they_can_be_seen() {
    if let Some(cluster) = Cluster::mysql(1).await {
        LocalSet::new().run_until(routines_are_known(cluster)).await;
    }
}

const ROUTINES: [&str; 8] = [
    "CREATE FUNCTION shop.reads(x INT) RETURNS INT READS SQL DATA \
     BEGIN DECLARE y INT; SELECT COUNT(*) INTO y FROM shop.t WHERE id > x; RETURN y; END",
    "CREATE FUNCTION shop.twice(x INT) RETURNS INT DETERMINISTIC RETURN shop.reads(x) * 2",
    "CREATE FUNCTION shop.lies(x INT) RETURNS INT NO SQL BEGIN INSERT INTO shop.t VALUES (x); RETURN x; END",
    "CREATE FUNCTION shop.keeps(x INT) RETURNS INT NO SQL BEGIN SET @kept = x; RETURN x; END",
    "CREATE PROCEDURE shop.`Adds one`() BEGIN INSERT INTO shop.t VALUES (1); SELECT COUNT(*) FROM shop.t; END",
    "CREATE PROCEDURE shop.reads() SET @x = 1",
    "SET sql_mode = 'ANSI_QUOTES'; CREATE FUNCTION shop.quotes() RETURNS INT NO SQL RETURN (SELECT COUNT(*) FROM \"shop\".\"t\")",
    "CREATE FUNCTION other.declared() RETURNS INT NO SQL RETURN 1",
];

async fn routines_are_known(cluster: Cluster) {
    use RoutineFacts::{Acts, ReadsOnly, ReadsOpaque, Unknown, WritesOpaque};
    let primary = cluster.primary();
    primary.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    let (watch, see) = match cluster.kind() {
        Kind::MariaDb => {
            ("SLAVE MONITOR ON *.*", "SELECT ON mysql.proc TO looker@'%'; GRANT SELECT ON mysql.func")
        }
        Kind::MySql => ("SELECT ON performance_schema.*", "SHOW_ROUTINE ON *.*"),
    };
    for sql in ["CREATE DATABASE shop", "CREATE DATABASE other", "CREATE TABLE shop.t (id INT)"] {
        primary.sql(sql).await;
    }
    primary
        .sql(&format!("CREATE USER looker@'%' IDENTIFIED BY 'monitor'; GRANT {watch} TO looker@'%'"))
        .await;
    for sql in ROUTINES {
        primary.sql(sql).await;
    }
    cluster.wait_caught_up().await;
    let control = Control::start(&cluster, "looker");
    let connector = BackendConnector::new(SystemRuntime::default(), Arc::default());
    let mut routines = Routines::start(connector, control.live.clone(), control.snapshot.clone());

    // Without any privilege nothing is known, and that much is known.
    let known = until(&mut routines, "a first catalogue", |_| true).await;
    assert_eq!((known.is_complete(), known.function(Some(b"shop"), b"reads")), (false, Unknown));

    // Who may only execute sees what is declared, which servers do not check.
    primary.sql("GRANT EXECUTE ON other.* TO looker@'%'").await;
    routines.changed();
    let declared = |known: &RoutineCatalogue| known.function(Some(b"other"), b"declared");
    let known = until(&mut routines, "what it may execute", |known| declared(known) != Unknown).await;
    assert_eq!((known.is_complete(), declared(&known)), (false, ReadsOpaque));
    assert_eq!(known.function(None, b"reads"), Unknown);

    primary.sql(&format!("GRANT {see} TO looker@'%'")).await;
    routines.changed();
    let known = until(&mut routines, "all there is", RoutineCatalogue::is_complete).await;
    for (name, expected) in [
        ("reads", ReadsOpaque),
        ("twice", ReadsOpaque),
        ("lies", WritesOpaque),
        ("keeps", Acts),
        ("quotes", ReadsOpaque),
    ] {
        assert_eq!(known.function(Some(b"shop"), name.as_bytes()), expected, "{name}");
    }
    assert_eq!(known.procedure(Some(b"shop"), b"adds ONE"), WritesOpaque);
    assert_eq!(known.procedure(Some(b"shop"), b"reads"), Acts);
    assert_eq!(known.function(Some(b"shop"), b"gone"), Unknown);

    // The tables that the routines read can be seen, too.
    primary.sql("GRANT SELECT, SHOW VIEW, TRIGGER ON shop.* TO looker@'%'").await;
    routines.changed();
    let reads = |known: &RoutineCatalogue| known.function(Some(b"shop"), b"reads");
    let known = until(&mut routines, "its tables", |known| reads(known) == ReadsOnly).await;
    for (name, expected) in [("twice", ReadsOnly), ("lies", RoutineFacts::Harmless), ("quotes", ReadsOnly)] {
        assert_eq!(known.function(Some(b"shop"), name.as_bytes()), expected, "{name}");
    }

    let replaced =
        "DROP FUNCTION shop.reads; CREATE FUNCTION shop.reads(x INT) RETURNS INT NO SQL RETURN (@x := x)";
    primary.sql(replaced).await;
    routines.changed();
    // A read may fall between the two statements.
    let known =
        until(&mut routines, "the new one", |known| ![ReadsOnly, Unknown].contains(&reads(known))).await;
    assert_eq!(reads(&known), Acts);
    assert_eq!(known.function(Some(b"shop"), b"twice"), Acts, "it calls that one");
}

/// A new catalogue of which this is true. Others may come before: the primary is read when it likes.
async fn until(
    routines: &mut Routines,
    what: &str,
    wanted: impl Fn(&RoutineCatalogue) -> bool,
) -> Arc<RoutineCatalogue> {
    let waited = timeout(PATIENCE, async {
        loop {
            routines.current.changed().await.unwrap();
            let now = routines.current.borrow_and_update().clone();
            if wanted(&now) {
                return now;
            }
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}; {:?}", routines.current.borrow().counts()))
}
