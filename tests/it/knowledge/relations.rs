//! What the catalogue says of real servers' views, tables, triggers, packages and functions, and how that depends on the
//! monitor account's rights.

use super::{Control, until};
use crate::dialogue::{eventually, topology};
use crate::support::{Cluster, Kind, Node, Proxy, proxy_config};
use pointsman::monitor::{BackendConnector, Routines};
use pointsman::net::SystemRuntime;
use pointsman::sql::RoutineCatalogue;
use pointsman::sql::vocabulary::{Native, RelationFacts, RoutineFacts, Routines as _};
use std::process::Command;
use std::sync::Arc;
use tokio::task::LocalSet;

use RelationFacts::{Acts, CallingView, Opaque, Plain, PlainToRead, ReadingView, ServerView, Unknown};

/// Objects that both servers can have.
const OBJECTS: &[&str] = &[
    "CREATE DATABASE shop",
    "CREATE TABLE shop.t (id INT, v INT, w INT AS (id + 1), d DATETIME DEFAULT CURRENT_TIMESTAMP, \
     u VARCHAR(40) DEFAULT (CONCAT('a(', UUID())))",
    "CREATE TABLE shop.told (id INT)",
    "CREATE TRIGGER shop.tells BEFORE INSERT ON shop.told FOR EACH ROW SET @leak = NEW.id",
    "CREATE TABLE shop.filled (id INT, v INT)",
    "CREATE TRIGGER shop.fills BEFORE INSERT ON shop.filled FOR EACH ROW SET NEW.v = NEW.id * 2",
    "CREATE TABLE shop.chained (id INT)",
    "CREATE TRIGGER shop.chains AFTER UPDATE ON shop.chained FOR EACH ROW INSERT INTO shop.told VALUES (1)",
    "CREATE FUNCTION shop.reads(x INT) RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM shop.t WHERE id > x)",
    "CREATE FUNCTION shop.keeps(x INT) RETURNS INT NO SQL BEGIN SET @kept = x; RETURN x; END",
    "CREATE FUNCTION shop.sets(x INT) RETURNS INT NO SQL BEGIN SET x = x + 1; SET SESSION sql_safe_updates = 1; RETURN x; END",
    "CREATE FUNCTION shop.counts(x INT) RETURNS INT NO SQL BEGIN SET x = x + 1; RETURN x; END",
    "CREATE FUNCTION shop.`größe`(x INT) RETURNS INT NO SQL BEGIN SET @kept = x; RETURN x; END",
    "CREATE FUNCTION shop.writes(x INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO shop.t (id) VALUES (x); RETURN x; END",
    "CREATE VIEW shop.plain AS SELECT id, v FROM shop.t WHERE d > NOW()",
    "CREATE VIEW shop.over AS SELECT p.id, shop.reads(p.v) AS n FROM shop.plain p JOIN shop.told USING (id)",
    "CREATE VIEW shop.counting AS SELECT shop.counts(1) AS n",
    "CREATE VIEW shop.keeping AS SELECT shop.keeps(1) AS n",
    "CREATE VIEW shop.setting AS SELECT shop.sets(1) AS n",
    "CREATE VIEW shop.writing AS SELECT shop.writes(1) AS n",
    "CREATE VIEW shop.deep AS SELECT o.id FROM shop.over o JOIN shop.keeping",
    "CREATE FUNCTION shop.through() RETURNS INT READS SQL DATA RETURN (SELECT MAX(n) FROM shop.keeping)",
    "CREATE VIEW shop.inserted AS SELECT LAST_INSERT_ID(777) AS n",
    "CREATE VIEW shop.locking AS SELECT GET_LOCK('x', 1) AS n",
    "CREATE VIEW shop.`Größer` AS SELECT LAST_INSERT_ID(1) AS n",
    "CREATE VIEW shop.states AS SELECT PROCESSLIST_STATE FROM performance_schema.threads",
];

const EXPECTED: [(&str, RelationFacts); 19] = [
    ("t", Plain),
    ("T", Plain),
    ("filled", Plain),
    ("told", PlainToRead),
    ("chained", PlainToRead),
    ("plain", ReadingView),
    ("over", CallingView),
    ("counting", CallingView),
    ("states", ServerView),
    ("keeping", Acts),
    ("setting", Acts),
    ("writing", Acts),
    ("deep", Acts),
    ("inserted", Acts),
    ("locking", Acts),
    ("größer", Acts),
    ("GRÖSSER", Unknown),
    // Only a text with other letters than ASCII can mean a relation with such a name.
    ("groser", Unknown),
    ("gone", Unknown),
];

/// Objects with what only MariaDB allows in columns.
const MARIADB: &[&str] = &[
    "CREATE SEQUENCE shop.s",
    "CREATE TABLE shop.numbered (id INT DEFAULT NEXTVAL(shop.s))",
    "CREATE TABLE shop.lazy (id INT, x INT AS (@x := id))",
    "CREATE TABLE shop.presets (id INT, x INT DEFAULT (@x := 5))",
    "CREATE VIEW shop.next AS SELECT NEXTVAL(shop.s) AS n",
    "CREATE VIEW shop.`values` AS SELECT next_not_cached_value FROM shop.s",
    "SET sql_mode = 'ORACLE'; CREATE PACKAGE shop.pkg AS FUNCTION f RETURN INT; END",
    "SET sql_mode = 'ORACLE'; CREATE PACKAGE BODY shop.pkg AS FUNCTION f RETURN INT AS BEGIN SET @x = 1; RETURN 1; END; END",
    // As after CREATE FUNCTION … SONAME of a library.
    "INSERT INTO mysql.func VALUES ('uuid_to_bin', 0, 'gone.so', 'function')",
];
const MARIADB_EXPECTED: [(&str, RelationFacts); 6] = [
    ("s", PlainToRead),
    ("numbered", PlainToRead),
    ("presets", PlainToRead),
    ("lazy", Acts),
    ("next", Acts),
    ("values", ReadingView),
];

const MYSQL: &[&str] = &["CREATE FUNCTION service_get_write_locks RETURNS INT SONAME 'locking_service.so'"];

#[tokio::test]
async fn mariadb_relations_are_known_as_far_as_they_can_be_seen() {
    LocalSet::new().run_until(relations_are_known(Cluster::mariadb(0).await)).await;
}

#[tokio::test]
async fn mysql_relations_are_known_as_far_as_they_can_be_seen() {
    if let Some(cluster) = Cluster::mysql(0).await {
        LocalSet::new().run_until(relations_are_known(cluster)).await;
    }
}

async fn relations_are_known(cluster: Cluster) {
    let (primary, kind) = (cluster.primary(), cluster.kind());
    primary.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    let own = if kind == Kind::MariaDb { MARIADB } else { MYSQL };
    for sql in OBJECTS.iter().chain(own) {
        primary.sql(sql).await;
    }
    let watch = match kind {
        Kind::MariaDb => "GRANT SLAVE MONITOR ON *.* TO looker@'%'; GRANT SELECT ON mysql.proc TO looker@'%'",
        Kind::MySql => {
            "GRANT SHOW_ROUTINE ON *.* TO looker@'%'; GRANT SELECT ON performance_schema.* TO looker@'%'"
        }
    };
    primary.sql(&format!("CREATE USER looker@'%' IDENTIFIED BY 'monitor'; {watch}")).await;
    let control = Control::start(&cluster, "looker");
    let connector = BackendConnector::new(SystemRuntime::default(), Arc::default());
    let mut routines = Routines::start(connector, control.live.clone(), control.snapshot.clone());
    let known = until(&mut routines, "the routines", |known| known.counts().routines > 0).await;
    rights_are_named(&known, &["SELECT, SHOW VIEW ON *.*", "TRIGGER ON *.*"]);
    for (name, _) in EXPECTED {
        assert!([Unknown, Opaque].contains(&relation(&known, name)), "{name}");
    }
    assert_eq!(known.function(Some(b"shop"), b"keeps"), RoutineFacts::Acts);
    assert_eq!(known.function(Some(b"shop"), b"reads"), RoutineFacts::ReadsOpaque);

    // With triggers, and columns on MariaDB, tables are known, and views are not.
    primary.sql("GRANT TRIGGER, REFERENCES, SHOW VIEW ON *.* TO looker@'%'").await;
    routines.changed();
    let known = until(&mut routines, "the triggers", |known| relation(known, "t") == Plain).await;
    rights_are_named(&known, &["SELECT, SHOW VIEW ON *.*"]);
    assert_eq!((relation(&known, "told"), relation(&known, "filled")), (PlainToRead, Plain));
    assert_eq!((relation(&known, "plain"), relation(&known, "keeping")), (Opaque, Opaque));
    assert_eq!(known.function(Some(b"shop"), b"reads"), RoutineFacts::ReadsOnly);
    assert_eq!(known.function(Some(b"shop"), b"through"), RoutineFacts::ReadsOpaque);

    // With SELECT on the schema, its views are known.
    primary.sql("GRANT SELECT ON shop.* TO looker@'%'").await;
    routines.changed();
    let known = until(&mut routines, "the views", |known| relation(known, "plain") == ReadingView).await;
    let own = if kind == Kind::MariaDb { &MARIADB_EXPECTED[..] } else { &[] };
    for (name, expected) in EXPECTED.iter().chain(own) {
        assert_eq!(relation(&known, name), *expected, "{name}");
    }
    assert_eq!(known.function(Some(b"shop"), b"through"), RoutineFacts::Acts);
    for name in ["größe", "grÖße", "grosse", "gröse"] {
        let expected = if name == "grosse" { RoutineFacts::Unknown } else { RoutineFacts::Acts };
        assert_eq!(known.function(Some(b"shop"), name.as_bytes()), expected, "{name}");
    }

    // With everything, nothing is missing.
    let known = if kind == Kind::MariaDb {
        primary.sql("GRANT SELECT ON mysql.func TO looker@'%'").await;
        routines.changed();
        until(&mut routines, "everything", |known| known.missing().is_empty()).await
    } else {
        known
    };
    assert_eq!(known.missing(), []);
    assert!(known.is_complete());
    functions_are_known(&known, kind);
    for view in ["session", "schema_object_overview", "innodb_lock_waits", "host_summary", "version"] {
        let facts = known.relation(Some(b"sys"), view.as_bytes());
        assert_eq!(facts, Opaque, "sys.{view}");
    }
    assert_eq!(
        known.relation(Some(b"mysql"), b"proc"),
        if kind == Kind::MariaDb { PlainToRead } else { Unknown }
    );
    changes_are_noticed(primary, &mut routines).await;
}

fn functions_are_known(known: &RoutineCatalogue, kind: Kind) {
    let loadable = match kind {
        Kind::MariaDb => "uuid_to_bin",
        Kind::MySql => "SERVICE_get_write_locks",
    };
    assert_eq!(known.function(Some(b"shop"), loadable.as_bytes()), RoutineFacts::Other);
    assert_ne!(known.native(loadable.as_bytes()), Native::Everywhere);
    if kind == Kind::MariaDb {
        assert_eq!(known.function(Some(b"pkg"), b"f"), RoutineFacts::Acts);
        assert_eq!(
            (known.native(b"md5"), known.native(b"icu_version")),
            (Native::Everywhere, Native::Nowhere)
        );
    } else {
        assert_eq!(
            (known.native(b"md5"), known.native(b"icu_version")),
            (Native::Nowhere, Native::Everywhere)
        );
    }
}

/// A change that a session notes makes everything that was known doubtful until the next reading.
async fn changes_are_noticed(primary: &Node, routines: &mut Routines) {
    primary.sql("CREATE OR REPLACE VIEW shop.plain AS SELECT LAST_INSERT_ID(5) AS id").await;
    let known = routines.current.borrow().clone();
    assert_eq!((relation(&known, "plain"), relation(&known, "t")), (ReadingView, Plain));
    known.changes().of_relations();
    assert_eq!((relation(&known, "plain"), relation(&known, "t")), (Opaque, Opaque));
    routines.changed();
    let known = until(routines, "the change", |known| relation(known, "plain") == Acts).await;
    assert_eq!((relation(&known, "t"), relation(&known, "over")), (Plain, Acts));
}

fn relation(known: &RoutineCatalogue, name: &str) -> RelationFacts {
    known.relation(Some(b"shop"), name.as_bytes())
}

/// True if the grants that are missing are these and, on MariaDB, that for loadable functions.
fn rights_are_named(known: &Arc<RoutineCatalogue>, expected: &[&str]) {
    let missing: Vec<&str> = known.missing().iter().map(|(grant, _)| &**grant).collect();
    let expected = expected.iter().map(|right| format!("GRANT {right} TO 'looker'@'%'"));
    let named = missing.iter().filter(|grant| !grant.contains("mysql.func"));
    assert_eq!(named.copied().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn mariadb_missing_grants_are_named() {
    missing_grants_are_named(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_missing_grants_are_named() {
    if let Some(cluster) = Cluster::mysql(0).await {
        missing_grants_are_named(cluster).await;
    }
}

/// By `/topology` and by `check --connect`, until the account has them.
async fn missing_grants_are_named(cluster: Cluster) {
    const GRANT: &str = "GRANT TRIGGER ON *.* TO 'monitor'@'%'";
    let proxy = Proxy::start(&proxy_config(&cluster)).await;
    let catalogue = eventually("the catalogue was read", async || {
        let catalogue = topology(&proxy).await["catalogue"].clone();
        (catalogue["relations"].as_u64() > Some(0)).then_some(catalogue)
    })
    .await;
    let missing = catalogue["missing_grants"].as_array().unwrap();
    assert!(missing.iter().any(|missing| missing["grant"] == GRANT), "{catalogue}");
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pointsman"));
        let ran = command.args(["check", "--connect", "--config"]).arg(proxy.config_path()).output().unwrap();
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    let (succeeded, said) = check();
    assert!(succeeded && said.contains(&format!("are not reset: {GRANT}")), "{said}");
    cluster.primary().sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
    let (succeeded, said) = check();
    assert!(succeeded && !said.contains("may not see everything"), "{said}");
}
