//! State that neither a text nor a report shows: set by views, triggers, defaults, generated columns and functions, which
//! another account may have made. The next session of the account must not find it.

use crate::dialogue::patient;
use crate::support::{Cluster, Kind, Proxy, connect, proxy_config};
use mysql_async::Conn;
use mysql_async::prelude::Queryable;

/// The sessions have one connection to each server, which they take from each other, unless it is pinned.
const SMALL: &str = "[limits]\nmax_server_connections = 1\nqueue_timeout = \"1500ms\"\n";

/// What a session does that leaves something unseen, and how the next one would find it.
struct Case {
    name: &'static str,
    does: &'static [&'static str],
    looks: &'static str,
}

const fn case(name: &'static str, does: &'static [&'static str], looks: &'static str) -> Case {
    Case { name, does, looks }
}

const CASES: &[Case] = &[
    case("a view sets a variable", &["SELECT * FROM v_variable"], "SELECT @leak"),
    case("a view sets a variable and a setting", &["SELECT * FROM v_named"], "SELECT @leak"),
    case("a view sets a variable by INTO", &["SELECT * FROM v_into"], "SELECT @leak"),
    case("a view makes a temporary table", &["SELECT * FROM v_temporary"], "SELECT COUNT(b) FROM s"),
    case("a view takes a lock", &["SELECT * FROM v_lock"], "SELECT IS_USED_LOCK('hidden')"),
    case("a view sets a role", &["SELECT * FROM v_role"], "SELECT CURRENT_ROLE()"),
    case("a view sets the insert id", &["SELECT * FROM v_insert_id"], "SELECT LAST_INSERT_ID()"),
    case("a trigger sets a variable", &["INSERT INTO watched VALUES (7)"], "SELECT @t"),
    case("a trigger takes a lock", &["INSERT INTO locked VALUES (7)"], "SELECT IS_USED_LOCK('trigger')"),
    case("a trigger sets a role", &["INSERT INTO roles VALUES (7)"], "SELECT CURRENT_ROLE()"),
    case("a default uses a sequence", &["INSERT INTO numbered (b) VALUES (1)"], "SELECT LASTVAL(sq)"),
    case("a name ends in a dot", &["SELECT 5, @a. INTO @x, @leak"], "SELECT @leak"),
    case(
        "an insert id in a transaction that reads",
        &["START TRANSACTION READ ONLY", "SELECT LAST_INSERT_ID(33)", "COMMIT"],
        "SELECT LAST_INSERT_ID()",
    ),
    case("a function that was replaced", &["SELECT replaced()"], "SELECT @leak"),
    case(
        "a setting from a view",
        &["SET sort_buffer_size = (SELECT 300000 FROM v_variable)"],
        "SELECT @leak",
    ),
    case("an insert of a view", &["INSERT INTO blank SELECT * FROM v_into"], "SELECT @leak"),
    case("a view over a function that was replaced", &["SELECT * FROM v_replaced"], "SELECT @leak"),
    case("a trigger over a procedure that was replaced", &["INSERT INTO calling VALUES (7)"], "SELECT @leak"),
    case(
        "a trigger records traces",
        &["INSERT INTO tracing VALUES (7)", "SELECT * FROM s WHERE b = 777 FOR UPDATE"],
        "SELECT COUNT(*) FROM information_schema.optimizer_trace JOIN s FOR UPDATE OF s",
    ),
    case(
        "a trigger records profiles",
        &["INSERT INTO profiling VALUES (7)", "SELECT * FROM s WHERE b = 777 FOR UPDATE"],
        "SHOW PROFILES",
    ),
    case(
        "a view forces an insert id",
        &["SELECT * FROM v_forced"],
        "SELECT @@insert_id, @@timestamp < 2000000000",
    ),
    case("a procedure prepares a statement", &["CALL p_prepares()"], "EXECUTE hidden"),
    case("a view is opened for its columns", &["SHOW FULL COLUMNS FROM v_opened"], "SELECT @opened"),
    case("a view is opened for its query", &["SHOW CREATE VIEW v_opened"], "SELECT @opened"),
    case("a view is opened for its indexes", &["SHOW INDEX FROM v_opened"], "SELECT @opened"),
    case("a view is described", &["DESCRIBE v_opened"], "SELECT @opened"),
    case("all views are opened", &["SHOW TABLE STATUS"], "SELECT @opened"),
    case(
        "all views are opened for their columns",
        &["SELECT MAX(numeric_scale) FROM information_schema.columns WHERE table_schema = 'test'"],
        "SELECT @opened",
    ),
];

const MADE: &[&str] = &[
    "CREATE ROLE r1",
    "GRANT r1 TO app@'%'",
    "CREATE TABLE s (a INT PRIMARY KEY, b INT)",
    "INSERT INTO s VALUES (1, 1), (2, 2)",
    "CREATE TABLE blank (a INT)",
    "CREATE FUNCTION f_variable() RETURNS INT NO SQL BEGIN SET @leak = 42; RETURN 1; END",
    "CREATE FUNCTION f_named() RETURNS INT NO SQL BEGIN SET @leak = 42; SET SESSION sort_buffer_size = 400000; RETURN 1; END",
    "CREATE FUNCTION f_into() RETURNS INT READS SQL DATA BEGIN SELECT 42 INTO @leak; RETURN 1; END",
    "CREATE FUNCTION f_temporary() RETURNS INT READS SQL DATA BEGIN CREATE TEMPORARY TABLE IF NOT EXISTS s (hidden INT); RETURN 1; END",
    "CREATE FUNCTION f_lock() RETURNS INT NO SQL BEGIN DO GET_LOCK('hidden', 1); RETURN 1; END",
    "CREATE FUNCTION f_role() RETURNS INT READS SQL DATA SQL SECURITY INVOKER BEGIN SET ROLE r1; RETURN 1; END",
    "CREATE FUNCTION replaced() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM s)",
    "CREATE VIEW v_replaced AS SELECT replaced() AS a",
    "CREATE PROCEDURE p_replaced() DO 1",
    "CREATE TABLE calling (v INT)",
    "CREATE TRIGGER calling_t BEFORE INSERT ON calling FOR EACH ROW CALL p_replaced()",
    "CREATE PROCEDURE p_prepares() PREPARE hidden FROM 'SELECT 42'",
    "CREATE FUNCTION f_forced() RETURNS INT NO SQL BEGIN SET session_track_system_variables = ''; SET insert_id = 77; SET timestamp = 1; RETURN 1; END",
    "CREATE VIEW v_forced AS SELECT f_forced() AS a",
    "CREATE TABLE parents (a INT PRIMARY KEY)",
    "CREATE TABLE children (a INT, FOREIGN KEY (a) REFERENCES parents (a) ON UPDATE CASCADE)",
    "CREATE TABLE grandparents (a INT PRIMARY KEY)",
    "CREATE TABLE between_them (a INT PRIMARY KEY, FOREIGN KEY (a) REFERENCES grandparents (a) ON UPDATE CASCADE)",
    "CREATE TABLE grandchildren (a INT, FOREIGN KEY (a) REFERENCES between_them (a) ON UPDATE CASCADE)",
    "INSERT INTO parents WITH RECURSIVE n AS (SELECT 1 AS a UNION ALL SELECT a + 1 FROM n WHERE a < 99) SELECT a FROM n",
    "INSERT INTO children SELECT a FROM parents",
    "INSERT INTO grandparents SELECT a FROM parents",
    "INSERT INTO between_them SELECT a FROM parents",
    "INSERT INTO grandchildren SELECT a FROM parents",
    "CREATE TRIGGER children_t AFTER UPDATE ON children FOR EACH ROW DO GET_LOCK('cascade', 1)",
    "CREATE TRIGGER grandchildren_t AFTER UPDATE ON grandchildren FOR EACH ROW DO GET_LOCK('cascade', 1)",
    "CREATE FUNCTION f_opened() RETURNS INT DETERMINISTIC READS SQL DATA BEGIN SELECT 44 INTO @opened; RETURN 1; END",
    "CREATE VIEW v_opened AS SELECT ROUND(1.55, f_opened()) AS a",
    "CREATE VIEW v_variable AS SELECT f_variable() AS a",
    "CREATE VIEW v_named AS SELECT f_named() AS a",
    "CREATE VIEW v_into AS SELECT f_into() AS a",
    "CREATE VIEW v_temporary AS SELECT f_temporary() AS a",
    "CREATE VIEW v_lock AS SELECT f_lock() AS a",
    "CREATE SQL SECURITY INVOKER VIEW v_role AS SELECT f_role() AS a",
    "CREATE VIEW v_insert_id AS SELECT LAST_INSERT_ID(777) AS a",
    "CREATE TABLE watched (v INT)",
    "CREATE TRIGGER watched_t BEFORE INSERT ON watched FOR EACH ROW SELECT NEW.v INTO @t",
    "CREATE TABLE locked (v INT)",
    "CREATE TRIGGER locked_t BEFORE INSERT ON locked FOR EACH ROW DO GET_LOCK('trigger', 1)",
];

/// What only some servers have.
const PERHAPS: &[&str] = &[
    "CREATE FUNCTION f_trace() RETURNS INT NO SQL BEGIN SET session_track_system_variables = ''; SET optimizer_trace = 'enabled=on'; RETURN 1; END",
    "CREATE TABLE tracing (v INT)",
    "CREATE TRIGGER tracing_t BEFORE INSERT ON tracing FOR EACH ROW SET NEW.v = f_trace()",
    "CREATE FUNCTION f_profiles() RETURNS INT NO SQL BEGIN SET session_track_system_variables = ''; SET profiling = 1; RETURN 1; END",
    "CREATE TABLE profiling (v INT)",
    "CREATE TRIGGER profiling_t BEFORE INSERT ON profiling FOR EACH ROW SET NEW.v = f_profiles()",
    "CREATE TABLE roles (v INT)",
    "CREATE TRIGGER roles_t BEFORE INSERT ON roles FOR EACH ROW SET @none = f_role()",
    "CREATE SEQUENCE sq",
    "CREATE TABLE numbered (a INT DEFAULT (NEXTVAL(sq)), b INT)",
];

async fn make(cluster: &Cluster) {
    let server = cluster.primary();
    server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    // The catalogue sees everything, so that as many statements as possible are explained.
    server.sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
    let mut maker = connect(server.port(), "super", "super", "test").await.expect("login");
    for sql in MADE {
        maker.query_drop(*sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    for sql in PERHAPS {
        if let Err(error) = maker.query_drop(*sql).await {
            eprintln!("{sql}: {error}");
        }
    }
    cluster.wait_caught_up().await;
}

/// What a look finds, an error among it.
async fn look(client: &mut Conn, sql: &str) -> String {
    match client.query::<mysql_async::Row, _>(sql).await {
        Ok(rows) => format!("{rows:?}"),
        Err(error) => error.to_string(),
    }
}

/// How the first session ends, or how it loses its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    Quits,
    Vanishes,
    Resets,
    Changes,
    /// It lives on while another session takes its connection.
    Lives,
}

/// Nothing of one session is found by the next one. `settings`: further sections of the configuration.
async fn nothing_is_found(cluster: Cluster, settings: &str, ends: &[Ends]) {
    make(&cluster).await;
    // On MySQL the catalogue of the proxy takes the function for one that reads, whatever it does later.
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&format!("workers = 1\n{config}\n{settings}")).await;
    let mut maker = connect(cluster.primary().port(), "super", "super", "test").await.expect("login");
    for sql in [
        "DROP FUNCTION replaced",
        "CREATE FUNCTION replaced() RETURNS INT READS SQL DATA BEGIN SELECT 42 INTO @leak; RETURN 1; END",
        "DROP PROCEDURE p_replaced",
        "CREATE PROCEDURE p_replaced() SELECT 42 INTO @leak",
    ] {
        maker.query_drop(sql).await.expect(sql);
    }
    cluster.wait_caught_up().await;
    let log_in = async || connect(proxy.rw, "app", "app", "test").await.expect("login");
    let mut found = Vec::new();
    for case in CASES {
        let fresh = look(
            &mut connect(cluster.primary().port(), "app", "app", "test").await.expect("login"),
            case.looks,
        )
        .await;
        for end in ends {
            let mut client = log_in().await;
            let mut done = true;
            for sql in case.does {
                done &= client.query_drop(*sql).await.is_ok();
            }
            if !done {
                eprintln!("{:?} does not: {}", cluster.kind(), case.name);
                continue;
            }
            match end {
                Ends::Quits => drop(client.disconnect().await),
                Ends::Vanishes => drop(client),
                Ends::Resets => assert!(client.reset().await.expect("a reset")),
                Ends::Changes => {
                    client.change_user(mysql_async::ChangeUserOpts::new()).await.expect("COM_CHANGE_USER");
                }
                Ends::Lives => {
                    // A write, so that the connection to the primary is taken.
                    // Nobody gets the connection of a session that is pinned to it.
                    let Ok(mut other) = connect(proxy.rw, "app", "app", "test").await else { continue };
                    if other.query_drop("UPDATE s SET b = b WHERE a = 0").await.is_err() {
                        continue;
                    }
                    let now = look(&mut other, case.looks).await;
                    if now != fresh && !now.contains("1040") {
                        found.push(format!("{} ({end:?}): {fresh} is {now}", case.name));
                    }
                    drop(other.disconnect().await);
                    drop(client.disconnect().await);
                    continue;
                }
            }
            for round in 0..3 {
                let mut next = log_in().await;
                let write = next.query_drop("UPDATE s SET b = b WHERE a = 0").await;
                assert!(round > 5 || write.is_ok(), "{write:?}");
                let now = look(&mut next, case.looks).await;
                if now != fresh {
                    found.push(format!("{} ({end:?}, {round}): {fresh} is {now}", case.name));
                }
                drop(next.disconnect().await);
            }
        }
    }
    assert!(
        found.is_empty(),
        "{:?}, {settings:?}, found of the session before:\n{}",
        cluster.kind(),
        found.join("\n")
    );
    if cluster.kind() == Kind::MariaDb {
        assert_ne!(look(&mut log_in().await, "SELECT 1").await, "");
    }
}

const ENDS: [Ends; 4] = [Ends::Quits, Ends::Vanishes, Ends::Resets, Ends::Changes];
const WITH_THEFT: [Ends; 5] = [Ends::Quits, Ends::Vanishes, Ends::Resets, Ends::Changes, Ends::Lives];

#[tokio::test]
async fn mariadb_hidden_state_ends_with_its_session() {
    nothing_is_found(Cluster::mariadb(1).await, "", &ENDS).await;
}

#[tokio::test]
async fn mysql_hidden_state_ends_with_its_session() {
    if let Some(cluster) = Cluster::mysql(1).await {
        nothing_is_found(cluster, "", &ENDS).await;
    }
}

#[tokio::test]
async fn mariadb_hidden_state_stays_where_connections_are_taken() {
    nothing_is_found(Cluster::mariadb(1).await, SMALL, &WITH_THEFT).await;
}

#[tokio::test]
async fn mysql_hidden_state_stays_where_connections_are_taken() {
    if let Some(cluster) = Cluster::mysql(1).await {
        nothing_is_found(cluster, SMALL, &WITH_THEFT).await;
    }
}

/// A session whose state is unknown since an answer does not find the prepared statements of the session from which it took
/// its connection.
async fn statements_of_others_are_not_found(cluster: Cluster) {
    make(&cluster).await;
    let proxy = Proxy::start(&format!("workers = 1\n{}\n{SMALL}", patient(&proxy_config(&cluster)))).await;
    for (hides, asks) in [
        ("SELECT * FROM v_variable", "EXECUTE p1"),
        ("SELECT * FROM v_variable", "DEALLOCATE PREPARE p1"),
        ("SELECT * FROM v_into", "EXECUTE p1"),
        (r"PREPARE q FROM 'SELECT ''a\\nb'''", "EXECUTE p1"),
        ("PREPARE `q``` FROM 'SELECT 1'", "DEALLOCATE PREPARE p1"),
    ] {
        let mut first = connect(proxy.rw, "app", "app", "test").await.expect("login");
        first.query_drop("PREPARE p1 FROM 'SELECT 42'").await.expect("a statement");
        let mut next = connect(proxy.rw, "app", "app", "test").await.expect("login");
        next.query_drop(hides).await.expect(hides);
        let found = look(&mut next, asks).await;
        assert!(found.contains("1243"), "{:?}: {hides}; {asks}: {found}", cluster.kind());
        drop(next.disconnect().await);
        let own = look(&mut first, "EXECUTE p1").await;
        assert!(own.contains("42"), "{:?}: {hides}: {own}", cluster.kind());
        drop(first.disconnect().await);
    }
}

#[tokio::test]
async fn mariadb_statements_of_others_are_not_found() {
    statements_of_others_are_not_found(Cluster::mariadb(0).await).await;
}

#[tokio::test]
async fn mysql_statements_of_others_are_not_found() {
    if let Some(cluster) = Cluster::mysql(0).await {
        statements_of_others_are_not_found(cluster).await;
    }
}

/// A literal whose meaning changed after it was assigned.
async fn literals(cluster: Cluster) {
    let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
    let proxy = Proxy::start(&format!("workers = 1\n{config}\n{SMALL}")).await;
    let sets: [&[&str]; 5] = [
        &["SET @v = ''", "SET sql_mode = 'EMPTY_STRING_IS_NULL'"],
        &["SET sql_mode = 'EMPTY_STRING_IS_NULL', @v = ''"],
        &["SET NAMES utf8mb4", "SET @v = 'a'", "SET NAMES utf8mb4 COLLATE utf8mb4_bin"],
        &["SET @v = 'a'", "SET NAMES latin1 COLLATE latin1_bin"],
        &["SET @v = 'a'", "SET collation_connection = utf8mb4_bin"],
    ];
    const LOOK: &str = "SELECT @v IS NULL, COLLATION(@v), @v";
    for set in sets {
        let mut answers = Vec::new();
        for port in [cluster.primary().port(), proxy.rw] {
            let mut client = connect(port, "app", "app", "test").await.expect("login");
            for sql in set {
                // MySQL does not know the mode.
                let _ = client.query_drop(*sql).await;
            }
            if port == proxy.rw {
                // Others use the connections meanwhile, if they can have them.
                for sql in ["SELECT 1", "DO 1"] {
                    if let Ok(mut other) = connect(port, "app", "app", "test").await {
                        let _ = other.query_drop(sql).await;
                    }
                }
            }
            answers.push(look(&mut client, LOOK).await);
        }
        assert_eq!(answers[0], answers[1], "{:?}: {set:?}", cluster.kind());
    }
}

#[tokio::test]
async fn mariadb_a_literal_keeps_the_meaning_that_it_had() {
    literals(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_a_literal_keeps_the_meaning_that_it_had() {
    if let Some(cluster) = Cluster::mysql(1).await {
        literals(cluster).await;
    }
}

/// Foreign keys run the triggers of other tables (MySQL, with `enable_cascade_triggers`).
#[tokio::test]
async fn mysql_a_cascade_is_as_bad_as_the_triggers_that_it_runs() {
    let Some(cluster) = Cluster::mysql(0).await else { return };
    make(&cluster).await;
    for sql in ["UPDATE parents SET a = a + 1000", "UPDATE grandparents SET a = a + 1000"] {
        // MySQL 9.7 runs none of these triggers behind a COM_RESET_CONNECTION: each proxy opens its own connections.
        let config = patient(&proxy_config(&cluster)).replacen("mode = \"primary\"", "mode = \"split\"", 1);
        let proxy = Proxy::start(&format!("workers = 1\n{config}\n{SMALL}")).await;
        let log_in = async || connect(proxy.rw, "app", "app", "test").await.expect("login");
        let mut client = log_in().await;
        client.query_drop("SET enable_cascade_triggers = ON").await.expect("SET");
        client.query_drop(sql).await.expect(sql);
        const LOOK: &str = "SELECT IS_USED_LOCK('cascade')";
        let direct = async || {
            let mut client = connect(cluster.primary().port(), "app", "app", "test").await.expect("login");
            look(&mut client, LOOK).await
        };
        assert!(!direct().await.contains("Null"), "{sql}: no trigger took the lock");
        let mut other = log_in().await;
        // Nobody gets the connection of a session that is pinned to it.
        if other.query_drop("UPDATE s SET b = b WHERE a = 0").await.is_ok() {
            let found = direct().await;
            assert!(found.contains("Null"), "{sql}: another session has the lock: {found}");
        }
    }
}
