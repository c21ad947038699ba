//! A replica that somebody has taken over: it has the data, and reports about the sessions what it likes. Nothing of
//! that reaches the primary, neither as SQL nor as state of the session. `POINTSMAN_EXCHANGES` is how many statements
//! `any_lie` says.

use crate::dialogue::raw::Raw;
use crate::dialogue::{eventually, metric, patient, readers_are};
use crate::support::liar::{Liar, Lie, schema, status_at, variable};
use crate::support::{Chance, Cluster, Kind, Proxy, config_without_servers, number};
use std::fmt::Write as _;
use std::time::Duration;

const AUTOCOMMIT: u16 = 2;
const NO_BACKSLASH_ESCAPES: u16 = 0x200;

/// What a client sees of its session on the primary.
const STATE: &str = "/* pointsman: primary */ SELECT CONCAT_WS('|', @@sql_mode, @@autocommit, DATABASE(), \
    @@character_set_client, @@collation_connection, @@sort_buffer_size, @@lc_time_names, @@foreign_key_checks, \
    COALESCE(@x, 'none'), LAST_INSERT_ID())";

struct Scene {
    cluster: Cluster,
    liar: Liar,
    proxy: Proxy,
}

impl Scene {
    async fn of(cluster: Cluster) -> Self {
        let primary = cluster.primary();
        primary.sql("CREATE DATABASE other; GRANT ALL ON other.* TO app").await;
        for schema in ["test", "other"] {
            for table in ["mine", "twins"] {
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

/// A client that reads packets by hand, and takes any answer.
struct Talker(Raw, Vec<String>);

/// An answer, as far as it came.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// An OK packet, or rows that ended: the values of the first column.
    Done(Vec<Vec<u8>>),
    /// An ERR packet.
    Refused(u16),
    /// The connection ended.
    Ended,
    /// Nothing came for a long time.
    Silence,
}

impl Talker {
    async fn to(port: u16) -> Self {
        Talker(Raw::app(port).await, Vec::new())
    }

    async fn says(&mut self, text: &str) -> Answer {
        self.sends(3, text.as_bytes()).await
    }

    async fn sends(&mut self, command: u8, arguments: &[u8]) -> Answer {
        self.1.push(arguments.escape_ascii().to_string());
        let payload = [&[command], arguments].concat();
        if self.0.send(0, &payload).await.is_err() {
            return Answer::Ended;
        }
        let answer = async { if command == 0x16 { self.prepared().await } else { self.answer().await } };
        match tokio::time::timeout(Duration::from_secs(10), answer).await {
            Ok(answer) => answer.unwrap_or(Answer::Ended),
            Err(_) => Answer::Silence,
        }
    }

    /// Ends the transaction, as often as it takes. False if the connection ended.
    async fn ends(&mut self, how: &str) -> bool {
        loop {
            match self.says(how).await {
                Answer::Done(_) => return true,
                Answer::Refused(_) => {}
                Answer::Ended | Answer::Silence => return false,
            }
        }
    }

    async fn prepared(&mut self) -> std::io::Result<Answer> {
        let (_, head) = self.0.read().await?;
        match head[..] {
            [0xff, low, high, ..] => return Ok(Answer::Refused(u16::from_le_bytes([low, high]))),
            [0, _, _, _, _, columns, _, params, ..] => {
                for count in [params, columns] {
                    // The definitions, and the EOF packet behind them.
                    for _ in 0..count + u8::from(count > 0) {
                        if error_in(&self.0.read().await?.1).is_some() {
                            // A lie in place of a definition: this client does not know where the answer ends.
                            return Ok(Answer::Ended);
                        }
                    }
                }
            }
            _ => {}
        }
        Ok(Answer::Done(Vec::new()))
    }

    async fn answer(&mut self) -> std::io::Result<Answer> {
        let mut rows = Vec::new();
        loop {
            let (_, head) = self.0.read().await?;
            let more = match head.first() {
                Some(0) => status_at(&head, 1).is_some_and(|place| head[place] & 8 != 0),
                _ => {
                    if let Some(code) = error_in(&head) {
                        return Ok(Answer::Refused(code));
                    }
                    let is_eof = |packet: &[u8]| packet.first() == Some(&0xfe) && packet.len() < 9;
                    loop {
                        let (_, definition) = self.0.read().await?;
                        if error_in(&definition).is_some() {
                            return Ok(Answer::Ended);
                        }
                        if is_eof(&definition) {
                            break;
                        }
                    }
                    loop {
                        let (_, row) = self.0.read().await?;
                        if is_eof(&row) {
                            break row.get(3).is_some_and(|status| status & 8 != 0);
                        }
                        if let Some(code) = error_in(&row) {
                            return Ok(Answer::Refused(code));
                        }
                        rows.push(row);
                    }
                }
            };
            if !more {
                return Ok(Answer::Done(rows));
            }
        }
    }
}

/// The code of an ERR packet. A row or a definition with a false first byte is none.
fn error_in(packet: &[u8]) -> Option<u16> {
    match packet {
        [0xff, low, high, b'#', ..] => Some(u16::from_le_bytes([*low, *high])),
        _ => None,
    }
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
const TEXTS: [&str; 24] = [
    "SELECT a FROM {t}",
    "SELECT id, a FROM {t} WHERE id < 5",
    "SELECT 1",
    "SELECT @@sql_mode, @x",
    "SELECT COUNT(*) FROM {t}",
    "INSERT INTO {t} (a) VALUES ('one')",
    "INSERT INTO {t} (a) VALUES ('it\\'s'), ('two')",
    "UPDATE {t} SET a = 'three' WHERE id = 1",
    "SET sort_buffer_size = 300000",
    "SET SESSION sort_buffer_size = 400000, lc_time_names = 'de_DE'",
    "SET sql_mode = 'ANSI_QUOTES'",
    "SET sql_mode = 'STRICT_ALL_TABLES'",
    "SET NAMES latin1",
    "SET NAMES utf8mb4",
    "SET foreign_key_checks = 0",
    "SET @x = 'a'",
    "SET @x = 7",
    "SET autocommit = 0",
    "SET autocommit = 1",
    "USE other",
    "USE test",
    "START TRANSACTION READ ONLY",
    "BEGIN",
    "COMMIT",
];

/// A session through the proxy, whose reads the liar answers, and its twin on the primary, which does what succeeded.
async fn session(scene: &Scene, chance: &mut Chance, shown: &str) -> usize {
    let (mut mine, mut twin) = (Talker::to(scene.proxy.ro).await, Talker::to(scene.proxy.rw).await);
    let (mut said, mut in_transaction, mut reads_only) = (0, false, false);
    for _ in 0..30 {
        let text = TEXTS[chance.below(TEXTS.len())];
        if reads_only && text.contains("autocommit") {
            // It ends the transaction, and servers still refuse the next write, which has left the replica.
            continue;
        }
        let is_read = text.starts_with("SELECT");
        said += 1;
        let answer = if is_read && chance.below(4) == 0 {
            mine.sends(0x16, text.replace("{t}", "mine").as_bytes()).await
        } else {
            mine.says(&text.replace("{t}", "mine")).await
        };
        match answer {
            Answer::Done(_) if is_read => {}
            Answer::Done(_) => {
                let theirs = twin.says(&text.replace("{t}", "twins")).await;
                assert!(
                    matches!(theirs, Answer::Done(_)),
                    "{shown}, {said}: {text}: {theirs:?}, {:#?}",
                    mine.1
                );
                in_transaction =
                    (in_transaction || text == "BEGIN") && text != "COMMIT" && !text.contains("READ ONLY");
                // On MySQL, BEGIN within such a transaction begins another one that only reads.
                reads_only = (reads_only || text.contains("READ ONLY")) && text != "COMMIT";
            }
            Answer::Refused(_) if reads_only => {
                // A write, or the replica was lost with the transaction.
                if !(mine.ends("ROLLBACK").await && twin.ends("ROLLBACK").await) {
                    return said;
                }
                reads_only = false;
            }
            Answer::Refused(_) if is_read || text.contains("READ ONLY") => {}
            // The session is lost with its replica: an error, and nothing that the client would miss.
            Answer::Refused(1105) => return said,
            Answer::Refused(code) => panic!("{shown}, {said}: {text}: {code}, {:#?}", mine.1),
            Answer::Silence => {
                let sessions = scene.proxy.get("/sessions").await;
                panic!(
                    "{shown}, {said}: no answer to {text}: {sessions:?} {}, {:#?}",
                    scene.liar.last(),
                    mine.1
                );
            }
            Answer::Ended => {
                // What a replica changed without a name in a transaction is lost with its connection.
                let read = is_read || mine.1.iter().any(|text| text.contains("READ ONLY"));
                assert!(read, "{shown}, {said}: {text} ended the session, {:#?}", mine.1);
                return said;
            }
        }
        if !reads_only && chance.below(4) == 0 {
            let (here, there) = (mine.says(STATE).await, twin.says(STATE).await);
            if here == Answer::Refused(1105) {
                return said;
            }
            assert_eq!(here, there, "{shown}, {said}: behind {text}");
        }
    }
    if in_transaction || reads_only {
        let both = mine.ends("COMMIT").await && twin.ends("COMMIT").await;
        assert!(both || reads_only, "{shown}");
    }
    said
}

async fn any_lie(cluster: Cluster) {
    let scene = Scene::of(cluster).await;
    let primary = scene.cluster.primary();
    primary.sql("SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON").await;
    let wanted = number("POINTSMAN_EXCHANGES", 300);
    let (mut chance, mut said, mut sessions) = (Chance::new(number("POINTSMAN_SEED", 1) as u64), 0, 0);
    scene.liar.tells(Lie::Random(3));
    while said < wanted {
        said += session(&scene, &mut chance, &format!("session {sessions}")).await;
        sessions += 1;
        for schema in ["test", "other"] {
            let of =
                |table: &str| format!("SELECT COALESCE(SUM(CRC32(CONCAT(id, a))), 0) FROM {schema}.{table}");
            eventually("what the session left uncommitted is gone", async || {
                let both = (primary.value(&of("mine")).await, primary.value(&of("twins")).await);
                (both.0 == both.1).then_some(())
            })
            .await;
        }
        if sessions % 20 == 0 {
            assert_eq!(scene.primary_got("pwned").await, "0");
            primary.sql("TRUNCATE TABLE mysql.general_log").await;
        }
    }
    assert_eq!(scene.primary_got("pwned").await, "0");
    let told = scene.liar.told();
    eprintln!("{said} statements in {sessions} sessions, {told} answers changed");
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
