//! A replica that somebody has taken over: it has the data, and reports about the sessions what it likes. Nothing of
//! that reaches the primary, neither as SQL nor as state of the session. `POINTSMAN_EXCHANGES` is how many statements
//! `any_lie` says, in `POINTSMAN_LANES` sessions side by side.

mod talker;

use crate::dialogue::{eventually, metric, patient, readers_are};
use crate::support::liar::{Liar, Lie, schema, variable};
use crate::support::{Chance, Cluster, Kind, Proxy, config_without_servers, number};
use std::fmt::Write as _;
use std::rc::Rc;
use talker::{Answer, Talker};
use tokio::task::{JoinSet, LocalSet};

const AUTOCOMMIT: u16 = 2;
const NO_BACKSLASH_ESCAPES: u16 = 0x200;

/// What a client sees of its session on the primary.
const STATE: &str = "/* pointsman: primary */ SELECT CONCAT_WS('|', @@sql_mode, @@autocommit, DATABASE(), \
    @@character_set_client, @@collation_connection, @@sort_buffer_size, @@lc_time_names, @@foreign_key_checks, \
    COALESCE(@x, 'none'), LAST_INSERT_ID())";

/// Each lane writes to a table of its own, and to that table's twin.
fn lanes() -> usize {
    number("POINTSMAN_LANES", 4)
}

fn tables() -> impl Iterator<Item = String> {
    let of_lanes = (0..lanes()).flat_map(|lane| [format!("mine_{lane}"), format!("twins_{lane}")]);
    of_lanes.chain(["mine".to_owned()])
}

struct Scene {
    cluster: Cluster,
    liar: Liar,
    proxy: Proxy,
}

impl Scene {
    async fn of(cluster: Cluster) -> Self {
        let primary = cluster.primary();
        primary.sql("CREATE DATABASE other; GRANT ALL ON other.* TO app").await;
        // What docs/servers.md recommends: then the proxy knows which statements change nothing.
        primary.sql("GRANT SELECT, SHOW VIEW, TRIGGER ON *.* TO monitor@'%'").await;
        for schema in ["test", "other"] {
            for table in tables() {
                let columns = "id INT AUTO_INCREMENT PRIMARY KEY, a VARCHAR(100)";
                primary.sql(&format!("CREATE TABLE {schema}.{table} ({columns})")).await;
            }
        }
        cluster.wait_caught_up().await;
        let liar = Liar::of(cluster.replica(0).port(), number("POINTSMAN_SEED", 1) as u64).await;
        let mut text = config_without_servers().replace("mode = \"replica\"", "mode = \"split\"");
        text.push_str("\n[servers_tls]\nmode = \"disabled\"\n[consistency]\nlevel = \"eventual\"\n");
        text.push_str("\n[discovery]\nkind = \"static\"\n");
        for (name, port) in [("db-0", primary.port()), ("db-1", liar.port())] {
            let _ =
                write!(text, "\n[[discovery.servers]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\n");
        }
        let proxy = Proxy::start(&patient(&text)).await;
        readers_are(&proxy, 1).await;
        eventually("the catalogue is known", async || {
            let (_, topology) = proxy.get("/topology").await.ok()?;
            let (_, known) = topology.split_once("\"known_relations\":")?;
            (!known.trim_start().starts_with('0')).then_some(())
        })
        .await;
        Scene { cluster, liar, proxy }
    }

    /// The statements that the primary got from `app`, and that have this part.
    async fn primary_got(&self, part: &str) -> String {
        let log = "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE";
        self.cluster.primary().value(&format!("{log} '%{part}%' AND argument NOT LIKE '%general_log%'")).await
    }
}

/// How many answers were refused.
async fn refused(proxy: &Proxy) -> f64 {
    let mut all = 0.0;
    for what in [
        "flag",
        "transaction",
        "schema",
        "variable",
        "unnamed",
        "insert_id",
        "gtid",
        "parameters",
        "unreadable",
    ] {
        all += metric(proxy, &format!("pointsman_false_reports_total{{what=\"{what}\"}}")).await;
    }
    all
}

/// Reads through the liar, which says this, and then writes: the write is what the client said, and stays.
async fn lies_once(scene: &Scene, bits: u16, state: Vec<u8>) {
    let primary = scene.cluster.primary();
    let before = refused(&scene.proxy).await;
    let mut client = Talker::to(scene.proxy.ro).await;
    let fresh = client.says(STATE).await;
    assert!(matches!(client.says("SELECT a FROM test.mine").await, Answer::Done(_)));
    scene.liar.tells(Lie::Report(bits, state.clone()));
    assert!(matches!(client.says("SELECT a FROM test.mine").await, Answer::Done(_)), "{state:?}");
    scene.liar.tells(Lie::None);
    assert_eq!(client.says(STATE).await, fresh, "bits {bits:#x}, {}", state.escape_ascii());
    let rows = || primary.value("SELECT COUNT(*) FROM test.mine WHERE a = 'it\\'s'");
    let count: u32 = rows().await.parse().unwrap();
    assert!(matches!(client.says("INSERT INTO mine (a) VALUES ('it\\'s')").await, Answer::Done(_)));
    drop(client);
    eventually("the client is gone", async || (rows().await.parse() == Ok(count + 1)).then_some(())).await;
    assert!((refused(&scene.proxy).await - before - 1.0).abs() < 0.1);
}

async fn four_lies(cluster: Cluster) {
    let scene = Scene::of(cluster).await;
    scene.cluster.primary().sql("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON").await;
    let name = "sort_buffer_size=262144,@x=(select 'pwned'),sort_buffer_size";
    lies_once(&scene, 0, variable(name, "262144")).await;
    assert_eq!(scene.primary_got("pwned").await, "0");
    lies_once(&scene, NO_BACKSLASH_ESCAPES, variable("sql_mode", "NO_BACKSLASH_ESCAPES")).await;
    lies_once(&scene, NO_BACKSLASH_ESCAPES, Vec::new()).await;
    lies_once(&scene, AUTOCOMMIT, Vec::new()).await;
    lies_once(&scene, 0, schema("other")).await;
    let log = scene.proxy.log();
    assert!(log.contains("a server broke the protocol") && log.contains("db-1"), "{log}");
}

#[tokio::test]
async fn mariadb_four_lies() {
    four_lies(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_four_lies() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    four_lies(cluster).await;
}

/// What a session says. `{t}` is its table.
const TEXTS: [&str; 34] = [
    "SELECT a FROM {t}",
    "SELECT id, a FROM {t} WHERE id < 5",
    "SELECT 1",
    "SELECT @@sql_mode, @x",
    "SELECT COUNT(*) FROM {t}",
    "SELECT a FROM {t} UNION ALL SELECT 'x' LIMIT 7",
    "SHOW COLUMNS FROM {t}",
    "EXPLAIN SELECT a FROM {t}",
    "SELECT @@autocommit, DATABASE()",
    "INSERT INTO {t} (a) VALUES ('one')",
    "INSERT INTO {t} (a) VALUES ('it\\'s'), ('two')",
    "UPDATE {t} SET a = 'three' WHERE id = 1",
    "DELETE FROM {t} ORDER BY id LIMIT 1",
    "SET sort_buffer_size = 300000",
    "SET SESSION sort_buffer_size = 400000, lc_time_names = 'de_DE'",
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = 'STRICT_ALL_TABLES'",
    "SET sql_mode = DEFAULT",
    "SET NAMES latin1",
    "SET NAMES utf8mb4",
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    "SET character_set_results = NULL",
    "SET foreign_key_checks = 0",
    "SET @x = 'a'",
    "SET @x = 7",
    "SET autocommit = 0",
    "SET autocommit = 1",
    "USE other",
    "USE test",
    "START TRANSACTION READ ONLY",
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
];

/// What a replica changed without a name in a transaction is lost with its connection, and so is the session.
fn may_lose(session: &Talker) -> bool {
    session.1.iter().any(|text| text.contains("READ ONLY"))
}

/// A session through the proxy, whose reads the liar answers, and its twin on the primary, which does what succeeded.
async fn session(scene: &Scene, chance: &mut Chance, lane: usize, shown: &str) -> usize {
    let (mut mine, mut twin) = (Talker::to(scene.proxy.ro).await, Talker::to(scene.proxy.rw).await);
    let (my_table, its_table) = (format!("mine_{lane}"), format!("twins_{lane}"));
    let told = |said: &[String]| format!("{said:#?}, {}", scene.liar.told_of(&my_table, 6));
    let (mut said, mut in_transaction, mut reads_only) = (0, false, false);
    for _ in 0..30 {
        let text = TEXTS[chance.below(TEXTS.len())];
        let is_read = ["SELECT", "SHOW", "EXPLAIN"].iter().any(|word| text.starts_with(word));
        let begins_reading = text.contains("READ ONLY");
        let ends = matches!(text, "COMMIT" | "ROLLBACK");
        if reads_only && text.contains("autocommit") && !is_read {
            // It ends the transaction, and servers still refuse the next write, which has left the replica.
            continue;
        }
        said += 1;
        let answer = if is_read && chance.below(4) == 0 {
            mine.sends(0x16, text.replace("{t}", &my_table).as_bytes()).await
        } else {
            mine.says(&text.replace("{t}", &my_table)).await
        };
        match answer {
            Answer::Done(_) if is_read => {}
            Answer::Done(_) => {
                let theirs = twin.says(&text.replace("{t}", &its_table)).await;
                assert!(
                    matches!(theirs, Answer::Done(_)),
                    "{shown}, {said}: {text}: {theirs:?}, {}",
                    told(&mine.1)
                );
                in_transaction = (in_transaction || text == "BEGIN") && !ends && !begins_reading;
                // On MySQL, BEGIN within such a transaction begins another one that only reads.
                reads_only = (reads_only || begins_reading) && !ends;
            }
            Answer::Refused(_) if reads_only => {
                // A write, or the replica was lost with the transaction.
                if !(mine.ends("ROLLBACK").await && twin.ends("ROLLBACK").await) {
                    return said;
                }
                reads_only = false;
            }
            Answer::Refused(_) if is_read || begins_reading => {}
            // The session is lost with its replica: an error, and nothing that the client would miss.
            Answer::Refused(1105) => return said,
            Answer::Refused(1053) if may_lose(&mine) => return said,
            Answer::Refused(code) => panic!("{shown}, {said}: {text}: {code}, {}", told(&mine.1)),
            Answer::Silence => {
                let sessions = scene.proxy.get("/sessions").await;
                panic!("{shown}, {said}: no answer to {text}: {sessions:?} {}", told(&mine.1));
            }
            Answer::Ended => {
                assert!(
                    is_read || may_lose(&mine),
                    "{shown}, {said}: {text} ended the session, {}",
                    told(&mine.1)
                );
                return said;
            }
        }
        if !reads_only && chance.below(4) == 0 {
            let (here, there) = (mine.says(STATE).await, twin.says(STATE).await);
            let lost = [Answer::Refused(1053), Answer::Ended];
            let is_lost = here == Answer::Refused(1105) || (may_lose(&mine) && lost.contains(&here));
            if is_lost {
                return said;
            }
            assert_eq!(here, there, "{shown}, {said}: behind {text}, {}", told(&mine.1));
        }
    }
    if in_transaction || reads_only {
        let both = mine.ends("COMMIT").await && twin.ends("COMMIT").await;
        assert!(both || reads_only, "{shown}");
    }
    said
}

/// Sessions one after another, until so many statements are said.
async fn sessions(scene: Rc<Scene>, lane: usize, wanted: usize) -> (usize, usize) {
    let seed = number("POINTSMAN_SEED", 1) as u64;
    let mut chance = Chance::new(seed * 1000 + lane as u64);
    let primary = scene.cluster.primary();
    let (mut said, mut sessions) = (0, 0);
    while said < wanted {
        said += session(&scene, &mut chance, lane, &format!("lane {lane}, session {sessions}")).await;
        sessions += 1;
        for schema in ["test", "other"] {
            let of = |table: &str| {
                format!("SELECT COALESCE(SUM(CRC32(CONCAT(id, a))), 0) FROM {schema}.{table}_{lane}")
            };
            eventually("what the session left uncommitted is gone", async || {
                let both = (primary.value(&of("mine")).await, primary.value(&of("twins")).await);
                (both.0 == both.1).then_some(())
            })
            .await;
        }
        if sessions % 20 == 0 && lane == 0 {
            assert_eq!(scene.primary_got("pwned").await, "0");
            primary.sql("TRUNCATE TABLE mysql.general_log").await;
        }
    }
    (said, sessions)
}

async fn any_lie(cluster: Cluster) {
    let scene = Rc::new(Scene::of(cluster).await);
    let primary = scene.cluster.primary();
    primary.sql("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON").await;
    let wanted = number("POINTSMAN_EXCHANGES", 300);
    scene.liar.tells(Lie::Random(3));
    let (mut said, mut of_sessions) = (0, 0);
    let side_by_side = async {
        let mut running = JoinSet::new();
        for lane in 0..lanes() {
            running.spawn_local(sessions(scene.clone(), lane, wanted.div_ceil(lanes())));
        }
        while let Some(one) = running.join_next().await {
            let (statements, ended) = one.expect("no difference");
            said += statements;
            of_sessions += ended;
        }
    };
    LocalSet::new().run_until(side_by_side).await;
    assert_eq!(scene.primary_got("pwned").await, "0");
    let told = scene.liar.told();
    eprintln!("{said} statements in {of_sessions} sessions, {told} answers changed");
    assert!(told > wanted / 20, "{told} answers were changed");
}

#[tokio::test]
async fn mariadb_any_lie() {
    any_lie(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_any_lie() {
    let Some(cluster) = Cluster::mysql(1).await else { return };
    assert_eq!(cluster.kind(), Kind::MySql);
    any_lie(cluster).await;
}
