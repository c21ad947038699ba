//! Texts that a server reads in another way than the guard of replica ports might: versioned comments, server-wide
//! SQL modes and character sets, several statements in a text, functions that write. Nothing may be written on a
//! replica, nor a server's setting be changed, not even by an account that `read_only` does not bind.

use crate::dialogue::raw::{Raw, error_code, response};
use crate::dialogue::{eventually, patient, probed, readers_are};
use crate::support::{Cluster, Kind, Proxy, proxy_config};

/// A text, and what of the servers' settings makes it one.
struct Attack {
    /// Run on every replica before.
    setting: &'static str,
    /// Run on every replica afterwards.
    back: &'static str,
    /// The collation id of the handshake.
    collation: u8,
    text: &'static [u8],
}

const UTF8: u8 = 45;
const NOTHING: &str = "DO 0";
const DEFAULT_MODE: &str = "SET GLOBAL sql_mode = DEFAULT";
const DEFAULT_CHARSET: &str = "SET GLOBAL character_set_client = utf8mb4";

const fn plain(text: &'static [u8]) -> Attack {
    Attack { setting: NOTHING, back: NOTHING, collation: UTF8, text }
}

const fn under(setting: &'static str, text: &'static [u8]) -> Attack {
    Attack { setting, back: DEFAULT_MODE, collation: UTF8, text }
}

/// Of both servers; `read_only` stands for the variable's name there.
const BOTH: &[Attack] = &[
    plain(
        br"/*!99999 SELECT */ SET sql_mode='NO_BACKSLASH_ESCAPES'; SELECT '\'; SET SESSION ~=0; DELETE FROM t -- '",
    ),
    plain(
        br"/*!999999 SELECT */ SET sql_mode='NO_BACKSLASH_ESCAPES'; SELECT '\'; SET SESSION ~=0; DELETE FROM t -- '",
    ),
    plain(
        br"SELECT 1; /*!99999 DO */ SET NAMES gbk; SELECT '\'; SET SESSION ~=0; DELETE FROM t -- '",
    ),
    plain(
        b"/*!99999 SELECT */ SET NAMES gbk; SELECT '\xbf\\'; SET SESSION ~=0; DELETE FROM t -- '",
    ),
    under("SET GLOBAL sql_mode = 'ANSI_QUOTES'", br#"SELECT "\" FROM u; SET SESSION ~=0; DELETE FROM t -- ""#),
    under("SET GLOBAL sql_mode = 'ANSI_QUOTES'", br#"SELECT 1 "\", sneaky() -- ""#),
    under(
        "SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'",
        br"SELECT '\'; SET SESSION ~=0; DELETE FROM t -- '",
    ),
    under("SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'", br"SELECT '\', sneaky() -- '"),
    Attack {
        setting: "SET GLOBAL character_set_client = gbk",
        back: DEFAULT_CHARSET,
        // An id that the server does not know.
        collation: 254,
        text: b"SELECT '\xbf\\'; SET SESSION ~=0; DELETE FROM t -- '",
    },
    Attack {
        setting: "SET GLOBAL character_set_client = gbk",
        back: DEFAULT_CHARSET,
        collation: 254,
        text: b"SELECT '\xbf\\', sneaky() -- '",
    },
    Attack { setting: NOTHING, back: NOTHING, collation: 28, text: b"SELECT '\xbf\\', sneaky() -- '" },
    plain(b"SELECT sneaky()"),
    plain(b"SELECT test.sneaky()"),
    plain(b"SELECT `sneaky` ()"),
    plain(b"DO 1, sneaky()"),
    plain(b"SET @a = sneaky()"),
    plain(b"WITH c AS (SELECT sneaky()) SELECT * FROM c"),
    plain(b"SHOW TABLES WHERE sneaky()"),
    plain(b"PREPARE p FROM 'SELECT sneaky()'; EXECUTE p"),
    plain(b"SELECT lift(); SELECT f()"),
    plain(b"SELECT lift(), f()"),
    plain(b"KILL sneaky()"),
    plain(b"HANDLER t OPEN; HANDLER t READ FIRST WHERE sneaky()"),
];

const MARIADB: &[Attack] = &[
    plain(b"SET sql_mode = ORACLE; SELECT s.nextval"),
    plain(b"SET sql_mode = ORACLE; SELECT test.s.nextval FROM u"),
    plain(b"SET sql_mode = ORACLE; SELECT s . /**/ NEXTVAL"),
    plain(b"SET sql_mode = /*!99999 '', @x= */ ORACLE; SELECT s./*M!100000 */nextval"),
    under("SET GLOBAL sql_mode = 'ORACLE'", b"SELECT s.nextval"),
    plain(b"SET @@sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT '\\', sneaky() -- '"),
    plain(b"SET @@character_set_client = gbk; SELECT '\xbf\\', sneaky() -- '"),
    plain(b"SET @@character_set_client = gbk\0SELECT '\xbf\\', sneaky() -- '"),
    plain(b"SET @@sql_mode = 'ANSI_QUOTES'\0SELECT 1 \"\\\", sneaky() -- \""),
];

const MYSQL: &[Attack] = &[
    plain(b"SET sql_mode = 'ANSI_QUOTES'\0SELECT 1 \"\\\", sneaky() -- \""),
    plain(b"SELECT asynchronous_connection_failover_add_managed('c', 'GroupReplication', 'g', 'h', 1, '', 80, 60)"),
    plain(b"SELECT group_replication_disable_member_action('mysql_disable_super_read_only_if_primary', 'AFTER_PRIMARY_ELECTION')"),
    plain(b"SELECT service_get_write_locks('a', 'b', 1)"),
    plain(b"SELECT keyring_key_generate('k', 'AES', 16)"),
    plain(b"SELECT innodb_set_open_files_limit(321)"),
];

#[tokio::test]
async fn nothing_is_written_on_a_mariadb_replica() {
    nothing_is_written(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn nothing_is_written_on_a_mysql_replica() {
    if let Some(cluster) = Cluster::mysql(1).await {
        nothing_is_written(cluster).await;
    }
}

async fn nothing_is_written(cluster: Cluster) {
    prepare(&cluster).await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    let own = if cluster.kind() == Kind::MariaDb { MARIADB } else { MYSQL };
    let mut through = Vec::new();
    for attack in BOTH.iter().chain(own) {
        cluster.replica(0).sql(attack.setting).await;
        readers_are(&proxy, 1).await;
        // Settings of a moment ago are known once another probe was answered.
        probed(&cluster, 1).await;
        let before = fingerprint(&cluster).await;
        let answers = said(&cluster, &proxy, attack).await;
        let after = fingerprint(&cluster).await;
        let changed: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
        if !changed.is_empty() {
            let text = attack.text.escape_ascii();
            through.push(format!("{}: {text}: {answers:?}: {changed:?}", attack.setting));
            repair(&cluster).await;
        }
        cluster.replica(0).sql(attack.back).await;
    }
    assert!(through.is_empty(), "written on a replica:\n{}", through.join("\n"));
}

/// What the session of an account that `read_only` does not bind is answered. A NUL parts texts.
async fn said(cluster: &Cluster, proxy: &Proxy, attack: &Attack) -> Vec<u16> {
    let mut raw = Raw::connect(proxy.ro).await.unwrap();
    let greeted = raw.greeting().await.unwrap();
    let mut login = response("super", "super", &greeted);
    login[8] = attack.collation;
    raw.send(1, &login).await.unwrap();
    loop {
        match raw.read().await.unwrap().1.first() {
            Some(0) => break,
            Some(1) => {}
            other => panic!("no login: {other:?}"),
        }
    }
    let name: &[u8] =
        if cluster.kind() == Kind::MariaDb { b"tx_read_only" } else { b"transaction_read_only" };
    let mut codes = Vec::new();
    for text in attack.text.split(|byte| *byte == 0) {
        let text = text.split(|byte| *byte == b'~').collect::<Vec<_>>().join(name);
        let mut payload = vec![3];
        payload.extend_from_slice(&text);
        if raw.send(0, &payload).await.is_err() {
            break;
        }
        codes.extend(results(&mut raw).await.iter().filter(|p| p.1[0] == 0xff).map(|p| error_code(&p.1)));
    }
    codes
}

/// Every packet of an answer to COM_QUERY, for a client without CLIENT_DEPRECATE_EOF.
pub async fn results(raw: &mut Raw) -> Vec<(u8, Vec<u8>)> {
    const MORE_RESULTS: u8 = 8;
    let mut packets: Vec<(u8, Vec<u8>)> = Vec::new();
    // EOF packets to come in this result: behind the columns, behind the rows.
    let mut due = 0;
    loop {
        let Ok(packet) = raw.read().await else { return packets };
        packets.push(packet);
        let payload = &packets[packets.len() - 1].1;
        let more = match (payload.first(), due) {
            (Some(0xff), _) => false,
            (Some(0), 0) => {
                // Neither the number of rows nor the insert id has more than a byte here.
                payload[3] & MORE_RESULTS != 0
            }
            (Some(0xfe), 1..) if payload.len() < 9 => {
                due -= 1;
                due > 0 || payload[3] & MORE_RESULTS != 0
            }
            (_, 0) => {
                due = 2;
                true
            }
            _ => true,
        };
        if !more {
            return packets;
        }
    }
}

async fn prepare(cluster: &Cluster) {
    let primary = cluster.primary();
    for server in cluster.servers() {
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1").await;
    }
    primary.sql("CREATE TABLE test.t (id INT PRIMARY KEY); INSERT INTO test.t VALUES (1), (2), (3)").await;
    primary.sql(r"CREATE TABLE test.u (`\` INT, v INT); INSERT INTO test.u VALUES (1, 1)").await;
    // Both say of themselves that they have nothing to do with data.
    let sneaky = "BEGIN SET GLOBAL long_query_time = 7; RETURN 1; END";
    primary.sql(&format!("CREATE FUNCTION test.sneaky() RETURNS INT NO SQL {sneaky}")).await;
    let name = if cluster.kind() == Kind::MariaDb { "tx_read_only" } else { "transaction_read_only" };
    let lift = format!("BEGIN SET SESSION {name} = 0; RETURN 1; END");
    primary.sql(&format!("CREATE FUNCTION test.lift() RETURNS INT NO SQL {lift}")).await;
    let body = "BEGIN INSERT INTO test.t VALUES (4); RETURN 1; END";
    primary.sql(&format!("CREATE FUNCTION test.f() RETURNS INT {body}")).await;
    primary
        .sql("CREATE FUNCTION test.tells() RETURNS INT READS SQL DATA RETURN (SELECT COUNT(*) FROM test.t)")
        .await;
    if cluster.kind() == Kind::MariaDb {
        primary.sql("CREATE SEQUENCE test.s").await;
    }
    cluster.wait_caught_up().await;
    if cluster.kind() == Kind::MySql {
        // What binds accounts with SUPER is off: nothing but the proxy stands between them and the replica.
        cluster.replica(0).sql("SET GLOBAL super_read_only = 0").await;
        // They may be there or not; that the proxy refuses them is the point.
        let _ = cluster.replica(0).try_sql("INSTALL PLUGIN keyring_udf SONAME 'keyring_udf.so'").await;
    }
}

async fn fingerprint(cluster: &Cluster) -> Vec<String> {
    let server = cluster.replica(0);
    let mut all = vec![server.gtid().await];
    let mut statements = vec![
        "SELECT id FROM test.t ORDER BY id",
        "SHOW GLOBAL VARIABLES LIKE 'long_query_time'",
        "SHOW GLOBAL VARIABLES LIKE '%read_only'",
        "SHOW GLOBAL VARIABLES LIKE 'innodb_open_files'",
    ];
    match cluster.kind() {
        Kind::MariaDb => statements.push("SELECT next_not_cached_value, cycle_count FROM test.s"),
        Kind::MySql => statements.extend([
            "SELECT COUNT(*) FROM mysql.replication_asynchronous_connection_failover_managed",
            "SELECT COUNT(*) FROM mysql.replication_group_configuration_version",
        ]),
    }
    for sql in statements {
        all.push(format!("{:?}", server.sql(sql).await));
    }
    all
}

/// So that one attack that gets through does not hide the next.
async fn repair(cluster: &Cluster) {
    let replica = cluster.replica(0);
    replica.sql("SET GLOBAL long_query_time = 10").await;
    let rows = "SET sql_log_bin = 0; DELETE FROM test.t; INSERT INTO test.t VALUES (1), (2), (3)";
    match cluster.kind() {
        Kind::MariaDb => replica.sql(rows).await,
        Kind::MySql => {
            replica.sql(&format!("SET GLOBAL super_read_only = 0; {rows}")).await;
            let sql =
                "SET sql_log_bin = 0; DELETE FROM mysql.replication_asynchronous_connection_failover_managed";
            replica.sql(sql).await
        }
    };
}

/// Texts of several statements, answered packet by packet as the server itself answers them.
const TEXTS: &[&str] = &[
    "SELECT 1",
    "SELECT 1;",
    "SELECT 1; ; ",
    "SELECT 1; SELECT 2",
    "SELECT 1; SELECT 2;",
    "SELECT 1 ; SELECT 2 ; DO 1 ; SELECT 3",
    "DO 1; DO 2; SELECT 3",
    "SELECT ';'; SELECT 1 /* ; */; SELECT `id;` FROM (SELECT 5 AS `id;`) x",
    "SELECT 1; SELECT * FROM nowhere; SELECT 2",
    "SELECT * FROM nowhere; SELECT 2",
    "SELECT id FROM t; SELECT id FROM t WHERE id > 1; SELECT id FROM t WHERE id > 5",
    ";SELECT 1",
    "SELECT 1;;SELECT 2",
    "SELECT 1; -- nothing more",
    "SELECT 1; /* nothing */; SELECT 2",
    "SET @a = 5; SELECT @a; SELECT @a + 1",
    "SELECT 'a'; SELECT CAST('x' AS SIGNED); SHOW WARNINGS",
    "BEGIN; SELECT id FROM t; COMMIT",
    "PREPARE p FROM 'SELECT 1; SELECT 2'; SELECT 1",
    "SET sql_mode = 'ANSI_QUOTES'; SELECT \"id\" FROM t; SET sql_mode = DEFAULT; SELECT \"id\" FROM t",
    r"SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT 1; SET sql_mode = DEFAULT",
    "SELECT 1; SELECT tells(); SELECT 2",
];

#[tokio::test]
async fn several_statements_are_answered_as_by_mariadb() {
    answered_alike(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn several_statements_are_answered_as_by_mysql() {
    if let Some(cluster) = Cluster::mysql(1).await {
        answered_alike(cluster).await;
    }
}

async fn answered_alike(cluster: Cluster) {
    prepare(&cluster).await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    // The first login to MySQL is not one of two packets.
    crate::support::connect(cluster.replica(0).port(), "app", "app", "test").await.unwrap();
    eventually("the servers' routines were read", async || {
        let answer = answer(proxy.ro, "SELECT tells()").await;
        (answer.len() > 1).then_some(())
    })
    .await;
    let mut different = Vec::new();
    for text in TEXTS {
        let direct = answer(cluster.replica(0).port(), text).await;
        let through = answer(proxy.ro, text).await;
        if direct != through {
            different.push(format!("{text}\n  server {direct:?}\n  proxy  {through:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    // Only what this session may do: COM_SET_OPTION switches several statements off, and on.
    for port in [cluster.replica(0).port(), proxy.ro] {
        let mut raw = Raw::app(port).await;
        assert_eq!(raw.command(0x1b, &[1, 0]).await.unwrap()[0], 0xfe);
        assert_eq!(error_code(&raw.query("SELECT 1; SELECT 2").await.unwrap()), 1064, "port {port}");
        assert_eq!(raw.command(0x1b, &[0, 0]).await.unwrap()[0], 0xfe);
        raw.send(0, b"\x03SELECT 1; SELECT 2").await.unwrap();
        assert_eq!(results(&mut raw).await.len(), 10, "port {port}");
    }
}

/// COM_SET_OPTION behind a statement that keeps the session on its connection changes that connection, which nobody else gets.
#[tokio::test]
async fn an_option_ends_with_its_session() {
    const OFF: &[u8] = &[1, 0];
    const ON: &[u8] = &[0, 0];
    for cluster in [Some(Cluster::mariadb(0).await), Cluster::mysql(0).await].into_iter().flatten() {
        let config = patient(&proxy_config(&cluster)) + "\n[limits]\nmax_server_connections = 2\n";
        let proxy = Proxy::start(&format!("workers = 1\n{config}")).await;
        crate::support::connect(cluster.primary().port(), "app", "app", "test").await.unwrap();
        for round in 0..3 {
            for (first, behind_warning) in [(None, OFF), (Some(OFF), ON)] {
                let own = async || {
                    let mut raw = Raw::app(proxy.rw).await;
                    if let Some(option) = first {
                        assert_eq!(raw.command(0x1b, option).await.unwrap()[0], 0xfe);
                    }
                    raw
                };
                let mut raw = own().await;
                raw.send(0, b"\x03SELECT CAST('x' AS SIGNED)").await.unwrap();
                results(&mut raw).await;
                assert_eq!(raw.command(0x1b, behind_warning).await.unwrap()[0], 0xfe);
                drop(raw);
                let mut next = own().await;
                next.send(0, b"\x03SELECT 1; SELECT 2").await.unwrap();
                let answer = results(&mut next).await;
                let refused = answer.first().is_some_and(|(_, payload)| payload.first() == Some(&0xff));
                assert_eq!(refused, first.is_some(), "{:?}, {round}, {first:?}: {answer:?}", cluster.kind());
            }
        }
    }
}

/// The packets, errors by their codes: their texts quote what stands behind. What the status says of indexes is
/// left out: behind the columns the server says it already, to a client that does not ask for it the proxy does not. So
/// is that the transaction is read-only, which it is on a port for replicas.
async fn answer(port: u16, text: &str) -> Vec<(u8, Vec<u8>)> {
    let mut raw = Raw::app(port).await;
    let mut payload = vec![3];
    payload.extend_from_slice(text.as_bytes());
    raw.send(0, &payload).await.unwrap();
    let mut packets = results(&mut raw).await;
    for (_, payload) in packets.iter_mut().filter(|(_, payload)| payload.first() == Some(&0xff)) {
        payload.truncate(9);
    }
    for (_, payload) in &mut packets {
        let status = match payload.as_slice() {
            [0xfe, _, _, _, _] => 3,
            [0, _, _, _, _, _, _] => 3,
            _ => continue,
        };
        payload[status] &= !0x30;
        payload[status + 1] &= !0x20;
    }
    packets
}
