//! Commands behind which bytes pass unread (COM_BINLOG_DUMP and its like): what a server refuses opens no way to that
//! server, and a stream that a server began carries nothing to it.

use crate::dialogue::raw::{Raw, error_code, framed};
use crate::dialogue::{patient, readers_are};
use crate::support::{Cluster, Kind, Proxy, proxy_config};
use tokio::io::AsyncWriteExt;

const BINLOG_DUMP: u8 = 0x12;
const TABLE_DUMP: u8 = 0x13;
const BINLOG_DUMP_GTID: u8 = 0x1e;
const CLONE: u8 = 0x20;
/// Commands that one of the servers has, or had, for servers among themselves.
const INTERNAL: [u8; 11] = [0x00, 0x0b, 0x0f, 0x10, 0x14, 0x1d, 0x21, 0xfb, 0xfc, 0xfd, 0xfe];

/// What a client sends that believes it speaks to the server itself.
const ATTACK: [&str; 3] = [
    "SET SESSION transaction_read_only = 0",
    "SET SESSION TRANSACTION READ WRITE",
    "INSERT INTO t VALUES (666)",
];

#[tokio::test]
async fn mariadb_a_refused_command_opens_nothing() {
    a_refused_command_opens_nothing(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_a_refused_command_opens_nothing() {
    if let Some(cluster) = Cluster::mysql(1).await {
        a_refused_command_opens_nothing(cluster).await;
    }
}

async fn a_refused_command_opens_nothing(cluster: Cluster) {
    cluster.primary().sql("CREATE TABLE test.t (v INT)").await;
    cluster.wait_caught_up().await;
    if cluster.kind() == Kind::MySql {
        // As on MariaDB, read_only does not bind the account `super`.
        cluster.server(1).sql("SET GLOBAL super_read_only = 0").await;
    }
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    for account in ["app", "super"] {
        for (command, argument) in refused() {
            for pipelined in [true, false] {
                let mut client = Raw::connect(proxy.ro).await.unwrap();
                client.login(account, account).await.unwrap();
                let what = format!("{account}, command {command:#x}, pipelined {pipelined}");
                attack(&mut client, &what, [&[command], argument.as_slice()].concat(), pipelined).await;
            }
        }
    }
    let asked = "SELECT COUNT(*) FROM test.t";
    for server in cluster.servers() {
        assert_eq!(server.value(asked).await, "0", "a row is on the server at {}", server.port());
    }
}

/// Commands and what they say, each of which every server refuses, sooner or later.
fn refused() -> Vec<(u8, Vec<u8>)> {
    let unknown_file = [&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], b"no-such-file.000001"].concat();
    let unknown_gtid_file =
        [&[0; 6][..], &19u32.to_le_bytes(), b"no-such-file.000001", &[4, 0, 0, 0, 0, 0, 0, 0]];
    let mut all = vec![
        (BINLOG_DUMP, unknown_file),
        (BINLOG_DUMP, Vec::new()),
        (BINLOG_DUMP_GTID, unknown_gtid_file.concat()),
        (BINLOG_DUMP_GTID, Vec::new()),
        (TABLE_DUMP, b"\x04test\x01t".to_vec()),
        (CLONE, Vec::new()),
    ];
    all.extend(INTERNAL.map(|command| (command, Vec::new())));
    all
}

/// The command, and behind it what the server would execute if it got it.
async fn attack(client: &mut Raw, what: &str, command: Vec<u8>, pipelined: bool) {
    let texts = ATTACK.map(|sql| framed(0, &[b"\x03", sql.as_bytes()].concat()));
    let mut bytes = framed(0, &command);
    if pipelined {
        bytes.extend(texts.concat());
        client.stream.write_all(&bytes).await.unwrap();
    } else {
        client.stream.write_all(&bytes).await.unwrap();
    }
    // The end of the connection is an answer, too.
    let Ok((_, answer)) = client.read().await else { return };
    assert_ne!(error_code(&answer), 0, "{what}: {}", answer.escape_ascii());
    for (sql, text) in ATTACK.iter().zip(&texts) {
        if !pipelined && client.stream.write_all(text).await.is_err() {
            return;
        }
        let Ok((_, answer)) = client.read().await else { return };
        let said = answer.escape_ascii();
        // What pools say to every connection is answered by the proxy, and changes nothing.
        let expected = if *sql == ATTACK[1] { [0, 1290] } else { [1290, 1290] };
        assert!(expected.contains(&error_code(&answer)), "{what}: {sql}: {said}");
    }
}

/// Nothing that a client sends reaches a server through a stream that the server began; the stream itself is whole.
#[tokio::test]
async fn mariadb_a_stream_carries_events_only() {
    a_stream_carries_events_only(Cluster::mariadb(1).await).await;
}

#[tokio::test]
async fn mysql_a_stream_carries_events_only() {
    if let Some(cluster) = Cluster::mysql(1).await {
        a_stream_carries_events_only(cluster).await;
    }
}

async fn a_stream_carries_events_only(cluster: Cluster) {
    cluster.primary().sql("CREATE TABLE test.t (v INT)").await;
    cluster.wait_caught_up().await;
    let proxy = Proxy::start(&patient(&proxy_config(&cluster))).await;
    readers_are(&proxy, 1).await;
    let file = cluster.server(1).sql("SHOW BINARY LOGS").await[0][0].clone().expect("a binary log");
    let dump = |flags: u8| [&[BINLOG_DUMP, 4, 0, 0, 0, flags, 0, 0, 0, 0, 0][..], file.as_bytes()].concat();
    let checksum = "SET @master_binlog_checksum = 'NONE', @source_binlog_checksum = 'NONE'";
    for port in [proxy.ro, proxy.rw] {
        // BINLOG_DUMP_NON_BLOCK: the server ends the stream with an EOF packet.
        let mut client = Raw::connect(port).await.unwrap();
        client.login("super", "super").await.unwrap();
        assert_eq!(error_code(&client.query(checksum).await.unwrap()), 0);
        client.send(0, &dump(1)).await.unwrap();
        let mut events = 0;
        loop {
            let (_, packet) = client.read().await.unwrap();
            match packet.first() {
                Some(0) => events += 1,
                Some(0xfe) => break,
                _ => panic!("{}", packet.escape_ascii()),
            }
        }
        assert!(events > 2, "{events} events");
        assert_eq!(client.rest().await, b"", "the session ends with its stream");
        // Without it, more may come at any time.
        let mut client = Raw::connect(port).await.unwrap();
        client.login("super", "super").await.unwrap();
        assert_eq!(error_code(&client.query(checksum).await.unwrap()), 0);
        let write = framed(0, b"\x03INSERT INTO test.t VALUES (666)");
        client.stream.write_all(&[framed(0, &dump(0)), write].concat()).await.unwrap();
        let (_, packet) = client.read().await.unwrap();
        assert_eq!(packet.first(), Some(&0), "an event: {}", packet.escape_ascii());
        client.rest().await;
    }
    for server in cluster.servers() {
        assert_eq!(server.value("SELECT COUNT(*) FROM test.t").await, "0");
    }
}
